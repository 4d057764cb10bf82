"""Count a group's figures from its facts, and compare the roll-ups with them."""

from __future__ import annotations

from typing import Any

from django.db import connection

from brands.models import Brand
from brands.wall import scope
from brands.wall.visibility import brand_set
from members import rollups
from members.answer_figures import answers_differing
from members.identity.partition import persons_differing
from members.notices import (
    OBJECTING,
    STORED_ANSWERS,
    STORED_MINORS,
    STORED_PROFILES,
    current_sql,
    rule_params,
)
from members.overlap.counts import overlaps_differing
from members.strata_check import figures_differing, strata_differing
from members.strata_figures import is_due
from members.stratify import has_rules, is_stale
from tenants.context import tenant_transaction
from tenants.models import Tenant

_NOTHING = {"members": 0, "persons": 0, "orders": 0, "lines": 0, "sales": 0, "buyers": 0}


def figures(*, tenant: Tenant) -> dict[str, Any]:
    """Return the figures of a group and its brands, from facts; money in minor units."""
    with tenant_transaction(tenant), scope.bulk(reason="figures"), connection.cursor() as cursor:
        brands: dict[int, dict[str, int]] = {}
        codes = dict(Brand.objects.order_by("code").values_list("pk", "code"))
        for pk in codes:
            brands[pk] = {**_NOTHING, "repeat_buyers": 0}
        cursor.execute(
            """
            SELECT brand_id, count(*) FILTER (WHERE is_member) AS members,
                count(DISTINCT COALESCE(own_person_id, id)) AS persons
            FROM members_profile GROUP BY brand_id
            """
        )
        for brand, members, persons in cursor.fetchall():
            brands[brand].update(members=members, persons=persons)
        cursor.execute("SELECT brand_id, count(*) FROM members_order GROUP BY brand_id")
        for brand, orders in cursor.fetchall():
            brands[brand]["orders"] = orders
        cursor.execute(
            """
            SELECT o.brand_id, count(*), sum(l.amount)::bigint
            FROM members_orderline l JOIN members_order o ON o.id = l.order_id GROUP BY o.brand_id
            """
        )
        for brand, lines, sales in cursor.fetchall():
            brands[brand].update(lines=lines, sales=sales)
        cursor.execute(
            "SELECT brand_id, sum(refunded)::bigint FROM members_order "
            "WHERE refunded <> 0 GROUP BY brand_id"
        )
        for brand, refunded in cursor.fetchall():
            brands[brand]["sales"] -= refunded
        cursor.execute(
            """
            SELECT brand_id, count(*), count(*) FILTER (WHERE orders >= 2) FROM (
                SELECT brand_id, profile_id, count(*) AS orders
                FROM members_order WHERE profile_id IS NOT NULL GROUP BY brand_id, profile_id
            ) AS buyer GROUP BY brand_id
            """
        )
        for brand, buyers, repeat_buyers in cursor.fetchall():
            brands[brand].update(buyers=buyers, repeat_buyers=repeat_buyers)
        cursor.execute(
            """
            SELECT brands, count(*) FROM (
                SELECT count(DISTINCT brand_id) AS brands FROM members_profile GROUP BY person_id
            ) AS person GROUP BY brands ORDER BY brands
            """
        )
        reach = {str(brands): persons for brands, persons in cursor.fetchall()}
    return {
        "tenant": tenant.schema_name,
        "currency": tenant.currency,
        "brands": {codes[pk]: counts for pk, counts in brands.items()},
        "group": {"persons": sum(reach.values()), "persons_by_brands": reach},
    }


# Name of the comparison → what the roll-up says, what the facts say: rows that are in one only.
_COMPARISONS: dict[str, tuple[str, str]] = {
    "order sums": (
        "SELECT id, lines::bigint, amount::numeric FROM members_order",
        """
        SELECT o.id, count(l.order_id), COALESCE(sum(l.amount), 0)
        FROM members_order o LEFT JOIN members_orderline l ON l.order_id = o.id GROUP BY o.id
        """,
    ),
    "refunds": (
        "SELECT id, refunded::numeric FROM members_order WHERE profile_id IS NOT NULL",
        """
        SELECT o.id, COALESCE(sum(e.amount), 0)
        FROM members_order o LEFT JOIN members_event e ON e.brand_id = o.brand_id
            AND e.order_no = o.order_no AND e.what = 'refund'
        WHERE o.profile_id IS NOT NULL GROUP BY o.id
        """,
    ),
    "member totals": (
        "SELECT id, orders, sales, first_order_at, last_order_at FROM members_profile",
        f"""
        SELECT p.id, COALESCE(x.orders, 0), COALESCE(x.sales, 0), x.first_order_at,
            x.last_order_at
        FROM members_profile p
        LEFT JOIN ({rollups.TOTALS} GROUP BY o.profile_id) AS x ON x.profile_id = p.id
        """,  # noqa: S608 - constants of the code
    ),
    "daily figures": (
        "SELECT brand_id, store_id, day, orders, lines, sales, buyers FROM members_dailymetric",
        rollups.DAILY.format(facts=f"({rollups.DAYS})"),
    ),
    "pool members": (
        "SELECT brand_id, store_id, members, persons FROM members_poolmetric "
        "WHERE members > 0 OR persons > 0",
        f"SELECT * FROM ({rollups.POOL_PEOPLE}) AS x WHERE members > 0 OR persons > 0",  # noqa: S608
    ),
    "pool buyers": (
        "SELECT brand_id, store_id, buyers, repeat_buyers FROM members_poolmetric WHERE buyers > 0",
        rollups.POOL_BUYERS,
    ),
    "group figures": (
        "SELECT brand_set, brands::bigint, persons::bigint FROM members_groupmetric",
        """
        SELECT %(group_set)s, brands, count(*) FROM (
            SELECT count(DISTINCT brand_id) AS brands
            FROM members_profile p LEFT JOIN members_openperson o ON o.profile_id = p.id
            WHERE brand_id <> ALL(%(without)s)
            GROUP BY o.label, CASE WHEN o.label IS NULL THEN person_id END
        ) AS person GROUP BY brands
        """,
    ),
    "persons by set of brands": (
        "SELECT brands, persons::bigint FROM members_overlapcell WHERE persons > 0",
        """
        SELECT brands, count(*) FROM (
            SELECT array_agg(DISTINCT brand_id ORDER BY brand_id) AS brands
            FROM members_profile GROUP BY person_id
        ) AS person GROUP BY brands
        """,
    ),
    "notices on members": (
        "SELECT id, notice_id FROM members_profile",
        "SELECT profile_id, notice FROM ("  # noqa: S608 - constants of the code
        + current_sql(
            profiles=STORED_PROFILES.format(of=""),
            answers=STORED_ANSWERS.format(of=""),
            minors=STORED_MINORS.format(of=""),
        )
        + ") AS ruled",
    ),
    "objections on members": (
        "SELECT id FROM members_profile WHERE no_automation",
        f"""
        SELECT p.id FROM members_profile p
        JOIN ({OBJECTING.format(of="")}) AS o USING (person_id) WHERE o.is_objecting
        """,  # noqa: S608
    ),
    "notices and stores on contacts": (
        """
        SELECT profile_id, brand_id, store_id, notice_id, 'contact' FROM members_contact UNION ALL
        SELECT profile_id, brand_id, store_id, notice_id, 'masked' FROM members_maskedcontact
        UNION ALL SELECT profile_id, brand_id, store_id, notice_id, kind FROM members_platformkey
        """,
        """
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, 'contact'
        FROM members_profile p JOIN members_contact c ON c.profile_id = p.id UNION ALL
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, 'masked'
        FROM members_profile p JOIN members_maskedcontact c ON c.profile_id = p.id UNION ALL
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, k.kind
        FROM members_profile p JOIN members_platformkey k ON k.profile_id = p.id
        """,
    ),
    "consents": (
        "SELECT id, person_id, brand_id, store_id, notice_id FROM members_consent",
        """
        SELECT c.id, p.person_id, p.brand_id, p.store_id, p.notice_id
        FROM members_consent c JOIN members_profile p ON p.id = c.profile_id
        """,
    ),
    "objections": (
        "SELECT id, person_id, brand_id, store_id, notice_id FROM members_objection",
        """
        SELECT o.id, p.person_id, p.brand_id, p.store_id, p.notice_id
        FROM members_objection o JOIN members_profile p ON p.id = o.profile_id
        """,
    ),
    **{
        name: (
            f"SELECT id, brand_id, store_id, notice_id FROM {table}",  # noqa: S608
            f"""
            SELECT x.id, p.brand_id, p.store_id, p.notice_id
            FROM {table} x JOIN members_profile p ON p.id = x.profile_id
            """,  # noqa: S608 - names of the code
        )
        for name, table in (
            ("touchpoints", "members_touchpoint"),
            ("tags of members", "members_profiletag"),
            ("events", "members_event"),
        )
    },
    "notices on orders": (
        "SELECT id, brand_id, notice_id FROM members_order",
        """
        SELECT o.id, o.brand_id, p.notice_id
        FROM members_order o LEFT JOIN members_profile p ON p.id = o.profile_id
        """,
    ),
    "copies on order lines": (
        "SELECT order_id, line_no, brand_id, store_id, notice_id FROM members_orderline",
        """
        SELECT l.order_id, l.line_no, o.brand_id, o.store_id, o.notice_id
        FROM members_orderline l JOIN members_order o ON o.id = l.order_id
        """,
    ),
}


def compare(*, tenant: Tenant) -> dict[str, int]:
    """Return name of each roll-up and copy → number of its rows that differ from the facts."""
    found: dict[str, int] = {}
    with tenant_transaction(tenant), scope.bulk(reason="check"), connection.cursor() as cursor:
        brands = list(Brand.objects.values_list("pk", flat=True))
        without = rollups.brands_left_out()
        params: dict[str, Any] = {
            **rule_params(),
            "zone": tenant.time_zone,
            "brands": brands,
            "without": without,
            "group_set": brand_set(without),
        }
        for name, (kept, facts) in _COMPARISONS.items():
            cursor.execute(
                f"""
                WITH kept AS ({kept}), facts AS ({facts})
                SELECT (SELECT count(*) FROM (TABLE kept EXCEPT TABLE facts) AS a)
                    + (SELECT count(*) FROM (TABLE facts EXCEPT TABLE kept) AS b)
                """,  # noqa: S608 - constants of the code
                params,
            )
            found[name] = cursor.fetchone()[0]
        found |= persons_differing(cursor)
        found["overlaps shown"] = overlaps_differing(k=tenant.k)
        found["figures of answers"] = answers_differing(cursor, tenant=tenant)
        # Where strata are to be worked out or counted anew, the kept ones are known to be old.
        is_current = has_rules() and not is_stale(tenant=tenant)
        found["strata"] = strata_differing(tenant=tenant) if is_current else 0
        found["figures of strata"] = 0 if is_due() else figures_differing(cursor)
        cursor.execute(
            "SELECT (SELECT count(*) FROM members_pendingtotal) "
            "+ (SELECT count(*) FROM members_pendingrollup) "
            "+ (SELECT count(*) FROM members_pendingstratum)"
        )
        found["pending"] = cursor.fetchone()[0]
    return found
