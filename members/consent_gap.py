"""Say who would have to be asked so that a mode can be reached, and in which notice's words."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.answers import NoticeAnswers
from brands.models import Brand, ChannelAccount, Generation, Notice
from brands.modes import Mode
from brands.notices import has_left
from brands.selectors import effective_modes, notice_terms
from brands.wall import scope
from brands.wall.visibility import Kind, NoticeTerms, Visible
from members.models import AnswerMetric

State = AnswerMetric.State
ALL_KINDS = frozenset({Kind.PROFILE, Kind.CONTACT, Kind.ACTIVITY})
SERIES_DAYS = 180


@dataclass(frozen=True)
class Need:
    """Be what a person's notice must say, so that a mode shows all that it could of them."""

    names_group: bool = False
    brands: frozenset[int] = frozenset()
    kinds: frozenset[Kind] = frozenset()

    @property
    def is_nothing(self) -> bool:
        """Tell whether the mode needs no consent at all."""
        return not self.names_group and not self.brands

    def is_met_by(self, terms: NoticeTerms) -> bool:
        """Tell whether a notice names every recipient and every kind that is needed."""
        return (
            (terms.names_group or not self.names_group)
            and self.brands <= terms.brands
            and self.kinds <= terms.kinds
        )


def modes_wished(mode: Mode, brand: Brand | None) -> dict[int, Mode]:
    """Return brand → mode as if MODE held for one brand, or for all that are with the group."""
    at = timezone.now()
    wished = effective_modes(at=at)
    for one in Brand.objects.order_by("pk"):
        if not has_left(one, at=at) and (brand is None or one.pk == brand.pk):
            wished[one.pk] = mode
    return wished


def need_of(brand_id: int, modes: Mapping[int, Mode], kinds: frozenset[Kind]) -> Need:
    """Return what members of a brand must have agreed to: consent opens in fan-max alone.

    There HQ sees those who agreed to a notice that names the group, and every other fan-max brand
    those whose notice names it (the wall's table).
    """
    if modes.get(brand_id) is not Mode.FAN_MAX:
        return Need()
    others = {pk for pk, mode in modes.items() if mode is Mode.FAN_MAX and pk != brand_id}
    return Need(names_group=True, brands=frozenset(others), kinds=kinds)


@dataclass(frozen=True)
class BrandGap:
    """Count a brand's members by what each would have to be asked; None: the brand is not told.

    `covered` agree to a notice that says all that is needed; `words` agree to one that does not,
    or no longer counts.
    """

    brand: Brand
    mode: Mode
    need: Need
    covered: int = 0
    words: int = 0
    never: int = 0
    withdrawn: int = 0
    expired: int = 0
    minor: int = 0
    is_told: bool = True
    # In brand-max: it tells such figures to nobody else.
    is_silent: bool = False
    # Whose people the viewer may look at one by one.
    is_own: bool = False
    notice: Notice | None = None
    channels: tuple[ChannelAccount, ...] = ()

    @property
    def people(self) -> int:
        """Return how many members there are."""
        return self.covered + self.to_ask

    @property
    def to_ask(self) -> int:
        """Return how many would have to be asked."""
        return self.words + self.never + self.withdrawn + self.expired + self.minor

    @property
    def share(self) -> float | None:
        """Return which part of the members is covered."""
        if not self.is_told or not self.people:
            return None
        return self.covered / self.people


@dataclass(frozen=True)
class Gap:
    """Be the whole worklist: brand by brand, and how it went over time."""

    rows: tuple[BrandGap, ...]
    counted_at: dt.datetime | None
    answers_since: int
    # Day, covered and all members, of the brands that are told in full.
    days: tuple[tuple[dt.date, int, int], ...] = ()
    # A notice that would do for every brand, or what one would have to name.
    notice: Notice | None = None
    wanted_brands: tuple[Brand, ...] = ()

    @property
    def chart(self) -> dict[str, object] | None:
        """Return what the chart draws: how many were covered, day by day."""
        return days_chart(_("Covered"), [(day, covered) for day, covered, _all in self.days])

    @property
    def covered(self) -> int:
        """Return how many members are covered, of the brands that are told."""
        return sum(row.covered for row in self.rows if row.is_told)

    @property
    def people(self) -> int:
        """Return how many members there are, of the brands that are told."""
        return sum(row.people for row in self.rows if row.is_told)

    @property
    def to_ask(self) -> int:
        """Return how many would have to be asked, of the brands that are told."""
        return sum(row.to_ask for row in self.rows if row.is_told)

    @property
    def share(self) -> float | None:
        """Return which part is covered."""
        return self.covered / self.people if self.people else None


def telling_brands(visible: Visible) -> frozenset[int]:
    """Return the brands whose figures of answers the viewer is told, each in full."""
    return visible.told_brands & visible.kinds[Kind.METRICS].all_brands


def silent_brands(visible: Visible) -> list[Brand]:
    """Return the brands in brand-max, which tell HQ no such figures; none for anybody else."""
    if not visible.viewer.is_hq:
        return []
    silent = visible.modes.keys() - visible.told_brands
    return list(Brand.objects.filter(pk__in=silent).order_by("code")) if silent else []


def latest_figures(visible: Visible) -> dict[int, list[AnswerMetric]]:
    """Return brand → how its members stood at the last count, as far as the viewer is told."""
    told = telling_brands(visible)
    last = AnswerMetric.objects.aggregate(day=Max("day"))["day"]
    found: dict[int, list[AnswerMetric]] = defaultdict(list)
    rows = AnswerMetric.objects.filter(day=last, brand_id__in=told)
    for row in rows.order_by("pk"):
        found[row.brand_id].append(row)
    return found


def standing_answers() -> list[NoticeAnswers]:
    """Return brand by brand how many members' current yes answers each notice."""
    visible = scope.current().visible
    if visible is None:
        return []
    found = [
        NoticeAnswers(row.answered_notice_id, brand_id, row.people)
        for brand_id, rows in latest_figures(visible).items()
        for row in rows
        if row.state == State.GIVEN and row.answered_notice_id
    ]
    numbers = list(Notice.objects.values_list("pk", flat=True))
    silent = silent_brands(visible)
    return found + [NoticeAnswers(one, brand.pk, None) for brand in silent for one in numbers]


def consent_gap(
    visible: Visible,
    *,
    mode: Mode,
    brand: Brand | None = None,
    kinds: frozenset[Kind] = ALL_KINDS,
) -> Gap:
    """Return who would have to be asked for MODE, in one brand or in all; counts as last made."""
    at = timezone.now()
    wished = modes_wished(mode, brand)
    viewer = visible.viewer
    asked = [
        one
        for one in Brand.objects.order_by("code")
        if not has_left(one, at=at)
        and (brand is None or one.pk == brand.pk)
        and (viewer.is_hq or one.pk in viewer.brands)
    ]
    terms = {one.id: one for one in notice_terms(at=at)}
    titles = Notice.objects.in_bulk(list(terms))
    figures = latest_figures(visible)
    channels = _channels(asked)
    needs = {one.pk: need_of(one.pk, wished, kinds) for one in asked}
    rows = tuple(
        BrandGap(
            brand=one,
            mode=wished[one.pk],
            need=needs[one.pk],
            is_told=bool(figures.get(one.pk)),
            is_silent=one.pk not in visible.told_brands,
            is_own=one.pk in viewer.brands,
            notice=_newest(needs[one.pk], terms.values(), titles),
            channels=channels[one.pk],
            **_sorted(figures.get(one.pk, []), needs[one.pk], terms),
        )
        for one in asked
    )
    every = [row for found in figures.values() for row in found]
    whole = _together(needs.values())
    return Gap(
        rows=rows,
        counted_at=max((row.counted_at for row in every), default=None),
        answers_since=max(0, _answers() - max((row.answers for row in every), default=0)),
        days=_days(visible, needs, terms),
        notice=_newest(whole, terms.values(), titles),
        wanted_brands=tuple(Brand.objects.filter(pk__in=whole.brands).order_by("code")),
    )


def _together(needs: Iterable[Need]) -> Need:
    """Return what one notice would have to say for all of them."""
    found = list(needs)
    return Need(
        names_group=any(need.names_group for need in found),
        brands=frozenset().union(*(need.brands for need in found)),
        kinds=frozenset().union(*(need.kinds for need in found)),
    )


def _newest(
    need: Need, terms: Iterable[NoticeTerms], notices: Mapping[int, Notice]
) -> Notice | None:
    doing = [notices[one.id] for one in terms if not need.is_nothing and need.is_met_by(one)]
    return max(doing, key=lambda one: (one.effective_from, one.pk), default=None)


def _counts(notice_id: int | None, need: Need, terms: Mapping[int, NoticeTerms]) -> bool:
    found = terms.get(notice_id or 0)
    return found is not None and need.is_met_by(found)


def _sorted(
    rows: list[AnswerMetric], need: Need, terms: Mapping[int, NoticeTerms]
) -> dict[str, int]:
    """Return how many members stand in each way to what is needed."""
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        if need.is_nothing:
            found["covered"] += row.people
        elif row.state == State.GIVEN:
            meets = _counts(row.answered_notice_id, need, terms)
            found["covered" if meets else "words"] += row.people
        else:
            found[row.state] += row.people
    return dict(found)


def _channels(brands: list[Brand]) -> dict[int, tuple[ChannelAccount, ...]]:
    rows = ChannelAccount.objects.filter(
        Q(brand=None) | Q(brand__in=brands), is_active=True
    ).order_by("kind", "name")
    return {one.pk: tuple(row for row in rows if row.brand_id in (one.pk, None)) for one in brands}


def _answers() -> int:
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("answers", flat=True)
    return found.first() or 0


def _days(
    visible: Visible, needs: Mapping[int, Need], terms: Mapping[int, NoticeTerms]
) -> tuple[tuple[dt.date, int, int], ...]:
    """Return covered and all members day by day, of the brands that are told in full."""
    whole = telling_brands(visible) & needs.keys()
    rows = (
        AnswerMetric.objects.filter(brand_id__in=whole, day__gte=first_day())
        .values_list("day", "brand_id", "state", "answered_notice_id")
        .annotate(total=Sum("people"))
        .order_by("day")
    )
    days: dict[dt.date, list[int]] = {}
    for day, brand_id, state, notice_id, people in rows:
        need = needs[brand_id]
        sums = days.setdefault(day, [0, 0])
        meets = state == State.GIVEN and _counts(notice_id, need, terms)
        sums[0] += people if need.is_nothing or meets else 0
        sums[1] += people
    return tuple((day, covered, every) for day, (covered, every) in days.items())


def first_day() -> dt.date:
    """Return the first day that charts of answers show."""
    return timezone.localdate() - dt.timedelta(days=SERIES_DAYS)


def days_chart(name: str, points: list[tuple[dt.date, int]]) -> dict[str, object] | None:
    """Return what a chart of one line over days draws; None of a single day."""
    if len(points) < 2:
        return None
    return {
        "kind": "line",
        "unit": "count",
        "labels": [day.isoformat() for day, _people in points],
        "series": [{"name": name, "values": [people for _day, people in points]}],
    }
