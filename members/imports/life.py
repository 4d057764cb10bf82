"""Steps that every long job of an import takes: begin, note how far it is, stop when asked, end."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.wall import scope
from members.models import ImportJob
from members.rollups import note_unfinished
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

Progress = Callable[[ImportJob], None]


def language_of(tenant: Tenant, job: ImportJob) -> str:
    """Return the language that reasons are written in: its author's, or the group's."""
    user = User.objects.filter(pk=job.created_by_id).first() if job.created_by_id else None
    return (user.language if user else "") or tenant.locale


def note(tenant: Tenant, job: ImportJob, **fields: object) -> None:
    """Write fields of a job in a transaction of its own."""
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        ImportJob.objects.filter(pk=job.pk).update(**fields)
    for name, value in fields.items():
        setattr(job, name, value)


def end(tenant: Tenant, job: ImportJob, state: str, error: str = "") -> None:
    """Write down that a job has ended, how and why.

    One that another worker has brought to its end stays as that left it: this one found no file
    any more, say.
    """
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        now = ImportJob.objects.select_for_update().get(pk=job.pk)
        if now.state not in {ImportJob.State.DONE, ImportJob.State.CANCELLED}:
            now.state, now.error, now.phase, now.finished_at = state, error, "", timezone.now()
            now.save(update_fields=_ENDED)
            if state == ImportJob.State.FAILED:
                _note_behind()
    for name in _ENDED:
        setattr(job, name, getattr(now, name))


_ENDED = ("state", "error", "phase", "finished_at")


def _note_behind() -> None:
    """Note that figures are behind what was written: whoever sweeps brings them up to date."""
    with connection.cursor() as cursor:
        note_unfinished(cursor)


def call_off(job: ImportJob, error: str = "") -> None:
    """Cancel a job that no worker has begun with, or that has stopped, in the caller's lock."""
    job.state, job.error = ImportJob.State.CANCELLED, error or job.error
    # From here on it counts how long its rejected rows wait, and until when it is taken back.
    job.finished_at = job.finished_at or timezone.now()
    job.save(update_fields=["state", "error", "finished_at"])


def stop_asked(now: ImportJob) -> dict[str, object]:
    """Return the fields of a job that someone asked to stop between two chunks; none otherwise.

    In the transaction that writes them, which notes that figures are behind what was written.
    """
    line = {"line": max(now.checkpoint_line, 1)}
    if now.is_cancel_asked:
        state = ImportJob.State.CANCELLED
        error = _("Cancelled after line %(line)s. The rows up to that line are kept.") % line
        if now.undoes_id:
            error = _("Cancelled. What was taken back until then stays so.")
    elif now.is_pause_asked:
        state, error = ImportJob.State.PAUSED, ""
    else:
        return {}
    _note_behind()
    return {
        "state": state,
        "error": error,
        "finished_at": timezone.now(),
        "phase": "",
        "is_pause_asked": False,
    }
