"""Write a chunk of order lines: orders, their lines, and what must be recounted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from members import locks
from members.imports import cells, images
from members.imports.columns import Columns, Counts, read_columns, unknown_member
from members.imports.files import BadRow, Chunk
from members.imports.known import store_words
from members.models import ImportJob
from members.staging import copy_into, stage, stage_query
from tenants.models import Tenant

_STAGED = (
    "line",
    "order_no",
    "line_no",
    "profile_id",
    "store_id",
    "ordered_at",
    "product_code",
    "product_name",
    "quantity",
    "amount",
)


@dataclass(slots=True)
class _New:
    """Be an order that is not there yet; texts as COPY writes them."""

    profile: str
    store: str
    at: str
    amount: int = 0
    lines: int = 0
    start: str = ""


class OrderChunks:
    """Import order lines of one brand, chunk by chunk."""

    tables = ("members_order", "members_orderline")

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        zone = ZoneInfo(tenant.time_zone)
        stores = store_words(job.brand_id)
        read = cells.Reader
        self.brand_id = job.brand_id
        self.job_id = job.pk
        self.time_zone = tenant.time_zone
        self.columns = columns
        self.headings = job.mapping
        self.readers = {
            "order_no": read(cells.read_code(longest=64)),
            "line_no": read(cells.read_number(lowest=0, highest=2**31 - 1)),
            "member_no": read(cells.read_code(longest=64)),
            "store_id": read(cells.read_store(stores)),
            "ordered_at": read(
                cells.read_instant(zone, latest=timezone.now() + dt.timedelta(days=1))
            ),
            "product_code": read(cells.read_text(longest=64)),
            "product_name": read(cells.read_text(longest=200)),
            "quantity": read(cells.read_number(lowest=-(10**12), highest=10**12, empty="1")),
            "amount": read(cells.read_amount(tenant.currency)),
        }
        self.defaults = {
            "line_no": "1",
            "store_id": cells.NULL,
            "product_code": "",
            "product_name": "",
            "quantity": "1",
        }
        self.positions = {
            "store_id" if name == "store_code" else name: place for name, place in columns.items()
        }
        self.field_headings = {**self.headings, "store_id": self.headings.get("store_code", "")}

    def prepare(self, chunk: Chunk) -> Columns:
        """Return the chunk's cells as they are read; asks and writes nothing."""
        return read_columns(chunk, self.positions, self.field_headings, self.readers, self.defaults)

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "orders")
        locks.hold_answers(is_shared=True)
        locks.hold_rollups(is_shared=True)
        prepared = getattr(chunk, "prepared", None)
        if isinstance(prepared, Columns) and prepared.chunk.rows is chunk.rows:
            read = prepared
        else:
            read = self.prepare(chunk)
        counts = Counts()
        with connection.cursor() as cursor:
            notices = self._find_members(cursor, read)
            known = self._find_orders(cursor, read)
            self._reject_contradictions(read)
            counts.repeated = read.keep_last("order_no", "line_no")
            if len(read):
                self._write_new(cursor, counts, read, notices, known)
                if not known.isdisjoint(read["order_no"]):
                    self._stage(cursor, read, known)
                    self._write_known(cursor, counts)
        counts.unchanged = len(read) - counts.created - counts.updated
        return counts, read.bad

    def _find_members(self, cursor: CursorWrapper, read: Columns) -> dict[str, str]:
        """Set aside lines of unknown members; return the notices of the others, by their ids."""
        numbers = list(set(read["member_no"]))
        cursor.execute(
            "SELECT member_no, id::text, COALESCE(notice_id::text, %s) FROM members_profile "
            "WHERE brand_id = %s AND member_no = ANY(string_to_array(%s, E'\n'))",
            [cells.NULL, self.brand_id, "\n".join(numbers)],
        )
        found = cursor.fetchall()
        ids = {number: pk for number, pk, _notice in found}
        read.values["profile_id"] = [ids.get(number, "") for number in read["member_no"]]
        if len(ids) < len(numbers):
            read.reject(
                {
                    place: [("member_no", unknown_member(cells.shortened(number)))]
                    for place, number in enumerate(read["member_no"])
                    if number not in ids
                }
            )
        return {pk: notice for _number, pk, notice in found}

    def _find_orders(self, cursor: CursorWrapper, read: Columns) -> set[str]:
        """Return the numbers of orders that are there.

        Lines of those that were parted from their member are set aside, for good.
        """
        cursor.execute(
            "SELECT order_no, profile_id IS NULL FROM members_order "
            "WHERE brand_id = %s AND order_no = ANY(string_to_array(%s, E'\n'))",
            [self.brand_id, "\n".join(set(read["order_no"]))],
        )
        is_parted = dict(cursor.fetchall())
        if any(is_parted.values()):
            reason = _(
                "This order is kept without its member, who was erased or is not kept any more."
            )
            read.reject(
                {
                    place: [("order_no", reason)]
                    for place, number in enumerate(read["order_no"])
                    if is_parted.get(number)
                }
            )
        return set(is_parted)

    def _reject_contradictions(self, read: Columns) -> None:
        """Set aside lines that give an order to a second member, or give it one line twice."""
        first: dict[str, str] = {}
        reasons = {}
        has_lines = "line_no" in self.columns
        for place, (number, profile) in enumerate(
            zip(read["order_no"], read["profile_id"], strict=True)
        ):
            if number not in first:
                first[number] = profile
            elif first[number] != profile:
                reasons[place] = [
                    ("member_no", _("Another line of this order names another member."))
                ]
            elif not has_lines:
                reasons[place] = [
                    (
                        "order_no",
                        _(
                            "The order is in the file already, and the file has no column of line "
                            "numbers to tell its lines apart."
                        ),
                    )
                ]
        read.reject(reasons)

    def _write_new(
        self,
        cursor: CursorWrapper,
        counts: Counts,
        read: Columns,
        notices: dict[str, str],
        known: set[str],
    ) -> None:
        """Write the orders that are not there yet, straight into their tables."""
        new: dict[str, _New] = {}
        line_rows: list[tuple[_New, str]] = []
        columns = zip(*(read[name] for name in _STAGED[1:]), strict=True)
        for number, line_no, profile, store, at, code, product, quantity, amount in columns:
            if number in known:
                continue
            order = new.get(number)
            if order is None:
                # The order's first line in the chunk says when and where it was.
                order = new[number] = _New(profile, store, at)
            order.amount += int(amount)
            order.lines += 1
            line_rows.append((order, f"{code}\t{product}\t{quantity}\t{amount}\t{line_no}\n"))
        if not new:
            return
        cursor.execute(
            "SELECT nextval(s) FROM (SELECT pg_get_serial_sequence('members_order', 'id')"
            "::regclass AS s OFFSET 0) AS of, generate_series(1, %s)",
            [len(new)],
        )
        brand, job = str(self.brand_id), cells.NULL if self.job_id is None else str(self.job_id)
        ids = [pk for (pk,) in cursor.fetchall()]
        order_rows = []
        for pk, (number, order) in zip(ids, new.items(), strict=True):
            # What every line of it begins with as well.
            order.start = f"{pk}\t{brand}\t{order.store}\t{notices[order.profile]}\t"
            order_rows.append(
                f"{order.start}{number}\t{order.profile}\t{order.at}\t{order.amount}\t"
                f"{order.lines}\t{job}\n"
            )
        walled = "brand_id, store_id, notice_id"
        _copy(
            cursor,
            f"members_order (id, {walled}, order_no, profile_id, ordered_at, amount, lines, "
            "import_id)",
            "".join(order_rows),
        )
        _copy(
            cursor,
            f"members_orderline (order_id, {walled}, product_code, product_name, quantity, amount, "
            "line_no)",
            "".join([order.start + row for order, row in line_rows]),
        )
        counts.created = len(line_rows)
        # Whoever draws numbers between them draws them for another brand.
        self._note_pending(
            cursor,
            "members_order WHERE brand_id = %s AND id BETWEEN %s AND %s",
            [self.brand_id, ids[0], ids[-1]],
        )

    def _stage(self, cursor: CursorWrapper, read: Columns, known: set[str]) -> None:
        """Write the lines of orders that are there into temporary tables."""
        stage(
            cursor,
            "incoming_line",
            "line bigint, order_no varchar, line_no integer, profile_id bigint, store_id bigint, "
            "ordered_at timestamptz, product_code varchar, product_name varchar, "
            "quantity bigint, amount bigint",
        )
        rows = zip(map(str, read.lines), *(read[name] for name in _STAGED[1:]), strict=True)
        text = "".join(["\t".join(row) + "\n" for row in rows if row[1] in known])
        copy_into(
            cursor, "incoming_line", ", ".join(_STAGED), text, joined_by="line, order_no, line_no"
        )
        stage_query(
            cursor,
            "incoming_order",
            """
            SELECT o.id, s.order_no, l.profile_id, l.ordered_at,
                CASE WHEN %(has_store)s THEN l.store_id ELSE o.store_id END AS store_id,
                p.notice_id, o.profile_id AS old_profile_id, o.store_id AS old_store_id,
                o.ordered_at AS old_ordered_at,
                o.profile_id <> l.profile_id OR o.ordered_at <> l.ordered_at
                    OR (%(has_store)s AND o.store_id IS DISTINCT FROM l.store_id) AS is_changed
            FROM (
                SELECT order_no, min(line) AS line FROM incoming_line GROUP BY order_no
            ) AS s
            JOIN incoming_line l ON l.line = s.line
            JOIN members_profile p ON p.id = l.profile_id
            JOIN members_order o ON o.brand_id = %(brand)s AND o.order_no = s.order_no
            """,
            {"brand": self.brand_id, "has_store": "store_id" in self.positions},
        )

    def _write_known(self, cursor: CursorWrapper, counts: Counts) -> None:
        """Write what differs in orders that were there before, and nothing else."""
        stage(cursor, "recount", "order_id bigint NOT NULL")
        has = {name: name in self.columns for name in ("product_code", "product_name", "quantity")}
        stage_query(
            cursor,
            "differing",
            """
            SELECT o.id AS order_id, l.line_no, o.store_id, o.notice_id, l.amount,
                CASE WHEN %(product_code)s OR x.order_id IS NULL
                    THEN l.product_code ELSE x.product_code END AS product_code,
                CASE WHEN %(product_name)s OR x.order_id IS NULL
                    THEN l.product_name ELSE x.product_name END AS product_name,
                CASE WHEN %(quantity)s OR x.order_id IS NULL
                    THEN l.quantity ELSE x.quantity END AS quantity,
                x.order_id IS NULL AS is_new
            FROM incoming_line l
            JOIN incoming_order o ON o.order_no = l.order_no
            LEFT JOIN members_orderline x ON x.order_id = o.id AND x.line_no = l.line_no
            WHERE x.order_id IS NULL OR o.is_changed OR x.amount <> l.amount
                OR (%(product_code)s AND x.product_code <> l.product_code)
                OR (%(product_name)s AND x.product_name <> l.product_name)
                OR (%(quantity)s AND x.quantity <> l.quantity)
            """,
            has,
        )
        images.keep_orders(cursor, self.job_id)
        cursor.execute(
            """
            UPDATE members_order o SET profile_id = i.profile_id, store_id = i.store_id,
                notice_id = i.notice_id, ordered_at = i.ordered_at
            FROM incoming_order i WHERE o.id = i.id AND i.is_changed
            """
        )
        cursor.execute(
            """
            UPDATE members_orderline l SET store_id = i.store_id, notice_id = i.notice_id
            FROM incoming_order i
            WHERE l.order_id = i.id AND i.is_changed
                AND (l.store_id, l.notice_id) IS DISTINCT FROM (i.store_id, i.notice_id)
            """
        )
        cursor.execute(
            """
            INSERT INTO members_orderline (order_id, line_no, brand_id, store_id, notice_id,
                product_code, product_name, quantity, amount)
            SELECT order_id, line_no, %s, store_id, notice_id, product_code, product_name,
                quantity, amount
            FROM differing WHERE is_new
            """,
            [self.brand_id],
        )
        counts.created += cursor.rowcount
        cursor.execute(
            """
            UPDATE members_orderline l SET product_code = d.product_code,
                product_name = d.product_name, quantity = d.quantity, amount = d.amount
            FROM differing d
            WHERE NOT d.is_new AND l.order_id = d.order_id AND l.line_no = d.line_no
                AND (l.product_code, l.product_name, l.quantity, l.amount)
                    IS DISTINCT FROM (d.product_code, d.product_name, d.quantity, d.amount)
            """
        )
        cursor.execute("SELECT count(*) FROM differing WHERE NOT is_new")
        counts.updated += cursor.fetchone()[0]
        cursor.execute(
            """
            WITH summed AS (
                SELECT l.order_id, sum(l.amount) AS amount, count(*) AS lines
                FROM members_orderline l
                WHERE l.order_id IN (SELECT order_id FROM differing)
                GROUP BY l.order_id
            ), changed AS (
                UPDATE members_order o SET amount = s.amount, lines = s.lines FROM summed s
                WHERE o.id = s.order_id AND (o.amount, o.lines) IS DISTINCT FROM (s.amount, s.lines)
                RETURNING o.id
            )
            INSERT INTO recount SELECT id FROM changed
            """
        )
        stage_query(
            cursor,
            "touched_order",
            """
            SELECT i.profile_id, i.ordered_at FROM incoming_order i
            WHERE i.is_changed OR i.id IN (SELECT order_id FROM recount)
            UNION
            SELECT i.old_profile_id, i.old_ordered_at FROM incoming_order i WHERE i.is_changed
            """,
        )
        self._note_pending(cursor, "touched_order", [])

    def _note_pending(self, cursor: CursorWrapper, orders: str, params: list[int]) -> None:
        """Note the members and days of orders, whose figures are now older than these."""
        cursor.execute(
            "INSERT INTO members_pendingtotal (profile_id) "  # noqa: S608 - SQL of the code
            f"SELECT DISTINCT profile_id FROM {orders} ORDER BY 1 ON CONFLICT DO NOTHING",
            params,
        )
        # A day is counted anew in all of the brand's stores.
        cursor.execute(
            "INSERT INTO members_pendingrollup (brand_id, store_id, day) "  # noqa: S608
            f"SELECT DISTINCT %s::bigint, 0, (ordered_at AT TIME ZONE %s)::date FROM {orders} "
            "ORDER BY 3 ON CONFLICT DO NOTHING",
            [self.brand_id, self.time_zone, *params],
        )


def _copy(cursor: CursorWrapper, table: str, rows: str) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(rows)
