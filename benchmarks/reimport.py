"""The same files a second time: nothing may be written, and it must be much faster."""

from __future__ import annotations

from pathlib import Path

from django.db import connection

from benchmarks.child import in_child
from benchmarks.files import cached
from benchmarks.import_members import fresh_group, import_files
from benchmarks.member_files import HEADINGS, write_files
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import Seconds, rounds_for, stopwatch
from benchmarks.synthetic import Group, drop_group
from tenants.context import tenant_transaction

DEFAULT_ROWS = 30_000
LEAST_ROWS = 1_000
ROUNDS = 3
# What members are made of: rows of these must be the very same ones after the second import.
_TABLES = (
    "members_profile",
    "members_person",
    "members_contact",
    "members_maskedcontact",
    "members_consent",
    "members_identity",
    "members_identitylink",
)


def run(rows: int) -> Report:
    """Import ROWS members in six files, then the same files again, and compare."""
    rounds = rounds_for(rows, usual=ROUNDS)
    files = cached("members", rows, lambda folder: write_files(folder, rows))
    first, ours, limit = Seconds(), Seconds(), Seconds()
    wal: list[tuple[int, int]] = []
    changed = 0
    for _round in range(rounds):
        group = fresh_group()
        start = _wal_position()
        first.rounds.append(in_child(lambda group=group: import_files(group, files))[0])
        before, position = _row_versions(group), _wal_position()
        ours.rounds.append(in_child(lambda group=group: import_files(group, files))[0])
        wal.append((_wal_position() - position, position - start))
        changed += sum(
            before[table] != versions for table, versions in _row_versions(group).items()
        )
        limit.rounds.append(_limit(group, files))
        drop_group(group)
    main = Part("members imported again", ours, limit=limit, peer=first, per=rows)
    again, at_first = sorted(wal)[len(wal) // 2]
    return Report(
        name="reimport",
        rows=rows,
        main=main,
        targets=[
            Target("× faster than the first import", main.json()["ratio_to_peer"], "at_least", 5),
            Target("tables with a row written", changed, "at_most", 0),
            Target("WAL, as a part of the first import's", again / at_first, "at_most", 0.05),
        ],
        details={"wal_bytes": again, "wal_bytes_first": at_first, "rounds": rounds},
        notes=[
            "Peer: the first import of the same files, in the same round.",
            "Limit: the files by COPY into a temporary table, one hash join with the profiles.",
            "WAL: jobs, checkpoints and statistics; of some size however few the rows.",
            "Written: any row of "
            f"{len(_TABLES)} tables whose xmin or place is another one afterwards.",
        ],
    )


def _row_versions(group: Group) -> dict[str, tuple]:
    """Return a digest of each table's row versions: which transaction wrote them, and where."""
    found = {}
    with tenant_transaction(group.tenant), connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(
                "SELECT count(*), COALESCE(sum(hashtextextended(xmin::text || ctid::text, 0)), 0) "
                f"FROM {table}"
            )
            found[table] = cursor.fetchone()
    return found


def _wal_position() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return cursor.fetchone()[0]


def _limit(group: Group, files: list[Path]) -> float:
    columns = HEADINGS.split(",")
    with stopwatch() as watch, tenant_transaction(group.tenant), connection.cursor() as cursor:
        for path, brand_id in zip(files, group.brands, strict=True):
            cursor.execute(
                f"CREATE TEMPORARY TABLE again ({', '.join(f'{name} text' for name in columns)}) "
                "ON COMMIT DROP"
            )
            with (
                path.open("rb") as file,
                cursor.copy("COPY again FROM STDIN (FORMAT csv, HEADER)") as copy,
            ):
                while block := file.read(1 << 16):
                    copy.write(block)
            cursor.execute(
                "SELECT count(*) FROM again a JOIN members_profile p "
                "ON p.brand_id = %s AND p.member_no = a.member_no AND p.gender = a.gender",
                [brand_id],
            )
            cursor.execute("DROP TABLE again")
    return watch.seconds
