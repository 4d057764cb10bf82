"""Write consents: append an answer, and open or close the person's rows with it."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Notice
from brands.services import generation_bump
from members import locks
from members.models import Consent, Profile
from members.notices import refresh_notices
from members.staging import stage
from tenants import audit
from tenants.models import User


@transaction.atomic
def consent_record(
    *,
    profile: Profile,
    notice: Notice,
    is_given: bool,
    acting_user: User | None,
    channel: str = "",
    evidence: str = "",
    at: datetime | None = None,
) -> Consent:
    """Append a person's answer to a notice, and set the current notice on every row of theirs.

    Runs in a bulk scope. The next transaction anywhere sees what the answer opens or closes. The
    same answer twice is one row. Raises ValueError for an answer from the future, and for a notice
    that is not in force: it may still be changed.
    """
    at = at or timezone.now()
    if at > timezone.now() or notice.effective_from > timezone.now():
        raise ValueError(_("A consent cannot be dated in the future. Nothing was recorded."))
    locks.hold_answers()
    profile = Profile.objects.select_related("brand").get(pk=profile.pk)
    consent, is_new = Consent.objects.get_or_create(
        profile=profile,
        answered_notice=notice,
        is_given=is_given,
        answered_at=at,
        defaults={
            "person_id": profile.person_id,
            "brand_id": profile.brand_id,
            "store_id": profile.store_id,
            "notice_id": profile.notice_id,
            "channel": channel,
            "evidence": evidence,
        },
    )
    if is_new:
        with connection.cursor() as cursor:
            stage(cursor, "answering_person", "person_id bigint")
            cursor.execute("INSERT INTO answering_person VALUES (%s)", [profile.person_id])
        refresh_notices("answering_person")
        generation_bump()
        consent.refresh_from_db()
        audit.record(
            acting_user=acting_user,
            action="consent.give" if is_given else "consent.withdraw",
            target=profile,
            # HQ reads the audit in every mode: it names the brand, not its member.
            target_name=str(profile.brand),
            changes={"notice": ["", notice.version], "channel": ["", channel]},
        )
    return consent


def consent_withdraw(
    *,
    profile: Profile,
    acting_user: User | None,
    channel: str = "",
    evidence: str = "",
    at: datetime | None = None,
) -> Consent | None:
    """Record that a person takes back what they agreed to last; None where there is nothing."""
    given = (
        Consent.objects.filter(person_id=profile.person_id)
        .order_by("-answered_at", "is_given", "-answered_notice_id")
        .select_related("answered_notice")
        .first()
    )
    if given is None or not given.is_given:
        return None
    return consent_record(
        profile=profile,
        notice=given.answered_notice,
        is_given=False,
        acting_user=acting_user,
        channel=channel,
        evidence=evidence,
        at=at,
    )
