"""Create, start, cancel and run imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from brands.models import Brand
from members.imports import life
from members.imports.contract import mapping_open, refuse_contact
from members.imports.errors import ImportRefused
from members.imports.files import Preview, preview_file
from members.imports.mapping import columns_of
from members.imports.pipeline import import_run, remove_upload, source_path
from members.imports.rules import clean
from members.imports.sources import mapping_for, rules_for, source_change
from members.imports.uploads import Arrival, take_in
from members.models import ImportJob, ImportSource
from tenants import audit
from tenants.connection import connection
from tenants.models import User
from tenants.wording import listed

__all__ = [
    "ImportRefused",
    "import_again_from",
    "import_cancel",
    "import_create",
    "import_preview",
    "import_run",
    "import_start",
    "import_take_part",
]

# What may be started: new ones, checked ones, and those that go on.
STARTABLE = frozenset(
    {
        ImportJob.State.UPLOADED,
        ImportJob.State.CHECKED,
        ImportJob.State.PAUSED,
        ImportJob.State.FAILED,
    }
)


@transaction.atomic
def import_create(
    *,
    brand: Brand,
    kind: str,
    path: Path,
    file_name: str,
    acting_user: User | None = None,
    mapping: dict[str, str] | None = None,
    is_mapped_later: bool = False,
    source: ImportSource | None = None,
    part: str = "",
    rules: dict[str, Any] | None = None,
    mends: ImportJob | None = None,
) -> ImportJob:
    """Look at a file and write down the wish to import it; raises ImportRefused with the reason.

    A file that is no upload of this brand's is linked into the group's folder, and stays itself.
    Without a `mapping` (field → heading) the headings are recognised. `is_mapped_later` leaves
    missing columns for a person to choose; otherwise the job is ready to run. Of a workbook or an
    archive `part` names the sheet or file that is meant. Without `rules` it has those of its
    source. `mends` is the import whose rejected rows the file brings.
    """
    path = Path(path)
    if path.exists() and path.stat().st_size > settings.IMPORT_MAX_BYTES:
        raise ImportRefused(
            _("The file is larger than %(size)d MB. Nothing was imported. Split it.")
            % {"size": settings.IMPORT_MAX_BYTES // 2**20}
        )
    arrival = take_in(path, connection.schema_name, brand.pk, part=part)
    try:
        fields = _looked_at(
            arrival, kind, source, mapping, acting_user, is_mapped_later=is_mapped_later
        )
        arrival.keep(connection.schema_name, brand.pk)
        job = ImportJob.objects.create(
            brand=brand,
            kind=kind,
            source=source,
            rules=clean(rules_for(source, kind) if rules is None else rules),
            mends=mends,
            state=ImportJob.State.UPLOADED if is_mapped_later else ImportJob.State.QUEUED,
            file_name=" › ".join((file_name, *arrival.inside))[:200],
            created_by=acting_user,
            created_by_name=str(acting_user)[:120] if acting_user else "system",
            grant_id=(
                acting_user.acting_grant.pk if acting_user and acting_user.acting_grant else None
            ),
            path=str(arrival.path.relative_to(settings.MEDIA_ROOT)),
            **fields,
        )
    except BaseException:
        arrival.discard()
        raise
    audit.record(
        acting_user=acting_user,
        action="import.create",
        target=job,
        changes={"brand": ["", brand.code], "kind": ["", kind], "file": ["", job.file_name]},
    )
    return job


def _looked_at(
    arrival: Arrival,
    kind: str,
    source: ImportSource | None,
    mapping: dict[str, str] | None,
    acting_user: User | None,
    *,
    is_mapped_later: bool,
) -> dict[str, Any]:
    """Return what a job keeps of its file, or of the parts of which one is to be chosen."""
    refuse_contact(kind, mapping or {}, acting_user)
    shape = arrival.shape
    if shape is None:
        if not is_mapped_later:
            raise ImportRefused(
                _(
                    "The file holds several tables. Nothing was imported. Say which one is meant: "
                    "%(parts)s."
                )
                % {"parts": listed(part.name for part in arrival.choices)[:500]}
            )
        parts = [
            {"place": part.place, "name": part.name, "is_sheet": part.is_sheet}
            for part in arrival.choices
        ]
        return {
            "parts": parts,
            "given_digest": arrival.given_digest,
            "bytes_total": arrival.path.stat().st_size,
        }
    if is_mapped_later and not shape.has_rows:
        # A person chose the wrong file; a nightly file of a command may have nothing to say.
        raise ImportRefused(_("The file has headings but no rows. Nothing was imported."))
    if mapping is None:
        mapping, _is_as_last = mapping_for(source, kind, shape.headings)
        mapping = mapping_open(mapping, acting_user)
    if not is_mapped_later:
        columns_of(kind, shape.headings, mapping)
    return {
        "parts": [],
        "given_digest": arrival.given_digest,
        "file_digest": shape.digest,
        "encoding": shape.encoding,
        "delimiter": shape.delimiter,
        "mapping": mapping,
        "bytes_total": shape.size,
    }


@transaction.atomic
def import_take_part(*, job: ImportJob, part: str, acting_user: User | None) -> ImportJob:
    """Take the sheet or packed file that a person chose out of an upload; raises ImportRefused."""
    job = ImportJob.objects.select_for_update(of=("self",)).select_related("source").get(pk=job.pk)
    if job.state != ImportJob.State.UPLOADED or not job.parts:
        return job
    schema_name = connection.schema_name
    arrival = take_in(source_path(job, schema_name), schema_name, job.brand_id, part=part)
    try:
        fields = _looked_at(arrival, job.kind, job.source, None, acting_user, is_mapped_later=True)
        fields |= {
            "path": str(arrival.path.relative_to(settings.MEDIA_ROOT)),
            "file_name": " › ".join((job.file_name, *arrival.inside))[:200],
            "given_digest": job.given_digest or arrival.given_digest,
        }
        for name, value in fields.items():
            setattr(job, name, value)
        job.save(update_fields=list(fields))
        audit.record(
            acting_user=acting_user,
            action="import.choose",
            target=job,
            changes={"file": ["", job.file_name]},
        )
    except BaseException:
        arrival.discard()
        raise
    return job


def import_again_from(*, job: ImportJob, path: Path, part: str = "") -> ImportJob:
    """Give a stopped job its file again, where what was kept of it is gone."""
    try:
        is_here = source_path(job, connection.schema_name).exists()
    except ImportRefused:
        is_here = False
    if not is_here:
        arrival = take_in(path, connection.schema_name, job.brand_id, part=part)
        if arrival.digest != job.file_digest:
            arrival.discard()
            raise ImportRefused(
                _("This is not the table that the import began with. What it wrote is kept.")
            )
        arrival.keep(connection.schema_name, job.brand_id)
        job.path = str(arrival.path.relative_to(settings.MEDIA_ROOT))
        job.save(update_fields=["path"])
    return job


@transaction.atomic
def import_start(
    *,
    job: ImportJob,
    acting_user: User | None,
    mapping: dict[str, str] | None = None,
    rules: dict[str, Any] | None = None,
) -> ImportJob:
    """Hand a job to the worker: a new one with its columns, or a stopped one to go on.

    `rules` are kept for the source's next file too. Raises ImportRefused where the columns do not
    fit or the job is not waiting.
    """
    locked = to_start(job, STARTABLE, mapping, acting_user)
    set_rules(locked, rules, acting_user)
    locked.state = ImportJob.State.QUEUED
    locked.save()
    audit.record(
        acting_user=acting_user,
        action="import.start",
        target=locked,
        # Not the headings: those of a file without a heading line are its first member.
        changes={"columns": ["", sorted(locked.mapping)]},
    )
    import_enqueue(locked)
    return locked


def to_start(
    job: ImportJob,
    states: frozenset[ImportJob.State],
    mapping: dict[str, str] | None,
    acting_user: User | None,
) -> ImportJob:
    """Return a job, locked, with its columns and nothing asked of it; ImportRefused if it cannot.

    Columns may change until the first row is written.
    """
    locked = ImportJob.objects.select_for_update().get(pk=job.pk)
    if locked.state not in states:
        raise ImportRefused(_("This import is %s already.") % locked.get_state_display().lower())
    # What went would not come back with the rest.
    if any(undoing.checkpoint or not undoing.is_finished for undoing in locked.undoings.all()):
        raise ImportRefused(
            _("This import was taken back, so its rest stays out. Import the file as a new import.")
        )
    if mapping is not None and locked.checkpoint == 0:
        columns_of(locked.kind, import_preview(locked, rows=1).headings, mapping)
        locked.mapping = mapping
    if locked.checkpoint == 0:
        refuse_contact(locked.kind, locked.mapping, acting_user)
    locked.is_cancel_asked = locked.is_pause_asked = False
    locked.error = ""
    locked.started_at = locked.finished_at = None
    return locked


def set_rules(job: ImportJob, rules: dict[str, Any] | None, acting_user: User | None) -> None:
    """Give a job that has not begun its rules, and its source for the next file; does not save."""
    if rules is None or job.checkpoint:
        return
    job.rules = clean(rules)
    if job.source is not None:
        source_change(source=job.source, acting_user=acting_user, rules={job.kind: job.rules})


def import_preview(job: ImportJob, *, rows: int = 20) -> Preview:
    """Return the headings and first rows of a job's file; raises ImportRefused if it is gone."""
    try:
        return preview_file(
            source_path(job, connection.schema_name), job.encoding, job.delimiter, rows=rows
        )
    except OSError as error:
        raise ImportRefused(
            _("The uploaded file is no longer here. Upload it again; nothing else was lost.")
        ) from error


def import_enqueue(job: ImportJob) -> None:
    """Send a job to the worker when the current transaction commits."""
    from members.tasks import run_import

    schema_name = connection.schema_name
    transaction.on_commit(
        lambda: run_import.apply_async([job.pk], headers={"_schema_name": schema_name})
    )


@transaction.atomic
def import_cancel(*, job: ImportJob, acting_user: User | None) -> ImportJob:
    """Ask a job to stop; what it has committed stays. A job not yet running stops at once."""
    locked = ImportJob.objects.select_for_update().get(pk=job.pk)
    if locked.is_finished and locked.state != ImportJob.State.FAILED:
        return locked
    locked.is_cancel_asked = True
    # A check that has begun is told, and stops by itself.
    is_checking = locked.state == ImportJob.State.CHECKING and locked.started_at is not None
    if locked.state != ImportJob.State.RUNNING and not is_checking:
        life.call_off(locked)
        # The upload holds contact data in clear and serves nobody now.
        schema_name = connection.schema_name
        if locked.path:
            transaction.on_commit(lambda: remove_upload(locked, schema_name))
    locked.save(update_fields=["is_cancel_asked"])
    audit.record(acting_user=acting_user, action="import.cancel", target=locked)
    return locked
