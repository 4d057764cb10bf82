"""Take a change of mode back: at once where that only closes, else by a draft of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.changes.differences import opens
from brands.changes.drafts import draft_create, overtake, require_admin
from brands.changes.errors import DraftRefused
from brands.changes.locks import hold_decisions
from brands.formatting import moment
from brands.models import ModeChange, ModeDraft, about
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.services import decision_append, mode_before, mode_change
from brands.wall.visibility import Kind, NoticeTerms
from tenants import audit
from tenants.models import User


@dataclass(frozen=True)
class Undoing:
    """Say what taking a change back would do.

    A scheduled change is called off, an effective one is rolled back: alone where it only closes,
    with a second admin where it opens anything for anyone, at once or on the day of a decision
    that is still to come.
    """

    change: ModeChange
    mode: str
    is_call_off: bool
    # The first instant from which somebody would see more: now, or the day of another decision.
    opens_at: dt.datetime | None

    @property
    def mode_label(self) -> str:
        """Return the mode that would hold again, in words."""
        return str(Mode(self.mode).label) if self.mode else _("as the group")

    @property
    def needs_second(self) -> bool:
        """Tell whether a second HQ admin has to approve it."""
        return self.opens_at is not None

    @property
    def drafted_for(self) -> dt.datetime | None:
        """Return the instant that a draft of it is for: when it opens; None is at once."""
        at = self.opens_at
        return at if at is not None and at > timezone.now() else None


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
    is_call_off = change.effective_at > now
    return Undoing(change, former, is_call_off, _opens_at(change, former, now))


def _opens_at(change: ModeChange, former: str, now: dt.datetime) -> dt.datetime | None:
    """Return the first instant from which taking a change back opens anything; None for never.

    A mode rests on two decisions, the group's and the brand's: taking back a closing that moves
    nothing today may open on the day that the other one is due. So every instant from now on at
    which any decision takes effect is looked at.
    """
    is_call_off = change.effective_at > now
    start = change.effective_at if is_call_off else now
    dues = ModeChange.objects.filter(effective_at__gt=start).order_by("effective_at")
    days = [start, *dues.values_list("effective_at", flat=True).distinct()]
    until_then = effective_modes(at=start - dt.timedelta(microseconds=1))
    standing = [effective_modes(at=day) for day in days]
    with transaction.atomic():
        decision_append(
            brand=change.brand,
            mode=former,
            effective_at=start,
            undoes=change,
            acting_user=None,
        )
        undone = [effective_modes(at=day) for day in days]
        transaction.set_rollback(True)
    for day, before, after in zip(days, standing, undone, strict=True):
        # Called off, things stay as they are: what is seen until then was decided, too.
        known = [before, until_then] if is_call_off else [before]
        if opens(known, after, [*notice_terms(at=day), _any_notice(after)]):
            return day
    return None


def _any_notice(modes: dict[int, Mode]) -> NoticeTerms:
    """Return a notice that names everybody and everything, as one that begins later may."""
    return NoticeTerms(id=0, names_group=True, brands=frozenset(modes), kinds=frozenset(Kind))


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
            acting_user=acting_user,
            brand=change.brand,
            mode=found.mode,
            reason=reason,
            effective_at=found.drafted_for,
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
