"""Create, start, cancel and run imports."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from brands.models import Brand
from members.imports.errors import ImportRefused
from members.imports.files import Preview, inspect_file, preview_file
from members.imports.mapping import columns_of, map_automatically
from members.imports.pipeline import import_run, remove_upload, source_path
from members.imports.uploads import is_kept, keep_file
from members.models import ImportJob
from tenants import audit
from tenants.connection import connection
from tenants.models import User

__all__ = [
    "ImportRefused",
    "import_again_from",
    "import_cancel",
    "import_create",
    "import_preview",
    "import_run",
    "import_start",
]


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
) -> ImportJob:
    """Look at a file and write down the wish to import it; raises ImportRefused with the reason.

    A file that is no upload of this brand's is linked into the group's folder, and stays itself.
    Without a `mapping` (field → heading) the headings are recognised. `is_mapped_later` leaves
    missing columns for a person to choose; otherwise the job is ready to run.
    """
    path = Path(path)
    if path.exists() and path.stat().st_size > settings.IMPORT_MAX_BYTES:
        raise ImportRefused(
            _("The file is larger than %(size)d MB. Nothing was imported. Split it.")
            % {"size": settings.IMPORT_MAX_BYTES // 2**20}
        )
    shape = inspect_file(path)
    if is_mapped_later and not shape.has_rows:
        # A person chose the wrong file; a nightly file of a command may have nothing to say.
        raise ImportRefused(_("The file has headings but no rows. Nothing was imported."))
    if mapping is None:
        mapping = map_automatically(kind, shape.headings)
    if not is_mapped_later:
        columns_of(kind, shape.headings, mapping)
    if not is_kept(path, connection.schema_name, brand.pk):
        path = keep_file(path.resolve(), connection.schema_name, brand.pk)
    job = ImportJob.objects.create(
        brand=brand,
        kind=kind,
        state=ImportJob.State.UPLOADED if is_mapped_later else ImportJob.State.QUEUED,
        file_name=file_name[:200],
        path=str(path.relative_to(settings.MEDIA_ROOT)),
        file_digest=shape.digest,
        encoding=shape.encoding,
        delimiter=shape.delimiter,
        mapping=mapping,
        bytes_total=shape.size,
        created_by=acting_user,
        created_by_name=str(acting_user)[:120] if acting_user else "system",
        grant_id=acting_user.acting_grant.pk if acting_user and acting_user.acting_grant else None,
    )
    audit.record(
        acting_user=acting_user,
        action="import.create",
        target=job,
        changes={"brand": ["", brand.code], "kind": ["", kind], "file": ["", job.file_name]},
    )
    return job


def import_again_from(*, job: ImportJob, path: Path) -> ImportJob:
    """Give a stopped job its file again, where what was kept of it is gone."""
    try:
        is_here = source_path(job, connection.schema_name).exists()
    except ImportRefused:
        is_here = False
    if not is_here:
        kept = keep_file(path.resolve(), connection.schema_name, job.brand_id)
        job.path = str(kept.relative_to(settings.MEDIA_ROOT))
        job.save(update_fields=["path"])
    return job


@transaction.atomic
def import_start(
    *, job: ImportJob, acting_user: User | None, mapping: dict[str, str] | None = None
) -> ImportJob:
    """Hand a job to the worker: a new one with its columns, or a stopped one to go on.

    Raises ImportRefused where the columns do not fit or the job is not waiting.
    """
    locked = ImportJob.objects.select_for_update().get(pk=job.pk)
    if locked.state not in {ImportJob.State.UPLOADED, ImportJob.State.FAILED}:
        raise ImportRefused(_("This import is %s already.") % locked.get_state_display().lower())
    if mapping is not None and locked.checkpoint == 0:
        columns_of(locked.kind, import_preview(locked, rows=1).headings, mapping)
        locked.mapping = mapping
    locked.state = ImportJob.State.QUEUED
    locked.is_cancel_asked = False
    locked.error = ""
    locked.save(update_fields=["state", "mapping", "error", "is_cancel_asked"])
    audit.record(
        acting_user=acting_user,
        action="import.start",
        target=locked,
        # Not the headings: those of a file without a heading line are its first member.
        changes={"columns": ["", sorted(locked.mapping)]},
    )
    import_enqueue(locked)
    return locked


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
    if locked.state != ImportJob.State.RUNNING:
        locked.state = ImportJob.State.CANCELLED
        # The upload holds contact data in clear and serves nobody now.
        schema_name = connection.schema_name
        transaction.on_commit(lambda: remove_upload(locked, schema_name))
    locked.save(update_fields=["is_cancel_asked", "state"])
    audit.record(acting_user=acting_user, action="import.cancel", target=locked)
    return locked
