"""Preview a change of mode: count every row it opens and closes, at two sizes of a group."""

from __future__ import annotations

from django.db import connection

from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, stopwatch
from benchmarks.synthetic import Group, drop_group, fill_members, fill_orders, make_group
from brands.changes.differences import Side, sides
from brands.changes.figures import Cutter
from brands.changes.preview import count_change
from brands.changes.registry import counted_models
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall import scope
from brands.wall.models import visible_rows
from brands.wall.visibility import Kind, visibility
from tenants.context import tenant_transaction

# The larger of two groups; the other is a tenth of it.
DEFAULT_ROWS = 2_000_000
LEAST_ROWS = 10_000
ROUNDS = 3
# The peer asks once for each cell of the table.
PEER_ROUNDS = 1
# Of the bare scans: the rest is what the wall's table and the persons' notices cost.
WANTED_RATIO = 1.5
_MEMORY = "256MB"


def run(rows: int) -> Report:
    """Measure the preview in groups of ROWS profiles and of a tenth of them."""
    sizes = sorted({max(rows // 10, 1000), rows})
    groups = {size: make_group(f"bench_preview_{size}") for size in sizes}
    for size, group in groups.items():
        fill_members(group, size)
        fill_orders(group)
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{group.tenant.schema_name}".members_profile')
    variants = {}
    for size, group in groups.items():
        variants[f"ours {size}"] = lambda group=group: _ours(group)
        variants[f"limit {size}"] = lambda group=group: _limit(group)
        variants[f"peer {size}"] = lambda group=group: _peer(group)
    few = {f"peer {size}": PEER_ROUNDS for size in sizes}
    found = alternate(variants, rounds=ROUNDS, least=few)
    parts = [
        Part(
            f"preview, {size:,} profiles",
            found[f"ours {size}"],
            limit=found[f"limit {size}"],
            peer=found[f"peer {size}"],
        )
        for size in sizes
    ]
    for group in groups.values():
        drop_group(group)
    return Report(
        name="preview",
        rows=rows,
        main=parts[-1],
        parts=parts[:-1],
        targets=[
            Target("ours ÷ limit at the larger size", _ratio(parts[-1]), "at_most", WANTED_RATIO)
        ],
        notes=[
            "Ours: brands.changes.preview.count_change, the whole group from member-max to "
            "fan-max: rows by brand, kind and viewer, persons who have not agreed, rules, set-up.",
            "Limit: the grouped scan of each table and the count of persons by brand, bare SQL. "
            "Peer: a count for each brand, kind and viewer before and after. Once.",
        ],
    )


def _ratio(part: Part) -> float:
    return part.ours.median / part.limit.median if part.limit else 0.0


def _ours(group: Group) -> float:
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark"),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        counted = count_change(
            brand_id=None, mode=Mode.FAN_MAX, at=None, cutter=Cutter(frozenset(), 10)
        )
    assert any(cell["opened"] for cell in counted.result["cells"]), "nothing was counted"
    return watch.seconds


def _limit(group: Group) -> float:
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        for models in counted_models.values():
            for model in models:
                table = model._meta.db_table
                cursor.execute(
                    f"SELECT brand_id, notice_id, count(*) FROM {table} GROUP BY 1, 2"  # noqa: S608
                )
                cursor.fetchall()
        cursor.execute(
            "SELECT brand_id, n, count(*) FROM (SELECT brand_id, person_id, max(notice_id) AS n "
            "FROM members_profile GROUP BY 1, 2) AS person GROUP BY 1, 2"
        )
        cursor.fetchall()
    return watch.seconds


def _peer(group: Group) -> float:
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark"),
    ):
        before = effective_modes()
        after = dict.fromkeys(before, Mode.FAN_MAX)
        for side in sides(before):
            for modes in (before, after):
                _counts(group, side, modes)
    return watch.seconds


def _counts(group: Group, side: Side, modes: dict[int, Mode]) -> None:
    opened = scope.Scope(visibility(side.viewer, modes, notice_terms()), group.tenant.schema_name)
    for kind in Kind:
        for model in counted_models[kind]:
            rows = visible_rows(model, opened)
            for brand in group.brands:
                model.objects.filter(rows, brand_id=brand).count()
