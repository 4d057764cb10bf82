"""Jobs of members, run by a worker that holds the owner's credentials."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from members import rollups
from members.imports.pipeline import import_run
from members.imports.upkeep import imports_resume, uploads_purge
from members.exports import tasks as _exports  # noqa: F401  their tasks are found here
from tenants.connection import connection
from tenants.models import Tenant


@shared_task(name="members.run_import")
def run_import(job_id: int) -> str:
    """Import a job's file in the group whose schema came with the task."""
    return import_run(tenant=_tenant(), job_id=job_id).state


def _tenant() -> Tenant:
    tenant = connection.tenant
    if not isinstance(tenant, Tenant):
        tenant = Tenant.objects.filter(schema_name=connection.schema_name).first()
    if tenant is None:
        raise RuntimeError("This task belongs to a group; it came without one.")
    return tenant


@shared_task(name="members.finish_group")
def finish_group() -> None:
    """Count the group's persons anew, in the group whose schema came with the task."""
    rollups.group_finish(tenant=_tenant())


def group_finish_enqueue() -> None:
    """Ask for `finish_group` once the current transaction is committed."""
    headers = {"_schema_name": connection.schema_name}
    # The switch holds whether or not a worker can be reached; the figures stay closed until then.
    transaction.on_commit(lambda: finish_group.apply_async(headers=headers), robust=True)


@shared_task(name="members.resume_imports")
def resume_imports() -> int:
    """Send unfinished imports of every group to the workers again: at each start of a worker."""
    return sum(map(imports_resume, _active()))


@shared_task(name="members.purge_uploads")
def purge_uploads() -> int:
    """Delete what uploads nobody needs any more, in every group; return how many files."""
    return sum(map(uploads_purge, _active()))


def _active() -> list[Tenant]:
    return list(Tenant.objects.filter(status=Tenant.Status.ACTIVE))
