"""Resolve a whole group: bring its persons up to date, part by part."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.services import answers_bump
from brands.wall import scope
from members import locks
from members.identity.open_persons import keep_open_persons
from members.identity.rekeying import rekey_touched
from members.identity.resolution import Resolved, begin_touching, resolve
from members.models import ResolutionJob
from members.notices import refresh_notices, refresh_objections
from members.rollups import finish_pending
from members.stratify import stratify_persons
from tenants.connection import connection as tenant_connection
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Profiles of one transaction: whoever else changes persons or answers waits for so long.
AT_ONCE = 20_000


def follow_persons(persons: str) -> None:
    """Bring every row of persons up to date with who they are now, in a table PERSONS."""
    changed = refresh_notices(persons)
    refresh_objections(persons)
    with connection.cursor() as cursor:
        stratify_persons(cursor, persons)
    keep_open_persons(persons)
    if changed:
        answers_bump()


def touch_profiles(
    cursor: CursorWrapper, profiles: str, params: list[Any], *, rekeys: bool = False
) -> None:
    """Note profiles, which a query PROFILES names, and all that they carry, for `resolve`.

    REKEYS gives unionids and cards the keys of today's spaces first.
    """
    begin_touching(cursor)
    cursor.execute(f"INSERT INTO touched_profile {profiles}", params)
    if rekeys:
        rekey_touched(cursor)
    cursor.execute(
        "INSERT INTO touched_identity SELECT DISTINCT l.identity_id FROM touched_profile t "
        "JOIN members_identitylink l ON l.profile_id = t.profile_id"
    )


def _resolve_after(checkpoint: int) -> tuple[int, Resolved]:
    """Resolve the next profiles after one; return the last of them, 0 where there is none."""
    with connection.cursor() as cursor:
        touch_profiles(
            cursor,
            "SELECT id FROM members_profile WHERE id > %s ORDER BY id LIMIT %s",
            [checkpoint, AT_ONCE],
            rekeys=True,
        )
        cursor.execute("SELECT COALESCE(max(profile_id), 0) FROM touched_profile")
        last = cursor.fetchone()[0]
    if not last:
        return 0, Resolved(0, 0)
    found = resolve()
    follow_persons("affected_person")
    return last, found


def resolve_group(*, tenant: Tenant) -> int:
    """Bring the persons of a whole group up to date; return how many profiles moved.

    For a process with the owner's credentials, outside a transaction: it commits part by part, and
    what it has done so far stands whenever it is stopped.
    """
    moved, last = 0, 0
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="resolution"):
            locks.hold_answers()
            last, found = _resolve_after(last)
            moved += found.profiles_moved
        if not last:
            finish_pending(tenant=tenant)
            return moved


def resolutions_run(*, tenant: Tenant) -> int:
    """Go on with the resolutions that were asked for; return how many ended.

    Each part commits with its checkpoint, so a run that was killed goes on where it stopped. Of
    several that wait the last one sees every change, so it does for all.
    """
    ended = 0
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="resolution"):
            locks.hold_answers()
            waiting = ResolutionJob.objects.exclude(state=ResolutionJob.State.DONE)
            job = waiting.select_for_update().order_by("-pk").first()
            if job is None:
                return ended
            job.state = ResolutionJob.State.RUNNING
            last, _found = _resolve_after(job.checkpoint)
            if last:
                job.checkpoint = last
                job.percent = _percent(last)
            job.save()
        if not last:
            finish_pending(tenant=tenant)
            with tenant_transaction(tenant), scope.bulk(reason="resolution"):
                now = timezone.now()
                ended += (
                    ResolutionJob.objects.filter(pk__lte=job.pk)
                    .exclude(state=ResolutionJob.State.DONE)
                    .update(
                        state=ResolutionJob.State.DONE,
                        percent=100,
                        finished_at=now,
                    )
                )


def _percent(checkpoint: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM members_profile")
        first, last = cursor.fetchone()
    return min(99, 100 * (checkpoint - first) // max(last - first, 1))


def resolutions_enqueue() -> None:
    """Ask a worker for `resolutions_run` once the current transaction is committed."""
    from members.tasks import resolve_persons

    schema_name = tenant_connection.schema_name
    transaction.on_commit(
        lambda: resolve_persons.apply_async(headers={"_schema_name": schema_name}), robust=True
    )
