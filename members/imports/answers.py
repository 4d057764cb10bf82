"""Read the answers to notices that files bring."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Notice
from brands.selectors import Standing, notice_standing
from members.imports import cells
from members.notices import (
    STORED_ANSWERS,
    STORED_MINORS,
    STORED_PROFILES,
    rule_params,
    stage_current,
    stored,
)
from members.staging import stage, stage_query
from tenants.wording import listed

WITHDRAWN_WORDS = frozenset({"withdrawn", "no", "撤回", "否", "不同意"})


def answerable_notices() -> tuple[dict[str, str], frozenset[str]]:
    """Return version → id of every notice that can be answered now, and the versions that ended.

    What a notice says may still be changed until it is in force: nobody has answered it yet.
    """
    now = timezone.now()
    begun = Notice.objects.filter(effective_from__lte=now).prefetch_related("endings")
    answerable, ended = {}, set()
    for notice in begun.order_by("effective_from", "pk"):
        if notice_standing(notice, at=now) is Standing.ENDED:
            ended.add(notice.version)
        else:
            answerable[notice.version] = str(notice.pk)
    return answerable, frozenset(ended)


def unknown_notice(text: str, answerable: Iterable[str], ended: frozenset[str]) -> cells.Problem:
    """Return why a version can no longer, or not yet, or never be answered."""
    words = {
        "version": cells.shortened(text),
        "versions": listed(answerable) or _("none"),
    }
    if text in ended:
        return cells.Problem(
            _("The notice “%(version)s” has ended; the group has %(versions)s.") % words
        )
    return cells.Problem(_("There is no notice “%(version)s”; the group has %(versions)s.") % words)


def under_age() -> str:
    """Return why someone under 14 did not agree."""
    return _("The person was under 14 on that day, so a guardian must answer.")


# A birthday in the file takes the place of the one that is stored.
_INCOMING_MINORS = """
    AND NOT EXISTS (
        SELECT FROM incoming_member i
        WHERE i.profile_id = k.profile_id AND i.minor_until IS NOT NULL
    ) UNION ALL
    SELECT COALESCE(a.person_id, p.person_id), i.minor_until
    FROM incoming_member i
    LEFT JOIN arriving_profile a ON a.profile_id = i.profile_id
    LEFT JOIN members_profile p ON p.id = i.profile_id
    WHERE i.minor_until IS NOT NULL
"""
# Persons of whom the whole rule must be asked. Of the others every answer is a plain yes, given in
# the profile that has it, after every profile's 14th birthday, without an end: a stored profile
# keeps its notice and an arriving one has that of its row.
_INTRICATE = """
    WITH told AS (
        SELECT k.person_id,
            CASE WHEN NOT c.is_by_guardian THEN (c.answered_at AT TIME ZONE %(zone)s)::date END
                AS day,
            -- One that is closed, or open by another notice than its own, may have been so by an
            -- answer of whom it was parted from.
            NOT c.is_given OR c.is_to_group OR c.expires_at IS NOT NULL
                OR k.notice_id IS DISTINCT FROM c.answered_notice_id AS is_so
        FROM kin k LEFT JOIN members_consent c ON c.profile_id = k.profile_id
        UNION ALL
        SELECT COALESCE(a.person_id, p.person_id),
            CASE WHEN i.is_given AND NOT i.is_by_guardian
                THEN (i.answered_at AT TIME ZONE %(zone)s)::date END,
            NOT i.is_new OR NOT i.is_given OR n.consent_months IS NOT NULL
        FROM incoming_member i
        LEFT JOIN arriving_profile a ON i.is_new AND a.profile_id = i.profile_id
        LEFT JOIN members_profile p ON NOT i.is_new AND p.id = i.profile_id
        LEFT JOIN brands_notice n ON n.id = i.answered_notice_id
        WHERE i.is_given IS NOT NULL
    ), first AS (
        SELECT min(day) AS day FROM told
    ), minor AS (
        SELECT k.person_id, k.minor_until FROM kin k JOIN first ON k.minor_until > first.day
        UNION ALL
        SELECT COALESCE(a.person_id, p.person_id), i.minor_until
        FROM incoming_member i JOIN first ON i.minor_until > first.day
        LEFT JOIN arriving_profile a ON i.is_new AND a.profile_id = i.profile_id
        LEFT JOIN members_profile p ON NOT i.is_new AND p.id = i.profile_id
    )
    SELECT person_id FROM told WHERE is_so
    UNION
    SELECT t.person_id FROM told t JOIN minor m USING (person_id) WHERE m.minor_until > t.day
"""


def stage_answers(cursor: CursorWrapper, brand_id: int, *, has_answers: bool) -> None:
    """Stage the rows' answers with their persons, and the notices that profiles then have.

    Before anything is written, so that new rows are written once: what the file brings stands
    beside what is stored.
    """
    cursor.execute(
        "INSERT INTO affected_person "
        "SELECT p.person_id FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id "
        "WHERE NOT i.is_new AND (i.minor_until IS NOT NULL OR i.is_given IS NOT NULL)"
    )
    params = rule_params()
    stage_query(
        cursor,
        "kin",
        """
        SELECT p.id AS profile_id, p.person_id, p.notice_id, c.minor_until
        FROM (SELECT DISTINCT person_id FROM affected_person) AS t
        JOIN members_profile p USING (person_id)
        LEFT JOIN members_contact c ON c.profile_id = p.id
        """,
    )
    intricate = stage_query(cursor, "intricate_person", _INTRICATE, params)
    if has_answers:
        stage_query(
            cursor,
            "answer",
            """
            SELECT COALESCE(a.person_id, p.person_id) AS person_id, i.profile_id,
                i.answered_notice_id, i.is_given, i.answered_at, false AS is_to_group,
                i.is_by_guardian, CASE WHEN i.is_given THEN (
                    i.answered_at AT TIME ZONE 'UTC' + make_interval(months => n.consent_months)
                ) AT TIME ZONE 'UTC' END AS expires_at, i.channel, i.evidence, i.is_new
            FROM incoming_member i
            LEFT JOIN arriving_profile a ON a.profile_id = i.profile_id
            LEFT JOIN members_profile p ON p.id = i.profile_id
            LEFT JOIN brands_notice n ON n.id = i.answered_notice_id
            WHERE i.is_given IS NOT NULL
            """,
        )
    else:
        stage(cursor, "answer", _NO_ANSWERS)
    if intricate:
        _stage_by_rule(cursor, brand_id)
    else:
        stage(cursor, "renoticed", "profile_id bigint, notice bigint")
    cursor.execute(
        """
        INSERT INTO renoticed
        SELECT a.profile_id, a.answered_notice_id FROM answer a
        WHERE a.is_new AND a.person_id NOT IN (SELECT person_id FROM intricate_person)
        """
    )


_NO_ANSWERS = """
    person_id bigint, profile_id bigint, answered_notice_id bigint, is_given boolean,
    answered_at timestamptz, is_to_group boolean, is_by_guardian boolean, expires_at timestamptz,
    channel varchar, evidence varchar, is_new boolean
"""


def _stage_by_rule(cursor: CursorWrapper, brand_id: int) -> None:
    of_intricate = "JOIN intricate_person t USING (person_id)"
    stage_current(
        cursor,
        profiles=f"""
            {stored(STORED_PROFILES, "p", "intricate_person")} UNION ALL
            SELECT profile_id, person_id, {int(brand_id)}, NULL
            FROM arriving_profile {of_intricate}
        """,  # noqa: S608 - constants of the code and a number
        answers=f"""
            {stored(STORED_ANSWERS, "c", "intricate_person")} UNION ALL
            SELECT person_id, profile_id, answered_notice_id, is_given, answered_at,
                is_to_group, is_by_guardian, expires_at
            FROM answer {of_intricate}
        """,  # noqa: S608 - constants of the code and a number
        minors=f"{stored(STORED_MINORS, 'p', 'intricate_person')} {_INCOMING_MINORS}",
    )


def has_renoticed(cursor: CursorWrapper) -> bool:
    """Tell whether a stored profile has another notice now."""
    cursor.execute("SELECT EXISTS (SELECT FROM renoticed)")
    return cursor.fetchone()[0]


_CONSENT = """
    INSERT INTO members_consent (brand_id, store_id, notice_id, person_id, profile_id,
        answered_notice_id, is_given, answered_at, is_to_group, is_by_guardian,
        expires_at, channel, evidence, created_at)
    SELECT p.brand_id, p.store_id, p.notice_id, p.person_id, p.id,
        a.answered_notice_id, a.is_given, a.answered_at, false, a.is_by_guardian,
        a.expires_at, a.channel, a.evidence, now()
    FROM answer a JOIN members_profile p ON p.id = a.profile_id
"""


def write_consents(cursor: CursorWrapper, *, has_known: bool) -> int:
    """Append the answers that are new; return how many."""
    if not has_known:
        cursor.execute(_CONSENT)
        return cursor.rowcount
    cursor.execute(
        f"""
        WITH added AS (
            {_CONSENT}
            ON CONFLICT DO NOTHING
            RETURNING profile_id
        ), noted AS (
            INSERT INTO changed_profile SELECT a.profile_id FROM added a
            JOIN incoming_member i USING (profile_id) WHERE NOT i.is_new
        )
        SELECT count(*) FROM added
        """  # noqa: S608 - a constant of the code
    )
    return cursor.fetchone()[0]
