"""Tell previews of a change of mode what there is to count, and how a row looks, masked."""

from __future__ import annotations

from django.db import connection
from django.utils.translation import gettext_lazy as _

from brands.changes import registry
from brands.formatting import day, money, number
from brands.wall.visibility import Kind
from members import rollups, stratify
from members.models import Contact, DailyMetric, MaskedContact, Order, PoolMetric, Profile
from members.segment_changes import affected_segments
from members.strata import affected_rules
from tenants.models import Tenant

# Each notice is one bit; a person's are those of all their profiles in the brand.
_PERSONS = """
    SELECT brand_id, bits, count(*) FROM (
        SELECT p.brand_id, p.person_id, bit_or(n.bit) AS bits
        FROM members_profile p
        LEFT JOIN unnest(%(ids)s::bigint[], %(bits)s::bit({width})[]) AS n (id, bit)
            ON n.id = p.notice_id
        GROUP BY p.brand_id, p.person_id
    ) AS person GROUP BY brand_id, bits
"""


def register() -> None:
    """Register what members know with the change of mode."""
    registry.register_rows(Kind.METRICS, DailyMetric, PoolMetric)
    registry.register_rows(Kind.PROFILE, Profile)
    registry.register_rows(Kind.CONTACT, Contact)
    registry.register_rows(Kind.MASKED, MaskedContact)
    registry.register_rows(Kind.ACTIVITY, Order)
    registry.register_persons(persons_by_notices)
    contact = (_("Name"), _("Phone"), _("E-mail"))
    registry.register_samples(
        Kind.PROFILE, (_("Member number"), _("Member since"), _("Orders")), _profiles
    )
    registry.register_samples(Kind.CONTACT, contact, _masked)
    registry.register_samples(Kind.MASKED, contact, _masked)
    registry.register_samples(
        Kind.ACTIVITY, (_("Order number"), _("Day"), _("Lines"), _("Amount")), _orders
    )
    registry.register_recompute(
        "group", _("Figures of the group"), _group, panels={"persons_by_brands"}
    )
    registry.register_affected("strata", _("Stratification rule"), affected_rules)
    registry.register_recompute("strata", _("Strata"), _strata, panels={"strata_of_members"})
    registry.register_affected("segments", _("Saved segments"), affected_segments)


def _strata(tenant: Tenant, say: registry.Say) -> None:
    stratify.strata_refresh(tenant=tenant, progress=say)


def _group(tenant: Tenant, say: registry.Say) -> None:
    rollups.group_finish(tenant=tenant)


def persons_by_notices() -> list[tuple[int, frozenset[int], int]]:
    """Return (brand, notices agreed to in its profiles, persons), each person once per brand."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM brands_notice ORDER BY id")
        ids = [pk for (pk,) in cursor.fetchall()]
        width = max(len(ids), 1)
        bits = [f"{1 << place:0{width}b}" for place in range(len(ids))]
        cursor.execute(_PERSONS.format(width=width), {"ids": ids, "bits": bits})
        rows = cursor.fetchall()
    return [(brand, _set_bits(agreed, ids), count) for brand, agreed, count in rows]


def _set_bits(agreed: str | None, ids: list[int]) -> frozenset[int]:
    # The first notice is the last bit.
    return frozenset(pk for pk, bit in zip(reversed(ids), agreed or "", strict=False) if bit == "1")


def _cut(text: str) -> str:
    """Return a number or code with all but its ends hidden."""
    return f"{text[:1]}●●●{text[-1:]}" if len(text) > 2 else "●●●"


def _profiles(brand_id: int, count: int) -> list[list[str]]:
    rows = Profile.objects.filter(brand_id=brand_id).order_by("-pk")[:count]
    return [[_cut(row.member_no), day(row.registered_on), number(row.orders)] for row in rows]


def _masked(brand_id: int, count: int) -> list[list[str]]:
    rows = MaskedContact.objects.filter(brand_id=brand_id).order_by("-pk")[:count]
    return [[row.name, row.phone, row.email] for row in rows]


def _orders(brand_id: int, count: int) -> list[list[str]]:
    rows = Order.objects.filter(brand_id=brand_id).order_by("-pk")[:count]
    return [
        [_cut(row.order_no), day(row.ordered_at.date()), number(row.lines), money(row.amount)]
        for row in rows
    ]
