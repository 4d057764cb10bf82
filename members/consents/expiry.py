"""Close answers before they expire: always ahead of the time, never after it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.models import Generation, Notice
from brands.selectors import expiries_are_closed
from brands.services import answers_bump
from brands.wall import scope
from members import locks
from members.exports.tasks import sweep_enqueue
from members.notices import (
    STORED_ANSWERS,
    STORED_MINORS,
    STORED_PROFILES,
    apply_notices,
    stage_current,
    stored,
)
from members.staging import stage_query
from members.stratify import stratify_persons
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Tenant

# How often the scheduler closes what expires. Each run closes all that expires before the next but
# one, so that a run may be missed; when that time has passed too, the wall stops relying on
# answers that expire (brands.selectors.notices_in_force).
EVERY = dt.timedelta(hours=1)
AHEAD = 2 * EVERY + dt.timedelta(minutes=10)
_PERSONS_AT_ONCE = 10_000


def expiries_close(*, tenant: Tenant, until: dt.datetime | None = None) -> int:
    """Close every answer that expires up to UNTIL; return how many profiles were closed.

    For a process with the owner's credentials, outside of a transaction: large numbers are
    committed in parts, and only then is it noted up to when everything is closed.
    """
    until = until or timezone.now() + AHEAD
    closed, last = 0, 0
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="expiry"), connection.cursor() as cursor:
            locks.hold_answers()
            before = _closed_until()
            if before is not None and before >= until:
                return closed
            params: dict[str, Any] = {"since": before, "until": until, "last": last}
            if _stage_part(cursor, params) == _PERSONS_AT_ONCE:
                cursor.execute("SELECT max(person_id) FROM expiring_person")
                last = cursor.fetchone()[0]
                closed += _close(cursor, until)
                continue
            # What is left, and what came in between the parts, together with the note.
            _stage_open(cursor, params)
            closed += _close(cursor, until)
            Generation.objects.update_or_create(
                pk=Generation.ONLY, defaults={"expiries_closed_until": until}
            )
            return closed


def expiries_catch_up(*, tenant: Tenant) -> int:
    """Close what expires where that is overdue, and keeps notices from being in force."""
    with tenant_transaction(tenant):
        is_due = (
            Notice.objects.filter(consent_months__isnull=False).exists()
            and not expiries_are_closed()
        )
    return expiries_close(tenant=tenant) if is_due else 0


def _closed_until() -> dt.datetime | None:
    rows = Generation.objects.filter(pk=Generation.ONLY)
    return rows.values_list("expiries_closed_until", flat=True).first()


_EXPIRING = """
    c.is_given AND c.expires_at <= %(until)s
    AND (%(since)s::timestamptz IS NULL OR c.expires_at > %(since)s)
"""


def _stage_part(cursor: CursorWrapper, params: dict[str, Any]) -> int:
    return stage_query(
        cursor,
        "expiring_person",
        f"""
        SELECT DISTINCT c.person_id FROM members_consent c
        WHERE {_EXPIRING} AND c.person_id > %(last)s
        ORDER BY c.person_id LIMIT {_PERSONS_AT_ONCE}
        """,  # noqa: S608 - constants of the code
        params,
    )


def _stage_open(cursor: CursorWrapper, params: dict[str, Any]) -> None:
    stage_query(
        cursor,
        "expiring_person",
        f"""
        SELECT DISTINCT c.person_id FROM members_consent c
        JOIN members_profile p
            ON p.person_id = c.person_id AND p.notice_id = c.answered_notice_id
        WHERE {_EXPIRING}
        """,  # noqa: S608
        params,
    )


def _close(cursor: CursorWrapper, until: dt.datetime) -> int:
    stage_current(
        cursor,
        profiles=stored(STORED_PROFILES, "p", "expiring_person"),
        answers=stored(STORED_ANSWERS, "c", "expiring_person"),
        minors=stored(STORED_MINORS, "p", "expiring_person"),
        closed_until=until,
    )
    changed = apply_notices(cursor)
    if changed:
        stratify_persons(cursor, "expiring_person")
        answers_bump()
        sweep_enqueue()
    return changed
