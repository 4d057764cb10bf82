"""Run an import: chunk after chunk, each with its checkpoint in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.wall import scope
from members import folders, locks
from members.imports import files, images, life, report
from members.imports.ahead import read_ahead
from members.imports.columns import Counts
from members.imports.consents import ConsentChunks
from members.imports.contacts import ContactChunks
from members.imports.errors import ImportOvertaken, ImportRefused
from members.imports.files import BadRow, Chunk, FileShape
from members.imports.mapping import columns_of
from members.imports.members import MemberChunks
from members.imports.memory import peak_memory, return_large_blocks
from members.imports.orders import OrderChunks
from members.imports.staff import StaffChunks
from members.imports.stores import StoreChunks
from members.imports.tags import TagChunks
from members.imports.touchpoints import TouchpointChunks
from members.models import ImportJob
from members.rollups import finish_pending
from tenants.context import tenant_transaction
from tenants.models import Tenant

log = logging.getLogger(__name__)

# Rows of one transaction: enough that a chunk's fixed cost is small, few enough to hold in memory
# and to redo after a stop.
CHUNK_ROWS = {
    ImportJob.Kind.MEMBERS: 14_000,
    ImportJob.Kind.ORDERS: 20_000,
    ImportJob.Kind.CONSENTS: 10_000,
    ImportJob.Kind.CONTACTS: 10_000,
    ImportJob.Kind.TOUCHPOINTS: 20_000,
    ImportJob.Kind.TAGS: 10_000,
    ImportJob.Kind.STORES: 2_000,
    ImportJob.Kind.STAFF: 2_000,
}

# What is prepared while another chunk is written need not be waited for. Nothing is written while
# the first one is prepared, so of a file that is longer than this it is a short one.
_FIRST_ROWS = {ImportJob.Kind.MEMBERS: 3_000}
_SHORT_FILE = 1_000_000

# How many of the lines that a later one replaced are named.
LINES_NAMED = 10
# Tables that a chunk joins with are analysed when they are so many times as large as they were.
_GROWN = 4


State = ImportJob.State
# What a worker takes up; a job that runs already has lost its worker, or is overtaken.
_STARTS = frozenset({State.QUEUED, State.RUNNING, State.FAILED})


class Writer(Protocol):
    """Write chunks of one kind of rows."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Name what the chunks join with; its statistics decide the plans."""

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write a chunk in the caller's transaction; return counts and rejected rows."""


_WRITERS: dict[ImportJob.Kind, Callable[[Tenant, ImportJob, dict[str, int]], Writer]] = {
    ImportJob.Kind.MEMBERS: MemberChunks,
    ImportJob.Kind.ORDERS: OrderChunks,
    ImportJob.Kind.CONSENTS: ConsentChunks,
    ImportJob.Kind.CONTACTS: ContactChunks,
    ImportJob.Kind.TOUCHPOINTS: TouchpointChunks,
    ImportJob.Kind.TAGS: TagChunks,
    ImportJob.Kind.STORES: StoreChunks,
    ImportJob.Kind.STAFF: StaffChunks,
}


def writer_of(kind: str) -> Callable[[Tenant, ImportJob, dict[str, int]], Writer]:
    """Return what makes the writer of a kind of rows."""
    return _WRITERS[ImportJob.Kind(kind)]


def import_run(
    *,
    tenant: Tenant,
    job_id: int,
    progress: life.Progress | None = None,
    finish: bool = True,
    chunk_rows: int | None = None,
) -> ImportJob:
    """Import a job's file from its checkpoint on, and bring totals and roll-ups up to date.

    For a process that holds the owner's credentials, outside a transaction: each chunk commits
    with its checkpoint, so a run that was killed goes on where it stopped. With `finish=False`
    totals and roll-ups stay pending until `members.rollups.finish_pending`. What goes wrong stands
    in the returned job (state, error); only the unforeseen is raised, after it was noted.
    """
    job = _begin(tenant, job_id)
    if job.state != ImportJob.State.RUNNING:
        return job
    return_large_blocks()
    say = progress or (lambda job: None)
    with translation.override(life.language_of(tenant, job)):
        try:
            _run(tenant, job, say, chunk_rows or CHUNK_ROWS[ImportJob.Kind(job.kind)])
            if job.state == ImportJob.State.RUNNING:
                if finish:
                    life.note(tenant, job, phase="figures")
                    say(job)
                    finish_pending(tenant=tenant)
                life.end(tenant, job, ImportJob.State.DONE)
            if job.is_finished:
                remove_upload(job, tenant.schema_name)
        except ImportOvertaken:
            log.warning("import %s of %s goes on in another worker", job_id, tenant)
        except ImportRefused as error:
            life.end(tenant, job, ImportJob.State.FAILED, str(error))
        except Exception as error:
            life.end(tenant, job, ImportJob.State.FAILED, _stopped(job, error))
            raise
    say(job)
    return job


def _begin(tenant: Tenant, job_id: int) -> ImportJob:
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        job = ImportJob.objects.select_for_update().get(pk=job_id)
        if job.state not in _STARTS:
            return job
        job.state = ImportJob.State.RUNNING
        job.phase = "rows"
        job.error = ""
        job.started_at = timezone.now()
        job.finished_at = None
        job.resumed_from = job.checkpoint
        job.resumed_rows = job.rows_read
        if not job.checkpoint:
            _forget_check(tenant, job)
            with connection.cursor() as cursor:
                job.ids_after = images.last_id(cursor, job.kind)
        job.save()
    return job


def _forget_check(tenant: Tenant, job: ImportJob) -> None:
    """Drop the rejected rows of a check: the import that begins writes its own."""
    if job.rejected_path:
        report.rejected_file(job, tenant.schema_name).unlink(missing_ok=True)
        job.rejected_path = ""
    job.rejected_bytes = 0


def remove_upload(job: ImportJob, schema_name: str) -> bool:
    """Delete an upload that is needed no more, since it holds contact data in clear.

    Of a file that a command named this is the link or copy. Returns whether a file was deleted.
    """
    try:
        path = source_path(job, schema_name)
    except ImportRefused:
        log.warning("import %s of %s names a file that is not its own", job.pk, schema_name)
        return False
    if not path.exists():
        return False
    path.unlink(missing_ok=True)
    return True


def _stopped(job: ImportJob, error: Exception) -> str:
    # More read the job than its file, and the words of an error may quote a row.
    why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return _(
        "Stopped after line %(line)s: %(why)s. The rows up to that line are kept. Start the import "
        "again to go on from there."
    ) % {"line": max(job.checkpoint_line, 1), "why": why}


def source_path(job: ImportJob, schema_name: str) -> Path:
    """Return where a job's file is; raises ImportRefused for a path that is not the job's own."""
    try:
        return folders.own_file(job.path, "imports", schema_name, job.brand_id)
    except folders.StrangePath as error:
        raise ImportRefused(str(error)) from error


@contextmanager
def reading(
    tenant: Tenant, job: ImportJob, chunk_rows: int
) -> Iterator[tuple[FileShape, dict[str, int], Writer, Iterator[Chunk]]]:
    """Open a job's file at its checkpoint; give its shape, its columns, its writer, its chunks."""
    path = source_path(job, tenant.schema_name)
    try:
        shape = files.inspect_file(path)
    except ImportRefused as error:
        if not job.checkpoint:
            raise
        raise ImportRefused(_changed(job)) from error
    if job.file_digest and shape.digest != job.file_digest:
        raise ImportRefused(_changed(job))
    columns = columns_of(job.kind, shape.headings, job.mapping)
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        writer: Writer = _WRITERS[ImportJob.Kind(job.kind)](tenant, job, columns)
    with files.opened(path, shape.encoding) as source:
        is_long = shape.size - job.checkpoint > _SHORT_FILE
        found = files.chunks(
            source,
            shape,
            start=job.checkpoint,
            start_line=job.checkpoint_line,
            rows=chunk_rows,
            first_rows=_FIRST_ROWS.get(ImportJob.Kind(job.kind), 0) if is_long else 0,
        )
        yield shape, columns, writer, found


def _run(tenant: Tenant, job: ImportJob, say: life.Progress, chunk_rows: int) -> None:
    with (
        reading(tenant, job, chunk_rows) as (shape, _columns, writer, found),
        read_ahead(tenant, writer, found) as chunks,
    ):
        for number, chunk in enumerate(chunks):
            if number:
                _analyse_grown(tenant, writer.tables)
            _write_chunk(tenant, job, shape, writer, chunk)
            say(job)
            if job.state != ImportJob.State.RUNNING:
                return


def _say_wait(tenant: Tenant, job: ImportJob) -> None:
    """Note that the next chunk waits, where another import writes into the same brand."""
    with tenant_transaction(tenant):
        is_free = locks.is_brand_free(job.brand_id, job.kind)
    if not is_free:
        life.note(tenant, job, phase="waits")


def _analyse_grown(tenant: Tenant, tables: tuple[str, ...]) -> None:
    """Tell the planner how large tables have become; autovacuum would, but minutes later."""
    with tenant_transaction(tenant), connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM pg_class "
            "WHERE oid = ANY (%s::regclass[]) AND pg_relation_size(oid) > "
            "%s * relpages * current_setting('block_size')::bigint",
            [list(tables), _GROWN],
        )
        if grown := cursor.fetchone()[0]:
            cursor.execute(f"ANALYZE {grown}")


def _changed(job: ImportJob) -> str:
    return _(
        "The file is not the one this import began with. The rows up to line %(line)s are kept. "
        "Import the new file as a new import."
    ) % {"line": max(job.checkpoint_line, 1)}


def _write_chunk(
    tenant: Tenant, job: ImportJob, shape: FileShape, writer: Writer, chunk: Chunk
) -> None:
    """Commit a chunk, its checkpoint, its counts and its rejected rows together."""
    _say_wait(tenant, job)
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        with connection.cursor() as cursor:
            # A crash of the server may take the last chunks back, whole and with their checkpoint.
            cursor.execute("SET LOCAL synchronous_commit = off")
        now = ImportJob.objects.select_for_update().get(pk=job.pk)
        if now.checkpoint != job.checkpoint or now.state != ImportJob.State.RUNNING:
            raise ImportOvertaken(str(job.pk))
        fields = life.stop_asked(now)
        if not fields:
            counts, bad = writer.write(chunk)
            fields["phase"] = "rows"
            with connection.cursor() as cursor:
                fields["ids_to"] = images.last_id(cursor, job.kind)
            fields["checkpoint"] = chunk.end
            fields["checkpoint_line"] = chunk.end_line
            fields["peak_memory"] = max(now.peak_memory, peak_memory())
            if bad:
                bad.sort(key=lambda row: row.line)
                name = folders.rejected_path(tenant.schema_name, job.pk)
                place = folders.rejected_file(name, tenant.schema_name, job.pk)
                fields["rejected_path"] = name
                fields["rejected_bytes"] = report.append_rejected(
                    place, now.rejected_bytes, shape.headings, bad
                )
            if more := counts.repeated[: LINES_NAMED - len(now.repeated_lines)]:
                fields["repeated_lines"] = now.repeated_lines + more
            for name, amount in (
                ("rows_read", len(chunk.rows) + len(chunk.bad)),
                ("rows_created", counts.created),
                ("rows_updated", counts.updated),
                ("rows_unchanged", counts.unchanged),
                ("rows_repeated", len(counts.repeated)),
                ("rows_rejected", len(bad)),
            ):
                fields[name] = getattr(now, name) + amount
        ImportJob.objects.filter(pk=job.pk).update(**fields)
    for name, value in fields.items():
        setattr(job, name, value)
