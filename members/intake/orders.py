"""Write orders that were told: of several tellings of one order the latest stands.

Which is the latest is read from the events of orders, so it is the same in whatever order they
arrive: the highest version, then the latest moment, then source and number by their letters.
Orders themselves are written as a file's are (members.imports.orders).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from babel.numbers import get_currency_precision
from django.db.backends.utils import CursorWrapper

from members.imports.files import BadRow, Chunk
from members.imports.orders import OrderChunks
from members.intake.events import Told, number_of
from members.intake.lines import OrderLineOf, OrderOf
from members.models import ImportJob
from tenants.models import Tenant

_FIELDS = (
    "order_no",
    "line_no",
    "member_no",
    "store_code",
    "ordered_at",
    "product_code",
    "product_name",
    "quantity",
    "amount",
)


def orders_write(
    cursor: CursorWrapper, tenant: Tenant, brand_id: int, told: Sequence[Told]
) -> dict[int, BadRow]:
    """Write the orders whose latest telling is among these; return what was refused, by place.

    Reads fresh_event (members.intake.events). A refused telling is taken out of the events again.
    """
    latest = _latest(cursor, brand_id)
    chunk = Chunk()
    # Of each row of the chunk, the place of its telling.
    places: list[int] = []
    tellings: dict[int, Any] = {}
    for place, line, member in told:
        if latest.get(line.order_no) != (line.source, number_of(line)):
            continue
        tellings[place] = line
        for cells in _rows(line, member.member_no, tenant.currency):
            chunk.lines.append(len(places))
            chunk.rows.append(cells)
            places.append(place)
    if not chunk.rows:
        return {}
    job = ImportJob(brand_id=brand_id, mapping={name: name for name in _FIELDS})
    writer = OrderChunks(tenant, job, {name: place for place, name in enumerate(_FIELDS)})
    _counts, bad = writer.write(chunk)
    refused = {places[row.line]: row for row in bad}
    if refused:
        _take_back(cursor, brand_id, [tellings[place] for place in refused])
    told_rows = [
        (cells[0], int(cells[1]))
        for place, cells in zip(places, chunk.rows, strict=True)
        if place not in refused
    ]
    _drop_surplus(cursor, tenant, brand_id, told_rows)
    return refused


def _latest(cursor: CursorWrapper, brand_id: int) -> dict[str, tuple[str, str]]:
    """Return order → source and number of its latest telling, of orders newly told of."""
    cursor.execute(
        """
        SELECT DISTINCT ON (e.order_no) e.order_no, e.source, e.event_id
        FROM members_event e
        WHERE e.brand_id = %s AND e.what = 'order'
            AND e.order_no IN (SELECT order_no FROM fresh_event WHERE what = 'order')
        ORDER BY e.order_no, e.version DESC, e.occurred_at DESC, e.source COLLATE "C" DESC,
            e.event_id COLLATE "C" DESC
        """,
        [brand_id],
    )
    return {order: (source, number) for order, source, number in cursor.fetchall()}


def _rows(line: Any, member_no: str, currency: str) -> list[list[str]]:
    """Return an order as rows of a file."""
    decimals = get_currency_precision(currency)
    lines: tuple[OrderLineOf, ...] = ()
    at, store = line.at, ""
    if type(line) is OrderOf:
        at, store, lines = line.ordered_at or line.at, line.store, line.lines
    head = [member_no, store, at.isoformat()]
    if not lines:
        return [[line.order_no, "1", *head, "", "", "1", _major(line.amount, decimals)]]
    return [
        [
            line.order_no,
            str(one.line_no),
            *head,
            one.product_code,
            one.product_name,
            str(one.quantity),
            _major(one.amount, decimals),
        ]
        for one in lines
    ]


def _major(minor: int, decimals: int) -> str:
    """Write minor units as a file writes an amount."""
    if not decimals:
        return str(minor)
    whole, part = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{whole}.{part:0{decimals}d}"


def _take_back(cursor: CursorWrapper, brand_id: int, lines: list[Any]) -> None:
    names = [(line.source, number_of(line)) for line in lines]
    cursor.execute(
        """
        DELETE FROM members_event e USING unnest(%s::text[], %s::text[]) AS r (source, event_id)
        WHERE e.brand_id = %s AND e.source = r.source AND e.event_id = r.event_id
        """,
        [[source for source, _number in names], [number for _source, number in names], brand_id],
    )


def _drop_surplus(
    cursor: CursorWrapper, tenant: Tenant, brand_id: int, kept: list[tuple[str, int]]
) -> None:
    """Delete lines that the latest telling of an order no longer has, and sum the order anew.

    KEPT names the lines that it has, by order.
    """
    cursor.execute(
        """
        WITH told AS (
            SELECT o.id AS order_id, t.line_no
            FROM unnest(%(orders)s::text[], %(lines)s::integer[]) AS t (order_no, line_no)
            JOIN members_order o ON o.brand_id = %(brand)s AND o.order_no = t.order_no
        ), dropped AS (
            DELETE FROM members_orderline l
            WHERE l.order_id IN (SELECT order_id FROM told)
                AND NOT EXISTS (
                    SELECT FROM told t WHERE t.order_id = l.order_id AND t.line_no = l.line_no
                )
            RETURNING l.order_id, l.amount
        ), less AS (
            SELECT order_id, sum(amount) AS amount, count(*) AS lines FROM dropped GROUP BY order_id
        ), summed AS (
            UPDATE members_order o SET amount = o.amount - s.amount, lines = o.lines - s.lines
            FROM less s WHERE o.id = s.order_id
            RETURNING o.profile_id, o.store_id, o.ordered_at
        ), people AS (
            INSERT INTO members_pendingtotal (profile_id)
            SELECT DISTINCT profile_id FROM summed WHERE profile_id IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        INSERT INTO members_pendingrollup (brand_id, store_id, day)
        SELECT DISTINCT %(brand)s::bigint, COALESCE(store_id, 0),
            (ordered_at AT TIME ZONE %(zone)s)::date
        FROM summed ON CONFLICT DO NOTHING
        """,
        {
            "brand": brand_id,
            "orders": [order for order, _line in kept],
            "lines": [line for _order, line in kept],
            "zone": tenant.time_zone,
        },
    )


def refunds_note(cursor: CursorWrapper, tenant: Tenant, brand_id: int) -> None:
    """Note the figures of orders that new refunds are of; a refund of no order yet waits for it.

    What was paid back of an order is summed where its figures are (members.rollups), so that a
    refund counts once the order is there, whichever came first.
    """
    cursor.execute(
        """
        WITH paid AS (
            SELECT DISTINCT o.profile_id, COALESCE(o.store_id, 0) AS store_id,
                (o.ordered_at AT TIME ZONE %(zone)s)::date AS day
            FROM fresh_event f
            JOIN members_order o ON o.brand_id = %(brand)s AND o.order_no = f.order_no
            WHERE f.what = 'refund'
        ), people AS (
            INSERT INTO members_pendingtotal (profile_id)
            SELECT DISTINCT profile_id FROM paid WHERE profile_id IS NOT NULL
            ORDER BY 1 ON CONFLICT DO NOTHING
        )
        INSERT INTO members_pendingrollup (brand_id, store_id, day)
        SELECT DISTINCT %(brand)s::bigint, store_id, day FROM paid ORDER BY 2, 3
        ON CONFLICT DO NOTHING
        """,
        {"brand": brand_id, "zone": tenant.time_zone},
    )
