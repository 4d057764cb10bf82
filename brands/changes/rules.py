"""Say whose rules are, in each mode, and which change owner with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from brands.modes import Mode

RULES: dict[str, str | Promise] = {
    "strata": _("Stratification rule"),
    "benefits": _("Tiers and benefits"),
    "playbooks": _("Playbooks"),
    "entry": _("Entry"),
}
OWNERS: dict[Mode, dict[str, str | Promise]] = {
    Mode.FAN_MAX: {
        "strata": _("one, by HQ, over the whole person"),
        "benefits": _("HQ's, for all"),
        "playbooks": _("HQ's, for all"),
        "entry": _("one mini-program of the group, the brands inside"),
    },
    Mode.MEMBER_MAX: {
        "strata": _("one, by HQ, applied inside each brand"),
        "benefits": _("HQ publishes, the brand fills in the allowed slots"),
        "playbooks": _("HQ publishes, the brand adopts"),
        "entry": _("the brand's own mini-program"),
    },
    Mode.BRAND_MAX: {
        "strata": _("the brand's own"),
        "benefits": _("the brand's own"),
        "playbooks": _("the brand's own"),
        "entry": _("the brand's own mini-program and site"),
    },
}


@dataclass(frozen=True)
class Handover:
    """Be the rules of some brands that go the same way from one owner to another."""

    brands: tuple[str, ...]
    # Rule, whose it was, whose it will be.
    rules: tuple[tuple[str | Promise, str | Promise, str | Promise], ...]


def handovers(
    moved: Iterable[int], names: Mapping[int, str], before: Mapping[int, Mode], after: Mapping
) -> list[Handover]:
    """Return which rules get another owner, the brands that change alike together."""
    alike: dict[tuple[Mode, Mode], list[str]] = defaultdict(list)
    for brand in moved:
        alike[before[brand], after[brand]].append(names[brand])
    return [
        Handover(
            tuple(brands),
            tuple((label, OWNERS[was][name], OWNERS[will][name]) for name, label in RULES.items()),
        )
        for (was, will), brands in alike.items()
    ]
