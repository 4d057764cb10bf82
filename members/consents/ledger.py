"""Append answers and objections to the ledger, and keep the person's rows as it then says."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Notice
from brands.selectors import Standing, notice_standing
from brands.services import answers_bump
from members import locks
from members.exports.tasks import sweep_enqueue
from members.models import Consent, Contact, Objection, Profile
from members.models.consents import ANSWER_TIMES
from members.notices import refresh_notices, refresh_objections, time_zone
from members.staging import stage
from members.stratify import stratify_persons
from tenants import audit
from tenants.connection import connection
from tenants.models import User

# Under this age a guardian answers (PIPL art. 31).
GUARDED_YEARS = 14


class AnswerRefused(ValueError):
    """Say why an answer was not recorded; nothing of it was."""


def expiry_of(answered_at: dt.datetime, months: int | None) -> dt.datetime | None:
    """Return until when a yes holds: the same day MONTHS later, or that month's last day."""
    if months is None:
        return None
    at = answered_at.astimezone(dt.UTC)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last))


def fourteenth_birthday(birthday: dt.date) -> dt.date:
    """Return the day from which someone answers alone; 1 March for those born on 29 February."""
    try:
        return birthday.replace(year=birthday.year + GUARDED_YEARS)
    except ValueError:
        return dt.date(birthday.year + GUARDED_YEARS, 3, 1)


def answer_problem(
    *,
    notice: Notice | None,
    is_given: bool,
    at: dt.datetime,
    is_by_guardian: bool = False,
    minor_until: dt.date | None = None,
) -> str:
    """Return in words why an answer cannot be recorded; "" where it can."""
    now = timezone.now()
    if at < ANSWER_TIMES[0]:
        return _("The year %(year)d is not between 1900 and 2100.") % {"year": at.year}
    if at > now:
        return _(
            "A consent cannot be dated in the future. Nothing was recorded. Give the time at which "
            "the person answered."
        )
    if not is_given:
        return ""
    if notice is None:
        return _("A yes answers a notice. Nothing was recorded. Say which one.")
    standing = notice_standing(notice, at=now)
    words = {"version": notice.version}
    if standing is Standing.NOT_YET:
        return (
            _(
                "The notice “%(version)s” is in force only in the future, and may still change. "
                "Nothing was recorded."
            )
            % words
        )
    if standing is Standing.ENDED:
        return (
            _(
                "The notice “%(version)s” has ended. Nothing was recorded. Ask the person with a "
                "notice that is in force."
            )
            % words
        )
    day = at.astimezone(ZoneInfo(time_zone())).date()
    if minor_until and minor_until > day and not is_by_guardian:
        return _(
            "The person was under 14 on that day, so a guardian must answer. Nothing was recorded."
        )
    return ""


def keep_persons(person_ids: Iterable[int]) -> None:
    """Bring every row of persons up to date with the ledger; the caller holds the answers."""
    with connection.cursor() as cursor:
        stage(cursor, "answering_person", "person_id bigint")
        cursor.execute(
            "INSERT INTO answering_person SELECT DISTINCT unnest(%s::bigint[])",
            [sorted(set(person_ids))],
        )
    refresh_notices("answering_person")
    refresh_objections("answering_person")
    with connection.cursor() as cursor:
        stratify_persons(cursor, "answering_person")
    answers_bump()
    sweep_enqueue()


def append_consent(
    *,
    profile: Profile,
    notice: Notice | None,
    is_given: bool,
    at: dt.datetime,
    channel: str = "",
    evidence: str = "",
    is_to_group: bool = False,
    is_by_guardian: bool = False,
) -> tuple[Consent, bool]:
    """Append an answer as it stands, the caller having looked at it; tell whether it was new."""
    months = notice.consent_months if notice is not None and is_given else None
    return Consent.objects.get_or_create(
        profile=profile,
        answered_notice=notice,
        is_given=is_given,
        answered_at=at,
        is_to_group=is_to_group,
        defaults={
            **_walled(profile),
            "channel": channel,
            "evidence": evidence,
            "is_by_guardian": is_by_guardian,
            "expires_at": expiry_of(at, months),
        },
    )


def append_objection(
    *,
    profile: Profile,
    is_objecting: bool,
    at: dt.datetime,
    channel: str = "",
    evidence: str = "",
    is_to_group: bool = False,
) -> tuple[Objection, bool]:
    """Append an objection or its end; tell whether it was new."""
    return Objection.objects.get_or_create(
        profile=profile,
        is_objecting=is_objecting,
        made_at=at,
        is_to_group=is_to_group,
        defaults={**_walled(profile), "channel": channel, "evidence": evidence},
    )


def _walled(profile: Profile) -> dict[str, object]:
    return {
        "person_id": profile.person_id,
        "brand_id": profile.brand_id,
        "store_id": profile.store_id,
        "notice_id": profile.notice_id,
    }


def keep_minor(profile: Profile, minor_until: dt.date) -> bool:
    """Keep the day of a member's 14th birthday; False where no contact data is kept to hold it.

    A day that is known is put off and never brought forward: a yes does not talk a child's age
    away. Who has it wrong corrects it with the contact data, by a file.
    """
    contact = Contact.objects.filter(profile=profile)
    is_later = Q(minor_until=None) | Q(minor_until__lt=minor_until)
    return bool(contact.filter(is_later).update(minor_until=minor_until)) or contact.exists()


@transaction.atomic
def consent_record(
    *,
    profile: Profile,
    notice: Notice | None,
    is_given: bool,
    acting_user: User | None,
    channel: str = "",
    evidence: str = "",
    at: dt.datetime | None = None,
    is_to_group: bool = False,
    is_by_guardian: bool = False,
) -> Consent:
    """Append a person's answer to a notice, and set the current notice on every row of theirs.

    Runs in a bulk scope. The next transaction anywhere sees what the answer opens or closes. The
    same answer twice is one row. Raises AnswerRefused with the reason in words.
    """
    at = at or timezone.now()
    locks.hold_answers()
    profile = Profile.objects.select_related("brand").get(pk=profile.pk)
    problem = answer_problem(
        notice=notice,
        is_given=is_given,
        at=at,
        is_by_guardian=is_by_guardian,
        minor_until=profile.minor_until,
    )
    if problem:
        raise AnswerRefused(problem)
    consent, is_new = append_consent(
        profile=profile,
        notice=notice,
        is_given=is_given,
        at=at,
        channel=channel,
        evidence=evidence,
        is_to_group=is_to_group,
        is_by_guardian=is_by_guardian,
    )
    if is_new:
        keep_persons([profile.person_id])
        consent.refresh_from_db()
        audit.record(
            acting_user=acting_user,
            action="consent.give" if is_given else "consent.withdraw",
            target=profile,
            # HQ reads the audit in every mode: it names the brand, not its member.
            target_name=str(profile.brand),
            changes={"notice": ["", notice.version if notice else ""], "channel": ["", channel]},
        )
    return consent


def consent_withdraw(
    *,
    profile: Profile,
    acting_user: User | None,
    channel: str = "",
    evidence: str = "",
    at: dt.datetime | None = None,
    is_to_group: bool = False,
) -> Consent:
    """Record that a person says no, whether or not there was a yes to take back."""
    return consent_record(
        profile=profile,
        notice=last_agreed(profile),
        is_given=False,
        acting_user=acting_user,
        channel=channel,
        evidence=evidence,
        at=at,
        is_to_group=is_to_group,
    )


def last_agreed(profile: Profile) -> Notice | None:
    """Return the notice of the last yes that was given in a profile, or to the group."""
    rows = Consent.objects.filter(person_id=profile.person_id, is_given=True)
    given = (
        (rows.filter(profile=profile) | rows.filter(is_to_group=True))
        .order_by("-answered_at", "-answered_notice_id")
        .select_related("answered_notice")
        .first()
    )
    return given.answered_notice if given else None


@transaction.atomic
def objection_record(
    *,
    profile: Profile,
    is_objecting: bool,
    acting_user: User | None,
    channel: str = "",
    evidence: str = "",
    at: dt.datetime | None = None,
    is_to_group: bool = False,
) -> Objection:
    """Append a person's objection to automated decisions, or its end; keep it on all profiles.

    Runs in a bulk scope. Raises AnswerRefused for a word from the future.
    """
    at = at or timezone.now()
    locks.hold_answers()
    profile = Profile.objects.select_related("brand").get(pk=profile.pk)
    if problem := answer_problem(notice=None, is_given=False, at=at):
        raise AnswerRefused(problem)
    objection, is_new = append_objection(
        profile=profile,
        is_objecting=is_objecting,
        at=at,
        channel=channel,
        evidence=evidence,
        is_to_group=is_to_group,
    )
    if is_new:
        keep_persons([profile.person_id])
        audit.record(
            acting_user=acting_user,
            action="consent.object" if is_objecting else "consent.allow",
            target=profile,
            target_name=str(profile.brand),
            changes={"channel": ["", channel]},
        )
    return objection
