"""What else a person may do with an import: check it, pause it, mend its rows, take it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.wall import scope
from members.imports.dry_run import check_run
from members.imports.errors import ImportRefused
from members.imports.pipeline import import_run
from members.imports.rejects import mended_rows
from members.imports.services import STARTABLE, import_create, import_enqueue, set_rules, to_start
from members.imports.undo import undo_run, why_not_undone
from members.models import ImportJob
from tenants import audit
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

State = ImportJob.State


@transaction.atomic
def import_check(
    *,
    job: ImportJob,
    acting_user: User | None,
    mapping: dict[str, str] | None = None,
    rules: dict[str, Any] | None = None,
) -> ImportJob:
    """Hand a job to the worker to say what it would do; nothing is written but that.

    Raises ImportRefused where the columns do not fit or the import has begun.
    """
    if job.checkpoint or job.undoes_id:
        raise ImportRefused(_("A check comes before the import. This one has begun."))
    locked = to_start(job, STARTABLE | {State.QUEUED}, mapping, acting_user)
    set_rules(locked, rules, acting_user)
    locked.state = State.CHECKING
    locked.report = {}
    locked.save()
    audit.record(
        acting_user=acting_user,
        action="import.check",
        target=locked,
        changes={"columns": ["", sorted(locked.mapping)]},
    )
    import_enqueue(locked)
    return locked


@transaction.atomic
def import_pause(*, job: ImportJob, acting_user: User | None) -> ImportJob:
    """Ask a job to stop after the rows it is writing, to go on from there when it is started again.

    One that has not begun is paused at once. Raises ImportRefused for one that is not at work.
    """
    locked = ImportJob.objects.select_for_update().get(pk=job.pk)
    if locked.state == State.QUEUED:
        locked.state = State.PAUSED
        locked.finished_at = timezone.now()
    elif locked.state == State.RUNNING:
        locked.is_pause_asked = True
    else:
        raise ImportRefused(_("This import is %s.") % locked.get_state_display().lower())
    locked.save(update_fields=["state", "is_pause_asked", "finished_at"])
    audit.record(acting_user=acting_user, action="import.pause", target=locked)
    return locked


@transaction.atomic
def import_mend(
    *, job: ImportJob, path: Path, file_name: str, acting_user: User | None = None
) -> ImportJob:
    """Write down the wish to import the mended rejected rows of a job, by its columns and rules.

    Raises ImportRefused with the reason. What the rejected file has besides (line, column, reason)
    is left out; a file from which it was removed does as well.
    """
    if not job.is_finished or not job.rows_rejected:
        raise ImportRefused(_("This import has no rejected rows to mend."))
    plain = mended_rows(path, job, connection.schema_name)
    try:
        mending = import_create(
            brand=job.brand,
            kind=job.kind,
            path=plain,
            file_name=file_name,
            acting_user=acting_user,
            mapping=job.mapping,
            source=job.source,
            rules=job.rules,
            mends=job,
        )
    except BaseException:
        plain.unlink(missing_ok=True)
        raise
    import_enqueue(mending)
    return mending


@transaction.atomic
def import_undo(*, job: ImportJob, acting_user: User | None) -> ImportJob:
    """Write down the wish to take an import back; raises ImportRefused with the reason."""
    locked = ImportJob.objects.select_for_update().get(pk=job.pk)
    if why := why_not_undone(locked):
        raise ImportRefused(why)
    undoing = ImportJob.objects.create(
        brand=locked.brand,
        kind=locked.kind,
        state=State.QUEUED,
        file_name=locked.file_name,
        undoes=locked,
        created_by=acting_user,
        created_by_name=str(acting_user)[:120] if acting_user else "system",
        grant_id=acting_user.acting_grant.pk if acting_user and acting_user.acting_grant else None,
    )
    audit.record(
        acting_user=acting_user,
        action="import.undo",
        target=locked,
        changes={"file": ["", locked.file_name]},
    )
    import_enqueue(undoing)
    return undoing


def job_run(*, tenant: Tenant, job_id: int) -> ImportJob:
    """Do what a job is for: check its file, import it, or take another import back."""
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        job = ImportJob.objects.get(pk=job_id)
    if job.undoes_id:
        return undo_run(tenant=tenant, job_id=job_id)
    if job.state == State.CHECKING:
        return check_run(tenant=tenant, job_id=job_id)
    return import_run(tenant=tenant, job_id=job_id)
