"""Let a brand leave the group: closed from an instant on, and nobody's recipient."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.changes.locks import hold_decisions
from brands.models import Brand, ModeChange, Store
from brands.modes import Mode
from brands.services.modes import ModeUnchanged, mode_before, mode_change
from tenants import audit
from tenants.connection import connection
from tenants.models import Grant, User
from tenants.services import grant_end

# Who has just pressed the button means now, not the seconds since.
_JUST_NOW = 300


class LeavingRefused(ValueError):
    """Say why a brand was not let go."""


@dataclass(frozen=True)
class Leaving:
    """Be what a brand's leaving is asked to be: from when, to whom, and why."""

    at: datetime | None = None
    to: str = ""
    contact: str = ""
    reason: str = ""


def leaving_problems(brand: Brand, leaving: Leaving) -> list[str]:
    """Return, in words, everything for which the brand cannot leave like this."""
    now = timezone.now()
    found = []
    if brand.left_at is not None and brand.left_at <= now:
        found.append(
            _("%(brand)s has left the group already. Nothing was changed.") % {"brand": brand.name}
        )
    elif brand.left_at is not None:
        found.append(
            _(
                "%(brand)s is already set to leave. Nothing was changed. Call that off first to "
                "choose another day."
            )
            % {"brand": brand.name}
        )
    if leaving.at is not None and (now - leaving.at).total_seconds() > _JUST_NOW:
        found.append(_("A brand cannot have left in the past. Nothing was changed."))
    if leaving.to and not leaving.contact:
        found.append(
            _(
                "The new owner has no contact. The members have to be told its name and contact "
                "(PIPL art. 22): write how one reaches it."
            )
        )
    if leaving.contact and not leaving.to:
        found.append(_("There is a contact but no new owner. Write both, or neither."))
    return found


def grants_at(brand: Brand) -> list[Grant]:
    """Return the grants at a brand and its stores that hold, or are still to begin."""
    stores = Store.objects.filter(brand=brand).values_list("pk", flat=True)
    return list(
        Grant.objects.filter(
            Q(level="brand", place_id=brand.pk) | Q(level="store", place_id__in=list(stores)),
            Q(valid_until=None) | Q(valid_until__gt=timezone.now()),
            tenant=connection.tenant,
        )
        .select_related("user", "engagement__provider")
        .order_by("pk")
    )


@transaction.atomic
def brand_leave(*, brand: Brand, leaving: Leaving, acting_user: User | None) -> Brand:
    """Let a brand leave, now or at an instant to come; raises LeavingRefused.

    From that instant its mode is brand-max for good, it is no notice's recipient, and its grants
    are over. One row and its grants, whatever the number of members.
    """
    hold_decisions()
    brand = Brand.objects.select_for_update(of=("self",)).get(pk=brand.pk)
    if wrong := leaving_problems(brand, leaving):
        raise LeavingRefused(" ".join(wrong))
    brand.left_at = max(leaving.at or timezone.now(), timezone.now())
    brand.left_to, brand.left_contact = leaving.to, leaving.contact
    brand.save(update_fields=["left_at", "left_to", "left_contact"])
    for grant in grants_at(brand):
        grant_end(grant=grant, acting_user=acting_user, at=brand.left_at, reason=_("Brand left"))
    # The wall needs no decision to close it; the history shows one, and the figures across brands
    # are counted without it once it is effective.
    with suppress(ModeUnchanged):
        mode_change(
            mode=Mode.BRAND_MAX,
            brand=brand,
            effective_at=brand.left_at,
            acting_user=acting_user,
            reason=_("The brand leaves the group"),
        )
    audit.record(
        acting_user=acting_user,
        action="brand.leave",
        target=brand,
        changes={
            "left_at": ["", brand.left_at.isoformat()],
            "left_to": ["", leaving.to],
            "left_contact": ["", leaving.contact],
            "reason": ["", leaving.reason],
        },
    )
    return brand


@transaction.atomic
def brand_stay(*, brand: Brand, acting_user: User | None) -> Brand:
    """Call a leaving off before its day; raises LeavingRefused once the brand has left.

    The grants that were cut short stay so: whoever should go on is given a new one.
    """
    hold_decisions()
    brand = Brand.objects.select_for_update(of=("self",)).get(pk=brand.pk)
    if brand.left_at is None:
        raise LeavingRefused(_("This brand is not leaving. Nothing was changed."))
    if brand.left_at <= timezone.now():
        raise LeavingRefused(
            _(
                "This brand has left: its people and recipients were told so. Nothing was changed. "
                "Should it come back, add it as a new brand."
            )
        )
    before = brand.left_at
    closing = ModeChange.objects.filter(brand=brand, effective_at=before).order_by("-pk").first()
    if closing is not None and closing.mode == Mode.BRAND_MAX:
        with suppress(ModeUnchanged):
            mode_change(
                mode=mode_before(closing),
                brand=brand,
                effective_at=before,
                acting_user=acting_user,
                reason=_("The brand stays with the group"),
                undoes=closing,
            )
    brand.left_at, brand.left_to, brand.left_contact = None, "", ""
    brand.save(update_fields=["left_at", "left_to", "left_contact"])
    audit.record(
        acting_user=acting_user,
        action="brand.stay",
        target=brand,
        changes={"left_at": [before.isoformat(), ""]},
    )
    return brand
