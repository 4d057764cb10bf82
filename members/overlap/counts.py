"""Count persons by their set of brands, and keep what is shown of it beside the roll-ups."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.models import Brand
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import generation_bump
from brands.wall import scope
from brands.wall.visibility import brand_set
from members import locks
from members.identity.open_persons import joined_otherwise
from members.models import BrandOverlap, GroupMetric, GroupOverlap, Measure, OverlapCell
from members.overlap.figures import Brands, Figure, World, largest, parts, shared
from members.overlap.suppression import MOST_EXACT, choose
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Figures with brands in brand-max are made anew this long after the last time at the earliest, and
# once k persons at least are in other sets of brands than then.
RENEWED_AFTER = dt.timedelta(hours=20)

# A person's brands as a string of bits, which is many times faster than an array for each person.
_CELLS = """
    WITH place AS (
        SELECT id AS brand_id, set_bit(repeat('0', %(width)s)::bit({width}),
            (row_number() OVER (ORDER BY id) - 1)::integer, 1) AS mask
        FROM brands_brand
    ), counted AS (
        SELECT mask, count(*)::integer AS persons FROM (
            SELECT bit_or(place.mask) AS mask
            FROM members_profile p JOIN place USING (brand_id) GROUP BY p.person_id
        ) AS person GROUP BY mask
    )
    SELECT (
        SELECT array_agg(place.brand_id ORDER BY place.brand_id) FROM place
        WHERE place.mask & counted.mask = place.mask
    ) AS brands, persons
    FROM counted
"""


def cells_refresh(cursor: CursorWrapper) -> None:
    """Count persons by their set of brands anew: one grouped scan, and only differences written.

    Runs in the caller's transaction, which holds the group's roll-ups (members.locks).
    """
    width = max(Brand.objects.count(), 1)
    stage_query(cursor, "overlap", _CELLS.format(width=width), {"width": width})
    cursor.execute(
        """
        INSERT INTO members_overlapcell AS m (brands, persons, shown)
        SELECT brands, persons, 0 FROM overlap
        ON CONFLICT (brands) DO UPDATE SET persons = excluded.persons
        WHERE m.persons <> excluded.persons;
        UPDATE members_overlapcell m SET persons = 0
        WHERE persons > 0 AND NOT EXISTS (SELECT FROM overlap x WHERE x.brands = m.brands);
        DELETE FROM members_overlapcell WHERE persons = 0 AND shown = 0
        """
    )


@dataclass(frozen=True)
class State:
    """Be what the figures to show are made of, as it was at one moment."""

    world: World
    # The world of when figures with brands in brand-max were last made.
    before: World
    modes: Mapping[int, Mode]
    units: tuple[Brands, ...]
    # When that was; None where there are none for today's modes.
    shown_at: dt.datetime | None
    shown_least: int
    # Persons whom a closed brand's row joins or parts, as open brands' links have them: what is to
    # be added to the open world. None where that is not worked out since a change of mode.
    otherwise: Mapping[Brands, int] | None

    @property
    def closed(self) -> Brands:
        """Return the brands in brand-max."""
        return _in(self.modes, Mode.BRAND_MAX)

    @property
    def open_world(self) -> World:
        """Return the world as it is without the brands in brand-max, their links included."""
        return _corrected(
            parts(self.world, frozenset(self.modes) - self.closed), self.otherwise or {}
        )

    def is_due(self, now: dt.datetime, k: int) -> bool:
        """Tell whether figures with brands in brand-max are to be made anew."""
        if self.shown_at is None or self.shown_least < k:
            return True
        changes = [
            self.world.get(brands, 0) - self.before.get(brands, 0)
            for brands in {*self.world, *self.before}
        ]
        moved = max(
            sum(change for change in changes if change > 0),
            -sum(change for change in changes if change < 0),
        )
        return moved >= max(k, 1) and now - self.shown_at >= RENEWED_AFTER


def _corrected(world: World, otherwise: Mapping[Brands, int]) -> dict[Brands, int]:
    found = dict(world)
    for brands, persons in otherwise.items():
        found[brands] = found.get(brands, 0) + persons
    return {brands: persons for brands, persons in found.items() if persons > 0}


def _in(modes: Mapping[int, Mode], mode: Mode) -> Brands:
    return frozenset(brand for brand, one in modes.items() if one is mode)


def read_state() -> State:
    """Return what the figures to show are made of, in a bulk scope."""
    rows = [
        (frozenset(brands), persons, shown)
        for brands, persons, shown in OverlapCell.objects.values_list("brands", "persons", "shown")
    ]
    modes = effective_modes()
    closed = _in(modes, Mode.BRAND_MAX)
    units: dict[int, set[int]] = defaultdict(set)
    for brand, unit in Brand.objects.exclude(business_unit=None).values_list(
        "pk", "business_unit_id"
    ):
        units[unit].add(brand)
    shown = [
        row
        for row in GroupOverlap.objects.filter(brand_set=brand_set(closed))
        if _is_closed(row, closed)
    ]
    return State(
        world={brands: persons for brands, persons, _shown in rows if persons},
        before={brands: persons for brands, _persons, persons in rows if persons},
        modes=modes,
        units=tuple(map(frozenset, units.values())),
        shown_at=max((row.counted_at for row in shown), default=None),
        shown_least=min((row.persons for row in shown), default=0),
        otherwise=joined_otherwise(closed),
    )


def _is_closed(row: GroupOverlap, closed: Brands) -> bool:
    """Tell whether a figure says something about a brand in brand-max."""
    if row.measure == Measure.EXACTLY:
        return bool(closed)
    return row.measure == Measure.SHARED and bool(closed & set(row.brands))


def overlaps_finish(*, tenant: Tenant, now: dt.datetime | None = None) -> bool:
    """Bring the overlaps that are shown up to date with `OverlapCell`; return whether they are.

    What may be shown of brands in brand-max is found outside of a transaction, since it may take
    seconds. When the modes change meanwhile nothing is written: their own follow-up calls again.
    """
    now = now or timezone.now()
    with tenant_transaction(tenant), scope.bulk(reason="overlaps"):
        state = read_state()
    if state.otherwise is None:
        return False
    closed, is_due = state.closed, state.is_due(now, tenant.k)
    chosen: Mapping[Figure, int] = {}
    if closed and is_due:
        # Whether or not their number of persons is on a page today, it may be tomorrow.
        sized = frozenset(
            brand for brand in closed if Figure(frozenset({brand})).of(state.world) >= tenant.k
        )
        chosen = choose(state.world, closed, sized, tenant.k).shown
    rows = group_rows(state, chosen, now)
    with tenant_transaction(tenant), scope.bulk(reason="overlaps"):
        locks.hold_rollups()
        if effective_modes() != state.modes:
            return False
        _write_group(state, rows, is_closed_kept=bool(closed) and not is_due)
        _write_brands(state)
        if closed and is_due:
            _remember(state.world)
        generation_bump()
    return True


def group_rows(state: State, chosen: Mapping[Figure, int], now: dt.datetime) -> list[GroupOverlap]:
    """Return the figures that HQ sees: exact ones of open brands, and those chosen of the rest."""
    world = state.open_world
    name = brand_set(state.closed)
    figures = [(Measure.SHARED, brands, persons) for brands, persons in shared(world).items()]
    measure = Measure.EXACTLY_OPEN if state.closed else Measure.EXACTLY
    figures += [
        (measure, brands, persons) for brands, persons in largest(world, MOST_EXACT).items()
    ]
    figures += [
        (Measure.EXACTLY if figure.is_exact else Measure.SHARED, figure.brands, persons)
        for figure, persons in chosen.items()
    ]
    return [
        GroupOverlap(
            brand_set=name,
            measure=measure,
            brands=sorted(brands),
            persons=persons,
            counted_at=now,
        )
        for measure, brands, persons in figures
    ]


def brand_rows(state: State) -> list[BrandOverlap]:
    """Return what people of brands see: siblings that are all fan-max, and the brands of a unit."""
    rows = []
    for within in {_in(state.modes, Mode.FAN_MAX), *state.units}:
        if len(within) < 2:
            continue
        world = parts(state.world, within)
        figures = [(Measure.SHARED, brands, persons) for brands, persons in shared(world).items()]
        most: dict[Brands, int] = {}
        for brand in within:
            most |= largest({one: n for one, n in world.items() if brand in one}, MOST_EXACT)
        figures += [(Measure.EXACTLY, brands, persons) for brands, persons in most.items()]
        rows += [
            BrandOverlap(
                brand_id=min(brands),
                within=sorted(within),
                measure=measure,
                brands=sorted(brands),
                persons=persons,
            )
            for measure, brands, persons in figures
        ]
    return rows


def _write_group(state: State, rows: list[GroupOverlap], *, is_closed_kept: bool) -> None:
    """Put today's figures in the place of others; those of brand-max stay where they are kept."""
    kept = [
        row.pk
        for row in GroupOverlap.objects.filter(brand_set=brand_set(state.closed))
        if is_closed_kept and _is_closed(row, state.closed)
    ]
    GroupOverlap.objects.exclude(pk__in=kept).delete()
    GroupOverlap.objects.bulk_create(rows, batch_size=2_000)


def _write_brands(state: State) -> None:
    rows = brand_rows(state)
    if {_brand_key(row) for row in rows} == set(map(_brand_key, BrandOverlap.objects.all())):
        return
    BrandOverlap.objects.all().delete()
    BrandOverlap.objects.bulk_create(rows, batch_size=2_000)


def _remember(world: World) -> None:
    """Note which world the figures with brands in brand-max were made of."""
    OverlapCell.objects.exclude(shown=0).update(shown=0)
    OverlapCell.objects.bulk_create(
        [
            OverlapCell(brands=sorted(brands), persons=0, shown=persons)
            for brands, persons in world.items()
        ],
        update_conflicts=True,
        unique_fields=["brands"],
        update_fields=["shown"],
        batch_size=2_000,
    )
    OverlapCell.objects.filter(persons=0, shown=0).delete()


def group_metrics_refresh(without: Iterable[int]) -> None:
    """Bring the persons by number of brands up to date, some brands left out."""
    without = frozenset(without)
    otherwise = joined_otherwise(without)
    if otherwise is None:
        # Of the former modes nobody reads any: the change's own follow-up counts them anew.
        return
    cells = OverlapCell.objects.filter(persons__gt=0).values_list("brands", "persons")
    world = parts(
        {frozenset(brands): persons for brands, persons in cells},
        frozenset(Brand.objects.values_list("pk", flat=True)) - without,
    )
    found: dict[int, int] = defaultdict(int)
    for brands, persons in _corrected(world, otherwise).items():
        found[len(brands)] += persons
    name = brand_set(without)
    GroupMetric.objects.exclude(brand_set=name, brands__in=found).delete()
    held = dict(GroupMetric.objects.values_list("brands", "persons"))
    GroupMetric.objects.bulk_create(
        [
            GroupMetric(brand_set=name, brands=number, persons=persons)
            for number, persons in found.items()
            if held.get(number) != persons
        ],
        update_conflicts=True,
        unique_fields=["brand_set", "brands"],
        update_fields=["persons"],
    )


def overlaps_differing(*, k: int) -> int:
    """Return how many of the overlaps shown are not what `OverlapCell` says, in a bulk scope."""
    state = read_state()
    then = replace(state, world=state.before)
    wanted = {_key(row) for row in group_rows(state, {}, timezone.now())}
    wrong = 0
    for row in GroupOverlap.objects.filter(brand_set=brand_set(state.closed)):
        if _is_closed(row, state.closed):
            figure = Figure(frozenset(row.brands), is_exact=row.measure == Measure.EXACTLY)
            wrong += row.persons < k or figure.of(then.world) != row.persons
        elif _key(row) in wanted:
            wanted.remove(_key(row))
        else:
            wrong += 1
    siblings = {_brand_key(row) for row in brand_rows(state)}
    found = {_brand_key(row) for row in BrandOverlap.objects.all()}
    return wrong + len(wanted) + len(siblings ^ found)


def _key(row: GroupOverlap) -> tuple[str, tuple[int, ...], int]:
    return (str(row.measure), tuple(row.brands), row.persons)


def _brand_key(row: BrandOverlap) -> tuple[tuple[int, ...], str, tuple[int, ...], int]:
    return (tuple(row.within), str(row.measure), tuple(row.brands), row.persons)
