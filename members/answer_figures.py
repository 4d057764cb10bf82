"""Count, as the owner role, how every brand's members stand to the notices today."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.utils import timezone

from brands.models import Brand, Generation
from brands.services import generation_bump
from brands.wall import scope
from members import locks
from members.models import AnswerMetric
from members.notices import (
    STORED_ANSWERS,
    STORED_MINORS,
    STORED_PROFILES,
    current_sql,
    rule_params,
    stored,
)
from members.staging import stage, stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Whose rows are closed although someone of theirs has answered: few beside those who never did.
_ANSWERED = """
    SELECT DISTINCT p.person_id FROM members_profile p
    WHERE p.notice_id IS NULL
        AND EXISTS (SELECT FROM members_consent c WHERE c.person_id = p.person_id)
"""
# Under 14 today by what any brand knows of the person.
_MINORS = """
    SELECT DISTINCT p.person_id
    FROM members_contact k JOIN members_profile p ON p.id = k.profile_id
    WHERE k.minor_until > %(today)s
"""
# One statement, so that it is of one instant.
_STANDINGS = """
    SELECT p.brand_id,
        CASE WHEN p.notice_id IS NOT NULL THEN 'given'
            WHEN w.has_no THEN 'withdrawn'
            WHEN m.person_id IS NOT NULL THEN 'minor'
            WHEN w.says_yes THEN 'expired'
            ELSE 'never' END AS state,
        p.notice_id, count(*)::integer AS people
    FROM members_profile p
    LEFT JOIN why_closed w ON w.profile_id = p.id
    LEFT JOIN minor_person m ON m.person_id = p.person_id
    GROUP BY 1, 2, 3
"""


@dataclass(frozen=True)
class Cell:
    """Count the members of a brand who stand in one way to one notice."""

    state: str
    notice_id: int | None
    people: int


def count_answers(*, tenant: Tenant) -> int:
    """Count how every brand's members stand today, in the place of today's earlier count.

    One transaction: readers see the count of before or of after. Returns the number of rows.
    """
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="figures of answers"),
        connection.cursor() as cursor,
    ):
        locks.hold_rollups()
        rows = keep_answers(cursor, tenant=tenant)
        generation_bump()
    return rows


def keep_answers(cursor: CursorWrapper, *, tenant: Tenant) -> int:
    """Do what `count_answers` does in the caller's transaction, which holds the roll-ups."""
    now = timezone.now()
    today = now.astimezone(ZoneInfo(tenant.time_zone)).date()
    answers = _answers()
    cells = _counted(cursor, today)
    rows = [
        AnswerMetric(
            brand_id=brand_id,
            day=today,
            state=cell.state,
            answered_notice_id=cell.notice_id,
            people=cell.people,
            answers=answers,
            counted_at=now,
        )
        for brand_id in Brand.objects.order_by("pk").values_list("pk", flat=True)
        for cell in cells[brand_id]
    ]
    if _same(rows, AnswerMetric.objects.filter(day=today)):
        return len(rows)
    AnswerMetric.objects.filter(day=today).delete()
    AnswerMetric.objects.bulk_create(rows)
    return len(rows)


def _same(rows: list[AnswerMetric], kept: QuerySet[AnswerMetric]) -> bool:
    """Tell whether the rows are kept already, but for when they were counted."""
    names = ("brand_id", "day", "state", "answered_notice_id", "people", "answers")
    return {tuple(getattr(row, name) for name in names) for row in rows} == set(
        kept.values_list(*names)
    )


def _answers() -> int:
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("answers", flat=True)
    return found.first() or 0


def _counted(cursor: CursorWrapper, today: date) -> dict[int, list[Cell]]:
    if stage_query(cursor, "answered_person", _ANSWERED):
        ruled = current_sql(
            profiles=stored(STORED_PROFILES, "p", "answered_person"),
            answers=stored(STORED_ANSWERS, "c", "answered_person"),
            minors=stored(STORED_MINORS, "p", "answered_person"),
        )
        stage_query(
            cursor,
            "why_closed",
            f"SELECT profile_id, says_yes, has_no FROM ({ruled}) AS ruled WHERE notice IS NULL",  # noqa: S608
            rule_params(),
        )
    else:
        # Asked of nobody the rule would read every member.
        stage(cursor, "why_closed", "profile_id bigint, says_yes boolean, has_no boolean")
    stage_query(cursor, "minor_person", _MINORS, {"today": today})
    cells: dict[int, list[Cell]] = defaultdict(list)
    cursor.execute(_STANDINGS)
    for brand_id, state, notice_id, people in cursor.fetchall():
        cells[brand_id].append(Cell(state, notice_id, people))
    return cells


def is_stale(*, today: date) -> bool:
    """Tell whether answers were recorded, or a day has passed, since they were counted."""
    last = AnswerMetric.objects.order_by("-day", "-answers").values_list("day", "answers").first()
    return last != (today, _answers())


def count_if_stale(*, tenant: Tenant) -> int:
    """Count anew where that would change something; return the number of rows, 0 for none."""
    today = timezone.now().astimezone(ZoneInfo(tenant.time_zone)).date()
    with tenant_transaction(tenant), scope.bulk(reason="figures of answers"):
        if not is_stale(today=today):
            return 0
    return count_answers(tenant=tenant)


def answers_differing(cursor: CursorWrapper, *, tenant: Tenant) -> int:
    """Return how many figures of today are not what the facts say; 0 where they are to be counted.

    In the caller's transaction, in a bulk scope.
    """
    today = timezone.now().astimezone(ZoneInfo(tenant.time_zone)).date()
    if is_stale(today=today):
        return 0
    rows = AnswerMetric.objects.filter(day=today)
    kept = set(rows.values_list("brand_id", "state", "answered_notice_id", "people"))
    cells = _counted(cursor, today)
    facts = {
        (brand_id, cell.state, cell.notice_id, cell.people)
        for brand_id, found in cells.items()
        for cell in found
    }
    return len(kept ^ facts)
