"""The one table of roles and what each may do."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a grant lets its holder be."""

    PLATFORM_OPERATOR = "platform_operator", _("Platform operator")
    PROVIDER_OPERATOR = "provider_operator", _("Service provider operator")
    HQ_ADMIN = "hq_admin", _("HQ admin")
    HQ_ANALYST = "hq_analyst", _("HQ analyst")
    UNIT_MANAGER = "unit_manager", _("Business unit manager")
    BRAND_MANAGER = "brand_manager", _("Brand manager")
    STORE_MANAGER = "store_manager", _("Store manager")
    GUIDE = "guide", _("Guide")


class Level(models.TextChoices):
    """Where in the hierarchy a grant reaches."""

    PLATFORM = "platform", _("Platform")
    PROVIDER = "provider", _("Service provider")
    GROUP = "group", _("Group")
    UNIT = "unit", _("Business unit")
    BRAND = "brand", _("Brand")
    STORE = "store", _("Store")


# Which levels a role may be granted at.
LEVELS: dict[Role, frozenset[Level]] = {
    Role.PLATFORM_OPERATOR: frozenset({Level.PLATFORM}),
    Role.PROVIDER_OPERATOR: frozenset({Level.PROVIDER}),
    Role.HQ_ADMIN: frozenset({Level.GROUP}),
    Role.HQ_ANALYST: frozenset({Level.GROUP}),
    Role.UNIT_MANAGER: frozenset({Level.UNIT}),
    Role.BRAND_MANAGER: frozenset({Level.BRAND}),
    Role.STORE_MANAGER: frozenset({Level.STORE}),
    Role.GUIDE: frozenset({Level.STORE}),
}

HQ_ROLES = frozenset({Role.HQ_ADMIN, Role.HQ_ANALYST})
PLATFORM_ROLES = frozenset({Role.PLATFORM_OPERATOR, Role.PROVIDER_OPERATOR})


def _model(app: str, *names: str, actions: str = "view add change delete") -> frozenset[str]:
    return frozenset(f"{app}.{action}_{name}" for name in names for action in actions.split())


_HIERARCHY = _model("brands", "businessunit", "brand", "store", "guide", "channelaccount")
_VIEW_HIERARCHY = _model(
    "brands", "businessunit", "brand", "store", "guide", "channelaccount", actions="view"
)
_OWN_STORES = _model("brands", "store", "guide", "channelaccount")
_READ = frozenset({"members.view_profile", "members.view_order", "brands.view_dashboard"})
# Whose contact data, the wall says; an HQ analyst sees none.
_REVEAL = "members.reveal_contact"
_IMPORTS = frozenset({"members.view_importjob", "members.add_importjob"})
# What people ask of their own data; HQ alone decides for how long rows are kept.
_RIGHTS = frozenset(
    {
        "members.view_personrequest",
        "members.add_personrequest",
        "members.view_retentionrule",
    }
)
# Tokens for programs that act under one's own grant.
_TOKENS = _model("tenants", "apitoken", actions="view add")


def is_reading(permission: str) -> bool:
    """Tell whether a permission is for looking at something, and for nothing that acts."""
    return permission.partition(".")[2].startswith("view_")


# Seeing rows is the wall's business; these say which acts and pages a role has at all.
PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.PLATFORM_OPERATOR: frozenset(
        {
            *_model(
                "tenants", "tenant", "domain", "user", "grant", "serviceprovider", "engagement"
            ),
            "tenants.provision_tenant",
            "tenants.view_auditevent",
        }
    ),
    Role.PROVIDER_OPERATOR: frozenset({"tenants.view_tenant", "tenants.view_engagement"}),
    Role.HQ_ADMIN: frozenset(
        {
            *_HIERARCHY,
            *_READ,
            _REVEAL,
            *_model("tenants", "grant"),
            *_model("brands", "notice", actions="view add change"),
            "brands.view_modechange",
            "brands.add_modechange",
            "brands.view_modedraft",
            "tenants.view_as",
            "members.guard_contact",
            "brands.view_sharingrecord",
            "brands.add_sharingrecord",
            *_TOKENS,
            "members.unmerge",
            "members.view_identityrule",
            "members.change_identityrule",
            *_RIGHTS,
            "members.add_retentionrule",
            "members.view_overlap",
            "members.view_stratumrule",
            "members.add_stratumrule",
            "members.view_segment",
            "members.view_tag",
            "members.add_segment",
            "members.add_tag",
            "members.export_profile",
            "members.view_importjob",
            "members.add_consent",
            "members.view_consent",
            "tenants.view_auditevent",
        }
    ),
    Role.HQ_ANALYST: frozenset(
        {
            *_VIEW_HIERARCHY,
            *_READ,
            "brands.view_modechange",
            "brands.view_modedraft",
            "brands.view_notice",
            "brands.view_sharingrecord",
            "members.view_overlap",
            "members.view_stratumrule",
            "members.view_segment",
            "members.view_tag",
            "members.export_profile",
        }
    ),
    Role.UNIT_MANAGER: frozenset(
        {
            *_VIEW_HIERARCHY,
            *_OWN_STORES,
            *_READ,
            _REVEAL,
            *_IMPORTS,
            *_TOKENS,
            "members.unmerge",
            *_RIGHTS,
            "members.view_overlap",
            "members.view_stratumrule",
            "members.add_stratumrule",
            "members.view_segment",
            "members.view_tag",
            "members.add_segment",
            "members.add_tag",
            "members.export_profile",
            "brands.view_modechange",
            "brands.view_notice",
            "members.add_consent",
            "brands.view_sharingrecord",
            "brands.add_sharingrecord",
            "members.view_consent",
        }
    ),
    Role.BRAND_MANAGER: frozenset(
        {
            *_VIEW_HIERARCHY,
            *_OWN_STORES,
            *_READ,
            _REVEAL,
            *_IMPORTS,
            *_TOKENS,
            "members.unmerge",
            *_RIGHTS,
            "members.view_overlap",
            "members.view_stratumrule",
            "members.add_stratumrule",
            "members.view_segment",
            "members.view_tag",
            "members.add_segment",
            "members.add_tag",
            "members.export_profile",
            "brands.view_modechange",
            "brands.view_notice",
            "members.add_consent",
            "brands.view_sharingrecord",
            "brands.add_sharingrecord",
            "members.view_consent",
        }
    ),
    Role.STORE_MANAGER: _READ
    | _model("brands", "businessunit", "brand", "store", "guide", actions="view")
    | {"members.export_profile", _REVEAL},
    Role.GUIDE: _READ | {_REVEAL},
}
