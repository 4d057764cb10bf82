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

# Of which events something follows, and as what that finds them.
_TOLD_ON = frozenset(("follow", "unfollow", "order", "refund"))
_FRESH = (
    "what varchar, source varchar, event_id varchar, profile_id bigint, occurred_at timestamptz, "
    "account_id bigint, scene varchar, order_no varchar, version bigint"
)
_FRESH_NAMES = ", ".join(column.split()[0] for column in _FRESH.split(", "))


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
    fresh: dict[tuple[str, str], Told] = {}
    known: set[int] = set()
    for one in told:
        line = one[1]
        name = (line.source, number_of(line))
        if name in fresh:
            known.add(one[0])
        else:
            fresh[name] = one
    stage(cursor, "fresh_event", _FRESH)
    if not fresh:
        return known
    # Nobody else writes events of the brand, whose lock is held.
    cursor.execute(
        """
        SELECT e.source, e.event_id
        FROM unnest(string_to_array(%s, E'\n'), string_to_array(%s, E'\n')) AS k (source, event_id)
        JOIN members_event e
            ON e.brand_id = %s AND e.source = k.source AND e.event_id = k.event_id
        """,
        [*("\n".join(texts) for texts in zip(*fresh, strict=True)), brand_id],
    )
    known.update(fresh.pop(name)[0] for name in cursor.fetchall())
    if fresh:
        _append(cursor, brand_id, fresh, accounts)
    return known


def _append(
    cursor: CursorWrapper, brand_id: int, fresh: dict[tuple[str, str], Told], accounts: Accounts
) -> None:
    """Write events straight into their table, under what the wall says of their members now."""
    members = {member.profile_id for _place, _line, member in fresh.values()}
    cursor.execute(
        "SELECT id, concat_ws(E'\t', %s, COALESCE(store_id::text, %s), "
        "COALESCE(notice_id::text, %s), '') FROM members_profile "
        "WHERE id = ANY(string_to_array(%s, ',')::bigint[])",
        [brand_id, NULL, NULL, ",".join(map(str, members))],
    )
    walled = dict(cursor.fetchall())
    rows, told_on = [], []
    for (source, number), (_place, line, member) in fresh.items():
        profile = member.profile_id
        if profile not in walled:
            continue
        if type(line) is EventLine:
            what, subject, scene = line.event, line.subject, line.scene
            account = NULL if line.account is None else accounts.of(line) or NULL
            amount = NULL if line.amount is None else line.amount
        else:
            # An order told as a whole: what it comes to is the order's own to say.
            what, subject, scene, account, amount = "order", "", "", NULL, NULL
        row = (
            f"{what}\t{source}\t{number}\t{profile}\t{line.at.isoformat()}\t{account}\t{scene}\t"
            f"{line.order_no}\t{line.version}"
        )
        rows.append(f"{walled[profile]}{row}\t{subject}\t{amount}\n")
        if what in _TOLD_ON:
            told_on.append(f"{row}\n")
    columns = f"brand_id, store_id, notice_id, {_FRESH_NAMES}, subject, amount"
    with cursor.copy(f"COPY members_event ({columns}) FROM STDIN") as copy:
        copy.write("".join(rows))
    if told_on:
        copy_into(cursor, "fresh_event", _FRESH_NAMES, "".join(told_on), joined_by="profile_id")


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
