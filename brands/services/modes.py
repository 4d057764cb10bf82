"""Decide the mode, and start what must be recomputed after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from brands.models import Brand, ModeChange
from brands.modes import Mode
from brands.selectors import brand_overrides, group_mode
from tenants import audit
from tenants.models import Tenant, User

# What to do, once it is committed, after a group shares in another way.
_after_mode_change: list[Callable[[], None]] = []


def register_after_mode_change(act: Callable[[], None]) -> None:
    """Let an app start what must be recomputed after a change of mode."""
    _after_mode_change.append(act)


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
) -> ModeChange:
    """Set the group's default mode, or a brand's override ("" takes it away).

    One row whatever the number of members: the next transaction reads the new mode. Raises
    ModeUnchanged when that mode holds already.
    """
    mode = Mode(mode) if mode else ""
    before: str
    if brand is None:
        if not mode:
            raise ValueError(_("The group always has a mode."))
        before = group_mode()
    else:
        before = brand_overrides().get(brand.pk, "")
    if before == mode:
        raise ModeUnchanged(_("This mode holds already. Nothing was changed."))
    change = ModeChange.objects.create(
        brand=brand,
        mode=mode,
        reason=reason,
        effective_at=effective_at or timezone.now(),
        decided_by=acting_user,
        decided_by_name=str(acting_user)[:120] if acting_user else "system",
    )
    audit.record(
        acting_user=acting_user,
        action="mode.change",
        target=change,
        target_name=str(brand) if brand else _("Group"),
        changes={"mode": [str(before), str(mode)], "reason": ["", reason]},
    )
    for act in _after_mode_change:
        act()
    return change
