"""Persons that brands share: the page's figures from what is kept, against a scan and bare SQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.db import connection

from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, stopwatch
from benchmarks.synthetic import Group, drop_group, fill_members, make_group
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.services import ModeUnchanged, mode_change
from brands.wall import scope
from brands.wall.visibility import Viewer, visibility
from members.models import GroupOverlap
from members.overlap.counts import cells_refresh
from members.overlap.shown import overview
from members.rollups import group_finish
from tenants.context import tenant_transaction

DEFAULT_ROWS = 2_000_000
LEAST_ROWS = 10_000
ROUNDS = 9
SLOW_ROUNDS = 3
REPEATS = 20

# What one would ask without a kept structure: pairs by a self-join, and sets of brands.
_PAIRS = """
    SELECT a.brand_id, b.brand_id, count(DISTINCT a.person_id)
    FROM members_profile a JOIN members_profile b
        ON b.person_id = a.person_id AND b.brand_id > a.brand_id
    GROUP BY 1, 2
"""
# Every set of brands, for all persons: what is kept, counted the plain way.
_CELLS = """
    SELECT brands, count(*) FROM (
        SELECT array_agg(DISTINCT brand_id ORDER BY brand_id) AS brands
        FROM members_profile GROUP BY person_id
    ) AS person GROUP BY brands
"""
_GROUPED = """
    SELECT brands, count(*) FROM (
        SELECT count(brand_id) AS brands FROM members_profile GROUP BY person_id
    ) AS person GROUP BY brands
"""
_SETS = f"{_CELLS} ORDER BY 2 DESC LIMIT 24"
_BARE = "SELECT measure, brands, persons, counted_at FROM members_groupoverlap"


def run(rows: int) -> Report:
    """Measure reading HQ's page, counting anew after an import, and choosing what to show."""
    groups = {size: make_group(f"bench_overlap_{size}") for size in sorted({rows // 10, rows})}
    variants: dict[str, Callable[[], float]] = {}
    for size, group in groups.items():
        fill_members(group, size, with_contacts=False)
        _set_mode(group, Mode.MEMBER_MAX)
        _recount(group)
        group_finish(tenant=group.tenant)
        variants[f"ours {size}"] = partial(_page, group)
        variants[f"limit {size}"] = partial(_bare, group)
    group = groups[rows]
    variants["peer"] = lambda: _sql(group, _PAIRS, _SETS)
    variants["recount"] = lambda: _recount(group)
    variants["recount peer"] = lambda: _sql(group, _CELLS)
    variants["recount limit"] = lambda: _sql(group, _GROUPED)
    slow = dict.fromkeys(("peer", "recount", "recount peer", "recount limit"), SLOW_ROUNDS)
    found = alternate(variants, rounds=ROUNDS, least=slow)
    _set_mode(group, Mode.BRAND_MAX)
    found |= alternate({"choose": lambda: _choose(group)}, rounds=SLOW_ROUNDS)
    parts = [
        Part(
            f"HQ's figures, {size:,} profiles",
            found[f"ours {size}"],
            limit=found[f"limit {size}"],
            peer=found["peer"] if size == rows else None,
        )
        for size in groups
    ]
    for one in groups.values():
        drop_group(one)
    medians = [part.ours.median for part in parts]
    return Report(
        name="overlap",
        rows=rows,
        main=parts[-1],
        parts=[
            *parts[:-1],
            Part(
                "counting anew, once an import",
                found["recount"],
                limit=found["recount limit"],
                peer=found["recount peer"],
            ),
            Part("choosing and writing, all brand-max", found["choose"]),
        ],
        targets=[
            Target("larger size ÷ smaller size", max(medians) / min(medians), "at_most", 1.2),
            Target("scan ÷ ours", found["peer"].median / parts[-1].ours.median, "at_least", 100),
        ],
        notes=[
            "Ours: a new transaction, HQ's scope, everything the page shows. Limit: the same rows "
            "by one bare SELECT as the owner. Peer: pairs by a self-join of profiles, sets of "
            "brands by grouping persons, at the larger size.",
            "Counting anew: one scan with a bit for each brand. Its peer groups arrays; its limit "
            "counts each person's brands and keeps nothing.",
        ],
    )


def _set_mode(group: Group, mode: Mode) -> None:
    with tenant_transaction(group.tenant), suppress(ModeUnchanged):
        mode_change(mode=mode, acting_user=None)


def _page(group: Group) -> float:
    with stopwatch() as watch:
        for _ in range(REPEATS):
            with tenant_transaction(group.tenant):
                visible = visibility(Viewer(is_hq=True), effective_modes(), notice_terms())
                with scope.open(visible):
                    found = overview(visible)
    assert found.sections[0].pairs[0].persons, "the page is empty"
    return watch.seconds / REPEATS


def _bare(group: Group) -> float:
    with stopwatch() as watch:
        for _ in range(REPEATS):
            with tenant_transaction(group.tenant), connection.cursor() as cursor:
                cursor.execute(_BARE)
                cursor.fetchall()
    return watch.seconds / REPEATS


def _sql(group: Group, *queries: str) -> float:
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        connection.cursor() as cursor,
    ):
        for query in queries:
            cursor.execute(query)
            cursor.fetchall()
    return watch.seconds


def _recount(group: Group) -> float:
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark"),
        connection.cursor() as cursor,
    ):
        cells_refresh(cursor)
    return watch.seconds


def _choose(group: Group) -> float:
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
        GroupOverlap.objects.all().delete()
    with stopwatch() as watch:
        group_finish(tenant=group.tenant)
    return watch.seconds
