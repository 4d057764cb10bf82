"""The sidebar of both sites: what the person acting may open, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.dataclasses import SearchResult

from brands.models import Brand, Store
from brands.views import places
from brands.wall.request import GroupRequest
from tenants.roles import Level

# The palette is for going to a place one knows: more than these are no answer.
HOMES_FOUND = 10


@dataclass(frozen=True)
class Link:
    """Be one line of the sidebar: shown to those who hold the permission at one of the levels."""

    title: str | Promise
    icon: str
    view: str
    permission: str = ""
    levels: frozenset[Level] = frozenset(Level)
    # Pages that belong to the link besides those below its own address.
    also_at: str = ""


_HQ_AND_UNIT = frozenset({Level.GROUP, Level.UNIT})

GROUP: list[tuple[str | Promise, list[Link]]] = [
    (
        _("Overview"),
        [
            Link(
                _("Group"), "hub", "brands:group", "brands.view_dashboard", _HQ_AND_UNIT, "/brands/"
            ),
            Link(
                _("Brand"),
                "storefront",
                "brands:home",
                "brands.view_dashboard",
                frozenset({Level.BRAND}),
                also_at="/brands/",
            ),
            Link(
                _("Store"),
                "store",
                "brands:home",
                "brands.view_dashboard",
                frozenset({Level.STORE}),
                also_at="/stores/",
            ),
            Link(_("Members"), "group", "members:list", "members.view_profile"),
            Link(_("Segments"), "filter_alt", "members:segments", "members.view_segment"),
            Link(_("Tags"), "sell", "members:tags", "members.view_tag"),
            Link(_("Strata"), "stacks", "members:strata", "members.view_stratumrule"),
            Link(_("Overlap"), "join_inner", "members:overlap", "members.view_overlap"),
            Link(
                pgettext_lazy("page", "Persons"),
                "diversity_3",
                "members:persons",
                "members.unmerge",
            ),
            Link(_("Imports"), "upload_file", "members:imports", "members.view_importjob"),
            Link(_("Exports"), "download", "members:exports", "members.export_profile"),
        ],
    ),
    (
        _("Sharing"),
        [
            Link(_("Mode"), "water_lock", "brands:mode", "brands.view_modechange"),
            Link(_("Who sees what"), "visibility", "brands:visibility", "brands.view_modechange"),
            Link(
                _("Sharing record"),
                "description",
                "brands:sharing_records",
                "brands.view_sharingrecord",
            ),
            Link(
                _("Look as someone else"), "supervisor_account", "brands:view_as", "tenants.view_as"
            ),
            Link(_("Notices"), "contract", "brands:notices", "brands.view_notice"),
            Link(_("Consents"), "how_to_reg", "members:consents", "brands.view_notice"),
            Link(_("Persons' rights"), "gavel", "members:rights", "members.view_personrequest"),
            Link(_("Retention"), "auto_delete", "members:retention", "members.view_retentionrule"),
        ],
    ),
    (
        _("Hierarchy"),
        [
            Link(_("Tree"), "account_tree", "brands:hierarchy", "brands.view_brand"),
            Link(
                _("Business units"),
                "lan",
                "admin:brands_businessunit_changelist",
                "brands.view_businessunit",
            ),
            Link(_("Brands"), "sell", "admin:brands_brand_changelist", "brands.view_brand"),
            Link(_("Stores"), "store", "admin:brands_store_changelist", "brands.view_store"),
            Link(_("Guides"), "badge", "admin:brands_guide_changelist", "brands.view_guide"),
            Link(
                _("Channel accounts"),
                "cell_tower",
                "admin:brands_channelaccount_changelist",
                "brands.view_channelaccount",
            ),
        ],
    ),
    (
        _("Access"),
        [
            Link(_("Grants"), "key", "admin:tenants_grant_changelist", "tenants.view_grant"),
            Link(_("Contact data"), "lock_person", "members:contact_data", "members.guard_contact"),
            Link(_("API tokens"), "vpn_key", "tokens", "tenants.view_apitoken"),
            Link(
                _("Audit"),
                "history",
                "admin:tenants_auditevent_changelist",
                "tenants.view_auditevent",
            ),
        ],
    ),
]

PLATFORM: list[tuple[str | Promise, list[Link]]] = [
    (
        _("Platform"),
        [
            Link(_("Clients"), "apartment", "landing"),
            Link(_("Groups"), "domain", "admin:tenants_tenant_changelist", "tenants.view_tenant"),
            Link(_("Hosts"), "dns", "admin:tenants_domain_changelist", "tenants.view_domain"),
        ],
    ),
    (
        _("Access"),
        [
            Link(_("People"), "person", "admin:tenants_user_changelist", "tenants.view_user"),
            Link(_("Grants"), "key", "admin:tenants_grant_changelist", "tenants.view_grant"),
            Link(
                _("Providers"),
                "handshake",
                "admin:tenants_serviceprovider_changelist",
                "tenants.view_serviceprovider",
            ),
            Link(
                _("Engagements"),
                "assignment",
                "admin:tenants_engagement_changelist",
                "tenants.view_engagement",
            ),
            Link(
                _("Audit"),
                "history",
                "admin:tenants_auditevent_changelist",
                "tenants.view_auditevent",
            ),
        ],
    ),
]


def sidebar(request: GroupRequest) -> list[dict[str, Any]]:
    """Return the links that the person acting may open."""
    sections = GROUP if request.tenant else PLATFORM
    filled = ((title, list(_items(request, links))) for title, links in sections)
    return [{"title": title, "items": items} for title, items in filled if items]


def search(request: GroupRequest, term: str) -> list[SearchResult]:
    """Return the pages, and the homes of brands and stores, whose name holds TERM."""
    wanted = term.casefold()
    pages = [
        SearchResult(
            title=str(item["title"]),
            description=str(section["title"]),
            link=item["link"],
            icon=item["icon"],
        )
        for section in sidebar(request)
        for item in section["items"]
        if wanted in f"{item['title']} {section['title']}".casefold()
    ]
    return [*pages, *_homes(request, term)] if request.tenant else pages


def _homes(request: GroupRequest, term: str) -> list[SearchResult]:
    """Return the homes of brands and stores that the person may open."""
    if not request.user.has_perm(places.MAY_SEE):
        return []
    named = Q(name__icontains=term) | Q(code__icontains=term)
    visible = request.visible
    open_brands = [pk for pk in visible.modes if places.opens_brand(visible, pk)]
    brands = Brand.objects.filter(named, pk__in=open_brands)[:HOMES_FOUND]
    stores = Store.objects.filter(
        named, Q(brand_id__in=open_brands) | Q(pk__in=visible.viewer.stores)
    ).select_related("brand")[:HOMES_FOUND]
    return [
        *(
            SearchResult(
                one.name, str(_("Brand")), reverse("brands:brand", args=[one.code]), "sell"
            )
            for one in brands
        ),
        *(
            SearchResult(one.name, one.brand.name, reverse("brands:store", args=[one.pk]), "store")
            for one in stores
            if places.opens_store(visible, one)
        ),
    ]


def _items(request: GroupRequest, links: list[Link]) -> Iterator[dict[str, Any]]:
    for link in links:
        if Level(request.grant.level) not in link.levels:
            continue
        if link.permission and not request.user.holds(link.permission):
            continue
        address = reverse(link.view, urlconf=getattr(request, "urlconf", None))
        yield {
            "title": link.title,
            "icon": link.icon,
            "link": address,
            "active": any(_is_below(request.path, one) for one in (address, link.also_at) if one),
        }


def _is_below(path: str, address: str) -> bool:
    return path == address or (address != "/" and path.startswith(address))
