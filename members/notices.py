"""Keep each person's current notice on every walled row of theirs."""

from __future__ import annotations

from django.db import connection

from members.staging import stage_query


def refresh_notices(persons: str) -> int:
    """Copy the current notice of persons onto their rows; return how many profiles changed.

    PERSONS names a temporary table with a column person_id. The latest answer over all of a
    person's profiles holds: given, it is that notice; withdrawn or absent, there is none. Of
    answers at the same instant a withdrawal wins. Runs in the caller's transaction, which holds
    the group's answers (members.locks).
    """
    with connection.cursor() as cursor:
        changed = stage_query(
            cursor,
            "renoticed",
            f"""
            SELECT p.id AS profile_id, CASE WHEN c.is_given THEN c.answered_notice_id END AS notice
            FROM (SELECT DISTINCT person_id FROM {persons}) AS t
            JOIN members_profile p ON p.person_id = t.person_id
            LEFT JOIN LATERAL (
                SELECT c.is_given, c.answered_notice_id FROM members_consent c
                WHERE c.person_id = t.person_id
                ORDER BY c.answered_at DESC, c.is_given, c.answered_notice_id DESC LIMIT 1
            ) AS c ON true
            WHERE p.notice_id IS DISTINCT FROM CASE WHEN c.is_given THEN c.answered_notice_id END
            """,  # noqa: S608 - a table name of the code
        )
        if not changed:
            return 0
        cursor.execute(
            """
            UPDATE members_profile p SET notice_id = r.notice FROM renoticed r
            WHERE p.id = r.profile_id
            """
        )
        for table in ("members_contact", "members_maskedcontact", "members_consent"):
            cursor.execute(
                f"""
                UPDATE {table} x SET notice_id = r.notice FROM renoticed r
                WHERE x.profile_id = r.profile_id AND x.notice_id IS DISTINCT FROM r.notice
                """  # noqa: S608
            )
        cursor.execute(
            """
            UPDATE members_orderline l SET notice_id = r.notice
            FROM renoticed r JOIN members_order o ON o.profile_id = r.profile_id
            WHERE l.order_id = o.id AND l.notice_id IS DISTINCT FROM r.notice
            """
        )
        cursor.execute(
            """
            UPDATE members_order o SET notice_id = r.notice FROM renoticed r
            WHERE o.profile_id = r.profile_id AND o.notice_id IS DISTINCT FROM r.notice
            """
        )
        return changed
