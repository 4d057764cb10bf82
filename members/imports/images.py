"""Keep what rows said before an import changes them, in the transaction that changes them.

Called by the writers between deciding and writing, by the temporary tables they leave. Rows that
the same import created need no image: taken back, they go whole.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from members.models import ImportChange, ImportJob
from members.staging import stage_query

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


@dataclass(frozen=True)
class Told:
    """Describe a table of what is told of members: its stage, its key beside the member's."""

    what: str
    table: str
    stage: str
    key: str
    fields: dict[str, str]


TOUCHPOINTS = Told(
    what="touch",
    table="members_touchpoint",
    stage="incoming_touchpoint",
    key="account_id",
    fields={
        "followed_at": "timestamptz",
        "unfollowed_at": "timestamptz",
        "scene": "varchar",
        "source": "varchar",
        "import_id": "bigint",
    },
)
TAGS = Told(
    what="tag",
    table="members_profiletag",
    stage="incoming_tag",
    key="tag_id",
    fields={
        "set_at": "timestamptz",
        "removed_at": "timestamptz",
        "source": "varchar",
        "import_id": "bigint",
    },
)
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


def stage_told(cursor: CursorWrapper, job_id: int | None, told: Told) -> None:
    """Set aside what the table says of the rows in its stage, before they are merged."""
    stage_query(
        cursor,
        "told_before",
        f"""
        SELECT t.id, jsonb_build_object({pairs(told.fields, "t")}) AS before
        FROM {told.table} t
        WHERE t.import_id IS DISTINCT FROM %s AND EXISTS (
            SELECT FROM {told.stage} i
            WHERE i.profile_id = t.profile_id AND i.{told.key} = t.{told.key}
        )
        """,  # noqa: S608 - constants of this module
        [job_id],
    )


def keep_told(cursor: CursorWrapper, job_id: int | None, told: Told) -> None:
    """Keep what `stage_told` set aside of the rows that the merge has changed."""
    if job_id is None:
        return
    now = f"jsonb_build_object({pairs(told.fields, 't')})"
    cursor.execute(
        f"""
        {_INTO} before, after)
        SELECT %s, '{told.what}', t.id, 0, t.profile_id, b.before, {now}
        FROM told_before b JOIN {told.table} t ON t.id = b.id WHERE b.before <> {now}
        {_ONCE}
        """,  # noqa: S608 - constants of this module
        [job_id],
    )


def keep_places(
    cursor: CursorWrapper,
    job_id: int | None,
    what: str,
    rows: Iterable[tuple[int, dict[str, Any] | None, dict[str, Any]]],
) -> None:
    """Keep stores or staff: the number of each row, what it said (None of a new one), and says."""
    if job_id is None:
        return
    cursor.executemany(
        f"{_INTO} before, after) VALUES (%s, %s, %s, 0, 0, %s, %s) {_ONCE}",
        [
            [job_id, what, pk, None if before is None else json.dumps(before), json.dumps(after)]
            for pk, before, after in rows
        ],
    )


# Where the rows are that an import of a kind creates and that keep its number.
CREATED_IN = {
    ImportJob.Kind.MEMBERS: "members_profile",
    ImportJob.Kind.ORDERS: "members_order",
    ImportJob.Kind.TOUCHPOINTS: TOUCHPOINTS.table,
    ImportJob.Kind.TAGS: TAGS.table,
}


def last_id(cursor: CursorWrapper, kind: str) -> int | None:
    """Return the highest number of record drawn so far for what an import of a kind creates."""
    table = CREATED_IN.get(ImportJob.Kind(kind))
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
