"""Take a change of mode back: at once where that only closes, else by a draft of its own."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.changes.differences import only_closes
from brands.changes.drafts import draft_create, overtake, require_admin
from brands.changes.errors import DraftRefused
from brands.changes.locks import hold_decisions
from brands.changes.worlds import worlds
from brands.formatting import moment
from brands.models import ModeChange, ModeDraft, about
from brands.modes import Mode
from brands.services import mode_before, mode_change
from tenants import audit
from tenants.models import User


@dataclass(frozen=True)
class Undoing:
    """Say what taking a change back would do.

    A scheduled change is called off. An effective one is rolled back: alone where it only closes,
    with a second admin where it opens anything for anyone.
    """

    change: ModeChange
    mode: str
    is_call_off: bool
    only_closes: bool

    @property
    def mode_label(self) -> str:
        """Return the mode that would hold again, in words."""
        return str(Mode(self.mode).label) if self.mode else _("as the group")

    @property
    def needs_second(self) -> bool:
        """Tell whether a second HQ admin has to approve it."""
        return not self.is_call_off and not self.only_closes


def last_standing(brand_id: int | None) -> ModeChange | None:
    """Return the last decision for a brand, or the group, that was not called off."""
    rows = ModeChange.objects.filter(about(brand_id))
    call_offs = rows.filter(undoes__effective_at=F("effective_at"))
    return (
        rows.select_related("brand")
        .exclude(pk__in=call_offs.values("pk"))
        .exclude(pk__in=call_offs.values("undoes"))
        .order_by("-id")
        .first()
    )


def undoing(change: ModeChange) -> Undoing:
    """Return what taking a change back would do; refuse one that is not the last decision."""
    last = last_standing(change.brand_id)
    if last is None or last.pk != change.pk:
        raise DraftRefused(
            _(
                "Only the last decision that stands can be taken back, and this is not it: "
                "%(name)s decided on %(day)s. Nothing was changed."
            )
            % {
                "name": last.decided_by_name if last else "",
                "day": moment(last.created_at) if last else "",
            }
        )
    now, former = timezone.now(), mode_before(change)
    if former == change.mode:
        raise DraftRefused(_("The first mode has none before it. Nothing was changed."))
    brand = last.brand
    if brand is not None and brand.left_at is not None and brand.left_at <= now:
        raise DraftRefused(
            _("%(brand)s has left the group: it shares with nobody, and that cannot be changed.")
            % {"brand": brand}
        )
    if change.effective_at > now:
        return Undoing(change, former, is_call_off=True, only_closes=False)
    found = worlds(brand_id=change.brand_id, mode=former)
    closes = only_closes(found.before, found.after, found.notices)
    return Undoing(change, former, is_call_off=False, only_closes=closes)


@transaction.atomic
def change_undo(*, change: ModeChange, acting_user: User, reason: str) -> ModeChange | ModeDraft:
    """Take back the last decision for a brand or the group.

    Returns the change that was made, or the draft where a second HQ admin has to approve it.
    """
    hold_decisions()
    require_admin(acting_user)
    found = undoing(ModeChange.objects.select_related("brand").get(pk=change.pk))
    if not reason.strip():
        raise DraftRefused(_("Say why: the reason stands in the history. Nothing was changed."))
    if found.needs_second:
        return draft_create(
            acting_user=acting_user, brand=change.brand, mode=found.mode, reason=reason
        )
    made = mode_change(
        mode=found.mode,
        brand=change.brand,
        acting_user=acting_user,
        reason=reason,
        effective_at=change.effective_at if found.is_call_off else None,
        undoes=change,
    )
    audit.record(
        acting_user=acting_user,
        action="mode.call_off" if found.is_call_off else "mode.roll_back",
        target=change,
        changes={"reason": ["", reason]},
    )
    overtake(made, acting_user)
    return made
