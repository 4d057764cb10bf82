"""Keep what rows said before an import changes them, in the transaction that changes them.

Called by the writers between deciding and writing, by the temporary tables they leave. Rows that
the same import created need no image: taken back, they go whole.
"""

from __future__ import annotations

import datetime as dt

from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from members.models import ImportChange, ImportJob

# What an import may change in a profile, with its type.
PROFILE_FIELDS = {
    "gender": "varchar",
    "store_id": "bigint",
    "registered_on": "date",
    "tier": "varchar",
    "points": "bigint",
    "as_of": "timestamptz",
    "source_rank": "smallint",
}
ORDER_FIELDS = {"profile_id": "bigint", "store_id": "bigint", "ordered_at": "timestamptz"}
LINE_FIELDS = {
    "product_code": "varchar",
    "product_name": "varchar",
    "quantity": "bigint",
    "amount": "bigint",
}
_INTO = "INSERT INTO members_importchange (import_id, what, row_id, line_no, profile_id, "
# An import that changes a row twice keeps what it found at first.
_ONCE = "ON CONFLICT (import_id, what, row_id, line_no) DO UPDATE SET after = excluded.after"


def pairs(fields: dict[str, str], alias: str) -> str:
    """Return the arguments of jsonb_build_object for columns of a table."""
    return ", ".join(f"'{name}', {alias}.{name}" for name in fields)


def record(fields: dict[str, str]) -> str:
    """Return the columns of jsonb_to_record for what `pairs` made."""
    return ", ".join(f"{name} {kind}" for name, kind in fields.items())


def keep_profiles(cursor: CursorWrapper, job_id: int | None) -> None:
    """Keep the profiles in the temporary table `changing`."""
    if job_id is None:
        return
    cursor.execute(
        f"""
        {_INTO} before, after)
        SELECT %(job)s, 'profile', p.id, 0, p.id,
            jsonb_build_object('is_member', p.is_member, 'updated_at', p.updated_at,
                {pairs(PROFILE_FIELDS, "p")}),
            jsonb_build_object({pairs(PROFILE_FIELDS, "c")})
        FROM changing c JOIN members_profile p ON p.id = c.profile_id
        WHERE p.import_id IS DISTINCT FROM %(job)s
        {_ONCE}
        """,  # noqa: S608 - constants of this module
        {"job": job_id},
    )


def keep_contacts(cursor: CursorWrapper, job_id: int | None) -> None:
    """Keep, sealed as they are, the contacts that rows of `incoming_member` replace."""
    if job_id is None:
        return
    cursor.execute(
        f"""
        {_INTO} before, after, sealed, key_version)
        SELECT %(job)s, 'contact', p.id, 0, p.id,
            CASE WHEN k.profile_id IS NOT NULL THEN jsonb_build_object(
                'is_generated', k.is_generated, 'minor_until', k.minor_until
            ) END,
            jsonb_build_object('fingerprint', encode(i.fingerprint, 'hex')),
            k.sealed, k.key_version
        FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
        LEFT JOIN members_contact k ON k.profile_id = p.id
        WHERE i.has_contact AND NOT i.is_new AND p.import_id IS DISTINCT FROM %(job)s
        {_ONCE}
        """,  # noqa: S608 - constants of this module
        {"job": job_id},
    )


def keep_orders(cursor: CursorWrapper, job_id: int | None) -> None:
    """Keep the orders that change in `incoming_order`, and the lines in `differing`."""
    if job_id is None:
        return
    cursor.execute(
        f"""
        {_INTO} before, after)
        SELECT %(job)s, 'order', o.id, 0, o.profile_id,
            jsonb_build_object({pairs(ORDER_FIELDS, "o")}),
            jsonb_build_object({pairs(ORDER_FIELDS, "i")})
        FROM incoming_order i JOIN members_order o ON o.id = i.id
        WHERE i.is_changed AND o.import_id IS DISTINCT FROM %(job)s
        {_ONCE}
        """,  # noqa: S608 - constants of this module
        {"job": job_id},
    )
    cursor.execute(
        f"""
        {_INTO} before, after)
        SELECT %(job)s, 'line', d.order_id, d.line_no, o.profile_id,
            CASE WHEN l.order_id IS NOT NULL
                THEN jsonb_build_object({pairs(LINE_FIELDS, "l")}) END,
            jsonb_build_object({pairs(LINE_FIELDS, "d")})
        FROM differing d JOIN members_order o ON o.id = d.order_id
        LEFT JOIN members_orderline l ON l.order_id = d.order_id AND l.line_no = d.line_no
        WHERE o.import_id IS DISTINCT FROM %(job)s
        {_ONCE}
        """,  # noqa: S608 - constants of this module
        {"job": job_id},
    )


def last_id(cursor: CursorWrapper, kind: str) -> int | None:
    """Return the highest number of record drawn so far for what an import of a kind creates."""
    table = {
        ImportJob.Kind.MEMBERS: "members_profile",
        ImportJob.Kind.ORDERS: "members_order",
    }.get(ImportJob.Kind(kind))
    if table is None:
        return None
    cursor.execute(
        "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass), 0)",
        [table],
    )
    return int(cursor.fetchone()[0])


def purge(*, before: dt.datetime) -> int:
    """Delete what was kept of imports that ended before an instant; return how many rows.

    In the caller's transaction and bulk scope.
    """
    open_still = ImportJob.objects.filter(Q(finished_at=None) | Q(finished_at__gte=before))
    # What is being taken back now is read until that has ended.
    undoing = ImportJob.objects.filter(undoes__isnull=False, finished_at=None)
    needed = {*open_still.values_list("pk", flat=True), *undoing.values_list("undoes", flat=True)}
    return ImportChange.objects.exclude(import_id__in=needed).delete()[0]
