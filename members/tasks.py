"""Jobs of members, run by a worker that holds the owner's credentials."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from members.answer_figures import count_if_stale
from members.consents.entries import answers_record
from members.consents.expiry import expiries_catch_up, expiries_close
from members.exports import tasks as _exports  # noqa: F401  their tasks are found here
from members.identity.decisions import decisions_apply
from members.identity.likely import likely_forget, likely_refresh
from members.identity.suggestions import refresh_if_stale as suggestions_if_stale
from members.identity.whole import resolutions_run
from members.imports.acts import job_run
from members.imports.upkeep import imports_resume, uploads_purge
from members.intake import tasks as _intake  # noqa: F401  as are these
from members.retention import retention_count, retention_run
from members.rights.work import rights_run
from members.rotation import rotation_run
from members.strata_figures import count_if_due
from members.stratify import refresh_if_stale
from tenants.context import in_every_group, task_tenant
from tenants.models import Tenant


@shared_task(name="members.run_import")
def run_import(job_id: int) -> str:
    """Check or import a file, or take an import back, in the group that came with the task."""
    return job_run(tenant=task_tenant(), job_id=job_id).state


@shared_task(name="members.record_answers")
def record_answers() -> int:
    """Record the answers that wait, in the group whose schema came with the task."""
    return answers_record(tenant=task_tenant())


@shared_task(name="members.apply_decisions")
def apply_decisions() -> int:
    """Apply the decisions about persons that wait, in the group whose schema came with the task."""
    return decisions_apply(tenant=task_tenant())


@shared_task(name="members.resolve_persons")
def resolve_persons() -> int:
    """Go on with the resolutions asked for, in the group whose schema came with the task."""
    return resolutions_run(tenant=task_tenant())


@shared_task(name="members.sweep_persons")
def sweep_persons() -> int:
    """Do, in every group, what no worker was told of, and look for suggestions where it is due."""
    return in_every_group(
        lambda tenant: (
            decisions_apply(tenant=tenant)
            + resolutions_run(tenant=tenant)
            + suggestions_if_stale(tenant=tenant)
        )
    )


@shared_task(name="members.look_for_likely")
def look_for_likely() -> int:
    """Suggest, in every group, who is probably one person, where the installation has the extra."""

    def act(tenant: Tenant) -> int:
        if settings.LIKELY_SUGGESTIONS:
            return likely_refresh(tenant=tenant)
        likely_forget(tenant=tenant)
        return 0

    return in_every_group(act)


@shared_task(name="members.sweep_answers")
def sweep_answers() -> int:
    """Record, in every group, the answers that no worker was told of; return how many.

    Expiries that are overdue are closed as well, since their notices are not in force meanwhile.
    """
    return in_every_group(
        lambda tenant: answers_record(tenant=tenant) + expiries_catch_up(tenant=tenant)
    )


@shared_task(name="members.expire_answers")
def expire_answers() -> int:
    """Close, in every group, the answers that expire before the next run but one."""
    return in_every_group(lambda tenant: expiries_close(tenant=tenant))


@shared_task(name="members.count_answers")
def count_answers() -> int:
    """Count, in every group where answers changed or a day began, how members stand."""
    return in_every_group(lambda tenant: count_if_stale(tenant=tenant))


@shared_task(name="members.refresh_strata")
def refresh_strata() -> int:
    """Work out strata where they are stale, in the group whose schema came with the task."""
    return refresh_if_stale(tenant=task_tenant())


@shared_task(name="members.sweep_strata")
def sweep_strata() -> int:
    """Work out strata where they are stale, in every group, and count them where that is due."""
    return in_every_group(
        lambda tenant: refresh_if_stale(tenant=tenant) + count_if_due(tenant=tenant)
    )


@shared_task(name="members.resume_imports")
def resume_imports() -> int:
    """Send unfinished imports of every group to the workers again: at each start of a worker."""
    return in_every_group(imports_resume)


@shared_task(name="members.purge_uploads")
def purge_uploads() -> int:
    """Delete what uploads nobody needs any more, in every group; return how many files."""
    return in_every_group(uploads_purge)


@shared_task(name="members.rotate_keys")
def rotate_keys() -> str:
    """Seal anew what was asked for, in the group whose schema came with the task."""
    rotation = rotation_run(tenant=task_tenant())
    return rotation.state if rotation else ""


@shared_task(name="members.sweep_keys")
def sweep_keys() -> int:
    """Go on, in every group, with a change of a key: after a stop, and to delete former keys."""
    return in_every_group(lambda tenant: int(rotation_run(tenant=tenant) is not None))


@shared_task(name="members.run_rights")
def run_rights() -> int:
    """Do what people asked of their data, in the group whose schema came with the task."""
    return rights_run(tenant=task_tenant())


@shared_task(name="members.sweep_rights")
def sweep_rights() -> int:
    """Do, in every group, what no worker was told of; delete copies that nobody fetched."""
    return in_every_group(lambda tenant: rights_run(tenant=tenant))


@shared_task(name="members.count_retention")
def count_retention() -> int:
    """Count what rules of retention would take, in the group whose schema came with the task."""
    return retention_count(tenant=task_tenant())


@shared_task(name="members.run_retention")
def run_retention() -> int:
    """Take away, in every group, what its purpose no longer needs, and count what is next."""

    def act(tenant: Tenant) -> int:
        taken = retention_run(tenant=tenant)
        retention_count(tenant=tenant)
        return taken

    return in_every_group(act)
