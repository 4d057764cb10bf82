"""Jobs of exports, run by a worker that holds the app role's credentials."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from brands.changes import registry
from members.exports.job import export_run
from members.exports.services import export_enqueue, export_sweep, grants_of, jobs_of
from members.models import ExportJob
from tenants.connection import connection
from tenants.context import task_tenant
from tenants.models import Tenant
from tenants.selectors import active_tenants


@shared_task(name="members.run_export")
def run_export(job_id: str, grant_id: int) -> str:
    """Make an export's file, in the group whose schema came with the task, for who asked for it."""
    return export_run(tenant=task_tenant(), job_id=UUID(job_id), grant_id=grant_id).state


@shared_task(name="members.sweep_exports")
def sweep_exports() -> int:
    """Delete the files that no longer hold, in the group that came with the task or in all."""
    tenants = [
        one for one in active_tenants() if connection.schema_name in ("public", one.schema_name)
    ]
    return sum(export_sweep(tenant=tenant) for tenant in tenants)


@shared_task(name="members.resume_exports")
def resume_exports() -> int:
    """Begin unfinished exports of every group anew: at each start of a worker."""
    count = 0
    for tenant in active_tenants():
        with jobs_of(tenant, grants_of(tenant)):
            waiting = ExportJob.objects.filter(
                state__in=[ExportJob.State.QUEUED, ExportJob.State.RUNNING]
            )
            for job in waiting:
                export_enqueue(job)
                count += 1
    return count


def sweep_enqueue() -> None:
    """Ask for `sweep_exports` in this group once the current transaction is committed, if need be.

    For what closes rows: files with rows of other brands may hold them.
    """
    if not ExportJob.objects.filter(state=ExportJob.State.DONE, rows_of_others__gt=0).exists():
        return
    headers = {"_schema_name": connection.schema_name}
    # Files are refused whether or not a worker can be reached: each is looked at when fetched.
    transaction.on_commit(lambda: sweep_exports.apply_async(headers=headers), robust=True)


def register() -> None:
    """Let files that no longer hold be deleted after every change of mode."""

    def swept(tenant: Tenant, say: registry.Say) -> None:
        sweep_exports.apply_async(headers={"_schema_name": tenant.schema_name})

    registry.register_recompute("exports", _("Exported files that no longer hold"), swept)
