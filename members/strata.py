"""Whose rule gives a member's stratum, and whose orders may count for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Count, Max
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brands.changes.registry import Affected
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall.visibility import Kind, NoticeTerms
from members.models import (
    BrandStratumRule,
    GroupStratumRule,
    Profile,
    StrataState,
    StratumThresholds,
)


class Owner(StrEnum):
    """Whose rule it is, and over what it looks."""

    # The group's, over the whole person.
    PERSON = "P"
    # The group's, inside each brand.
    GROUP = "G"
    BRAND = "B"


@dataclass(frozen=True)
class Source:
    """Be what gave a stratum: whose rule, and the version's number; a profile keeps it as text."""

    owner: Owner
    rule_id: int

    def __str__(self) -> str:
        return f"{self.owner}{self.rule_id}"


_OWNERS = {
    Mode.FAN_MAX: Owner.PERSON,
    Mode.MEMBER_MAX: Owner.GROUP,
    Mode.BRAND_MAX: Owner.BRAND,
}

OWNERS: dict[Owner, Promise] = {
    Owner.PERSON: gettext_lazy("the group's rule over the whole person"),
    Owner.GROUP: gettext_lazy("the group's rule inside the brand"),
    Owner.BRAND: gettext_lazy("the brand's own rule"),
}


def rule_owner(mode: Mode) -> Owner:
    """Return whose rule is in force in a brand of this effective mode."""
    return _OWNERS[mode]


@dataclass(frozen=True)
class Rules:
    """Hold the newest version of every rule, as far as the open scope shows them."""

    group: GroupStratumRule | None
    brands: Mapping[int, BrandStratumRule]

    def in_force(self, brand_id: int, mode: Mode) -> StratumThresholds | None:
        """Return the rule of a brand in this mode; None where its owner has made none."""
        if rule_owner(mode) is Owner.BRAND:
            return self.brands.get(brand_id)
        return self.group

    def source(self, brand_id: int, mode: Mode) -> Source | None:
        """Return what gives the strata of a brand in this mode; None where nothing does."""
        rule = self.in_force(brand_id, mode)
        return Source(rule_owner(mode), rule.pk) if rule else None


def rules_now() -> Rules:
    """Return the newest version of every rule that the open scope shows."""
    # A row with a store is one that no page writes: a store has no rule.
    own = BrandStratumRule.objects.filter(store=None, notice=None)
    newest = own.order_by().values("brand_id").annotate(newest=Max("pk")).values("newest")
    return Rules(
        group=GroupStratumRule.objects.order_by("-pk").first(),
        brands={rule.brand_id: rule for rule in own.filter(pk__in=newest)},
    )


def may_count(
    own_brand: int, own: NoticeTerms | None, other: NoticeTerms | None, *, notices_differ: bool
) -> bool:
    """Tell whether a person's orders in another brand may count in this brand's stratum.

    OWN and OTHER are the notices in force that the person's rows of the two brands carry. Whoever
    may read the row here must be allowed to read the row there: this brand, and everybody to whom
    the notice here opens it. Otherwise the stratum would tell them of orders that they must not
    know of.
    """
    if other is None or Kind.PROFILE not in other.kinds or own_brand not in other.brands:
        return False
    if not notices_differ or own is None or Kind.PROFILE not in own.kinds:
        return True
    return own.brands <= other.brands | {own_brand} and (other.names_group or not own.names_group)


def counted_pairs(
    brands: Iterable[int], notices: Iterable[NoticeTerms]
) -> list[tuple[int, int, int]]:
    """Return (brand, notice here, notice elsewhere) for which `may_count`; 0 for no notice here."""
    given = list(notices)
    return [
        (brand, own.id if own else 0, other.id)
        for brand in sorted(brands)
        for own in [None, *given]
        for other in given
        if may_count(brand, own, other, notices_differ=own is not other)
    ]


@dataclass(frozen=True)
class Basis:
    """Be all that strata rest on beside members and days: rules in force, modes, notices."""

    rules: Rules
    modes: Mapping[int, Mode]
    notices: tuple[NoticeTerms, ...]

    @property
    def sources(self) -> dict[int, Source]:
        """Return brand → what gives its strata, without the brands that have none."""
        found = {brand: self.rules.source(brand, mode) for brand, mode in self.modes.items()}
        return {brand: source for brand, source in found.items() if source}

    @property
    def whole(self) -> list[int]:
        """Return the brands whose strata look at the whole person."""
        return [pk for pk, source in self.sources.items() if source.owner is Owner.PERSON]

    @property
    def digest(self) -> str:
        """Return what differs whenever anybody's stratum may; "" where nobody has any."""
        sources = sorted((brand, str(source)) for brand, source in self.sources.items())
        if not sources:
            return ""
        text = repr((sources, self.terms))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def terms(self) -> str:
        """Return what differs whenever other orders may count in the whole person; "" for none.

        Nothing in it is hidden from anybody, so whoever reads a stratum can tell that it is old.
        """
        if not self.whole:
            return ""
        notices = [
            (one.id, one.names_group, sorted(one.brands), sorted(map(str, one.kinds)))
            for one in sorted(self.notices, key=lambda one: one.id)
        ]
        return hashlib.sha256(repr((sorted(self.whole), notices)).encode()).hexdigest()


def basis_now() -> Basis:
    """Return what strata rest on now; all of it in a bulk scope alone, where every rule is seen."""
    return Basis(rules_now(), effective_modes(), tuple(notice_terms()))


@dataclass(frozen=True)
class Former:
    """Tell whether a stratum is still by what held before, as far as the open scope can know.

    A viewer who may not read the brand's own rule is told of another owner, not of an older
    version.
    """

    rules: Rules
    modes: Mapping[int, Mode]
    # Other brands, or other notices, than when strata over the whole person were worked out.
    is_shifted: bool

    def marks(self, source: str, brand_id: int) -> bool:
        """Tell whether what gave a stratum in this brand is not what would give it now."""
        if not source:
            return False
        mode = self.modes[brand_id]
        if source[0] != rule_owner(mode):
            return True
        if source[0] == Owner.PERSON and self.is_shifted:
            return True
        now = self.rules.source(brand_id, mode)
        return now is not None and source != str(now)


def formers_now() -> Former:
    """Return what tells strata of before from those of today."""
    basis, state = basis_now(), state_now()
    is_shifted = state is not None and basis.terms != state.terms
    return Former(basis.rules, basis.modes, is_shifted)


def owner_words(source: str) -> str:
    """Return whose rule gave a stratum; "" where there is none."""
    return str(OWNERS[Owner(source[0])]) if source else ""


def state_now() -> StrataState | None:
    """Return by what all strata were worked out last."""
    return StrataState.objects.filter(pk=StrataState.ONLY).first()


def affected_rules(before: Mapping[int, Mode], after: Mapping[int, Mode]) -> Iterator[Affected]:
    """Yield, for a preview, the brands whose members get another stratum, and by whose rule."""
    rules = rules_now()
    if rules.group is None and not rules.brands:
        return
    moved = [pk for pk, mode in after.items() if mode is not before.get(pk, mode)]
    # Orders of brands that join or leave the whole person count, or no longer, in those that stay.
    shifts = any(Mode.FAN_MAX in (before[pk], after[pk]) for pk in moved)
    stays = [
        pk
        for pk, mode in after.items()
        if pk not in moved and mode is Mode.FAN_MAX and shifts and rules.group
    ]
    rows = Profile.objects.filter(brand_id__in=[*moved, *stays]).order_by().values("brand_id")
    counts = dict(rows.annotate(number=Count("pk")).values_list("brand_id", "number"))
    for pk in moved:
        text = _("From %(before)s to %(after)s; strata are marked until they are worked out anew.")
        words = text % {
            "before": OWNERS[rule_owner(before[pk])],
            "after": OWNERS[rule_owner(after[pk])],
        }
        if rules.in_force(pk, after[pk]) is None:
            words += " " + _("That rule is not written yet: nobody will have a stratum.")
        yield Affected(counts.get(pk, 0), words, pk, is_people=True)
    for pk in stays:
        yield Affected(
            counts.get(pk, 0),
            _("Orders of other brands count in these strata, and those brands are not the same."),
            pk,
            is_people=True,
        )
