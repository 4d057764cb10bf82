"""Change the mode at three sizes: one row for us, a copy of the shared rows for the peer."""

from __future__ import annotations

from django.db import connection

from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, stopwatch
from benchmarks.synthetic import Group, drop_group, fill_members, make_group
from brands.models import Brand
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.services import mode_change
from brands.wall import scope
from brands.wall.visibility import Viewer, visibility
from members.models import Profile
from tenants.context import tenant_transaction

# The largest of three groups; the others are a tenth and a two-hundredth of it, as 2 M is of
# 200 k and 10 k.
DEFAULT_ROWS = 2_000_000
LEAST_ROWS = 10_000
ROUNDS = 9
# The peer copies a great many rows: two rounds say enough.
PEER_ROUNDS = 2
# Changes in one round, so that a round is longer than one commit to disk.
CHANGES = 20


def run(rows: int) -> Report:
    """Measure the switch in groups of ROWS profiles and of a tenth and a two-hundredth of them."""
    sizes = sorted({max(rows // 200, 1000), max(rows // 10, 1000), rows})
    groups = {size: make_group(f"bench_switch_{size}") for size in sizes}
    for size, group in groups.items():
        fill_members(group, size, with_contacts=False)
        with tenant_transaction(group.tenant), connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_mode (id int PRIMARY KEY, mode text)")
            cursor.execute("INSERT INTO bench_mode VALUES (1, 'member_max')")
            cursor.execute(
                "CREATE TABLE bench_shared (viewer_id bigint, LIKE members_profile, "
                "PRIMARY KEY (viewer_id, id))"
            )
    variants = {}
    for size, group in groups.items():
        variants[f"ours {size}"] = lambda group=group: _ours(group)
        variants[f"limit {size}"] = lambda group=group: _limit(group)
        variants[f"next {size}"] = lambda group=group: _next_viewer(group)
        variants[f"peer {size}"] = lambda group=group: _peer(group)
    few = {f"peer {size}": PEER_ROUNDS for size in sizes}
    found = alternate(variants, rounds=ROUNDS, least=few)
    parts = [
        Part(
            f"switch, {size:,} profiles",
            found[f"ours {size}"],
            limit=found[f"limit {size}"],
            peer=found[f"peer {size}"],
        )
        for size in sizes
    ]
    nexts = [Part(f"next viewer's first page, {size:,}", found[f"next {size}"]) for size in sizes]
    for group in groups.values():
        drop_group(group)
    return Report(
        name="switch",
        rows=rows,
        main=parts[-1],
        parts=[*parts[:-1], *nexts],
        targets=[
            Target("slowest size ÷ fastest size", _spread(parts), "at_most", 1.2),
        ],
        details={"next viewer's first page, slowest size ÷ fastest": round(_spread(nexts), 2)},
        notes=[
            "Ours: brands.services.mode_change with its audit event, committed to disk, one brand "
            "to fan-max and back. Limit: one UPDATE of one row, committed.",
            "Peer: copies the brand's consented profiles for each of its five siblings. Once.",
            "Next viewer: a sibling's new transaction decides what is visible, opens its scope and "
            "reads 50 members, of the brand just opened as well.",
        ],
    )


def _spread(parts: list[Part]) -> float:
    medians = [part.ours.median for part in parts]
    return max(medians) / min(medians)


def _ours(group: Group) -> float:
    """Return the seconds of one change, over changes to fan-max and back again."""
    brand = Brand(pk=group.brands[0], name="Brand 1")
    with stopwatch() as watch:
        for number in range(CHANGES):
            with tenant_transaction(group.tenant):
                mode_change(mode="" if number % 2 else Mode.FAN_MAX, acting_user=None, brand=brand)
    return watch.seconds / CHANGES


def _limit(group: Group) -> float:
    with stopwatch() as watch:
        for number in range(CHANGES):
            with tenant_transaction(group.tenant), connection.cursor() as cursor:
                cursor.execute("UPDATE bench_mode SET mode = %s WHERE id = 1", [str(number)])
    return watch.seconds / CHANGES


def _next_viewer(group: Group) -> float:
    """Return the seconds from a sibling's new transaction to its first page of members."""
    brand, sibling = (Brand(pk=pk, name=f"Brand {pk}") for pk in group.brands[:2])
    with tenant_transaction(group.tenant):
        for one in (brand, sibling):
            mode_change(mode=Mode.FAN_MAX, acting_user=None, brand=one)
    with stopwatch() as watch:
        for _ in range(CHANGES):
            with tenant_transaction(group.tenant):
                visible = visibility(
                    Viewer(brands=frozenset({sibling.pk})), effective_modes(), notice_terms()
                )
                with scope.open(visible):
                    page = list(Profile.objects.order_by("-pk")[:50])
    assert {row.brand_id for row in page} == {brand.pk, sibling.pk}, "the switch was not seen"
    with tenant_transaction(group.tenant):
        for one in (brand, sibling):
            mode_change(mode="", acting_user=None, brand=one)
    return watch.seconds / CHANGES


def _peer(group: Group) -> float:
    brand, *siblings = group.brands
    with (
        stopwatch() as watch,
        tenant_transaction(group.tenant),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO bench_shared SELECT sibling, members_profile.* "
            "FROM members_profile, unnest(%s::bigint[]) AS sibling "
            "WHERE brand_id = %s AND notice_id IS NOT NULL",
            [siblings, brand],
        )
    with tenant_transaction(group.tenant), connection.cursor() as cursor:
        cursor.execute("TRUNCATE bench_shared")
    return watch.seconds
