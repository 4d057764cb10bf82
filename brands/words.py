"""Say in words what the wall decides: kinds of data, how much is seen, and why."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from brands.wall.visibility import Kind, Reason, Sight

KINDS = {
    Kind.METRICS: _("Figures"),
    Kind.PROFILE: _("Profiles"),
    Kind.CONTACT: _("Contact data"),
    Kind.MASKED: _("Masked contact data"),
    Kind.ACTIVITY: _("Orders"),
}

SIGHTS = {
    Sight.ALL: _("All"),
    Sight.OWN_STORES: _("Own stores"),
    Sight.CONSENTED: _("People who agreed"),
    Sight.SUPPRESSED: _("Without small cells"),
    Sight.AVERAGES: _("Averages"),
    Sight.NONE: _("Nothing"),
}

# Which colour a sight has on screen.
TONES = {
    Sight.ALL: "good",
    Sight.OWN_STORES: "good",
    Sight.CONSENTED: "accent",
    Sight.SUPPRESSED: "warn",
    Sight.AVERAGES: "warn",
    Sight.NONE: "",
}

# From nothing to all: a change upwards opens, a change downwards closes.
RANKS = {
    Sight.NONE: 0,
    Sight.AVERAGES: 1,
    Sight.SUPPRESSED: 2,
    Sight.CONSENTED: 3,
    Sight.OWN_STORES: 4,
    Sight.ALL: 5,
}

REASONS = {
    Reason.OWN_BRAND: _("A brand's own people see all of it, in every mode."),
    Reason.OWN_STORE: _("A store's people see their own store, in every mode."),
    Reason.CONTACT_NOT_ENGAGED: _("The service provider's contract does not include contact data."),
    Reason.ROLE_WITHOUT_CONTACT: _("This role never handles contact data."),
    Reason.STORE_SEES_ITS_OWN: _("A store's people see no other brand."),
    Reason.HQ_FAN_MAX: _(
        "The brand is fan-maximizing: HQ sees its figures, and the people who agreed to a notice "
        "that names the group."
    ),
    Reason.HQ_MEMBER_MAX: _(
        "The brand is member-maximizing: HQ sees figures and profiles without names, no contact "
        "data and no orders."
    ),
    Reason.HQ_BRAND_MAX: _(
        "The brand is brand-maximizing: HQ sees figures without small cells, and no person."
    ),
    Reason.SIBLINGS_FAN_MAX: _(
        "Both brands are fan-maximizing: each sees the other's figures, and the people who agreed "
        "to a notice that names it; contact data masked."
    ),
    Reason.VIEWER_NOT_FAN_MAX: _(
        "Only one of the two brands is fan-maximizing: sharing needs both ends."
    ),
    Reason.SIBLING_MEMBER_MAX: _(
        "The brand is member-maximizing: other brands see the group's averages only."
    ),
    Reason.SIBLING_BRAND_MAX: _("The brand is brand-maximizing: other brands see nothing of it."),
    Reason.NO_NOTICE: _("No notice in force names this recipient and this kind of data."),
    Reason.NO_GRANT: _("There is no grant for this."),
    Reason.NOT_IN_TOKEN: _("The token may not be used for this kind of data."),
}

# What a link of a chain of reasons is about, by brands.wall.reasons.Step.
STEPS = {
    "grant": _("Grant"),
    "look": _("Look"),
    "contract": _("Contract"),
    "left": _("Left the group"),
    "mode": _("Mode"),
    "notice": _("Notice"),
    "consent": _("Consent"),
    "rule": _("So"),
}
