"""Keep on each person's walled rows what the ledger says: the notice agreed to, the objection.

The rule of notices, for a profile q of a person:

- chain(q) is what was answered in q, and every no of the person's to the group. A yes to the group
  stands in each profile that carried the number it was given with, and counts there only where its
  notice names q's brand; a yes of someone under 14 counts only by a guardian.
- current(q) is the latest of chain(q); of answers at one instant a no is later than a yes.
- q has the notice of current(q) where that is a yes which has not expired, and no profile of the
  person has a no for its current answer. Otherwise it has none.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.utils import CursorWrapper

from brands.models import Generation
from members.staging import stage_query
from tenants.connection import connection
from tenants.models import Tenant

# What carries a profile's notice, beside the profile itself and its orders and their lines.
COPIES = (
    "members_contact",
    "members_maskedcontact",
    "members_platformkey",
    "members_consent",
    "members_objection",
    "members_touchpoint",
    "members_profiletag",
    "members_event",
)

# Profiles, answers and contacts as they are stored; {of} narrows each to the persons looked at.
STORED_PROFILES = "SELECT p.id, p.person_id, p.brand_id, p.notice_id FROM members_profile p {of}"
STORED_ANSWERS = """
    SELECT c.person_id, c.profile_id, c.answered_notice_id, c.is_given, c.answered_at,
        c.is_to_group, c.is_by_guardian, c.expires_at
    FROM members_consent c {of}
"""
STORED_MINORS = """
    SELECT p.person_id, k.minor_until
    FROM members_profile p JOIN members_contact k ON k.profile_id = p.id {of}
    WHERE k.minor_until IS NOT NULL
"""


def current_sql(*, profiles: str, answers: str, minors: str) -> str:
    """Return the SQL of the rule above: profile_id, person_id, old notice, right notice, why.

    Takes the parameters `zone` (the group's time zone) and `closed_until`.
    """
    return f"""
        WITH looked_at AS ({profiles}), answer AS ({answers}), minor AS (
            SELECT person_id, max(minor_until) AS minor_until FROM ({minors}) AS m
            GROUP BY person_id
        ), counted AS (
            SELECT a.* FROM answer a LEFT JOIN minor m USING (person_id)
            WHERE NOT a.is_given OR a.is_by_guardian OR m.minor_until IS NULL
                OR m.minor_until <= (a.answered_at AT TIME ZONE %(zone)s)::date
        ), current AS (
            SELECT DISTINCT ON (q.id) q.id AS profile_id, q.person_id, q.notice_id AS old_notice,
                c.is_given, c.answered_notice_id, c.expires_at
            FROM looked_at q LEFT JOIN counted c ON c.person_id = q.person_id AND (
                CASE WHEN c.is_to_group AND NOT c.is_given THEN true
                WHEN c.is_to_group THEN c.profile_id = q.id AND EXISTS (
                    SELECT FROM brands_notice_recipients r
                    WHERE r.notice_id = c.answered_notice_id AND r.brand_id = q.brand_id
                ) ELSE c.profile_id = q.id END
            )
            ORDER BY q.id, c.answered_at DESC NULLS LAST, c.is_given, c.answered_notice_id DESC
        )
        SELECT profile_id, person_id, old_notice, CASE
            WHEN is_given
                AND (expires_at IS NULL OR expires_at > greatest(now(), %(closed_until)s))
                AND bool_and(COALESCE(is_given, true)) OVER (PARTITION BY person_id)
            THEN answered_notice_id END AS notice,
            is_given AS says_yes,
            NOT bool_and(COALESCE(is_given, true)) OVER (PARTITION BY person_id) AS has_no
        FROM current
    """  # noqa: S608 - constants of the code


def rule_params() -> dict[str, Any]:
    """Return the parameters of `current_sql` for the current group."""
    closed_until = (
        Generation.objects.filter(pk=Generation.ONLY)
        .values_list("expiries_closed_until", flat=True)
        .first()
    )
    return {"zone": time_zone(), "closed_until": closed_until}


def time_zone() -> str:
    """Return the time zone on whose calendar the current group counts days."""
    tenant = connection.tenant
    if isinstance(tenant, Tenant):
        return tenant.time_zone
    found = Tenant.objects.filter(schema_name=connection.schema_name)
    return found.values_list("time_zone", flat=True).get()


def refresh_notices(persons: str) -> int:
    """Copy the current notice of persons onto their rows; return how many profiles changed.

    PERSONS names a temporary table with a column person_id. Runs in the caller's transaction,
    which holds the group's answers (members.locks).
    """
    with connection.cursor() as cursor:
        stage_current(
            cursor,
            profiles=stored(STORED_PROFILES, "p", persons),
            answers=stored(STORED_ANSWERS, "c", persons),
            minors=stored(STORED_MINORS, "p", persons),
        )
        return apply_notices(cursor)


def stored(query: str, alias: str, persons: str) -> str:
    """Return one of the queries above, narrowed to the persons of a temporary table."""
    distinct = f"(SELECT DISTINCT person_id FROM {persons})"  # noqa: S608 - a name of the code
    return query.format(of=f"JOIN {distinct} AS t ON t.person_id = {alias}.person_id")


def stage_current(
    cursor: CursorWrapper,
    *,
    profiles: str,
    answers: str,
    minors: str,
    closed_until: Any = None,
) -> int:
    """Write into `renoticed` each profile whose notice is not the right one; return how many."""
    params = rule_params()
    if closed_until is not None:
        params["closed_until"] = closed_until
    return stage_query(
        cursor,
        "renoticed",
        f"""
        SELECT profile_id, notice FROM (
            {current_sql(profiles=profiles, answers=answers, minors=minors)}
        ) AS ruled WHERE old_notice IS DISTINCT FROM notice
        """,  # noqa: S608
        params,
    )


def apply_notices(cursor: CursorWrapper) -> int:
    """Write what `renoticed` says onto every row of its profiles; return how many profiles."""
    cursor.execute(
        """
        UPDATE members_profile p SET notice_id = r.notice FROM renoticed r
        WHERE p.id = r.profile_id
        """
    )
    changed = cursor.rowcount
    if not changed:
        return 0
    for table in COPIES:
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


# Person → whether automated decisions about them are objected to: in some profile the latest of
# what was said there, and of objections to the group, is one. Takes the narrowing as {of}.
OBJECTING = """
    SELECT person_id, bool_or(is_objecting) AS is_objecting FROM (
        SELECT DISTINCT ON (p.id) p.person_id, o.is_objecting
        FROM members_profile p
        JOIN members_objection o
            ON o.person_id = p.person_id
            AND (o.profile_id = p.id OR o.is_to_group AND o.is_objecting)
        {of}
        ORDER BY p.id, o.made_at DESC, o.is_objecting DESC
    ) AS latest GROUP BY person_id
"""


def refresh_objections(persons: str) -> int:
    """Keep `no_automation` on every profile of persons; return how many profiles changed.

    PERSONS names a temporary table with a column person_id, as for `refresh_notices`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM members_objection)")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            f"""
            UPDATE members_profile p SET no_automation = NOT p.no_automation
            FROM (SELECT DISTINCT person_id FROM {persons}) AS t
            LEFT JOIN ({stored(OBJECTING, "p", persons)}) AS o USING (person_id)
            WHERE p.person_id = t.person_id
                AND p.no_automation <> COALESCE(o.is_objecting, false)
            """  # noqa: S608
        )
        return cursor.rowcount
