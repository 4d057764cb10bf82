"""CSV to resolved, sealed, walled profiles: beside django-import-export and the bare COPY."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.copies import load_tables, save_tables
from benchmarks.files import cached
from benchmarks.member_files import write_files
from benchmarks.peer_import import import_file
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, rounds_for, stopwatch
from benchmarks.synthetic import Group, drop_group, make_group
from brands.models import Brand
from brands.wall import scope
from members.imports.pipeline import import_run
from members.imports.services import import_create
from members.models import ImportJob, Person, Profile
from members.rollups import finish_pending
from tenants.context import tenant_transaction

DEFAULT_ROWS = 30_000
LEAST_ROWS = 1_000
ROUNDS = 3
PEER_ROWS = 1_000
PEER_ROUNDS = 2
# In an order that foreign keys allow.
TABLES = (
    "members_person",
    "members_profile",
    "members_contact",
    "members_maskedcontact",
    "members_consent",
    "members_identity",
    "members_identitylink",
    "members_personmerge",
    "members_poolmetric",
    "members_groupmetric",
)

_numbers = itertools.count(1)


def run(rows: int) -> Report:
    """Measure the import of ROWS members in six files into an empty group."""
    peaks: list[int] = []
    rounds = rounds_for(rows, usual=ROUNDS)
    files = cached("members", rows, lambda folder: write_files(folder, rows))
    few = min(PEER_ROWS, rows)
    sample = cached("members", few, lambda folder: write_files(folder, few))
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        rows_of = _expected_rows(files)
        _save_final_rows(files, folder, rows_of)
        found = alternate(
            {
                "ours": lambda: _ours(files, peaks),
                "limit": lambda: _limit(folder),
                "peer": lambda: _peer(sample),
            },
            rounds=rounds,
            least={"peer": min(rounds, PEER_ROUNDS)},
        )
    peak = max(peaks) / 2**20
    main = Part(
        "members imported",
        found["ours"],
        limit=found["limit"],
        peer=found["peer"],
        per=rows,
        peer_per=min(PEER_ROWS, rows),
    )
    return Report(
        name="import_members",
        rows=rows,
        main=main,
        targets=[
            Target("ours ÷ limit", main.json()["ratio_to_limit"], "at_least", 0.8),
            Target("× faster than the peer", main.json()["ratio_to_peer"], "at_least", 30),
            Target("peak memory of the importing process, MB", peak, "at_most", 300),
        ],
        details={"peak_memory_mb": round(peak), "rounds": rounds},
        notes=[
            "Ours: six files, from the first look at each to OneID and the pools' figures.",
            f"Limit: COPY of the {len(TABLES)} tables' final rows into identical tables with "
            "their indexes and foreign keys, read from files ready in COPY's own format.",
            f"Peer: django-import-export in bulk mode on {min(PEER_ROWS, rows):,} rows, to the "
            "same profiles, contacts, identities and consents; without merging persons that "
            "exist already, rejected rows, or a checkpoint.",
        ],
    )


def _expected_rows(files: list[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") - 1 for path in files)


def fresh_group() -> Group:
    """Provision the next group of the run."""
    return make_group(f"bench_import_{next(_numbers)}")


def import_files(
    group: Group, files: list[Path], *, kind: ImportJob.Kind = ImportJob.Kind.MEMBERS
) -> float:
    """Import the files as the worker does; return the seconds."""
    with stopwatch() as watch:
        for path, brand_id in zip(files, group.brands, strict=True):
            with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
                job = import_create(
                    brand=Brand.objects.get(pk=brand_id),
                    kind=kind,
                    path=path,
                    file_name=path.name,
                )
            job = import_run(tenant=group.tenant, job_id=job.pk, finish=False)
            assert job.state == ImportJob.State.DONE, job.error
            assert job.rows_rejected == 0, "the synthetic rows are all good"
        finish_pending(tenant=group.tenant)
    return watch.seconds


def _ours(files: list[Path], peaks: list[int]) -> float:
    group = fresh_group()
    seconds, peak = in_child(lambda: import_files(group, files))
    peaks.append(peak)
    drop_group(group)
    return seconds


def _save_final_rows(files: list[Path], folder: Path, rows: int) -> None:
    """Import once and keep what the tables then hold, for the limit's COPY."""
    group = fresh_group()
    in_child(lambda: import_files(group, files))
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
        assert Profile.objects.count() == rows
        persons = Person.objects.count()
        assert rows // 4 < persons < rows, "persons of several brands were not resolved"
    save_tables(group, folder, TABLES)
    drop_group(group)


def _limit(folder: Path) -> float:
    group = fresh_group()
    with stopwatch() as watch:
        load_tables(group, folder, TABLES)
    drop_group(group)
    return watch.seconds


def _peer(sample: list[Path]) -> float:
    group = fresh_group()
    with stopwatch() as watch:
        for path, brand_id in zip(sample, group.brands, strict=True):
            with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
                import_file(path, brand_id)
    drop_group(group)
    return watch.seconds
