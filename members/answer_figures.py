"""Count, as the owner role, how every brand's members stand to the notices today."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Q, QuerySet
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
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

State = AnswerMetric.State

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
# What other figures tell of a brand's people, from which these could be taken away.
_TOLD = "SELECT brand_id, members, persons FROM members_poolmetric WHERE store_id IS NULL"


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
    cells, beside = _counted(cursor, today)
    rows = []
    for brand_id in Brand.objects.order_by("pk").values_list("pk", flat=True):
        for is_merged, smallest, shown in (
            (False, 0, cells[brand_id]),
            (True, *merged(cells[brand_id], k=tenant.k, beside=beside.get(brand_id, ()))),
        ):
            rows += [
                AnswerMetric(
                    brand_id=brand_id,
                    day=today,
                    state=cell.state,
                    answered_notice_id=cell.notice_id,
                    people=cell.people,
                    is_merged=is_merged,
                    smallest_count=smallest,
                    answers=answers,
                    counted_at=now,
                )
                for cell in shown
            ]
    if _same(rows, AnswerMetric.objects.filter(Q(day=today) | Q(is_merged=True))):
        return len(rows)
    # Of the merged ones only the last: two days apart would be a small cell again.
    AnswerMetric.objects.filter(Q(day=today) | Q(is_merged=True)).delete()
    AnswerMetric.objects.bulk_create(rows)
    return len(rows)


def _same(rows: list[AnswerMetric], kept: QuerySet[AnswerMetric]) -> bool:
    """Tell whether the rows are kept already, but for when they were counted."""
    names = [
        *("brand_id", "day", "state", "answered_notice_id", "people"),
        *("is_merged", "smallest_count", "answers"),
    ]
    return {tuple(getattr(row, name) for name in names) for row in rows} == set(
        kept.values_list(*names)
    )


def _answers() -> int:
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("answers", flat=True)
    return found.first() or 0


def _counted(
    cursor: CursorWrapper, today: date
) -> tuple[dict[int, list[Cell]], dict[int, tuple[int, ...]]]:
    stage_query(cursor, "answered_person", _ANSWERED)
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
    stage_query(cursor, "minor_person", _MINORS, {"today": today})
    cells: dict[int, list[Cell]] = defaultdict(list)
    cursor.execute(_STANDINGS)
    for brand_id, state, notice_id, people in cursor.fetchall():
        cells[brand_id].append(Cell(state, notice_id, people))
    cursor.execute(_TOLD)
    totals = {brand_id: sum(cell.people for cell in found) for brand_id, found in cells.items()}
    beside: dict[int, tuple[int, ...]] = {
        brand_id: tuple(abs(totals.get(brand_id, 0) - told) for told in others)
        for brand_id, *others in cursor.fetchall()
    }
    return cells, beside


def merged(cells: list[Cell], *, k: int, beside: tuple[int, ...] = ()) -> tuple[int, list[Cell]]:
    """Return the smallest cell, and cells of which none is under K, nor left by subtraction.

    Small cells are thrown together, with the next larger one until they are K people. No cell is
    returned where all are fewer than K, or where the total less another known total is.
    """
    if any(0 < number < k for number in beside):
        return 0, []
    ordered = sorted(cells, key=lambda cell: cell.people)
    small = [cell for cell in ordered if cell.people < k]
    large = ordered[len(small) :]
    if not small:
        return (ordered[0].people if ordered else 0), ordered
    together = sum(cell.people for cell in small)
    while together < k and large:
        together += large.pop(0).people
    if together < k:
        return 0, []
    shown = [Cell(State.MIXED, None, together), *large]
    return min(cell.people for cell in shown), shown


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
    rows = AnswerMetric.objects.filter(day=today, is_merged=False)
    kept = set(rows.values_list("brand_id", "state", "answered_notice_id", "people"))
    cells, _beside = _counted(cursor, today)
    facts = {
        (brand_id, cell.state, cell.notice_id, cell.people)
        for brand_id, found in cells.items()
        for cell in found
    }
    return len(kept ^ facts)
