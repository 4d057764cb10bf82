"""Count members by stratum, as the owner role; what pages show is these figures alone."""

from __future__ import annotations

from django.db import connection
from django.db.backends.utils import CursorWrapper

from brands.models import Generation
from brands.services import generation_bump
from brands.wall import scope
from members import locks
from members.models import StratumMetric
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Whose strata are by several versions of a rule, or by several rules.
MIXED = "?"

_COUNTS = """
    SELECT brand_id,
        (count(*) FILTER (WHERE stratum = 0))::integer AS without,
        (count(*) FILTER (WHERE stratum = 1))::integer AS passerby,
        (count(*) FILTER (WHERE stratum = 2))::integer AS favourable,
        (count(*) FILTER (WHERE stratum = 3))::integer AS true_love,
        CASE WHEN min(NULLIF(stratum_source, '')) IS DISTINCT FROM max(stratum_source)
            AND max(stratum_source) <> '' THEN %(mixed)s ELSE max(stratum_source) END AS source
    FROM members_profile GROUP BY brand_id HAVING max(stratum) > 0
"""
_WRITE = """
    INSERT INTO members_stratummetric AS m (brand_id, store_id, notice_id, without, passerby,
        favourable, true_love, source, answers, counted_at)
    SELECT brand_id, NULL, NULL, without, passerby, favourable, true_love, source,
        %(answers)s, now()
    FROM stratum_count
    ON CONFLICT (brand_id, store_id) DO UPDATE SET without = excluded.without,
        passerby = excluded.passerby, favourable = excluded.favourable,
        true_love = excluded.true_love, source = excluded.source,
        answers = excluded.answers, counted_at = excluded.counted_at
"""


def keep_strata(cursor: CursorWrapper) -> None:
    """Count every brand's strata anew, in the caller's transaction, which holds the roll-ups.

    A brand nobody of which has a stratum has no figure.
    """
    stage_query(cursor, "stratum_count", _COUNTS, {"mixed": MIXED})
    cursor.execute(
        "DELETE FROM members_stratummetric "
        "WHERE brand_id NOT IN (SELECT brand_id FROM stratum_count)"
    )
    cursor.execute(_WRITE, {"answers": _answers()})


def is_due() -> bool:
    """Tell whether answers, which may end a stratum, were recorded since strata were counted."""
    oldest = StratumMetric.objects.order_by("answers").values_list("answers", flat=True).first()
    return oldest is not None and oldest != _answers()


def count_if_due(*, tenant: Tenant) -> int:
    """Count strata anew where answers were recorded meanwhile; return 1 where that was done.

    What else changes strata (orders, rules, modes, notices, the day) counts them itself.
    """
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="figures of strata"),
        connection.cursor() as cursor,
    ):
        if not is_due():
            return 0
        locks.hold_rollups()
        keep_strata(cursor)
        generation_bump()
    return 1


def _answers() -> int:
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("answers", flat=True)
    return found.first() or 0
