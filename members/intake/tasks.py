"""Jobs of batches, run by a worker that holds the owner's credentials."""

from __future__ import annotations

from celery import shared_task

from members.intake.applying import intake_apply, intake_sweep
from tenants.context import in_every_group, task_tenant


@shared_task(name="members.apply_intake")
def apply_intake() -> int:
    """Apply waiting batches, in the group whose schema came with the task."""
    return intake_apply(tenant=task_tenant())


@shared_task(name="members.sweep_intake")
def sweep_intake() -> int:
    """Apply, in every group, batches that no worker was told of, and bring figures up to date."""
    return in_every_group(lambda tenant: intake_sweep(tenant=tenant))
