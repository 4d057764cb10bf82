"""Read the overlaps that a person may see, arranged for the page: reads few rows, never persons."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, sqrt

from brands.models import Brand
from brands.modes import Mode
from brands.wall.visibility import Visible
from members.models import BrandOverlap, GroupOverlap, Measure
from members.overlap.figures import Brands

# Shades of the matrix, from a few persons to the most of all its cells.
SHADES = 5


@dataclass(frozen=True)
class Cell:
    """Be one place in the matrix: persons, None where they are hidden, and how dark it is."""

    persons: int | None
    shade: int = 0
    is_own: bool = False
    is_blank: bool = False


@dataclass(frozen=True)
class Pair:
    """Be two brands and the persons in both, with their share of each brand where it is known."""

    brands: tuple[Brand, Brand]
    persons: int | None
    shares: tuple[float | None, float | None]


@dataclass(frozen=True)
class Combination:
    """Be a set of brands and the persons who are in exactly these."""

    brands: tuple[Brand, ...]
    # For each brand of the section whether it is one of them.
    marks: tuple[bool, ...]
    persons: int


@dataclass(frozen=True)
class Section:
    """Be the overlaps among some brands."""

    brands: tuple[Brand, ...]
    rows: tuple[tuple[Brand, tuple[Cell, ...]], ...]
    pairs: tuple[Pair, ...]
    combinations: tuple[Combination, ...]
    # The same among the brands that are not in brand-max alone; empty where there are no others.
    open_brands: tuple[Brand, ...] = ()
    open_combinations: tuple[Combination, ...] = ()
    is_with_siblings: bool = False
    # Since when figures with brands in brand-max are as they are.
    counted_at: dt.datetime | None = None

    @property
    def hidden(self) -> int:
        """Return how many pairs are hidden."""
        return sum(pair.persons is None for pair in self.pairs)

    @property
    def most(self) -> int:
        """Return the most persons in a pair."""
        return max((pair.persons or 0 for pair in self.pairs), default=0)

    @property
    def most_exactly(self) -> int:
        """Return the most persons in a set of brands."""
        both = (*self.combinations, *self.open_combinations)
        return max((one.persons for one in both), default=0)


@dataclass(frozen=True)
class Overview:
    """Be what the page shows: a section for each group of brands, or the reason for none."""

    sections: tuple[Section, ...]
    closed: tuple[Brand, ...]
    k: int
    brand_count: int
    # Own brands that are fan-max; without one there is nobody to share with.
    has_fan_max: bool


def overview(visible: Visible) -> Overview:
    """Return the overlaps that the wall lets the viewer see."""
    brands = {one.pk: one for one in Brand.objects.filter(pk__in=visible.modes).order_by("code")}
    closed = frozenset(pk for pk, mode in visible.modes.items() if mode is Mode.BRAND_MAX)
    sections = _of_group(brands, closed) if visible.viewer.is_hq else _of_brands(brands, visible)
    return Overview(
        sections=tuple(sections),
        closed=tuple(one for pk, one in brands.items() if pk in closed),
        k=visible.k,
        brand_count=len(brands),
        has_fan_max=any(visible.modes.get(pk) is Mode.FAN_MAX for pk in visible.viewer.brands),
    )


Rows = Iterable[tuple[str, list[int], int]]


def _read(rows: Rows) -> tuple[dict[Brands, int], dict[str, dict[Brands, int]]]:
    shared: dict[Brands, int] = {}
    exactly: dict[str, dict[Brands, int]] = {}
    for measure, pks, persons in rows:
        if measure == Measure.SHARED:
            shared[frozenset(pks)] = persons
        else:
            exactly.setdefault(measure, {})[frozenset(pks)] = persons
    return shared, exactly


def _of_group(brands: Mapping[int, Brand], closed: Brands) -> list[Section]:
    rows = list(GroupOverlap.objects.values_list("measure", "brands", "persons", "counted_at"))
    shared, exactly = _read(row[:3] for row in rows)
    if len(brands) < 2 or not rows:
        return []
    dates = [
        at
        for measure, pks, _persons, at in rows
        if measure == Measure.EXACTLY or (measure == Measure.SHARED and closed & set(pks))
    ]
    everyone = list(brands.values())
    still_open = [one for one in everyone if one.pk not in closed]
    return [
        _section(
            everyone,
            everyone,
            shared,
            closed,
            exactly.get(Measure.EXACTLY, {}),
            open_brands=tuple(still_open) if closed else (),
            open_combinations=_combinations(still_open, exactly.get(Measure.EXACTLY_OPEN, {})),
            counted_at=max(dates, default=None) if closed else None,
        )
    ]


def _of_brands(brands: Mapping[int, Brand], visible: Visible) -> list[Section]:
    own = frozenset(visible.viewer.brands)
    fans = frozenset(pk for pk, mode in visible.modes.items() if mode is Mode.FAN_MAX)
    found: dict[Brands, list[tuple[str, list[int], int]]] = {}
    for within, *row in BrandOverlap.objects.values_list("within", "measure", "brands", "persons"):
        found.setdefault(frozenset(within), []).append((row[0], row[1], row[2]))
    sections = []
    for within, rows in sorted(found.items(), key=lambda one: (one[0] != own, sorted(one[0]))):
        # Among one's own brands in every mode; with others only between brands in fan-max.
        if within != own and (within != fans or not own & fans or fans <= own):
            continue
        mine = own & within
        shared, exactly = _read(rows)
        with_mine = {
            pks: persons for pks, persons in exactly.get(Measure.EXACTLY, {}).items() if pks & mine
        }
        columns = [one for pk, one in brands.items() if pk in within]
        sections.append(
            _section(
                [one for one in columns if one.pk in mine],
                columns,
                shared,
                frozenset(),
                with_mine,
                is_with_siblings=within != own,
            )
        )
    return sections


def _section(
    first: Sequence[Brand],
    second: Sequence[Brand],
    shared: Mapping[Brands, int],
    closed: Brands,
    exactly: Mapping[Brands, int],
    **fields: object,
) -> Section:
    """Return a section: FIRST heads the rows of the matrix, SECOND its columns."""

    def persons_of(*pks: int) -> int | None:
        found = shared.get(frozenset(pks))
        return found if found is not None or closed & set(pks) else 0

    rows_first = {one.pk for one in first}
    pairs = [
        _pair(one, other, persons_of(one.pk, other.pk), shared)
        for one, other in combinations(second, 2)
        if rows_first & {one.pk, other.pk}
    ]
    pairs.sort(key=lambda pair: (pair.persons is None, -(pair.persons or 0)))
    most = max((pair.persons or 0 for pair in pairs), default=0)
    place = {one.pk: number for number, one in enumerate(first)}
    rows = []
    for one in first:
        cells = []
        for other in second:
            if one.pk == other.pk:
                cells.append(Cell(shared.get(frozenset({one.pk})), is_own=True))
            elif place.get(other.pk, -1) > place[one.pk]:
                # Each pair stands in the matrix once.
                cells.append(Cell(None, is_blank=True))
            else:
                persons = persons_of(one.pk, other.pk)
                cells.append(Cell(persons, _shade(persons, most)))
        rows.append((one, tuple(cells)))
    return Section(
        brands=tuple(second),
        rows=tuple(rows),
        pairs=tuple(pairs),
        combinations=_combinations(second, exactly),
        **fields,  # type: ignore[arg-type]
    )


def _shade(persons: int | None, most: int) -> int:
    return ceil(SHADES * sqrt(persons / most)) if persons else 0


def _pair(one: Brand, other: Brand, persons: int | None, shared: Mapping[Brands, int]) -> Pair:
    def share(brand: Brand) -> float | None:
        whole = shared.get(frozenset({brand.pk}))
        return persons / whole if persons is not None and whole else None

    return Pair((one, other), persons, (share(one), share(other)))


def _combinations(
    brands: Sequence[Brand], exactly: Mapping[Brands, int]
) -> tuple[Combination, ...]:
    ordered = sorted(exactly.items(), key=lambda one: (-one[1], sorted(one[0])))
    return tuple(
        Combination(
            brands=tuple(one for one in brands if one.pk in pks),
            marks=tuple(one.pk in pks for one in brands),
            persons=persons,
        )
        for pks, persons in ordered
    )
