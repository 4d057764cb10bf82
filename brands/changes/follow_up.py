"""Recompute what rests on the mode after a change of it; old figures are marked until then."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from django.db import InterfaceError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.changes.registry import Recompute, Words, recomputes
from brands.models import ModeChange, ModeFollowUp
from brands.services.figures import generation_bump
from tenants.context import tenant_transaction
from tenants.models import Tenant

log = logging.getLogger(__name__)

State = ModeFollowUp.State
# A running job that was not heard of for so long has lost its worker.
SILENCE = dt.timedelta(minutes=15)
MOST_ATTEMPTS = 5


@dataclass(frozen=True)
class Recomputing:
    """Be what still shows figures of the former mode."""

    since: dt.datetime
    labels: tuple[Words, ...]
    panels: frozenset[str]
    has_failed: bool


def recomputing() -> Recomputing | None:
    """Return what still shows figures of a former mode; None where everything is up to date."""
    rows = list(_open().order_by("due_at"))
    if not rows:
        return None
    done = [{step["name"] for step in row.steps if step["state"] == State.DONE} for row in rows]
    pending = [one for name, one in recomputes.items() if any(name not in names for names in done)]
    return Recomputing(
        since=rows[0].due_at,
        labels=tuple(one.label for one in pending),
        panels=frozenset(panel for one in pending for panel in one.panels),
        has_failed=any(row.state == State.FAILED for row in rows),
    )


def follow_ups_due() -> list[int]:
    """Return the follow-ups that nobody works on though their change is effective."""
    silent = timezone.now() - SILENCE
    return list(
        _open()
        .filter(
            Q(state=State.WAITING)
            | Q(state=State.RUNNING, heard_at__lt=silent)
            | Q(state=State.FAILED, attempts__lt=MOST_ATTEMPTS)
        )
        .values_list("pk", flat=True)
    )


def follow_up_run(*, tenant: Tenant, follow_up_id: int) -> str:
    """Run every step that is not done yet; return the state it ends in.

    For a process that holds the owner's credentials, outside a transaction. Safe to run twice and
    again after a stop: a step that is done stays done, any other begins anew.
    """
    row = _claim(tenant, follow_up_id)
    if row is None:
        return "not due"
    failures = []
    for step in row.steps:
        one = recomputes.get(step["name"])
        if step["state"] == State.DONE:
            continue
        try:
            if one is not None:
                _note(tenant, row, step, state=State.RUNNING)
                _act(tenant, row, step, one)
            _note(tenant, row, step, state=State.DONE)
        except (InterfaceError, SystemExit, KeyboardInterrupt):
            raise
        except Exception as error:
            log.exception("recompute %s of %s", step["name"], tenant)
            failures.append(
                _("%(step)s: %(why)s")
                # The words of an error may quote a row; the log withholds or keeps them.
                % {"step": one.label if one else "", "why": type(error).__name__}
            )
            _note(tenant, row, step, state=State.FAILED)
    return _end(tenant, row, failures)


def _open() -> QuerySet[ModeFollowUp]:
    return ModeFollowUp.objects.filter(due_at__lte=timezone.now()).exclude(state=State.DONE)


def _claim(tenant: Tenant, follow_up_id: int) -> ModeFollowUp | None:
    now = timezone.now()
    with tenant_transaction(tenant):
        row = _open().select_for_update(skip_locked=True).filter(pk=follow_up_id).first()
        if row is None:
            return None
        if row.state == State.RUNNING and row.heard_at and row.heard_at > now - SILENCE:
            return None
        known = {step["name"]: step for step in row.steps}
        row.steps = [
            known.get(name, {"name": name, "state": State.WAITING, "done": 0, "total": 0})
            for name in recomputes
        ]
        # What was called off changed nothing when its time came.
        change = row.change
        if ModeChange.objects.filter(undoes=change, effective_at=change.effective_at).exists():
            row.steps = []
        row.state, row.error = State.RUNNING, ""
        row.attempts += 1
        row.started_at = row.started_at or now
        row.heard_at = now
        row.save()
    return row


def _act(tenant: Tenant, row: ModeFollowUp, step: dict, one: Recompute) -> None:
    def say(done: int, total: int) -> None:
        _note(tenant, row, step, done=done, total=total)

    one.act(tenant, say)


def _note(tenant: Tenant, row: ModeFollowUp, step: dict, **fields: object) -> None:
    step.update(fields)
    with tenant_transaction(tenant):
        ModeFollowUp.objects.filter(pk=row.pk).update(steps=row.steps, heard_at=timezone.now())


def _end(tenant: Tenant, row: ModeFollowUp, failures: list[str]) -> str:
    row.state = State.FAILED if failures else State.DONE
    row.error = "\n".join(failures)
    row.finished_at = timezone.now()
    with tenant_transaction(tenant):
        row.save()
        generation_bump()
    return row.state
