"""Check a file: say what its import would do, and do nothing.

Each chunk is written by the import's own writer and rolled back, so that its locks are held no
longer than those of the import. What a chunk brings is therefore unknown to the next one, and the
check remembers by itself which rows it has met: a temporary file of keyed hashes, that only this
run can read and that ends with it.

What is said is about the brand's own members alone. Whom of them siblings know is told by the wall,
not by a file that anybody may make up.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.wall import scope
from members import contacts, folders
from members.imports import images, life, pipeline, report
from members.imports.cells import unwrapped
from members.imports.errors import ImportOvertaken, ImportRefused
from members.imports.files import BadRow, Chunk, FileShape
from members.imports.rules import Rules
from members.keys import group_keys
from members.models import ImportJob
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

State = ImportJob.State
# The columns by which rows of a kind are about the same; of other kinds it is all of them.
_KEYS = {
    ImportJob.Kind.MEMBERS: ("member_no",),
    ImportJob.Kind.ORDERS: ("order_no", "line_no"),
}
# Reasons that are told one by one, and lines that are named of each.
_REASONS, _LINES = 40, 10
_PROFILE = tuple(name for name in images.PROFILE_FIELDS if name not in {"as_of", "source_rank"})


@dataclass
class Tally:
    """Count what an import would do."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    repeated: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    # Members of the brand that would turn out to be one person with another of its members.
    joined: int = 0
    opened: int = 0
    closed: int = 0
    reasons: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    reason_rows: Counter[tuple[str, str]] = field(default_factory=Counter)

    def reject(self, bad: list[BadRow], names: dict[str, str]) -> None:
        """Count rejected rows by their reasons, in which no cell is quoted."""
        self.rejected += len(bad)
        for row in bad:
            key = (names.get(row.column, ""), plain(row))
            if key not in self.reasons and len(self.reasons) >= _REASONS:
                key = ("", "")
            lines = self.reasons.setdefault(key, [])
            if len(lines) < _LINES:
                lines.append(row.line)
            self.reason_rows[key] += 1

    def told(self) -> dict[str, Any]:
        """Return the counts as a job keeps them."""
        return {
            **{name: getattr(self, name) for name in _COUNTED},
            "fields": dict(self.fields),
            "reasons": [
                {"field": name, "reason": reason, "rows": rows, "lines": self.reasons[name, reason]}
                for (name, reason), rows in self.reason_rows.most_common()
            ],
        }


_COUNTED = (
    *("read", "created", "updated", "unchanged", "rejected", "repeated"),
    *("joined", "opened", "closed"),
)


def plain(row: BadRow) -> str:
    """Return why a row is rejected without what it says: a job is read by more than its file is."""
    reason = row.reason
    for cell in row.cells:
        if len(cell.strip()) > 2:
            reason = reason.replace(cell.strip(), "…")
    return re.sub(r"\d{5,}", "…", re.sub("“.*”", "“…”", reason, flags=re.DOTALL))


class _Met:
    """Remember the rows met so far: hash of the key → hashes of the fields."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        # A file without a name, gone with its connection.
        self._rows = sqlite3.connect("")
        self._rows.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
            "CREATE TABLE met (key BLOB PRIMARY KEY, fields BLOB) WITHOUT ROWID;"
            "CREATE TEMP TABLE asked (key BLOB)"
        )

    def close(self) -> None:
        self._rows.close()

    def hash(self, *texts: str, size: int = 16) -> bytes:
        """Return a hash of texts that nobody else can make."""
        found = hashlib.blake2b(key=self._secret, digest_size=size)
        for text in texts:
            found.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        return found.digest()

    def of(self, keys: list[bytes]) -> dict[bytes, bytes]:
        """Return what was kept of keys that were met."""
        self._rows.execute("DELETE FROM asked")
        self._rows.executemany("INSERT INTO asked VALUES (?)", ((key,) for key in keys))
        return dict(self._rows.execute("SELECT key, fields FROM met JOIN asked USING (key)"))

    def keep(self, rows: dict[bytes, bytes]) -> None:
        """Keep rows, instead of what was kept of their keys."""
        self._rows.executemany("INSERT OR REPLACE INTO met VALUES (?, ?)", sorted(rows.items()))


class _Check:
    """Run a file through its import's writer and count."""

    def __init__(
        self, tenant: Tenant, job: ImportJob, columns: dict[str, int], writer: pipeline.Writer
    ) -> None:
        self.tenant, self.job, self.columns, self.writer = tenant, job, columns, writer
        self.tally = Tally()
        self.met = _Met()
        self.rules = Rules.of(job)
        self.keys = group_keys()
        self.key_names = _KEYS.get(ImportJob.Kind(job.kind), tuple(columns))
        self.names = {heading: name for name, heading in job.mapping.items()}
        self.is_of_members = job.kind == ImportJob.Kind.MEMBERS

    def look(self, chunk: Chunk) -> list[BadRow]:
        """Count a chunk in the caller's transaction, which it leaves as it was."""
        said = [self._hashes(cells) for cells in chunk.rows]
        met = self.met.of([key for key, _fields in said])
        first = [place for place, (key, _fields) in enumerate(said) if key not in met]
        again = [place for place, (key, _fields) in enumerate(said) if key in met]
        bad = self._write(_part(chunk, first, chunk.bad), is_first=True)
        if again:
            bad += self._write(_part(chunk, again, []), is_first=False)
        bad_lines = {row.line for row in bad}
        left = [place for place in range(len(said)) if chunk.lines[place] not in bad_lines]
        self._compare({said[place][0]: said[place][1] for place in left}, met)
        self.tally.repeated += sum(said[place][0] in met for place in left) - len(
            {said[place][0] for place in left if said[place][0] in met}
        )
        self.tally.read += len(chunk.rows) + len(chunk.bad)
        bad.sort(key=lambda row: row.line)
        self.tally.reject(bad, self.names)
        return bad

    def _hashes(self, cells: list[str]) -> tuple[bytes, bytes]:
        texts = {
            name: unicodedata.normalize("NFKC", unwrapped(cells[place])).strip()
            for name, place in self.columns.items()
        }
        key = self.met.hash(*(texts.get(name, "") for name in self.key_names))
        # Eight bytes for each column, in their order; of an empty cell they are nought.
        fields = b"".join(self.met.hash(t, size=8) if t else bytes(8) for t in texts.values())
        return key, fields

    def _write(self, chunk: Chunk, *, is_first: bool) -> list[BadRow]:
        """Write rows and take everything back; return those that are rejected."""
        point = transaction.savepoint()
        if is_first and self.is_of_members:
            self._note_before(chunk)
        counts, bad = self.writer.write(chunk)
        if is_first:
            self.tally.created += counts.created
            self.tally.updated += counts.updated
            self.tally.unchanged += counts.unchanged
            self.tally.repeated += len(counts.repeated)
            if self.is_of_members:
                self._note_after()
        transaction.savepoint_rollback(point)
        return bad

    def _compare(self, left: dict[bytes, bytes], met: dict[bytes, bytes]) -> None:
        """Count the rows that an earlier chunk had too, and keep the newest of all."""
        kept = {}
        for key, fields in left.items():
            before = met.get(key)
            if before is not None:
                if self.rules.keeps:
                    fields = b"".join(
                        new if any(new) else old
                        for new, old in zip(_eights(fields), _eights(before), strict=True)
                    )
                if fields == before:
                    self.tally.unchanged += 1
                else:
                    self.tally.updated += 1
            kept[key] = fields
        self.met.keep(kept)

    def _note_before(self, chunk: Chunk) -> None:
        place = self.columns["member_no"]
        said = {
            unicodedata.normalize("NFKC", unwrapped(cells[place])).strip() for cells in chunk.rows
        }
        # What is no text to PostgreSQL is no member's number.
        numbers = [number for number in said if "\x00" not in number and number.isprintable()]
        with connection.cursor() as cursor:
            stage_query(
                cursor, "checked_number", "SELECT unnest(%s::varchar[]) AS member_no", [numbers]
            )
            stage_query(cursor, "before_check", _MEMBERS, {"brand": self.job.brand_id})

    def _note_after(self) -> None:
        tally = self.tally
        with connection.cursor() as cursor:
            stage_query(cursor, "after_check", _MEMBERS, {"brand": self.job.brand_id})
            changes = ", ".join(
                f"count(*) FILTER (WHERE a.{name} IS DISTINCT FROM b.{name} AND b.id IS NOT NULL)"
                for name in _PROFILE
            )
            cursor.execute(
                f"""
                SELECT count(*) FILTER (WHERE a.notice_id IS NOT NULL AND b.notice_id IS NULL),
                    count(*) FILTER (WHERE a.notice_id IS NULL AND b.notice_id IS NOT NULL),
                    -- By the brand's own links: what siblings know of them is not told.
                    count(*) FILTER (WHERE a.own_person_id IS NOT NULL
                        AND a.own_person_id IS DISTINCT FROM b.own_person_id), {changes}
                FROM after_check a LEFT JOIN before_check b USING (id)
                """  # noqa: S608 - columns of the code
            )
            opened, closed, joined, *fields = cursor.fetchone()
            tally.opened += opened
            tally.closed += closed
            tally.joined += joined
            tally.fields.update({name: n for name, n in zip(_PROFILE, fields, strict=True) if n})
            cursor.execute(
                "SELECT b.sealed, a.sealed FROM after_check a JOIN before_check b USING (id) "
                "WHERE a.fingerprint IS DISTINCT FROM b.fingerprint"
            )
            for old, new in cursor.fetchall():
                was, will = (self._open(blob) for blob in (old, new))
                tally.fields.update(
                    name for name in {*was, *will} if was.get(name) != will.get(name)
                )

    def _open(self, blob: bytes | None) -> dict[str, str]:
        return contacts.open_sealed(self.keys, bytes(blob)) if blob else {}


_MEMBERS = f"""
    SELECT p.id, p.own_person_id, p.notice_id, k.sealed, k.fingerprint,
        {", ".join(f"p.{name}" for name in _PROFILE)}
    FROM checked_number n
    JOIN members_profile p ON p.brand_id = %(brand)s AND p.member_no = n.member_no
    LEFT JOIN members_contact k ON k.profile_id = p.id
"""  # noqa: S608 - columns of the code


def _part(chunk: Chunk, places: list[int], bad: list[BadRow]) -> Chunk:
    return replace(
        chunk,
        lines=[chunk.lines[place] for place in places],
        rows=[chunk.rows[place] for place in places],
        bad=list(bad),
    )


def _eights(fields: bytes) -> Iterator[bytes]:
    return (fields[place : place + 8] for place in range(0, len(fields), 8))


def check_run(
    *,
    tenant: Tenant,
    job_id: int,
    progress: life.Progress | None = None,
    chunk_rows: int | None = None,
) -> ImportJob:
    """Check a job's file from its first row on, and write what was found on the job.

    For a process that holds the owner's credentials, outside a transaction. A check that lost its
    worker begins anew: it has nothing to lose.
    """
    say = progress or (lambda job: None)
    with tenant_transaction(tenant), scope.bulk(reason="check of an import"):
        job = ImportJob.objects.select_for_update().get(pk=job_id)
        if job.state != State.CHECKING:
            return job
        run = secrets.token_hex(8)
        job.report = {"run": run}
        job.started_at, job.finished_at = timezone.now(), None
        job.rejected_path, job.rejected_bytes, job.error = "", 0, ""
        job.save()
    with translation.override(life.language_of(tenant, job)):
        try:
            _run(tenant, job, say, chunk_rows or pipeline.CHUNK_ROWS[ImportJob.Kind(job.kind)], run)
        except ImportOvertaken:
            return job
        except ImportRefused as error:
            life.end(tenant, job, State.FAILED, str(error))
        except Exception:
            said = _("The check stopped. Nothing was written. Check the file again or import it.")
            life.end(tenant, job, State.FAILED, said)
            raise
    say(job)
    return job


def _run(tenant: Tenant, job: ImportJob, say: life.Progress, chunk_rows: int, run: str) -> None:
    with pipeline.reading(tenant, job, chunk_rows) as (shape, columns, writer, chunks):
        with tenant_transaction(tenant), scope.bulk(reason="check of an import"):
            check = _Check(tenant, job, columns, writer)
        with closing(check.met):
            for chunk in chunks:
                _look(tenant, job, check, shape, chunk, run)
                say(job)
                if job.state != State.CHECKING:
                    pipeline.remove_upload(job, tenant.schema_name)
                    return
    told = check.tally.told()
    life.note(tenant, job, state=State.CHECKED, report=told, finished_at=timezone.now())


def _look(
    tenant: Tenant, job: ImportJob, check: _Check, shape: FileShape, chunk: Chunk, run: str
) -> None:
    fields: dict[str, object] = {}
    with tenant_transaction(tenant), scope.bulk(reason="check of an import"):
        now = ImportJob.objects.select_for_update().get(pk=job.pk)
        if now.state != State.CHECKING or now.report.get("run") != run:
            raise ImportOvertaken(str(job.pk))
        if now.is_cancel_asked:
            fields = {"state": State.CANCELLED, "error": "", "finished_at": timezone.now()}
        else:
            if bad := check.look(chunk):
                name = folders.rejected_path(tenant.schema_name, job.pk)
                place = folders.rejected_file(name, tenant.schema_name, job.pk)
                fields["rejected_path"] = name
                fields["rejected_bytes"] = report.append_rejected(
                    place, now.rejected_bytes, shape.headings, bad
                )
            fields["report"] = {"run": run, "at": chunk.end, "read": check.tally.read}
        ImportJob.objects.filter(pk=job.pk).update(**fields)
    for name_, value in fields.items():
        setattr(job, name_, value)
