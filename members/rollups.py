"""Keep totals and roll-ups equal to the facts, recomputing only what imports touched.

Writers of orders note members in PendingTotal and store days in PendingRollup; `finish_pending`
recomputes exactly those, set-based, and writes only what differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper

from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import generation_bump
from brands.wall import scope
from members import locks
from members.answer_figures import keep_answers
from members.identity.open_persons import open_persons_finish
from members.models import PendingRollup
from members.overlap.counts import cells_refresh, group_metrics_refresh, overlaps_finish
from members.staging import stage_query
from members.stratify import note_touched, strata_finish
from tenants.context import tenant_transaction
from tenants.models import Tenant

Say = Callable[[int, int], None]
_STEPS = 5

# What a day's, a pool's and the group's figures are, from facts; also read by members.figures.
DAYS = """
    SELECT o.brand_id, o.store_id, (o.ordered_at AT TIME ZONE %(zone)s)::date AS day,
        o.profile_id, o.amount - o.refunded AS amount, o.lines
    FROM members_order o
"""
DAILY = """
    SELECT brand_id, store_id, day, count(*)::integer AS orders, sum(lines)::integer AS lines,
        sum(amount)::bigint AS sales, count(DISTINCT profile_id)::integer AS buyers
    FROM {facts} AS f
    GROUP BY GROUPING SETS ((brand_id, day), (brand_id, store_id, day))
    HAVING GROUPING(store_id) = 1 OR store_id IS NOT NULL
"""
POOL_PEOPLE = """
    SELECT brand_id, store_id, count(*) FILTER (WHERE is_member)::integer AS members,
        count(DISTINCT COALESCE(own_person_id, id))::integer AS persons
    FROM members_profile p
    GROUP BY GROUPING SETS ((brand_id), (brand_id, store_id))
    HAVING GROUPING(store_id) = 1 OR store_id IS NOT NULL
"""
POOL_BUYERS = """
    SELECT brand_id, store_id, count(*)::integer AS buyers,
        (count(*) FILTER (WHERE orders >= 2))::integer AS repeat_buyers
    FROM (
        SELECT brand_id, store_id, GROUPING(store_id) AS is_brand, count(*) AS orders
        FROM members_order o
        -- An order without a member is that of nobody who could come again.
        WHERE brand_id = ANY(%(brands)s) AND profile_id IS NOT NULL
        GROUP BY GROUPING SETS ((brand_id, profile_id), (brand_id, store_id, profile_id))
    ) AS buyer
    WHERE is_brand = 1 OR store_id IS NOT NULL
    GROUP BY brand_id, store_id
"""
TOTALS = """
    SELECT profile_id, count(*)::integer AS orders, sum(amount - refunded)::bigint AS sales,
        min(ordered_at) AS first_order_at, max(ordered_at) AS last_order_at
    FROM members_order o
"""


@dataclass(frozen=True)
class Finished:
    """Count what was recomputed."""

    profiles: int
    days: int


def finish_pending(*, tenant: Tenant, progress: Say | None = None) -> Finished:
    """Bring totals and roll-ups up to date with the facts; `progress` gets (done, all) steps.

    One transaction, and others for overlaps of brands and for strata: readers see the figures of
    before or of after. Safe to run at any time and again after a stop: what is pending stays noted
    until its figures are committed, and that the others are still to come until the last of them.
    """
    say = progress or (lambda done, total: None)
    open_persons_finish(tenant=tenant)
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="roll-ups"),
        connection.cursor() as cursor,
    ):
        locks.hold_rollups()
        say(0, _STEPS)
        profiles = _finish_totals(cursor)
        say(1, _STEPS)
        days = _finish_days(cursor, tenant.time_zone)
        say(3, _STEPS)
        _finish_pools(cursor)
        say(4, _STEPS)
        cells_refresh(cursor)
        group_metrics_refresh(brands_left_out())
        keep_answers(cursor, tenant=tenant)
        note_touched(cursor)
        cursor.execute("DELETE FROM members_pendingtotal; DELETE FROM members_pendingrollup")
        note = note_unfinished(cursor)
        generation_bump()
    overlaps_finish(tenant=tenant)
    strata_finish(tenant=tenant)
    with tenant_transaction(tenant), scope.bulk(reason="roll-ups"):
        # This run's alone: what was noted meanwhile came too late for some of the figures.
        PendingRollup.objects.filter(brand_id=_NO_BRAND, store_id=note).delete()
    say(_STEPS, _STEPS)
    return Finished(profiles, days)


# Nobody's day: noted, it says that figures are behind although no member or day may be pending.
_NO_BRAND, _NO_DAY = 0, "0001-01-01"


def note_unfinished(cursor: CursorWrapper) -> int:
    """Note, with what makes it so, that figures are behind: whoever sweeps then finishes them.

    Returns the number of the note: each is one of its own, for whoever made it to take back.
    """
    cursor.execute(
        "INSERT INTO members_pendingrollup (brand_id, store_id, day) "
        "SELECT %s, nextval(pg_get_serial_sequence('members_pendingrollup', 'id')), %s "
        "RETURNING store_id",
        [_NO_BRAND, _NO_DAY],
    )
    (note,) = cursor.fetchone()
    return int(note)


def is_unfinished() -> bool:
    """Tell whether something was done after which figures were not brought up to date."""
    return PendingRollup.objects.filter(brand_id=_NO_BRAND).exists()


def _finish_refunds(cursor: CursorWrapper) -> None:
    """Sum what was paid back of the orders of pending members, whichever came first."""
    cursor.execute("ANALYZE members_pendingtotal")
    cursor.execute("SELECT EXISTS (SELECT FROM members_event WHERE what = 'refund')")
    if not cursor.fetchone()[0]:
        return
    cursor.execute(
        """
        UPDATE members_order o SET refunded = f.refunded
        FROM (
            SELECT o.id, COALESCE(sum(e.amount), 0) AS refunded
            FROM members_pendingtotal t JOIN members_order o USING (profile_id)
            LEFT JOIN members_event e ON e.brand_id = o.brand_id AND e.order_no = o.order_no
                AND e.what = 'refund'
            GROUP BY o.id
        ) AS f
        WHERE o.id = f.id AND o.refunded <> f.refunded
        """
    )


def _finish_totals(cursor: CursorWrapper) -> int:
    _finish_refunds(cursor)
    count = stage_query(
        cursor,
        "total",
        f"""
        SELECT t.profile_id, COALESCE(x.orders, 0) AS orders, COALESCE(x.sales, 0) AS sales,
            x.first_order_at, x.last_order_at
        FROM members_pendingtotal t
        LEFT JOIN (
            {TOTALS}
            WHERE o.profile_id IN (SELECT profile_id FROM members_pendingtotal)
            GROUP BY o.profile_id
        ) AS x USING (profile_id)
        """,  # noqa: S608 - constants of this module
    )
    cursor.execute(
        """
        UPDATE members_profile p SET orders = t.orders, sales = t.sales,
            first_order_at = t.first_order_at, last_order_at = t.last_order_at
        FROM total t
        WHERE p.id = t.profile_id
            AND (p.orders, p.sales, p.first_order_at, p.last_order_at)
                IS DISTINCT FROM (t.orders, t.sales, t.first_order_at, t.last_order_at)
        """
    )
    return count


def _finish_days(cursor: CursorWrapper, zone: str) -> int:
    """Recompute the days that are pending: every store of a brand that had a touched order."""
    count = stage_query(
        cursor,
        "pending_day",
        """
        -- An hour about it: clocks that are set back at midnight have it twice.
        SELECT DISTINCT brand_id, day,
            day::timestamp AT TIME ZONE %(zone)s - interval '1 hour' AS after,
            (day + 1)::timestamp AT TIME ZONE %(zone)s + interval '1 hour' AS before
        FROM members_pendingrollup
        """,
        {"zone": zone},
    )
    if not count:
        return 0
    # The day itself says which orders are its own, and joins many days by hashes; the instants
    # let few days be read by the index.
    facts = """(
        SELECT o.brand_id, o.store_id, d.day, o.profile_id, o.amount - o.refunded AS amount, o.lines
        FROM pending_day d JOIN members_order o ON o.brand_id = d.brand_id
            AND (o.ordered_at AT TIME ZONE %(zone)s)::date = d.day
            AND o.ordered_at > d.after AND o.ordered_at < d.before
    )"""
    stage_query(cursor, "daily", DAILY.format(facts=facts), {"zone": zone})
    cursor.execute(
        """
        DELETE FROM members_dailymetric m USING pending_day d
        WHERE m.brand_id = d.brand_id AND m.day = d.day AND NOT EXISTS (
            SELECT 1 FROM daily x WHERE x.brand_id = m.brand_id AND x.day = m.day
                AND x.store_id IS NOT DISTINCT FROM m.store_id
        )
        """
    )
    cursor.execute(
        """
        INSERT INTO members_dailymetric AS m (brand_id, store_id, notice_id, day, orders, lines,
            sales, buyers)
        SELECT brand_id, store_id, NULL, day, orders, lines, sales, buyers FROM daily
        ON CONFLICT (brand_id, store_id, day) DO UPDATE SET orders = excluded.orders,
            lines = excluded.lines, sales = excluded.sales, buyers = excluded.buyers
        WHERE (m.orders, m.lines, m.sales, m.buyers) IS DISTINCT FROM
            (excluded.orders, excluded.lines, excluded.sales, excluded.buyers)
        """
    )
    return count


def _finish_pools(cursor: CursorWrapper) -> None:
    """Recompute people of every pool, since a merge reaches across brands; sales where touched."""
    stage_query(cursor, "pool_people", POOL_PEOPLE)
    cursor.execute("SELECT COALESCE(array_agg(DISTINCT brand_id), '{}') FROM pending_day")
    brands = cursor.fetchone()[0]
    stage_query(cursor, "pool_buyers", POOL_BUYERS, {"brands": brands})
    stage_query(
        cursor,
        "pool",
        """
        SELECT brand_id, store_id, members, persons, buyers, repeat_buyers,
            COALESCE(LEAST(NULLIF(members, 0), NULLIF(persons, 0), NULLIF(buyers, 0),
                NULLIF(repeat_buyers, 0), NULLIF(abs(members - buyers), 0),
                NULLIF(buyers - repeat_buyers, 0)), 0) AS smallest_count
        FROM (
            SELECT k.brand_id, k.store_id, COALESCE(p.members, 0) AS members,
                COALESCE(p.persons, 0) AS persons, COALESCE(s.buyers, o.buyers, 0) AS buyers,
                COALESCE(s.repeat_buyers, o.repeat_buyers, 0) AS repeat_buyers
            FROM (
                SELECT brand_id, store_id FROM pool_people
                UNION SELECT brand_id, store_id FROM pool_buyers
                UNION SELECT brand_id, store_id FROM members_poolmetric
                    WHERE buyers <> 0 AND brand_id <> ALL(%(brands)s)
            ) AS k
            LEFT JOIN pool_people p ON p.brand_id = k.brand_id
                AND p.store_id IS NOT DISTINCT FROM k.store_id
            LEFT JOIN pool_buyers s ON s.brand_id = k.brand_id
                AND s.store_id IS NOT DISTINCT FROM k.store_id
            LEFT JOIN members_poolmetric o ON o.brand_id = k.brand_id
                AND o.store_id IS NOT DISTINCT FROM k.store_id
                AND o.brand_id <> ALL(%(brands)s)
        ) AS counted
        """,
        {"brands": brands},
    )
    cursor.execute(
        """
        DELETE FROM members_poolmetric m WHERE NOT EXISTS (
            SELECT 1 FROM pool x WHERE x.brand_id = m.brand_id
                AND x.store_id IS NOT DISTINCT FROM m.store_id
        )
        """
    )
    cursor.execute(
        """
        INSERT INTO members_poolmetric AS m (brand_id, store_id, notice_id, members, persons,
            buyers, repeat_buyers, smallest_count)
        SELECT brand_id, store_id, NULL, members, persons, buyers, repeat_buyers, smallest_count
        FROM pool
        ON CONFLICT (brand_id, store_id) DO UPDATE SET members = excluded.members,
            persons = excluded.persons, buyers = excluded.buyers,
            repeat_buyers = excluded.repeat_buyers, smallest_count = excluded.smallest_count
        WHERE (m.members, m.persons, m.buyers, m.repeat_buyers, m.smallest_count)
            IS DISTINCT FROM (excluded.members, excluded.persons, excluded.buyers,
            excluded.repeat_buyers, excluded.smallest_count)
        """
    )


def group_finish(*, tenant: Tenant) -> None:
    """Work out persons across brands anew, after a change of mode left other brands out."""
    open_persons_finish(tenant=tenant)
    with tenant_transaction(tenant), scope.bulk(reason="group figures"):
        locks.hold_rollups()
        group_metrics_refresh(brands_left_out())
        generation_bump()
    overlaps_finish(tenant=tenant)


def brands_left_out() -> list[int]:
    """Return the brands that figures of the group leave out now: those in brand-max."""
    return [brand for brand, mode in effective_modes().items() if mode is Mode.BRAND_MAX]
