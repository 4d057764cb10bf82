"""Say, for a preview, which saved segments gain or lose members by another mode.

A segment is what its owner sees of what it asks for: HQ where it is the group's, else the brand's
people. One grouped scan counts all of them by brand and notice, and the wall's own table says for
both worlds which of these groups the owner is shown.

A preview is HQ's, and whoever writes filters could ask by it about one member at a time. So only
members of brands all of whose profiles HQ reads today are counted. Of a brand that is in brand-max
HQ is not told of segments either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.utils.translation import gettext as _

from brands.changes.differences import Rows, Side, shows
from brands.changes.registry import Affected
from brands.models import Brand
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall.visibility import Cell, Kind, NoticeTerms, Sight, decide
from members.models import BrandSegment, GroupSegment, Profile
from members.segments import Filter, Segment, in_words
from members.strata import rule_owner
from tenants.wording import listed

Modes = Mapping[int, Mode]
_ROWLESS = frozenset({Sight.NONE, Sight.AVERAGES})
# Counted in one scan; more filters than these make it slow.
_BATCH = 100
# Named one by one; beyond these the preview gives their number.
NAMED = 30


@dataclass(frozen=True)
class _View:
    """Be what one owner sees of every brand's members, in both worlds."""

    before: Mapping[int, Cell]
    after: Mapping[int, Cell]

    @property
    def changed(self) -> set[int]:
        """Return the brands of which the owner is shown other members."""
        return {
            pk
            for pk, cell in self.after.items()
            if (cell.sight, cell.notices) != (self.before[pk].sight, self.before[pk].notices)
        }

    @classmethod
    def of(
        cls, owner: int | None, before: Modes, after: Modes, notices: Sequence[NoticeTerms]
    ) -> _View:
        """Return what the people of a brand, or HQ, see in both worlds."""
        viewer = Side(owner).viewer
        worlds = [
            {pk: decide(viewer, pk, Kind.PROFILE, modes, notices) for pk in after}
            for modes in (before, after)
        ]
        return cls(*worlds)


@dataclass(frozen=True)
class _Changed:
    """Be a segment whose members, or their strata, are others."""

    segment: Segment
    view: _View
    # Brands whose members are in it, before or after, and not counted by the preview.
    uncounted: tuple[int, ...]
    # Whether there are brands whose members are counted.
    is_counted: bool
    # Whether others may come or go than those that are counted.
    may_move: bool
    has_new_strata: bool

    @property
    def owner(self) -> int | None:
        """Return the brand that it belongs to; None for the group."""
        return self.segment.brand_id if isinstance(self.segment, BrandSegment) else None


def affected_segments(before: Modes, after: Modes) -> Iterator[Affected]:
    """Yield the segments that gain or lose members, the number of them first."""
    notices = notice_terms()
    closed = frozenset(pk for pk, mode in effective_modes().items() if mode is Mode.BRAND_MAX)
    names = dict(Brand.objects.values_list("pk", "name"))
    owners: list[int | None] = [None, *after]
    views = {owner: _View.of(owner, before, after, notices) for owner in owners}
    # HQ reads the members of these one by one; of others it would ask by its filters.
    counted = _read_in_full(after, notices)
    found = list(_changed(views, before, after, closed, counted))
    lines = []
    for one, (was, will, moved) in zip(found, _counts(found, counted), strict=True):
        if moved or one.may_move or one.has_new_strata:
            lines.append(
                Affected(
                    was if one.is_counted else None,
                    _words(one, names),
                    one.owner,
                    is_people=True,
                    after=will if one.is_counted else None,
                )
            )
    if lines:
        words = _("gain or lose members, or get them by other strata. Counted is what each owner")
        yield Affected(len(lines), words + " " + _("sees, before and after."))
    yield from lines[:NAMED]
    if len(lines) > NAMED:
        yield Affected(len(lines) - NAMED, _("more, which are not named here"))
    for brand in sorted(closed & views.keys()):
        # Said whether or not the brand has any segment.
        if views[brand].changed:
            words = _("The brand's own segments, if it has any: HQ reads and counts none of them.")
            yield Affected(None, words, brand)


def _read_in_full(brands: Iterable[int], notices: Sequence[NoticeTerms]) -> frozenset[int]:
    """Return the brands all of whose profiles HQ reads today."""
    today, hq = effective_modes(), Side(None).viewer
    return frozenset(
        pk
        for pk in brands
        if pk in today and decide(hq, pk, Kind.PROFILE, today, notices).sight is Sight.ALL
    )


def _changed(
    views: Mapping[int | None, _View],
    before: Modes,
    after: Modes,
    closed: frozenset[int],
    counted: frozenset[int],
) -> Iterator[_Changed]:
    other_rule = {pk for pk in after if rule_owner(before[pk]) is not rule_owner(after[pk])}
    kept: list[Segment] = [
        *GroupSegment.objects.filter(removed_at=None).select_related("of_brand", "of_store"),
        *BrandSegment.objects.filter(removed_at=None, store=None, notice=None)
        .exclude(brand_id__in=closed)
        .select_related("of_brand", "of_store"),
    ]
    for segment in sorted(kept, key=lambda one: (one.name.casefold(), one.pk)):
        owner = segment.brand_id if isinstance(segment, BrandSegment) else None
        view = views.get(owner)
        if view is None:
            continue
        places = {segment.of_brand_id} if segment.of_brand_id else set(after)
        changed = view.changed & places
        # Of a brand whose members the owner sees in neither world, the strata say nothing.
        seen = {pk for pk in places if view.after[pk].sight not in _ROWLESS}
        was_seen = {pk for pk in places if view.before[pk].sight not in _ROWLESS}
        has_new_strata = bool(segment.stratum and other_rule & seen - closed)
        if changed or has_new_strata:
            shown = seen | was_seen
            yield _Changed(
                segment,
                view,
                uncounted=tuple(sorted(shown - counted)),
                is_counted=bool(shown & counted),
                may_move=bool(changed - counted),
                has_new_strata=has_new_strata,
            )


def _counts(found: Sequence[_Changed], counted: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield, for each segment, members before and after, and how many come or go."""
    for first in range(0, len(found), _BATCH):
        batch = found[first : first + _BATCH]
        wanted = {
            f"n{place}": Count("pk", filter=Filter.of(one.segment).condition)
            for place, one in enumerate(batch)
        }
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        groups = Profile.objects.filter(brand_id__in=counted).order_by()
        for row in groups.values("brand_id", "notice_id").annotate(**wanted):
            brand = row["brand_id"]
            for place, one in enumerate(batch):
                people = row[f"n{place}"]
                rows = Rows(brand, Kind.PROFILE, row["notice_id"], False, people)
                was_shown, is_shown = (
                    shows(cells[brand], rows) for cells in (one.view.before, one.view.after)
                )
                sums[f"n{place}"][0] += was_shown * people
                sums[f"n{place}"][1] += is_shown * people
                sums[f"n{place}"][2] += (was_shown is not is_shown) * people
        for name in wanted:
            was, will, moved = sums[name]
            yield was, will, moved


def _words(one: _Changed, names: Mapping[int, str]) -> str:
    asked = Filter.of(one.segment)
    store = one.segment.of_store.name if one.segment.of_store else ""
    words = _("“%(name)s”: %(asked)s.") % {
        "name": one.segment.name,
        "asked": in_words(asked, brand=names.get(asked.brand_id or 0, ""), store=store),
    }
    if one.uncounted:
        words += " " + _("Not counted: members of %(brands)s, whom HQ does not all read today.") % {
            "brands": listed(names[pk] for pk in one.uncounted)
        }
    if one.has_new_strata:
        words += " " + _("Its strata will be by another rule.")
    return words
