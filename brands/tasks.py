"""Jobs of the mode and of notices, run by a worker that holds the owner's credentials."""

from __future__ import annotations

from celery import Task, shared_task
from django.db import transaction
from django.utils import translation

from brands.changes import follow_up
from brands.changes.preview import preview_make, previews_wanted
from brands.changes.upkeep import previews_purge
from brands.services import notices
from brands.wall import scope
from tenants.connection import connection
from tenants.context import in_every_group, task_tenant, tenant_transaction
from tenants.models import Tenant


def _send(task: Task, row_id: int, schema_name: str) -> None:
    task.apply_async(args=[row_id], headers={"_schema_name": schema_name})


@shared_task(name="brands.follow_mode_change")
def follow_mode_change(follow_up_id: int) -> str:
    """Recompute what rests on the mode, in the group whose schema came with the task."""
    return follow_up.follow_up_run(tenant=task_tenant(), follow_up_id=follow_up_id)


@shared_task(name="brands.preview_mode")
def preview_mode(draft_id: int) -> str:
    """Count what a draft would open and close, in the group whose schema came with the task."""
    made = preview_make(tenant=task_tenant(), draft_id=draft_id)
    return made.state if made else "not wanted"


@shared_task(name="brands.sweep_modes")
def sweep_modes() -> int:
    """Start, in every group, what is due or was left behind; take old previews away."""
    return in_every_group(_sweep)


def _sweep(tenant: Tenant) -> int:
    with tenant_transaction(tenant):
        due, wanted = follow_up.follow_ups_due(), previews_wanted()
        with scope.bulk(reason="old previews"):
            previews_purge()
    for row_id in due:
        _send(follow_mode_change, row_id, tenant.schema_name)
    for row_id in wanted:
        _send(preview_mode, row_id, tenant.schema_name)
    return len(due) + len(wanted)


@shared_task(name="brands.publish_notice")
def publish_notice(draft_id: int) -> str:
    """Publish the draft of a notice, in the group whose schema came with the task."""
    tenant = task_tenant()
    with tenant_transaction(tenant), translation.override(tenant.locale):
        return notices.publish(draft_id=draft_id, language=tenant.locale).state


def publish_enqueue(draft_id: int) -> None:
    """Ask for the notice of a draft once the current transaction is committed."""
    _enqueue(publish_notice, draft_id)


def follow_up_enqueue(follow_up_id: int) -> None:
    """Ask for a follow-up once the current transaction is committed."""
    _enqueue(follow_mode_change, follow_up_id)


def preview_enqueue(draft_id: int) -> None:
    """Ask for a draft's preview once the current transaction is committed."""
    _enqueue(preview_mode, draft_id)


def _enqueue(task: Task, row_id: int) -> None:
    schema_name = connection.schema_name
    # What was decided holds whether or not a worker can be reached; the sweep comes by.
    transaction.on_commit(lambda: _send(task, row_id, schema_name), robust=True)
