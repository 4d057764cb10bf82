"""Ask for exports, call them off, hand them out, and take back those that no longer hold."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import override as language

from brands.models import Brand, Generation
from brands.selectors import visible_for_grant
from brands.wall import scope
from brands.wall.visibility import Viewer, Visible, visibility
from members import contacts, member_list
from members.exports import files
from members.exports.errors import ExportOutdated, ExportRefused
from members.keys import group_keys, sealing_keys
from members.models import ExportJob, Profile
from tenants import audit
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User

MAY_EXPORT = "members.export_profile"
KEPT = dt.timedelta(days=7)
# How many files one grant may have in the making.
AT_ONCE = 3


def filters_asked(parameters: dict[str, str], visible: Visible) -> dict[str, str]:
    """Return the filters of a member list's address that its form can read."""
    form = member_list.MemberFilter(parameters, visible=visible)
    form.is_valid()
    kept = {name for name, value in form.cleaned_data.items() if value and name != "sort"}
    return {name: str(value) for name, value in parameters.items() if name in kept}


def exported(rows: QuerySet[Profile]) -> QuerySet[Profile]:
    """Leave out of a file whoever asked that their data be used for nothing."""
    return rows.filter(is_restricted=False)


def cleaned(filters: dict[str, str], visible: Visible) -> dict[str, Any]:
    """Return kept filters as the list's own form cleans them; raises ExportRefused."""
    form = member_list.MemberFilter(filters, visible=visible)
    if not form.is_valid():
        raise ExportRefused(
            _("The filters no longer fit the group's brands and stores. Ask for the export again.")
        )
    return form.cleaned_data


@transaction.atomic
def export_create(*, filters: dict[str, str], visible: Visible, acting_user: User) -> ExportJob:
    """Write down the wish for a file and hand it to the worker; raises ExportRefused.

    The file will hold what VISIBLE shows, which is what the acting user sees now.
    """
    grant = acting_user.acting_grant
    if grant is None or grant.pk is None or visible.viewer.is_looked_as:
        raise ExportRefused(_("Looking as another role, nothing is exported."))
    waiting = [ExportJob.State.QUEUED, ExportJob.State.RUNNING]
    own = ExportJob.objects.of(grant=grant, user=acting_user)
    if own.filter(state__in=waiting).count() >= AT_ONCE:
        raise ExportRefused(
            _("You have %(count)d exports in the making. Wait for one of them, or cancel it.")
            % {"count": AT_ONCE}
        )
    cleaned(filters, visible)
    job = ExportJob.objects.create(
        grant_id=grant.pk,
        created_by=acting_user,
        filters=contacts.seal_text(sealing_keys(), json.dumps(filters)),
        language=get_language() or "en",
        visible_digest=visible.digest,
    )
    audit.record(
        acting_user=acting_user,
        action="exportjob.request",
        target=job,
        # Not their values: one of them may be somebody's phone.
        changes={"filters": ["", ", ".join(sorted(filters))]},
    )
    export_enqueue(job)
    return job


def filters_of(job: ExportJob) -> dict[str, str]:
    """Return what a job was asked with."""
    return contacts.open_sealed(group_keys(), bytes(job.filters))


def export_enqueue(job: ExportJob) -> None:
    """Send a job to a scoped worker when the current transaction commits."""
    from members.exports.tasks import run_export

    headers, args = {"_schema_name": connection.schema_name}, [str(job.pk), job.grant_id]
    transaction.on_commit(lambda: run_export.apply_async(args, headers=headers))


@transaction.atomic
def export_cancel(*, job: ExportJob, acting_user: User) -> ExportJob:
    """Stop an export, or throw its file away."""
    locked = ExportJob.objects.select_for_update().get(pk=job.pk)
    if locked.is_waiting or locked.state == ExportJob.State.DONE:
        done = locked.state == ExportJob.State.DONE
        _end(locked, ExportJob.State.DELETED if done else ExportJob.State.CANCELLED, "")
        audit.record(acting_user=acting_user, action="exportjob.cancel", target=locked)
    return locked


def _end(job: ExportJob, state: str, error: str) -> None:
    """Take a job's file away; what was asked and what came of it stay."""
    paths = files.files_of(job, connection.schema_name)
    job.state, job.error, job.path = state, error, ""
    job.finished_at = job.finished_at or timezone.now()
    job.save(update_fields=["state", "error", "path", "finished_at"])
    transaction.on_commit(lambda: files.remove(paths), robust=True)


@dataclass(frozen=True)
class Handed:
    """Be a file on its way to its asker."""

    job: ExportJob
    name: str


def export_check(*, job: ExportJob, visible: Visible, acting_user: User) -> Handed:
    """Look whether a file is what its asker sees now, in the asker's open scope, and audit it.

    Raises ExportOutdated with what happened and what to do; then the file is gone.
    """
    locked = ExportJob.objects.select_for_update().get(pk=job.pk)
    if locked.state in {ExportJob.State.OUTDATED, ExportJob.State.DELETED}:
        raise ExportOutdated(locked.error or _deleted())
    if locked.state != ExportJob.State.DONE:
        raise ExportRefused(_("The file is not ready."))
    if reason := outdated(locked, visible):
        _end(locked, ExportJob.State.OUTDATED, reason)
        raise ExportOutdated(reason)
    if not files.file_of(locked, connection.schema_name).exists():
        _end(locked, ExportJob.State.DELETED, _deleted())
        raise ExportOutdated(_deleted())
    locked.downloads += 1
    locked.save(update_fields=["downloads"])
    audit.record(
        acting_user=acting_user,
        action="exportjob.download",
        target=locked,
        brands=map(int, locked.brands),
        changes=told(locked, visible.k),
    )
    day = timezone.localtime(locked.created_at).date().isoformat()
    return Handed(locked, f"members-{connection.schema_name}-{day}.csv")


def outdated(job: ExportJob, visible: Visible) -> str:
    """Return why a file is not what the open scope shows now; "" where it is."""
    if job.deletes_at is not None and job.deletes_at <= timezone.now():
        return _deleted()
    if job.visible_digest != visible.digest:
        return _(
            "The file was made when you could see something else: the mode, a notice or your "
            "access has changed since. It was deleted. What you asked for is kept: ask again, and "
            "you get what you may see now."
        )
    if not files.is_still_shown(job, connection.schema_name):
        return _(
            "Somebody in the file has taken back or changed what they agreed to since. It was "
            "deleted. What you asked for is kept: ask again, and you get what you may see now."
        )
    return ""


def _deleted() -> str:
    return _("The file is no longer kept. What you asked for is: ask again for a new one.")


def told(job: ExportJob, k: int) -> dict[str, list[str]]:
    """Return what the audit says of a file. HQ reads it in every mode: no small count is told."""
    codes = dict(Brand.objects.filter(pk__in=map(int, job.brands)).values_list("pk", "code"))
    return {
        "rows": ["", str(job.rows) if job.rows >= k else f"<{k}"],
        "brands": ["", ", ".join(sorted(codes.values()))],
    }


def answers_now() -> int:
    """Return how often the group's answers have changed."""
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("answers", flat=True)
    return found.first() or 0


@contextmanager
def jobs_of(tenant: Tenant, grant_ids: Iterable[int]) -> Iterator[None]:
    """Open one transaction that shows what some grants asked for, and no member."""
    alone = visibility(Viewer(grants=frozenset(grant_ids), is_read_only=True), {}, [])
    with tenant_transaction(tenant), scope.open(alone):
        yield


def grants_of(tenant: Tenant) -> list[int]:
    """Return every grant of a group, ended ones too: their files are to be taken away."""
    return list(Grant.objects.filter(tenant=tenant).values_list("pk", flat=True))


@contextmanager
def asker_scope(tenant: Tenant, job: ExportJob) -> Iterator[tuple[User, Visible]]:
    """Open one transaction inside what a job's asker sees now; raises ExportOutdated.

    The grant must hold now, and show what it showed when the file was asked for.
    """
    with tenant_transaction(tenant), timezone.override(tenant.time_zone), language(job.language):
        grant = (
            Grant.objects.current()
            .filter(pk=job.grant_id, tenant=tenant, user_id=job.created_by_id)
            .select_related("user", "tenant", "engagement")
            .first()
        )
        if grant is None:
            raise ExportOutdated(_("The access that the file was asked for under has ended."))
        user = grant.user
        user.acting_grant = grant
        if not user.has_perm(MAY_EXPORT):
            raise ExportOutdated(_("The role that the file was asked for under may not export."))
        visible = visible_for_grant(grant, k=tenant.k)
        with scope.open(visible):
            if visible.digest != job.visible_digest:
                raise ExportOutdated(outdated(job, visible))
            yield user, visible


def export_sweep(*, tenant: Tenant) -> int:
    """Delete every file that is not what its asker sees any more, or is old; return how many."""
    with jobs_of(tenant, grants_of(tenant)):
        done = list(
            ExportJob.objects.filter(state=ExportJob.State.DONE).values_list("pk", "grant_id")
        )
    # Whose grant is gone altogether has no row that anyone is shown.
    files.remove_older(tenant.schema_name, timezone.now() - KEPT - dt.timedelta(days=1))
    return sum(_swept(tenant, job_id, grant_id) for job_id, grant_id in done)


def _swept(tenant: Tenant, job_id: UUID, grant_id: int) -> bool:
    with jobs_of(tenant, [grant_id]):
        job = ExportJob.objects.get(pk=job_id)
        answers = answers_now()
    reason = ""
    try:
        with asker_scope(tenant, job) as (_user, visible):
            if job.answers != answers or (job.deletes_at and job.deletes_at <= timezone.now()):
                reason = outdated(job, visible)
    except ExportOutdated as outcome:
        reason = str(outcome)
    with jobs_of(tenant, [grant_id]):
        locked = ExportJob.objects.select_for_update().get(pk=job_id)
        if locked.state != ExportJob.State.DONE:
            return False
        if reason:
            _end(locked, ExportJob.State.OUTDATED, reason)
        else:
            locked.answers = answers
            locked.save(update_fields=["answers"])
    return bool(reason)
