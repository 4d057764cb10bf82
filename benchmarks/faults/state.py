"""What a group holds, by natural keys: two groups that were given the same files say the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from brands.wall import scope
from members import contacts
from members.figures import compare
from members.keys import group_keys
from members.models import Contact, ImportJob, PendingRollup, PendingTotal
from tenants.context import tenant_transaction
from tenants.models import Tenant

State = dict[str, list[str]]
_WHO = "b.code || ' ' || p.member_no"
# Section → rows without numbers of record: those differ from run to run, and mean nothing.
_SECTIONS = {
    "profiles": f"""
        SELECT {_WHO}, p.gender, s.code, p.registered_on::text, p.is_member, n.version,
            p.no_automation, p.stratum
        FROM members_profile p JOIN brands_brand b ON b.id = p.brand_id
        LEFT JOIN brands_store s ON s.id = p.store_id
        LEFT JOIN brands_notice n ON n.id = p.notice_id
    """,
    "totals": f"""
        SELECT {_WHO}, p.orders, p.sales, p.first_order_at::text, p.last_order_at::text
        FROM members_profile p JOIN brands_brand b ON b.id = p.brand_id
    """,
    "masked contacts": f"""
        SELECT {_WHO}, s.code, n.version, m.name, m.phone, m.email
        FROM members_maskedcontact m JOIN members_profile p ON p.id = m.profile_id
        JOIN brands_brand b ON b.id = m.brand_id LEFT JOIN brands_store s ON s.id = m.store_id
        LEFT JOIN brands_notice n ON n.id = m.notice_id
    """,
    "persons": f"""
        SELECT array_agg({_WHO} ORDER BY {_WHO}) FROM members_person q
        LEFT JOIN members_profile p ON p.person_id = q.id
        LEFT JOIN brands_brand b ON b.id = p.brand_id GROUP BY q.id
    """,
    "identities": f"""
        SELECT i.kind, i.is_hot, array_agg({_WHO} ORDER BY {_WHO}),
            bool_and(i.is_hot OR p.person_id = i.person_id)
        FROM members_identity i LEFT JOIN members_identitylink l ON l.identity_id = i.id
        LEFT JOIN members_profile p ON p.id = l.profile_id
        LEFT JOIN brands_brand b ON b.id = p.brand_id GROUP BY i.id
    """,
    "answers": f"""
        SELECT {_WHO}, a.version, c.is_given, c.answered_at::text, c.is_to_group, c.channel,
            n.version, c.person_id = p.person_id
        FROM members_consent c JOIN members_profile p ON p.id = c.profile_id
        JOIN brands_brand b ON b.id = p.brand_id
        LEFT JOIN brands_notice a ON a.id = c.answered_notice_id
        LEFT JOIN brands_notice n ON n.id = c.notice_id
    """,
    "orders": f"""
        SELECT {_WHO}, o.order_no, s.code, n.version, o.ordered_at::text, o.amount, o.lines
        FROM members_order o JOIN members_profile p ON p.id = o.profile_id
        JOIN brands_brand b ON b.id = o.brand_id LEFT JOIN brands_store s ON s.id = o.store_id
        LEFT JOIN brands_notice n ON n.id = o.notice_id
    """,
    "order lines": """
        SELECT b.code, o.order_no, l.line_no, l.product_code, l.product_name, l.quantity, l.amount
        FROM members_orderline l JOIN members_order o ON o.id = l.order_id
        JOIN brands_brand b ON b.id = l.brand_id
    """,
    "days": """
        SELECT b.code, s.code, m.day::text, m.orders, m.lines, m.sales, m.buyers
        FROM members_dailymetric m JOIN brands_brand b ON b.id = m.brand_id
        LEFT JOIN brands_store s ON s.id = m.store_id
    """,
    "pools": """
        SELECT b.code, s.code, m.members, m.persons, m.buyers, m.repeat_buyers
        FROM members_poolmetric m JOIN brands_brand b ON b.id = m.brand_id
        LEFT JOIN brands_store s ON s.id = m.store_id
    """,
    "imports": """
        SELECT file_name, state, checkpoint, checkpoint_line, rows_read, rows_created, rows_updated,
            rows_unchanged, rows_rejected, rows_repeated, error
        FROM members_importjob
    """,
}


def state_of(tenant: Tenant) -> State:
    """Return everything that a group holds of people, each section in one order."""
    found: State = {}
    with tenant_transaction(tenant), scope.bulk(reason="fault run"):
        with connection.cursor() as cursor:
            for section, sql in _SECTIONS.items():
                cursor.execute(sql)
                found[section] = _ordered(cursor.fetchall())
        keys = group_keys()
        found["contacts"] = _ordered(
            (
                contact.profile.brand.code,
                contact.profile.member_no,
                sorted(contacts.unseal(keys, contact).items()),
                contact.is_generated,
                str(contact.minor_until),
                [
                    getattr(contact, f"{kind}_key") is not None
                    for kind in ("phone", "email", "card", "unionid")
                ],
            )
            for contact in Contact.objects.select_related("profile__brand")
        )
        found["rejected rows"] = _ordered(
            (job.file_name, (Path(settings.MEDIA_ROOT) / job.rejected_path).read_text("utf-8-sig"))
            for job in ImportJob.objects.exclude(rejected_path="")
        )
    return found


def _ordered(rows: Any) -> list[str]:
    return sorted(json.dumps(list(row), ensure_ascii=False, default=str) for row in rows)


def differing(ours: State, wanted: State) -> list[str]:
    """Say in which sections two states differ, and by what first."""
    found = []
    for section in wanted:
        if ours.get(section) == wanted[section]:
            continue
        mine, theirs = Counter(ours.get(section, [])), Counter(wanted[section])
        lost, more = list(theirs - mine), list(mine - theirs)
        found.append(
            f"{section}: {len(lost)} lost, {len(more)} too many; "
            f"e.g. wanted {lost[:1]}, found {more[:1]}"
        )
    return found


def half_done(tenant: Tenant) -> list[str]:
    """Say what of a group was left half done: waiting figures, figures unlike facts, uploads."""
    found = []
    with tenant_transaction(tenant), scope.bulk(reason="fault run"):
        for model in (PendingTotal, PendingRollup):
            if count := model.objects.count():
                found.append(f"{count} rows wait in {model._meta.db_table}")
    found += [
        f"{rows} rows of {name} differ from the facts"
        for name, rows in compare(tenant=tenant).items()
        if rows
    ]
    folder = Path(settings.MEDIA_ROOT) / "imports" / tenant.schema_name
    left = [path.name for path in folder.glob("*") if not path.name.startswith("rejected-")]
    if left:
        found.append(f"{len(left)} uploads were not removed")
    return found
