"""Take orders back: restore those that an import changed, remove those that it created."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.imports import images
from members.imports.undo_steps import Undone, find_reasons, kept_by_reason
from members.models import ImportJob, Order
from members.staging import stage_query
from tenants.models import Tenant


def _differs(fields: dict[str, str], alias: str) -> str:
    names = ", ".join(f"{alias}.{name}" for name in fields)
    return f"({names}) IS DISTINCT FROM ({', '.join(f'a.{name}' for name in fields)})"


def restore(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Restore the next orders that are as the import left them; None: there are no more.

    An order is one: where it or a line of it changed since, all of it stays.
    """
    looked_at = stage_query(
        cursor,
        "taken",
        """
        SELECT DISTINCT row_id AS id FROM members_importchange
        WHERE import_id = %s AND what IN ('order', 'line') AND row_id > %s
        ORDER BY row_id LIMIT %s
        """,
        [job.pk, after, rows],
    )
    if not looked_at:
        return None
    restored = stage_query(
        cursor,
        "restoring",
        f"""
        SELECT o.id, o.profile_id, o.store_id, o.ordered_at
        FROM taken t JOIN members_order o ON o.id = t.id
        WHERE NOT EXISTS (
            SELECT FROM members_importchange c
            CROSS JOIN LATERAL jsonb_to_record(c.after) AS a({images.record(images.ORDER_FIELDS)})
            WHERE c.import_id = %(job)s AND c.what = 'order' AND c.row_id = o.id AND (
                {_differs(images.ORDER_FIELDS, "o")} OR NOT EXISTS (
                    SELECT FROM members_profile p
                    WHERE p.id = (c.before->>'profile_id')::bigint
                )
            )
        ) AND NOT EXISTS (
            SELECT FROM members_importchange c
            CROSS JOIN LATERAL jsonb_to_record(c.after) AS a({images.record(images.LINE_FIELDS)})
            LEFT JOIN members_orderline l ON l.order_id = c.row_id AND l.line_no = c.line_no
            WHERE c.import_id = %(job)s AND c.what = 'line' AND c.row_id = o.id
                AND (l.order_id IS NULL OR {_differs(images.LINE_FIELDS, "l")})
        )
        """,  # noqa: S608 - constants of the code
        {"job": job.pk},
    )
    cursor.execute("SELECT max(id) FROM taken")
    done = Undone(cursor.fetchone()[0], looked_at, restored=restored)
    cursor.execute(
        "SELECT array_agg(t.id ORDER BY t.id) FROM taken t JOIN members_order o ON o.id = t.id "
        "WHERE NOT EXISTS (SELECT FROM restoring r WHERE r.id = t.id)"
    )
    if changed := cursor.fetchone()[0]:
        done.kept["changed"] = changed
    if restored:
        _note_pending(cursor, job.brand_id, tenant.time_zone, "restoring")
        _restore_rows(cursor, job.pk)
        stage_query(
            cursor,
            "restored",
            "SELECT o.* FROM members_order o JOIN restoring r ON r.id = o.id",
        )
        _note_pending(cursor, job.brand_id, tenant.time_zone, "restored")
        cursor.execute(
            "DELETE FROM members_importchange c USING restoring r WHERE c.import_id = %s "
            "AND c.row_id = r.id AND c.what IN ('order', 'line')",
            [job.pk],
        )
    return done


def _restore_rows(cursor: CursorWrapper, job_id: int) -> None:
    of_this = "c.import_id = %(job)s AND c.row_id = r.id"
    sets = ", ".join(f"{name} = b.{name}" for name in images.ORDER_FIELDS)
    cursor.execute(
        f"""
        UPDATE members_order o SET {sets}, notice_id = p.notice_id
        FROM restoring r JOIN members_importchange c ON {of_this} AND c.what = 'order'
        CROSS JOIN LATERAL jsonb_to_record(c.before) AS b({images.record(images.ORDER_FIELDS)})
        JOIN members_profile p ON p.id = b.profile_id
        WHERE o.id = r.id
        """,  # noqa: S608 - constants of the code
        {"job": job_id},
    )
    cursor.execute(
        f"""
        DELETE FROM members_orderline l USING restoring r, members_importchange c
        WHERE {of_this} AND c.what = 'line' AND c.before IS NULL
            AND l.order_id = r.id AND l.line_no = c.line_no
        """,  # noqa: S608 - constants of the code
        {"job": job_id},
    )
    sets = ", ".join(f"{name} = b.{name}" for name in images.LINE_FIELDS)
    cursor.execute(
        f"""
        UPDATE members_orderline l SET {sets}
        FROM restoring r JOIN members_importchange c ON {of_this} AND c.what = 'line'
        CROSS JOIN LATERAL jsonb_to_record(c.before) AS b({images.record(images.LINE_FIELDS)})
        WHERE l.order_id = r.id AND l.line_no = c.line_no AND c.before IS NOT NULL
        """,  # noqa: S608 - constants of the code
        {"job": job_id},
    )
    cursor.execute(
        """
        UPDATE members_orderline l SET store_id = o.store_id, notice_id = o.notice_id
        FROM restoring r JOIN members_order o ON o.id = r.id
        WHERE l.order_id = o.id
            AND (l.store_id, l.notice_id) IS DISTINCT FROM (o.store_id, o.notice_id)
        """
    )
    cursor.execute(
        """
        UPDATE members_order o SET amount = s.amount, lines = s.lines
        FROM (
            SELECT l.order_id, sum(l.amount) AS amount, count(*) AS lines
            FROM restoring r JOIN members_orderline l ON l.order_id = r.id GROUP BY l.order_id
        ) AS s
        WHERE o.id = s.order_id AND (o.amount, o.lines) IS DISTINCT FROM (s.amount, s.lines)
        """
    )


def remove(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Remove the next orders that the import created and nobody changed; None: no more."""
    looked_at = stage_query(
        cursor,
        "created",
        """
        SELECT o.id, o.profile_id, o.store_id, o.ordered_at, CASE WHEN EXISTS (
            SELECT FROM members_importchange c WHERE c.row_id = o.id AND c.import_id <> %s
                AND c.what IN ('order', 'line')
        ) THEN 'changed' ELSE '' END AS reason
        FROM members_order o
        WHERE o.brand_id = %s AND o.import_id = %s AND o.id > %s AND o.id <= %s
        ORDER BY o.id LIMIT %s
        """,
        [job.pk, job.brand_id, job.pk, max(after, job.ids_after or 0), job.ids_to or 0, rows],
    )
    if not looked_at:
        return None
    find_reasons(cursor, Order, goes_along={"members.OrderLine"}, reasons={})
    cursor.execute("SELECT max(id), count(*) FILTER (WHERE reason = '') FROM created")
    last, removed = cursor.fetchone()
    done = Undone(last, looked_at, removed=removed, kept=kept_by_reason(cursor))
    cursor.execute("DELETE FROM created WHERE reason <> ''")
    _note_pending(cursor, job.brand_id, tenant.time_zone, "created")
    cursor.execute("DELETE FROM members_orderline l USING created c WHERE l.order_id = c.id")
    cursor.execute("DELETE FROM members_order o USING created c WHERE o.id = c.id")
    return done


def _note_pending(cursor: CursorWrapper, brand_id: int, zone: str, orders: str) -> None:
    """Note the members and days whose figures are now older than their orders."""
    cursor.execute(
        f"INSERT INTO members_pendingtotal (profile_id) SELECT DISTINCT profile_id FROM {orders} "  # noqa: S608
        "ORDER BY 1 ON CONFLICT DO NOTHING"
    )
    cursor.execute(
        f"""
        INSERT INTO members_pendingrollup (brand_id, store_id, day)
        SELECT DISTINCT %s::bigint, COALESCE(store_id, 0), (ordered_at AT TIME ZONE %s)::date
        FROM {orders} ORDER BY 2, 3 ON CONFLICT DO NOTHING
        """,  # noqa: S608 - a name of the code
        [brand_id, zone],
    )
