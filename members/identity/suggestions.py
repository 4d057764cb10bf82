"""Look for members of one store with one name and birthday who are not one person."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from brands.wall import scope
from members import locks
from members.models import HotMetric, ImportJob, PersonUpkeep
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Whoever a person has said to be two, of the profiles p and q.
PARTED_BY_HAND = """
    EXISTS (
        SELECT FROM members_persondecisionside x
        JOIN members_persondecisionside y USING (decision_id)
        WHERE x.profile_id = p.id AND y.profile_id = q.id AND x.side <> y.side
    )
"""

# So many of one name and birthday in a store are a slip of whoever filled the file.
_MOST_ALIKE = 6


def suggestions_refresh(*, tenant: Tenant) -> int:
    """Bring the list of suggestions and the counts of hot identifiers up to date.

    Returns how many suggestions there are. Looked for set by set; the brands' own persons count,
    so that no suggestion tells, by missing, what a sibling knows.
    """
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="suggestions"),
        connection.cursor() as cursor,
    ):
        locks.hold_answers(is_shared=True)
        count = stage_query(
            cursor,
            "alike",
            f"""
            SELECT a.brand_id, a.store_id, a.profile_id AS first_id, b.profile_id AS second_id
            FROM (
                SELECT brand_id, store_id, likeness FROM members_contact
                WHERE likeness IS NOT NULL AND store_id IS NOT NULL
                GROUP BY 1, 2, 3 HAVING count(*) BETWEEN 2 AND %s
            ) AS g
            JOIN members_contact a USING (brand_id, store_id, likeness)
            JOIN members_contact b USING (brand_id, store_id, likeness)
            JOIN members_profile p ON p.id = a.profile_id
            JOIN members_profile q ON q.id = b.profile_id
            WHERE a.profile_id < b.profile_id
                AND COALESCE(p.own_person_id, p.id) <> COALESCE(q.own_person_id, q.id)
                AND NOT {PARTED_BY_HAND}
            """,  # noqa: S608 - a constant of the code
            [_MOST_ALIKE],
        )
        cursor.execute(
            """
            DELETE FROM members_personsuggestion s WHERE s.probability IS NULL AND NOT EXISTS (
                SELECT FROM alike a WHERE a.first_id = s.first_id AND a.second_id = s.second_id
                    AND a.brand_id = s.brand_id AND a.store_id = s.store_id
            )
            """
        )
        cursor.execute(
            """
            INSERT INTO members_personsuggestion (brand_id, store_id, first_id, second_id, found_at)
            SELECT brand_id, store_id, first_id, second_id, now() FROM alike
            ON CONFLICT (first_id, second_id)
            DO UPDATE SET probability = NULL, store_id = EXCLUDED.store_id
            WHERE members_personsuggestion.probability IS NOT NULL
            """
        )
        _count_hot()
        PersonUpkeep.objects.update_or_create(pk=1, defaults={"suggested_at": timezone.now()})
    return count


def _count_hot() -> None:
    """Count the identifiers that are hot in each brand, by their kind."""
    from members.identity.graph import stage_hot_brands
    from members.identity.resolution import begin_touching
    from members.identity.rules import rules_now

    with connection.cursor() as cursor:
        begin_touching(cursor)
        stage_hot_brands(
            cursor, rules_now(), "SELECT id AS identity_id FROM members_identity WHERE is_hot"
        )
        cursor.execute(
            """
            SELECT h.brand_id, i.kind, count(*) FROM hot_brand h
            JOIN members_identity i ON i.id = h.identity_id
            WHERE h.is_cold GROUP BY 1, 2
            """
        )
        found = cursor.fetchall()
    HotMetric.objects.all().delete()
    HotMetric.objects.bulk_create(
        HotMetric(brand_id=brand, kind=kind, identities=count) for brand, kind, count in found
    )


def refresh_if_stale(*, tenant: Tenant) -> int:
    """Look for suggestions where members were imported since they were last looked for."""
    with tenant_transaction(tenant), scope.bulk(reason="suggestions"):
        upkeep = PersonUpkeep.objects.first()
        imported = ImportJob.objects.filter(kind=ImportJob.Kind.MEMBERS).aggregate(
            at=Max("finished_at")
        )["at"]
    if imported is None or (upkeep and upkeep.suggested_at and upkeep.suggested_at > imported):
        return 0
    return suggestions_refresh(tenant=tenant)
