"""The wall's table a second time, row by row, for the tests: may this viewer read this row?

Written from the table of the design alone, in its own words, so that a mistake in
`brands.wall.visibility` is not made twice. It shares no code with it.

    mode of the   viewer               metrics      profile      contact      activity
    row's brand
    any           own brand            all          all          all          all
    any           own store, guide     own store    own store    own store    own store
    fan-max       HQ                   all          consented    consented    consented
    fan-max       sibling, fan-max     all          consented    masked       consented
    fan-max       sibling, other       averages     none         none         none
    member-max    HQ                   all          all          none         none
    member-max    sibling              averages     none         none         none
    brand-max     HQ                   k or more    none         none         none
    brand-max     sibling              none         none         none         none

Some figures (of answers, of strata) follow what persons do in any brand. Of these, where the table
lets one read figures: the own brand and store theirs, HQ all but those of a brand in brand-max,
siblings none in any mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Notice:
    """What a notice says: to whom, and which kinds."""

    group: bool
    brands: frozenset[int]
    kinds: frozenset[str]


@dataclass(frozen=True)
class Viewer:
    """Who looks: HQ, people of brands (a unit's too), people of one store, or nobody."""

    name: str
    hq: bool = False
    brands: frozenset[int] = frozenset()
    store: int | None = None
    store_brand: int | None = None
    # False for an analyst, and for a provider whose engagement does not name contact data.
    contact: bool = True
    # False for an analyst.
    writes: bool = True
    # The number of the grant acted under.
    grant: int | None = None


@dataclass(frozen=True)
class Row:
    """What the wall knows of a row; `count` is the people a figure counts."""

    brand: int
    store: int | None = None
    notice: int | None = None
    count: int | None = None


@dataclass(frozen=True)
class World:
    """How the group is set: brand → mode, number → notice, and the smallest cell shown."""

    modes: Mapping[int, str]
    notices: Mapping[int, Notice] = field(default_factory=dict)
    k: int = 10


def may_read(
    world: World, viewer: Viewer, kind: str, row: Row, *, is_for_siblings: bool = True
) -> bool:
    """Say whether the table lets the viewer read the row."""
    if kind in {"contact", "masked"} and not viewer.contact:
        return False
    # any / own brand: everything.
    if row.brand in viewer.brands:
        return True
    # any / own store, guide: rows of that store of that brand, and nothing beside them.
    if viewer.store is not None:
        return row.store == viewer.store and row.brand == viewer.store_brand
    mode = world.modes[row.brand]
    if not is_for_siblings:
        return viewer.hq and kind == "metrics" and mode in {"fan_max", "member_max"}
    if viewer.hq:
        if mode == "fan_max":
            return kind == "metrics" or _hq_named(world, kind, row)
        if mode == "member_max":
            return kind in {"metrics", "profile"}
        # brand-max: whole-brand figures of k people or more; a store's would allow subtraction.
        return (
            kind == "metrics"
            and row.count is not None
            and row.store is None
            and row.count >= world.k
        )
    if not viewer.brands:
        return False
    # A sibling. Averages are no rows.
    if mode != "fan_max":
        return False
    open_sides = [brand for brand in viewer.brands if world.modes[brand] == "fan_max"]
    if not open_sides:
        return False
    if kind == "metrics":
        return True
    if kind == "contact":
        return False
    notice = world.notices.get(row.notice) if row.notice is not None else None
    if notice is None:
        return False
    covered = "contact" if kind == "masked" else kind
    return covered in notice.kinds and any(side in notice.brands for side in open_sides)


def _hq_named(world: World, kind: str, row: Row) -> bool:
    notice = world.notices.get(row.notice) if row.notice is not None else None
    if notice is None or not notice.group:
        return False
    # Whoever is shown contact data whole is shown it masked as well.
    return ("contact" if kind == "masked" else kind) in notice.kinds


def may_read_group(world: World, viewer: Viewer, without: frozenset[int]) -> bool:
    """Say whether the viewer may read a figure over all brands but some.

    HQ only, and only where those left out are the ones in brand-max, no more and no fewer.
    """
    closed = {brand for brand, mode in world.modes.items() if mode == "brand_max"}
    return viewer.hq and without == closed


def may_write_group(world: World, viewer: Viewer, without: frozenset[int]) -> bool:
    """Say whether the viewer may write a row of the group's own: an HQ that writes, as it reads."""
    return viewer.writes and may_read_group(world, viewer, without)


def is_own(viewer: Viewer, row: Row) -> bool:
    """Say whether a row of somebody's own, kept in the place of a store, is the viewer's.

    No mode and no role opens it to another, and who may change nothing else may change it.
    """
    return viewer.grant is not None and row.store == viewer.grant


def may_write(viewer: Viewer, row: Row) -> bool:
    """Say whether the viewer may write a row of a table that is written from the web."""
    if not viewer.writes:
        return False
    if row.brand in viewer.brands:
        return True
    return viewer.store is not None and (row.store, row.brand) == (
        viewer.store,
        viewer.store_brand,
    )
