"""Write a brand's events, touchpoints and tags in sets; each sender's number is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from brands.models import ChannelAccount
from members import tags, touchpoints
from members.imports.cells import NULL, escape
from members.intake.lines import EventLine, TagLine, TouchpointLine
from members.intake.people import Member
from members.staging import copy_into, stage

# A line and the member it names, by its place in what is applied.
Told = tuple[int, Any, Member]

_COLUMNS = (
    "place bigint, what varchar, source varchar, event_id varchar, profile_id bigint, "
    "occurred_at timestamptz, account_id bigint, subject varchar, scene varchar, "
    "order_no varchar, version bigint, amount bigint"
)


class Accounts:
    """Know the channel accounts of a brand and of the group."""

    def __init__(self, brand_id: int) -> None:
        rows = ChannelAccount.objects.values_list("brand_id", "kind", "external_id", "pk")
        self._ids = {
            (kind, number): pk for brand, kind, number, pk in rows if brand in (None, brand_id)
        }

    def of(self, line: Any) -> int | None:
        """Return the account that a line names; None where it names none, or one that is gone."""
        account = line.account
        return self._ids.get((account.kind, account.external_id)) if account else None


def events_write(
    cursor: CursorWrapper, brand_id: int, told: Sequence[Told], accounts: Accounts
) -> set[int]:
    """Append events that were not told before; return the places of those that were.

    Leaves those of orders, refunds and follows that are new in the temporary table fresh_event.
    """
    rows: list[str] = []
    seen: set[tuple[str, str]] = set()
    known: set[int] = set()
    for place, line, member in told:
        name = (line.source, number_of(line))
        if name in seen:
            known.add(place)
            continue
        seen.add(name)
        rows.append(_event_row(place, line, member, accounts))
    stage(cursor, "incoming_event", _COLUMNS)
    stage(
        cursor,
        "fresh_event",
        "what varchar, source varchar, event_id varchar, profile_id bigint, "
        "occurred_at timestamptz, account_id bigint, scene varchar, order_no varchar, "
        "version bigint",
    )
    if not rows:
        return known
    names = ", ".join(column.split()[0] for column in _COLUMNS.split(","))
    copy_into(cursor, "incoming_event", names, "".join(rows), joined_by="profile_id")
    cursor.execute(
        """
        WITH added AS (
            INSERT INTO members_event (brand_id, store_id, notice_id, what, source, event_id,
                profile_id, occurred_at, account_id, subject, scene, order_no, version, amount)
            SELECT %s, p.store_id, p.notice_id, i.what, i.source, i.event_id, i.profile_id,
                i.occurred_at, i.account_id, i.subject, i.scene, i.order_no, i.version, i.amount
            FROM incoming_event i JOIN members_profile p ON p.id = i.profile_id
            ON CONFLICT (brand_id, source, event_id) DO NOTHING
            RETURNING what, source, event_id, profile_id, occurred_at, account_id, scene, order_no,
                version
        ), kept AS (
            INSERT INTO fresh_event SELECT * FROM added
            WHERE what IN ('follow', 'unfollow', 'order', 'refund')
        )
        SELECT count(*) FROM added
        """,
        [brand_id],
    )
    if cursor.fetchone()[0] < len(rows):
        cursor.execute(
            """
            SELECT i.place FROM incoming_event i JOIN members_event e
                ON e.brand_id = %s AND e.source = i.source AND e.event_id = i.event_id
            WHERE e.received_at < now()
            """,
            [brand_id],
        )
        known.update(place for (place,) in cursor.fetchall())
    return known


def _event_row(place: int, line: Any, member: Member, accounts: Accounts) -> str:
    if type(line) is not EventLine:
        # An order told as a whole: what it comes to is the order's own to say.
        return (
            f"{place}\torder\t{line.source}\t{number_of(line)}\t{member.profile_id}\t"
            f"{line.at.isoformat()}\t{NULL}\t\t\t{line.order_no}\t{line.version}\t{NULL}\n"
        )
    account = accounts.of(line)
    amount = line.amount
    return (
        f"{place}\t{line.event}\t{line.source}\t{line.id}\t{member.profile_id}\t"
        f"{line.at.isoformat()}\t{NULL if account is None else account}\t{line.subject}\t"
        f"{line.scene}\t{line.order_no}\t{line.version}\t{NULL if amount is None else amount}\n"
    )


def number_of(line: Any) -> str:
    """Return the number of an event: the sender's, or of an order its version or moment."""
    if line.id:
        return str(line.id)
    return f"{line.order_no}@{line.version or line.at.timestamp()}"


def touchpoints_write(
    cursor: CursorWrapper, told: Sequence[Told], accounts: Accounts, *, has_follows: bool
) -> None:
    """Merge what touchpoint lines and the follows among the new events tell."""
    stage(cursor, "incoming_touchpoint", touchpoints.INCOMING)
    rows = []
    for _place, line, member in told:
        account = accounts.of(line)
        if account is None or type(line) is not TouchpointLine:
            continue
        at = line.at.isoformat()
        is_on = line.state == "followed"
        rows.append(
            f"{member.profile_id}\t{account}\t{at if is_on else NULL}\t{NULL if is_on else at}\t"
            f"{line.scene}\t{line.source}\n"
        )
    if rows:
        names = "profile_id, account_id, followed_at, unfollowed_at, scene, source"
        copy_into(cursor, "incoming_touchpoint", names, "".join(rows), joined_by="profile_id")
    if has_follows:
        cursor.execute(
            """
            INSERT INTO incoming_touchpoint
            SELECT profile_id, account_id, CASE WHEN what = 'follow' THEN occurred_at END,
                CASE WHEN what = 'unfollow' THEN occurred_at END, scene, source
            FROM fresh_event
            WHERE what IN ('follow', 'unfollow') AND account_id IS NOT NULL
            """
        )
    if rows or has_follows:
        touchpoints.touchpoints_merge(cursor)


def tags_write(cursor: CursorWrapper, brand_id: int, told: Sequence[Told]) -> None:
    """Set tags and take them away."""
    lines = [(line, member) for _place, line, member in told if type(line) is TagLine]
    if not lines:
        return
    ids = tags.tag_ids(cursor, brand_id, {line.tag for line, _member in lines})
    rows = []
    for line, member in lines:
        at = line.at.isoformat()
        rows.append(
            f"{member.profile_id}\t{ids[line.tag]}\t{NULL if line.remove else at}\t"
            f"{at if line.remove else NULL}\t{escape(line.source)}\n"
        )
    stage(cursor, "incoming_tag", tags.INCOMING)
    names = "profile_id, tag_id, set_at, removed_at, source"
    copy_into(cursor, "incoming_tag", names, "".join(rows), joined_by="profile_id")
    tags.tags_merge(cursor)
