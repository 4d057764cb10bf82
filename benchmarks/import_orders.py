"""Order lines to facts, totals and roll-ups: beside django-import-export and the bare COPY."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.copies import load_tables, save_tables
from benchmarks.files import cached
from benchmarks.import_members import TABLES, fresh_group, import_files
from benchmarks.member_files import write_files
from benchmarks.order_files import write_orders
from benchmarks.peer_orders import import_order_file
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, rounds_for, stopwatch
from benchmarks.synthetic import Group, drop_group
from brands.wall import scope
from members.models import ImportJob, OrderLine
from tenants.context import tenant_transaction

DEFAULT_ROWS = 60_000
LEAST_ROWS = 1_000
ROUNDS = 3
PEER_ROWS = 1_000
PEER_ROUNDS = 2
# Lines for each member of the files.
LINES_PER_MEMBER = 6
# In an order that foreign keys allow.
_FACTS = ("members_order", "members_orderline")
_ROLLED_UP = ("members_dailymetric", "members_poolmetric")


def run(rows: int) -> Report:
    """Measure the import of ROWS order lines in six files, for members who are there."""
    peaks: list[int] = []
    rounds = rounds_for(rows, usual=ROUNDS)
    members, orders = _files(rows)
    peer_members, peer_orders = _files(min(PEER_ROWS, rows))
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        _save_rows(members, orders, folder, rows)
        found = alternate(
            {
                "ours": lambda: _ours(members, orders, peaks),
                "limit": lambda: _limit(folder),
                "peer": lambda: _peer(peer_members, peer_orders),
            },
            rounds=rounds,
            least={"peer": min(rounds, PEER_ROUNDS)},
        )
    main = Part(
        "order lines imported",
        found["ours"],
        limit=found["limit"],
        peer=found["peer"],
        per=rows,
        peer_per=min(PEER_ROWS, rows),
    )
    return Report(
        name="import_orders",
        rows=rows,
        main=main,
        targets=[
            Target("ours ÷ limit", main.json()["ratio_to_limit"], "at_least", 0.6),
            Target("peak memory of the importing process, MB", max(peaks) / 2**20, "at_most", 300),
        ],
        details={"peak_memory_mb": round(max(peaks) / 2**20), "rounds": rounds},
        notes=[
            "Ours: six files, from the first look at each to members' totals and roll-ups.",
            "Limit: COPY of the final orders, lines and roll-ups into identical tables with their "
            "indexes and foreign keys; members' totals are not written there.",
            f"Peer: django-import-export in bulk mode on {min(PEER_ROWS, rows):,} lines, orders "
            "and lines, then the totals by one statement; without roll-ups or a checkpoint.",
        ],
    )


def _files(lines: int) -> tuple[list[Path], list[Path]]:
    members = max(lines // LINES_PER_MEMBER, 60)
    of_members = cached("members", members, lambda folder: write_files(folder, members))
    of_orders = cached(
        f"orders-of-{members}", lines, lambda folder: write_orders(folder, of_members, lines)
    )
    return of_members, of_orders


def _with_members(members: list[Path]) -> Group:
    group = fresh_group()
    in_child(lambda: import_files(group, members))
    return group


def _ours(members: list[Path], orders: list[Path], peaks: list[int]) -> float:
    group = _with_members(members)
    seconds, peak = in_child(lambda: import_files(group, orders, kind=ImportJob.Kind.ORDERS))
    peaks.append(peak)
    drop_group(group)
    return seconds


def _save_rows(members: list[Path], orders: list[Path], folder: Path, rows: int) -> None:
    """Import once; keep the members as they were before, and the facts and roll-ups after."""
    group = _with_members(members)
    save_tables(group, folder, TABLES)
    in_child(lambda: import_files(group, orders, kind=ImportJob.Kind.ORDERS))
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
        assert abs(OrderLine.objects.count() - rows) <= len(orders), "lines were lost"
    save_tables(group, folder, (*_FACTS, *_ROLLED_UP))
    drop_group(group)


def _limit(folder: Path) -> float:
    group = fresh_group()
    # Members under the numbers that the facts name.
    load_tables(group, folder, [table for table in TABLES if table not in _ROLLED_UP])
    with stopwatch() as watch:
        load_tables(group, folder, (*_FACTS, *_ROLLED_UP))
    drop_group(group)
    return watch.seconds


def _peer(members: list[Path], orders: list[Path]) -> float:
    group = _with_members(members)
    with stopwatch() as watch:
        for path, brand_id in zip(orders, group.brands, strict=True):
            with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
                import_order_file(path, brand_id)
    drop_group(group)
    return watch.seconds
