"""Reveal contact data: an act of one person about one member, with its reason, audited, throttled.

Pages show contact data masked to whoever may see it. The wall decides who may at all; this adds
that it is known afterwards who looked at whom, and that nobody looks at many.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from members import contacts
from members.keys import group_keys
from members.models import Contact, Profile, RevealRule
from tenants import audit
from tenants.connection import connection
from tenants.models import AuditEvent, User

PERMISSION = "members.reveal_contact"
ACTION = "contact.reveal"
SHORTEST_REASON, LONGEST_REASON = 3, 200
# A reason says why. Whom is said by the event's target, and never how to reach them.
_CONTACT_LIKE = re.compile(r"\d[\d\s-]{5,}\d|@")


class RevealRefused(ValueError):
    """Say in the person's words why nothing was revealed."""


@dataclass(frozen=True)
class Held:
    """Be a member's contact data as a page shows it: masked, or revealed in one answer."""

    fields: dict[str, str]
    is_generated: bool
    is_revealed: bool = False


def needs_reason() -> bool:
    """Tell whether the group asks for a reason of who reveals contact data."""
    rule = RevealRule.objects.order_by("-pk").first()
    return rule is not None and rule.needs_reason


def held_masked(profile: Profile) -> Held | None:
    """Return a member's contact data masked; None where the wall hides it or none is kept."""
    contact = Contact.objects.filter(profile_id=profile.pk).first()
    if contact is None:
        return None
    fields = contacts.unseal(group_keys(), contact)
    return Held(contacts.masked(fields), contact.is_generated)


def contact_reveal(*, profile: Profile, reason: str, acting_user: User) -> Held | None:
    """Return a member's contact data in the clear, and audit it; raises RevealRefused.

    None where the wall hides it or none is kept: that is no reveal.
    """
    contact = Contact.objects.filter(profile_id=profile.pk).first()
    if contact is None:
        return None
    reason = _checked(reason)
    fields = contacts.unseal(group_keys(), contact)
    with transaction.atomic():
        _record(
            [profile.pk],
            acting_user,
            {"fields": ["", ", ".join(sorted(fields))], "reason": ["", reason]},
        )
        # Counted with this one, behind the lock that appending took: two at once are two.
        if _recent(acting_user) > settings.REVEALS_PER_HOUR:
            raise RevealRefused(
                _(
                    "You have revealed contact data %(count)d times within an hour, which is as "
                    "often as is allowed. Nothing was revealed. Try again later, or ask for an "
                    "export."
                )
                % {"count": settings.REVEALS_PER_HOUR}
            )
    return Held(fields, contact.is_generated, is_revealed=True)


def program_read(*, profile_ids: Collection[int], acting_user: User) -> None:
    """Audit that a program read contact data of members under a token: one event for a page.

    Programs are throttled by their token's rate.
    """
    if profile_ids:
        _record(sorted(profile_ids), acting_user, {"token": ["", "API"]})


def reveal_rule_set(*, needs_reason: bool, acting_user: User) -> RevealRule:
    """Ask for a reason from now on, or for none."""
    before = RevealRule.objects.order_by("-pk").first()
    rule = RevealRule.objects.create(needs_reason=needs_reason, set_by_name=str(acting_user)[:120])
    audit.record(
        acting_user=acting_user,
        action="reveal_rule.change",
        target=rule,
        target_name="",
        changes={"reason": [bool(before and before.needs_reason), needs_reason]},
    )
    return rule


def _checked(reason: str) -> str:
    reason = " ".join(reason.replace("\0", "").split())
    if not reason:
        if needs_reason():
            raise RevealRefused(_("Say why: your group asks for a reason. Nothing was revealed."))
        return ""
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise RevealRefused(
            _("A reason has %(least)d to %(most)d characters. Nothing was revealed.")
            % {"least": SHORTEST_REASON, "most": LONGEST_REASON}
        )
    if _CONTACT_LIKE.search(reason):
        raise RevealRefused(
            _("Say why, without a number or address of anybody. Nothing was revealed.")
        )
    return reason


def _record(ids: Collection[int], acting_user: User, changes: dict[str, list[str]]) -> None:
    # Numbers of record, never a member number: at some brands that is the phone.
    name = ", ".join(f"#{pk}" for pk in ids)
    one = Profile(pk=next(iter(ids))) if len(ids) == 1 else None
    if one is None:
        changes = {**changes, "rows": ["", name]}
    audit.record(
        acting_user=acting_user, action=ACTION, target=one, target_name=name, changes=changes
    )


def _recent(user: User) -> int:
    return AuditEvent.objects.filter(
        tenant__schema_name=connection.schema_name,
        user=user,
        action=ACTION,
        at__gt=timezone.now() - dt.timedelta(hours=1),
    ).count()
