"""Apply batches that were taken in: a brand's waiting lines at once, in sets, by kind of line.

For a process with the owner's credentials. What lines write, what is written about them and that
they are gone from the inbox is one transaction, so a run that is killed leaves them waiting.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef
from django.utils import timezone, translation

from brands.models import Brand
from brands.wall import scope
from members import locks
from members.contacts import open_text, seal_text
from members.imports.consents import ConsentChunks
from members.imports.files import Chunk
from members.imports.members import MemberChunks
from members.intake import events, orders
from members.intake.inbox import KEPT_DAYS, unpacked
from members.intake.lines import (
    ConsentLine,
    EventLine,
    LineRefused,
    MemberLine,
    OrderOf,
    TagLine,
    TouchpointLine,
    read,
)
from members.intake.people import Members, note_people
from members.keys import group_keys
from members.models import ImportJob, IntakeBatch, IntakePart, PendingRollup, PendingTotal
from members.rollups import finish_pending
from tenants import audit
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

# Lines of one transaction: as many as a chunk of a file, so that whoever else writes waits no
# longer for them.
_AT_ONCE = 10_000
_MEMBER_FIELDS = (
    "name",
    "phone",
    "email",
    "unionid",
    "card_no",
    "birthday",
    "gender",
    "store",
    "registered_on",
)
_CONSENT_COLUMNS = (
    "member_no",
    "unionid",
    "card_no",
    "phone",
    "email",
    "notice",
    "answer",
    "answered_at",
    "guardian",
    "channel",
    "evidence",
)
_IDENTITY_COLUMN = {"phone": 3, "unionid": 1, "card": 2, "email": 4}


@dataclass
class Outcome:
    """Be what came of lines, by their place: told before, or refused and why; else applied."""

    known: set[int] = field(default_factory=set)
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)


def intake_apply(*, tenant: Tenant) -> int:
    """Apply every waiting batch of a group; return how many lines were looked at."""
    looked_at, failed = 0, set[UUID]()
    while True:
        parts: list[IntakePart] = []
        try:
            with tenant_transaction(tenant), scope.bulk(reason="intake"):
                # What a batch says of members of the one before it is not applied before it.
                locks.hold_intake()
                parts = _waiting(failed)
                looked_at += _apply_parts(tenant, parts)
        except Exception:
            # Kept waiting: what a fault of ours keeps back is not lost, and holds up no other.
            log.exception("intake of %s: %s", tenant, [str(part.pk) for part in parts])
            if not parts:
                raise
            failed.update(part.pk for part in parts)
            if len(parts) > 1:
                looked_at += _apply_singly(tenant, parts, failed)
            continue
        if not parts:
            return looked_at


def _apply_singly(tenant: Tenant, parts: list[IntakePart], failed: set[UUID]) -> int:
    """Apply parts one by one, since one of them failed."""
    looked_at = 0
    for part in parts:
        try:
            with tenant_transaction(tenant), scope.bulk(reason="intake"):
                locks.hold_intake()
                found = list(IntakePart.objects.select_for_update().filter(pk=part.pk))
                looked_at += _apply_parts(tenant, found)
        except Exception:
            log.exception("intake of %s: %s", tenant, part.pk)
    return looked_at


def _waiting(failed: set[UUID]) -> list[IntakePart]:
    """Return parts of the brand that waits longest, as many as are applied at once."""
    rows = IntakePart.objects.exclude(pk__in=failed).order_by("batch__created_at", "pk")
    rows = rows.select_related("batch").select_for_update(of=("self",), skip_locked=True)
    # What they say is read of those that are taken, and of no others.
    named = rows.only("brand_id", "batch__accepted")
    first = named.first()
    if first is None:
        return []
    taken: list[UUID] = []
    lines = 0
    for part in named.filter(brand_id=first.brand_id)[:200]:
        lines += part.batch.accepted
        if taken and lines > _AT_ONCE:
            break
        taken.append(part.pk)
    return list(rows.select_related(None).filter(pk__in=taken))


def _apply_parts(tenant: Tenant, parts: list[IntakePart]) -> int:
    if not parts:
        return 0
    keys = group_keys()
    batches = {
        batch.pk: batch
        for batch in IntakeBatch.objects.select_for_update()
        .filter(pk__in={part.batch_id for part in parts})
        .select_related("created_by")
        .order_by("pk")
    }
    numbered: list[tuple[UUID, int]] = []
    # Of each part.
    lines: dict[UUID, list[Any]] = {}
    for part in parts:
        rows = unpacked(open_text(keys, bytes(part.sealed)))
        numbered += [(part.batch_id, number) for number, _raw in rows]
        lines[part.pk] = [read(raw) for _number, raw in rows]
    batch = batches[parts[0].batch_id]
    # Reasons are in the language that the first of the batches was answered in.
    with translation.override(batch.language or tenant.locale):
        outcome = lines_apply(
            tenant=tenant, brand_id=parts[0].brand_id, lines=[*chain(*lines.values())]
        )
        counts: Counter[UUID] = Counter()
        for part in parts:
            counts[part.batch_id] += len(lines[part.pk])
        _tell(batches, numbered, counts, outcome)
        _audit(parts, batches, lines)
    IntakePart.objects.filter(pk__in=[part.pk for part in parts]).delete()
    IntakeBatch.objects.filter(
        ~Exists(IntakePart.objects.filter(batch_id=OuterRef("pk"))), pk__in=list(batches)
    ).update(state=IntakeBatch.State.APPLIED, applied_at=timezone.now())
    return len(numbered)


def _tell(
    batches: dict[UUID, IntakeBatch],
    numbered: list[tuple[UUID, int]],
    counts: Counter[UUID],
    outcome: Outcome,
) -> None:
    """Write on each batch what came of its lines."""
    keys = group_keys()
    results: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for place in outcome.known:
        batch, number = numbered[place]
        results[batch].append({"line": number, "state": "duplicate"})
    for place, (name, words) in outcome.refused.items():
        batch, number = numbered[place]
        results[batch].append(
            {
                "line": number,
                "state": "refused",
                "detail": words,
                **({"field": name} if name else {}),
            }
        )
    for pk, batch_row in batches.items():
        told = results[pk]
        states = Counter(result["state"] for result in told)
        batch_row.known += states["duplicate"]
        batch_row.failed += states["refused"]
        batch_row.applied += counts[pk] - len(told)
        if told:
            if batch_row.results:
                told = [*json.loads(open_text(keys, bytes(batch_row.results))), *told]
            told.sort(key=lambda result: result["line"])
            batch_row.results = seal_text(keys, json.dumps(told, ensure_ascii=False))
        batch_row.save(update_fields=["known", "failed", "applied", "results"])


def _audit(
    parts: list[IntakePart], batches: dict[UUID, IntakeBatch], lines: dict[UUID, list[Any]]
) -> None:
    """Record for each part how many lines of which kinds it brought; nothing of what they say."""
    brand = Brand.objects.get(pk=parts[0].brand_id)
    users = User.objects.in_bulk({batch.created_by_id for batch in batches.values()})
    for part in parts:
        batch_row = batches[part.batch_id]
        kinds: Counter[Any] = Counter(map(type, lines[part.pk]))
        told = sorted((kind.__struct_config__.tag, count) for kind, count in kinds.items())
        audit.record(
            acting_user=users.get(batch_row.created_by_id),
            action="intake.import",
            target=batch_row,
            target_name=str(brand),
            brands=[brand.pk],
            changes={kind: ["", count] for kind, count in told},
        )


def lines_apply(*, tenant: Tenant, brand_id: int, lines: list[Any]) -> Outcome:
    """Apply lines of one brand in the caller's transaction, which is in a bulk scope.

    Members first, then what is said of members, so that a batch may bring both.
    """
    by_kind: dict[type[Any], list[tuple[int, Any]]] = defaultdict(list)
    for place, line in enumerate(lines):
        by_kind[type(line)].append((place, line))
    outcome = Outcome()
    locks.hold_brand(brand_id, "members")
    locks.hold_brand(brand_id, "orders")
    told = [one for kind in _TOLD for one in by_kind[kind]]
    changes_people = (
        by_kind[MemberLine]
        or by_kind[ConsentLine]
        or any(line.create for _place, line in told if line.identity is not None)
    )
    # At once as far as any of the lines needs: one who shares it cannot take it alone later.
    locks.hold_answers(is_shared=not changes_people)
    locks.hold_rollups(is_shared=True)
    with connection.cursor() as cursor:
        _members(cursor, tenant, brand_id, by_kind[MemberLine], outcome)
        _consents(tenant, brand_id, by_kind[ConsentLine], outcome)
        _tell_events(cursor, tenant, brand_id, told, outcome)
    return outcome


_TOLD = (EventLine, OrderOf, TouchpointLine, TagLine)


def _tell_events(
    cursor: CursorWrapper,
    tenant: Tenant,
    brand_id: int,
    told: list[tuple[int, Any]],
    outcome: Outcome,
) -> None:
    """Write events, orders, touchpoints and tags of members that are there."""
    if not told:
        return
    members = Members(cursor, tenant, brand_id)
    members.look_up(line for _place, line in told)
    found: dict[type[Any], list[events.Told]] = defaultdict(list)
    for place, line in told:
        try:
            found[type(line)].append((place, line, members.of(line)))
        except LineRefused as refusal:
            outcome.refused[place] = (refusal.field, refusal.words)
    accounts = events.Accounts(brand_id)
    facts = [*found[EventLine], *found[OrderOf]]
    outcome.known |= events.events_write(cursor, brand_id, facts, accounts)
    kinds = {line.event for _place, line, _member in found[EventLine]}
    if found[OrderOf] or "order" in kinds:
        of_orders = [
            one
            for one in facts
            if one[0] not in outcome.known and (type(one[1]) is OrderOf or one[1].event == "order")
        ]
        for place, row in orders.orders_write(cursor, tenant, brand_id, of_orders).items():
            outcome.refused[place] = (row.column, row.reason)
    if "refund" in kinds:
        orders.refunds_note(cursor, tenant, brand_id)
    has_follows = not kinds.isdisjoint(("follow", "unfollow"))
    events.touchpoints_write(cursor, found[TouchpointLine], accounts, has_follows=has_follows)
    events.tags_write(cursor, brand_id, found[TagLine])


def _members(
    cursor: CursorWrapper,
    tenant: Tenant,
    brand_id: int,
    lines: list[tuple[int, MemberLine]],
    outcome: Outcome,
) -> None:
    """Write members as a file's are written; lines with the same fields at once.

    What lines say of one member is written in the order of their instants.
    """
    now = timezone.now()
    for round_ in _rounds(lines, now):
        by_fields: dict[tuple[str, ...], list[tuple[int, list[str]]]] = defaultdict(list)
        for place, line, cells in round_:
            # A sender's clock may be ahead of ours.
            cells = {**cells, "as_of": min(line.as_of, now).isoformat() if line.as_of else ""}
            by_fields[tuple(cells)].append((place, [line.member_no, *cells.values()]))
        for fields, rows in by_fields.items():
            names = ["store_code" if name == "store" else name for name in ("member_no", *fields)]
            job = ImportJob(
                brand_id=brand_id,
                mapping=dict(zip(names, ("member_no", *fields), strict=True)),
                created_by_name="API",
            )
            writer = MemberChunks(tenant, job, {name: place for place, name in enumerate(names)})
            _counts, bad = writer.write(_chunk(rows))
            outcome.refused |= {row.line: (row.column, row.reason) for row in bad}
    numbers = sorted({line.member_no for _place, line in lines})
    if numbers:
        cursor.execute(
            "SELECT id FROM members_profile WHERE brand_id = %s AND member_no = ANY(%s)",
            [brand_id, numbers],
        )
        note_people(cursor, [pk for (pk,) in cursor.fetchall()])


_Said = tuple[int, MemberLine, dict[str, str]]


def _rounds(lines: list[tuple[int, MemberLine]], now: dt.datetime) -> list[list[_Said]]:
    """Return lines of members with their cells in rounds, in each of which a member comes once.

    A line all of whose fields later ones say as well is left out, so that rounds are few: where
    it would be written, so are those.
    """
    by_number: dict[str, list[_Said]] = defaultdict(list)
    # The latest first; of two of one instant that which was handed in last.
    for place, line in reversed(sorted(lines, key=lambda one: one[1].as_of or now)):
        found = {name: _cell(getattr(line, name)) for name in _MEMBER_FIELDS}
        cells = {name: cell for name, cell in found.items() if cell is not None}
        by_number[line.member_no].append((place, line, cells))
    rounds: list[list[_Said]] = []
    for told in by_number.values():
        kept: list[_Said] = []
        names: set[str] = set()
        for one in told:
            if not kept or not names.issuperset(one[2]):
                kept.append(one)
                names |= set(one[2])
        for at, one in enumerate(reversed(kept)):
            if at == len(rounds):
                rounds.append([])
            rounds[at].append(one)
    return rounds


def _cell(value: Any) -> str | None:
    """Return a field as a file's cell; None where the line leaves it out."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else None


def _chunk(rows: list[tuple[int, list[str]]]) -> Chunk:
    return Chunk(lines=[place for place, _cells in rows], rows=[cells for _place, cells in rows])


def _consents(
    tenant: Tenant, brand_id: int, lines: list[tuple[int, ConsentLine]], outcome: Outcome
) -> None:
    """Append answers as a file's are appended."""
    if not lines:
        return
    rows = []
    for place, line in lines:
        names = [line.member_no, "", "", "", ""]
        if line.identity is not None:
            names[_IDENTITY_COLUMN[line.identity.kind]] = line.identity.value
        guardian = "yes" if line.is_by_guardian else "no"
        said = [line.notice, line.answer, line.at.isoformat(), guardian, line.channel]
        rows.append((place, [*names, *said, line.evidence]))
    job = ImportJob(brand_id=brand_id, mapping={name: name for name in _CONSENT_COLUMNS})
    columns = {name: place for place, name in enumerate(_CONSENT_COLUMNS)}
    _counts, bad = ConsentChunks(tenant, job, columns).write(_chunk(rows))
    outcome.refused |= {row.line: (row.column, row.reason) for row in bad}


def figures_catch_up(*, tenant: Tenant) -> int:
    """Bring totals and roll-ups up to date where batches left them behind; return 1 if they were.

    An import that runs does so itself at its end, and would be held up by it before.
    """
    with tenant_transaction(tenant), scope.bulk(reason="figures"):
        is_importing = ImportJob.objects.filter(state=ImportJob.State.RUNNING).exists()
        is_behind = PendingTotal.objects.exists() or PendingRollup.objects.exists()
    if is_importing or not is_behind:
        return 0
    finish_pending(tenant=tenant)
    return 1


def intake_purge(*, tenant: Tenant) -> int:
    """Delete batches whose keys are kept no longer; return how many."""
    before = timezone.now() - dt.timedelta(days=KEPT_DAYS)
    with tenant_transaction(tenant), scope.bulk(reason="intake"):
        old = IntakeBatch.objects.filter(state=IntakeBatch.State.APPLIED, created_at__lt=before)
        return old.delete()[0]


def intake_sweep(*, tenant: Tenant) -> int:
    """Apply what no worker was told of, bring figures up to date, and delete what is over."""
    return (
        intake_apply(tenant=tenant) + figures_catch_up(tenant=tenant) + intake_purge(tenant=tenant)
    )
