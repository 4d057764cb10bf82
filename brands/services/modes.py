"""Decide the mode: the inner step of every change, whoever asked for it and who approved it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from brands.changes.locks import hold_decisions
from brands.models import Brand, ModeChange, ModeDraft, ModeFollowUp, about
from brands.modes import Mode
from brands.selectors import brand_overrides, group_mode
from brands.tasks import follow_up_enqueue
from tenants import audit
from tenants.models import Tenant, User


class ModeUnchanged(ValueError):
    """Say that the asked-for mode holds already."""


def seed_group(tenant: Tenant) -> None:
    """Start a new group closed: brand-max until its HQ decides otherwise."""
    # Kept in English; pages translate what no person wrote.
    ModeChange.objects.create(
        mode=Mode.BRAND_MAX,
        decided_by_name=gettext_noop("system"),
        reason=gettext_noop("Initial mode"),
    )


@transaction.atomic
def mode_change(
    *,
    mode: str,
    acting_user: User | None,
    brand: Brand | None = None,
    reason: str = "",
    effective_at: datetime | None = None,
    draft: ModeDraft | None = None,
    undoes: ModeChange | None = None,
) -> ModeChange:
    """Set the group's default mode, or a brand's override ("" takes it away).

    One row whatever the number of members: the next transaction reads the new mode. Raises
    ModeUnchanged when that mode holds already. Whether the person may do this alone is decided
    above: pages go through brands.changes.
    """
    hold_decisions()
    mode = Mode(mode) if mode else ""
    effective_at = effective_at or timezone.now()
    before: str
    if brand is None:
        if not mode:
            raise ValueError(_("The group always has a mode."))
        before = group_mode(at=effective_at)
    else:
        before = brand_overrides(at=effective_at).get(brand.pk, "")
    if before == mode:
        raise ModeUnchanged(_("This mode holds already. Nothing was changed."))
    change = decision_append(
        brand=brand,
        mode=mode,
        reason=reason,
        effective_at=effective_at,
        acting_user=acting_user,
        draft=draft,
        undoes=undoes,
    )
    audit.record(
        acting_user=acting_user,
        action="mode.change",
        target=change,
        target_name=str(brand) if brand else _("Group"),
        changes={"mode": [str(before), str(mode)], "reason": ["", reason]},
    )
    is_call_off = undoes is not None and undoes.effective_at == effective_at
    if not is_call_off:
        follow_up = ModeFollowUp.objects.create(change=change, due_at=effective_at)
        if effective_at <= timezone.now():
            follow_up_enqueue(follow_up.pk)
    return change


def decision_append(*, acting_user: User | None, **fields: object) -> ModeChange:
    """Write a decision, and again the call-offs that follow it: the rows alone, nothing besides."""
    change = _append(acting_user=acting_user, **fields)
    _call_off_again(change, acting_user)
    return change


def _append(*, acting_user: User | None, **fields: object) -> ModeChange:
    return ModeChange.objects.create(
        decided_by=acting_user,
        decided_by_name=str(acting_user)[:120] if acting_user else "system",
        **fields,
    )


def _call_off_again(change: ModeChange, acting_user: User | None) -> None:
    """Repeat, with the new mode, what calls off a later change.

    A change that is called off is followed, at its own instant, by the mode that held before it.
    Decided now, another mode holds before it: without this the old one would come back by itself.
    """
    later = ModeChange.objects.filter(
        about(change.brand_id), effective_at__gt=change.effective_at
    ).order_by("effective_at", "-id")
    last_at = None
    for row in later.select_related("undoes"):
        if row.effective_at == last_at:
            continue
        last_at = row.effective_at
        if row.undoes is None or row.undoes.effective_at != row.effective_at:
            return
        _append(
            brand=change.brand,
            mode=change.mode,
            effective_at=row.effective_at,
            reason=row.reason,
            undoes=row.undoes,
            acting_user=acting_user,
        )


def mode_before(change: ModeChange) -> str:
    """Return what held for the change's brand, or the group, until it: what taking it back sets."""
    former = (
        ModeChange.objects.filter(about(change.brand_id))
        .filter(effective_at__lte=change.effective_at)
        .exclude(pk=change.pk)
        .exclude(undoes=change)
        .order_by("-effective_at", "-id")
        .first()
    )
    if former is None:
        return "" if change.brand_id else Mode.BRAND_MAX
    return former.mode
