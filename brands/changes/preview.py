"""Count, on live data, what a draft would open and close.

One grouped scan per table gives the rows by brand and notice; the wall's own table, asked for both
worlds and every viewer, says which of these groups are shown. Nothing is sampled or estimated.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Case, Count, F, Value, When
from django.utils import timezone, translation

from brands.changes import setup
from brands.changes.differences import Difference, Rows, differences, outline, shows, sides
from brands.changes.figures import Cutter
from brands.changes.registry import affected_counters, counted_models, persons_by_notices
from brands.changes.staleness import fingerprint
from brands.changes.worlds import Worlds, worlds
from brands.models import Brand, ModeDraft, ModePreview
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.wall import scope
from brands.wall.visibility import Kind, Sight, brand_set, decide
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

State = ModePreview.State
# A preview takes seconds: one that is wanted for longer has lost its worker.
SILENCE = dt.timedelta(minutes=2)
_MEMORY = "256MB"


@dataclass
class Counted:
    """Be what a change does, counted."""

    worlds: Worlds
    differences: list[Difference]
    result: dict[str, Any] = field(default_factory=dict)


def previews_wanted() -> list[int]:
    """Return the open drafts whose preview was asked for and is not made."""
    drafts = ModeDraft.objects.filter(
        state__in=[ModeDraft.State.DRAFT, ModeDraft.State.SUBMITTED],
        preview_ended__lt=F("preview_wanted"),
        preview_asked_at__lt=timezone.now() - SILENCE,
    )
    return list(drafts.values_list("pk", flat=True))


def preview_make(*, tenant: Tenant, draft_id: int) -> ModePreview | None:
    """Make the preview that a draft wants; None where it wants none any more.

    For a process that holds the owner's credentials, outside a transaction. Safe to run twice.
    """
    row = _begin(tenant, draft_id)
    if row is None or row.state == State.DONE:
        return row
    try:
        with translation.override(_language(tenant, row.draft)):
            _count_into(tenant, row)
    except Exception as error:
        log.exception("preview of %s in %s", draft_id, tenant)
        row.state = State.FAILED
        # Its words may quote a row.
        row.error = type(error).__name__
    row.made_at = timezone.now()
    with tenant_transaction(tenant), scope.bulk(reason="preview of a change of mode"):
        row.save()
        ModeDraft.objects.filter(pk=draft_id).update(preview_ended=row.number)
    return row


def _begin(tenant: Tenant, draft_id: int) -> ModePreview | None:
    with tenant_transaction(tenant), scope.bulk(reason="preview of a change of mode"):
        draft = ModeDraft.objects.select_for_update(no_key=True).filter(pk=draft_id).first()
        if draft is None or not draft.is_open or not draft.preview_wanted:
            return None
        row, is_new = ModePreview.objects.select_related("draft").get_or_create(
            draft=draft,
            number=draft.preview_wanted,
            defaults={"brand_set": brand_set(_closed()), "started_at": timezone.now()},
        )
        if not is_new and row.state != State.DONE:
            row.state, row.error, row.started_at = State.RUNNING, "", timezone.now()
            row.save()
    return row


def _closed() -> frozenset[int]:
    """Return the brands in brand-max now, of which HQ may count large cells only."""
    return frozenset(pk for pk, mode in effective_modes().items() if mode is Mode.BRAND_MAX)


def _language(tenant: Tenant, draft: ModeDraft) -> str:
    user = User.objects.filter(pk=draft.requested_by_id or 0).first()
    return (user.language if user else "") or tenant.locale


def _count_into(tenant: Tenant, row: ModePreview) -> None:
    draft = row.draft
    started = timezone.now()
    with tenant_transaction(tenant), scope.bulk(reason="preview of a change of mode"):
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        # Before the counts: what changes while they are taken makes them stale, never unnoticed.
        row.fingerprint = fingerprint(tenant=tenant, at=draft.effective_at)
        closed = _closed()
        row.brand_set = brand_set(closed)
        counted = count_change(
            brand_id=draft.brand_id,
            mode=draft.mode,
            at=draft.effective_at,
            cutter=Cutter(closed, tenant.k),
        )
    row.outline = outline(counted.differences)
    row.result = {
        **counted.result,
        "k": tenant.k,
        "seconds": round((timezone.now() - started).total_seconds(), 2),
    }
    row.state = State.DONE


def count_change(
    *, brand_id: int | None, mode: str, at: dt.datetime | None, cutter: Cutter
) -> Counted:
    """Return everything that a change opens, closes, lacks and affects; in a bulk scope."""
    found = worlds(brand_id=brand_id, mode=mode, at=at)
    different = list(differences(found.before, found.after, found.notices))
    brands = {
        row.pk: {
            "code": row.code,
            "name": row.name,
            "before": found.before[row.pk],
            "after": found.after[row.pk],
        }
        for row in Brand.objects.order_by("code")
    }
    counted = Counted(found, different)
    counted.result = {
        "at": found.at.isoformat(),
        "brands": brands,
        "moved": found.moved,
        "protected": sorted(cutter.protected),
        "cells": list(_cells(different, cutter)),
        "persons": list(_persons(found, cutter)),
        "affected": list(_affected(found, cutter)),
        "setup": [
            {"code": one.code, "brand": one.brand_id, "accounts": one.accounts}
            for one in setup.missing(found.moved, found.after)
        ],
    }
    return counted


def rows_by_notice(kinds: Iterable[Kind], k: int) -> dict[tuple[int, Kind], list[Rows]]:
    """Return the rows of every brand and kind, by the notice their persons agreed to."""
    found: dict[tuple[int, Kind], list[Rows]] = defaultdict(list)
    for kind in kinds:
        for model in counted_models.get(kind, ()):
            large: Any = Value(False)
            if model.wall.counted:
                enough = {f"{model.wall.counted}__gte": k}
                is_large = When(store_id=None, **enough, then=Value(True))
                large = Case(is_large, default=Value(False), output_field=BooleanField())
            rows = (
                model.objects.order_by()
                .annotate(is_large=large)
                .values_list("brand_id", "notice_id", "is_large")
                .annotate(rows=Count("*"))
            )
            for brand, notice, is_large_row, count in rows:
                found[brand, kind].append(Rows(brand, kind, notice, is_large_row, count))
    return found


def _cells(different: list[Difference], cutter: Cutter) -> Iterable[dict[str, Any]]:
    """Yield, for each cell of the table that is another, the rows that open and that close."""
    groups = rows_by_notice({one.kind for one in different}, cutter.k)
    for one in different:
        opened = closed = 0
        for rows in groups.get((one.brand_id, one.kind), ()):
            was, will = shows(one.before, rows), shows(one.after, rows)
            opened += rows.count * (will and not was)
            closed += rows.count * (was and not will)
        yield {
            "side": one.side.brand_id,
            "brand": one.brand_id,
            "kind": str(one.kind),
            "before": str(one.before.sight),
            "after": str(one.after.sight),
            "opens": one.opens,
            "closes": one.closes,
            # None at all where the table itself shows no row, whatever the brand holds.
            "opened": cutter.kept(opened, one.brand_id) if one.opens_rows else 0,
            "closed": cutter.kept(closed, one.brand_id) if one.closes_rows else 0,
        }


def _persons(found: Worlds, cutter: Cutter) -> Iterable[dict[str, Any]]:
    """Yield, for each pair of a brand and a side that then share, the persons not covered."""
    everyone: dict[int, int] = defaultdict(int)
    answers: dict[int, list[tuple[frozenset[int], int]]] = defaultdict(list)
    for brand, notices, count in persons_by_notices():
        everyone[brand] += count
        answers[brand].append((notices, count))
    moved = set(found.moved)
    for side in sides(found.after):
        for brand, mode in found.after.items():
            own = side.brand_id is not None and found.after[side.brand_id] is not Mode.FAN_MAX
            if mode is not Mode.FAN_MAX or own or brand == side.brand_id:
                continue
            if not moved & {brand, side.brand_id}:
                continue
            cell = decide(side.viewer, brand, Kind.PROFILE, found.after, found.notices)
            lacking = sum(count for notices, count in answers[brand] if not notices & cell.notices)
            yield {
                "side": side.brand_id,
                "brand": brand,
                "persons": cutter.kept(everyone[brand], brand),
                "lacking": cutter.kept(lacking, brand),
                "has_notice": cell.sight is Sight.CONSENTED,
            }


def _affected(found: Worlds, cutter: Cutter) -> Iterable[dict[str, Any]]:
    for counter in affected_counters.values():
        for one in counter.count(found.before, found.after):
            numbers: list[Any] = [one.count, one.after]
            if one.is_people:
                numbers = [
                    None if number is None else cutter.kept(number, one.brand_id)
                    for number in numbers
                ]
            yield {
                "label": str(counter.label),
                "brand": one.brand_id,
                "count": numbers[0],
                "after": numbers[1],
                "words": str(one.words),
            }
