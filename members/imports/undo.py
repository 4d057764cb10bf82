"""Take an import back within its window: remove what it created, restore what it changed.

What something else happened to since stays as it is, and is told. Answers to
notices stay always, since their ledger only grows. Chunk after chunk, each with its checkpoint in
one transaction, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.wall import scope
from members import locks
from members.imports import images, life, undo_members, undo_orders, undo_places, undo_told
from members.imports.errors import ImportOvertaken, ImportRefused
from members.imports.undo_steps import Step, Undone
from members.models import ImportChange, ImportJob, Order, Profile, Tag
from members.rollups import finish_pending
from tenants.context import tenant_transaction
from tenants.models import Tenant

log = logging.getLogger(__name__)
State = ImportJob.State
CHUNK_ROWS = 5_000
# What stays is named up to this number.
_NAMED = 50
_STEPS: dict[ImportJob.Kind, tuple[Step, ...]] = {
    ImportJob.Kind.MEMBERS: (undo_members.restore, undo_members.remove),
    ImportJob.Kind.CONTACTS: (undo_members.restore,),
    ImportJob.Kind.ORDERS: (undo_orders.restore, undo_orders.remove),
    ImportJob.Kind.TOUCHPOINTS: undo_told.TOUCHPOINT_STEPS,
    ImportJob.Kind.TAGS: undo_told.TAG_STEPS,
    ImportJob.Kind.STORES: (undo_places.restore,),
    ImportJob.Kind.STAFF: (undo_places.restore,),
}
# What writers of a kind hold of a brand, where it is not named like the kind.
_HELD = {
    ImportJob.Kind.CONTACTS: "members",
    ImportJob.Kind.STORES: "store",
    ImportJob.Kind.STAFF: "guide",
}


def undone_until(job: ImportJob) -> dt.datetime | None:
    """Return until when an import can be taken back; None of one that is at work."""
    if job.finished_at is None or not job.is_finished:
        return None
    return job.finished_at + dt.timedelta(days=settings.IMPORT_UNDO_DAYS)


def why_not_undone(job: ImportJob) -> str:
    """Return why an import cannot be taken back now; nothing where it can."""
    until = undone_until(job)
    if job.undoes_id:
        return _("This takes an import back itself. Import that file again instead.")
    if until is None:
        return _("The import has not ended. Cancel it first, then take it back.")
    if job.kind == ImportJob.Kind.CONSENTS:
        return _(
            "Answers to notices are not taken back: their ledger only grows. Where the file was "
            "wrong, import it again with the opposite answers and a later time: that closes what "
            "it opened."
        )
    if not job.rows_created and not job.rows_updated:
        return _("The import changed nothing, so there is nothing to take back.")
    if until <= timezone.now():
        return _("Imports are taken back within %(days)d days. This one ended before.") % {
            "days": settings.IMPORT_UNDO_DAYS
        }
    # A sibling may name it as well.
    for undoing in job.undoings.filter(brand_id=job.brand_id):
        if not undoing.is_finished:
            return _("The import is being taken back already.")
        if undoing.state == State.DONE and not sum(undoing.report.get("kept", {}).values()):
            return _("The import was taken back.")
    return ""


# Members or orders up to which a page counts them one by one.
_COUNTED = 500_000


def undo_preview(job: ImportJob) -> dict[str, int]:
    """Return what would be looked at if an import were taken back, as the open scope sees it.

    `created` are there still, of which `with_orders` stay; `changed` is what the import counted.
    """
    low, high = job.ids_after or 0, job.ids_to or 0
    told = {"created": job.rows_created, "changed": job.rows_updated}
    if high - low > _COUNTED:
        return told
    if job.kind not in {ImportJob.Kind.MEMBERS, ImportJob.Kind.ORDERS}:
        return told
    model = Order if job.kind == ImportJob.Kind.ORDERS else Profile
    created = model.objects.filter(import_id=job.pk, pk__gt=low, pk__lte=high)
    told["created"] = created.count()
    if model is Profile:
        told["with_orders"] = created.filter(orders__gt=0).count()
    return told


def undo_run(
    *,
    tenant: Tenant,
    job_id: int,
    progress: life.Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> ImportJob:
    """Take back what a job names, from its checkpoint on, and bring figures up to date.

    For a process that holds the owner's credentials, outside a transaction.
    """
    say = progress or (lambda job: None)
    job = _begin(tenant, job_id)
    if job.state != State.RUNNING:
        return job
    with translation.override(life.language_of(tenant, job)):
        try:
            while _chunk(tenant, job, chunk_rows):
                say(job)
            if job.state == State.RUNNING:
                life.note(tenant, job, phase="figures")
                say(job)
                finish_pending(tenant=tenant)
                life.end(tenant, job, State.DONE)
        except ImportOvertaken:
            log.warning("undoing %s of %s goes on in another worker", job_id, tenant)
        except Exception:
            said = _("Stopped. What was taken back until then stays so. Start it again to go on.")
            life.end(tenant, job, State.FAILED, said)
            raise
    say(job)
    return job


def _begin(tenant: Tenant, job_id: int) -> ImportJob:
    with tenant_transaction(tenant), scope.bulk(reason="take an import back"):
        jobs = ImportJob.objects.select_for_update(of=("self",)).select_related("undoes")
        job = jobs.get(pk=job_id)
        if job.state not in {State.QUEUED, State.RUNNING, State.FAILED}:
            return job
        try:
            undone = _undone(job)
        except ImportRefused as error:
            job.state, job.error, job.finished_at = State.FAILED, str(error), timezone.now()
            job.save(update_fields=["state", "error", "finished_at"])
            return job
        if not job.report:
            job.bytes_total = _amount(undone)
            job.report = {"step": 0, "after": 0, "restored": 0, "removed": 0, "kept": {}}
        job.state, job.phase, job.error = State.RUNNING, "rows", ""
        job.started_at, job.finished_at = timezone.now(), None
        job.resumed_from, job.resumed_rows = job.checkpoint, job.rows_read
        job.save()
    return job


def _undone(job: ImportJob) -> ImportJob:
    """Return the import that a job takes back: of its own brand, whatever number its row names."""
    undone = job.undoes
    if undone is None or (undone.brand_id, undone.kind) != (job.brand_id, job.kind):
        raise ImportRefused(_("The import to take back is not this brand's. Nothing was done."))
    return undone


def _amount(undone: ImportJob) -> int:
    """Return how many rows there are to look at."""
    # A contact goes with its profile, an order's line with its order.
    changes = ImportChange.objects.filter(import_id=undone.pk).exclude(what="contact")
    found = changes.values("row_id").distinct().count()
    if table := images.CREATED_IN.get(ImportJob.Kind(undone.kind)):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {table} WHERE abs(import_id) = %s "  # noqa: S608
                "AND brand_id = %s AND id > %s AND id <= %s",
                [undone.pk, undone.brand_id, undone.ids_after or 0, undone.ids_to or 0],
            )
            found += int(cursor.fetchone()[0])
    return found + Tag.objects.filter(import_id=undone.pk, brand=undone.brand_id).count()


def _chunk(tenant: Tenant, job: ImportJob, rows: int) -> bool:
    """Take back the next rows and commit them with the checkpoint; False where all is done."""
    undone = _undone(job)
    steps = _STEPS[ImportJob.Kind(job.kind)]
    with tenant_transaction(tenant), scope.bulk(reason="take an import back"):
        now = ImportJob.objects.select_for_update().get(pk=job.pk)
        if now.checkpoint != job.checkpoint or now.report != job.report:
            raise ImportOvertaken(str(job.pk))
        if now.state != State.RUNNING:
            raise ImportOvertaken(str(job.pk))
        fields: dict[str, Any] = life.stop_asked(now)
        step = now.report["step"]
        if not fields and step < len(steps):
            locks.hold_brand(job.brand_id, _HELD.get(ImportJob.Kind(job.kind), job.kind))
            locks.hold_answers()
            locks.hold_rollups(is_shared=True)
            with connection.cursor() as cursor:
                done = steps[step](cursor, tenant, undone, now.report["after"], rows)
            fields = _kept(now, done)
        if fields:
            ImportJob.objects.filter(pk=job.pk).update(**fields)
    for name, value in fields.items():
        setattr(job, name, value)
    return bool(fields) and job.state == State.RUNNING


def _kept(now: ImportJob, done: Undone | None) -> dict[str, Any]:
    """Return the fields of a job after a chunk; None: its step has no more."""
    told = dict(now.report)
    if done is None:
        return {"report": {**told, "step": told["step"] + 1, "after": 0}}
    told["after"] = done.last
    told["restored"] += done.restored
    told["removed"] += done.removed
    kept = dict(told["kept"])
    for reason, ids in done.kept.items():
        kept[reason] = kept.get(reason, 0) + len(ids)
        named = told.get("kept_ids", [])
        told["kept_ids"] = [*named, *ids][:_NAMED]
    told["kept"] = kept
    return {
        "report": told,
        "checkpoint": now.checkpoint + done.looked_at,
        "rows_read": now.rows_read + done.looked_at,
    }
