"""What imports leave behind when nobody looks: jobs without a worker, files without a job."""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from brands.wall import scope
from members import folders
from members.imports import images, life
from members.imports.pipeline import remove_upload
from members.imports.report import rejected_file
from members.imports.services import import_enqueue
from members.models import ImportJob
from tenants.context import tenant_transaction
from tenants.models import Tenant

log = logging.getLogger(__name__)
State = ImportJob.State

# How long an upload waits for its columns, and rejected rows for whoever mends them.
UPLOADS_WAIT = dt.timedelta(days=7)
REJECTED_WAIT = dt.timedelta(days=30)


def imports_resume(tenant: Tenant) -> int:
    """Send every job that was being checked, queued or running to a worker again; return how many.

    A job that is running after all goes on in one of the two workers: the other sees that it was
    overtaken and stops.
    """
    unfinished = [State.CHECKING, State.QUEUED, State.RUNNING]
    with tenant_transaction(tenant), scope.bulk(reason="resume imports"):
        jobs = list(ImportJob.objects.filter(state__in=unfinished))
        for job in jobs:
            import_enqueue(job)
    return len(jobs)


def uploads_purge(tenant: Tenant) -> int:
    """Delete uploads that nobody went on with and rejected rows that nobody mended.

    Both hold contact data in clear, and so does a file whose import failed and was not taken up
    again, or whose job was never written. With them goes what rows said before imports that can no
    longer be taken back. Returns how many files were deleted.
    """
    now = timezone.now()
    deleted = 0
    with tenant_transaction(tenant), scope.bulk(reason="purge uploads"):
        waiting = ImportJob.objects.filter(
            Q(state__in=[State.UPLOADED, State.CHECKED], created_at__lt=now - UPLOADS_WAIT)
            | Q(state=State.PAUSED, finished_at__lt=now - UPLOADS_WAIT)
        )
        for job in waiting.select_for_update(skip_locked=True):
            life.call_off(job)
            if job.path:
                deleted += remove_upload(job, tenant.schema_name)
        mended = ImportJob.objects.exclude(rejected_path="").filter(
            finished_at__lt=now - REJECTED_WAIT
        )
        for job in mended.select_for_update(skip_locked=True):
            try:
                rejected_file(job, tenant.schema_name).unlink(missing_ok=True)
                deleted += 1
            except folders.StrangePath:
                log.warning("import %s of %s names a file that is not its own", job.pk, tenant)
            job.rejected_path = ""
            job.save(update_fields=["rejected_path"])
        deleted += _purge_leftovers(tenant, now)
        images.purge(before=now - dt.timedelta(days=settings.IMPORT_UNDO_DAYS))
    return deleted


def _purge_leftovers(tenant: Tenant, now: dt.datetime) -> int:
    unfinished = ~Q(state__in=[State.DONE, State.FAILED, State.CANCELLED])
    failed = Q(state=State.FAILED, finished_at__gte=now - UPLOADS_WAIT)
    needed = set(ImportJob.objects.filter(unfinished | failed).values_list("path", flat=True))
    return folders.remove_uploads(tenant.schema_name, before=now - UPLOADS_WAIT, but=needed)
