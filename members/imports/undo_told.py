"""Take follows and tags back: restore rows that an import changed, remove those that it created."""

from __future__ import annotations

from functools import partial

from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from members.imports import images
from members.imports.images import Told
from members.imports.undo_steps import Step, Undone, find_reasons, kept_by_reason
from members.models import ImportJob, ProfileTag, Tag, Touchpoint
from members.staging import stage_query
from tenants.models import Tenant


def _restore(
    told: Told, cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Restore the next rows that are as the import left them; None: there are no more."""
    names = list(told.fields)
    looked_at = stage_query(
        cursor,
        "taken",
        f"""
        SELECT c.row_id AS id, c.profile_id, c.before, t.id IS NOT NULL AS is_there,
            ({", ".join(f"t.{name}" for name in names)})
                IS NOT DISTINCT FROM ({", ".join(f"a.{name}" for name in names)}) AS is_as_left
        FROM members_importchange c
        CROSS JOIN LATERAL jsonb_to_record(c.after) AS a({images.record(told.fields)})
        LEFT JOIN {told.table} t ON t.id = c.row_id
        WHERE c.import_id = %s AND c.what = '{told.what}' AND c.row_id > %s
        ORDER BY c.row_id LIMIT %s
        """,  # noqa: S608 - constants of the code
        [job.pk, after, rows],
    )
    if not looked_at:
        return None
    cursor.execute(
        "SELECT max(id), count(*) FILTER (WHERE is_there AND is_as_left), "
        "array_agg(profile_id ORDER BY id) FILTER (WHERE is_there AND NOT is_as_left) FROM taken"
    )
    last, restored, changed = cursor.fetchone()
    cursor.execute(
        f"""
        UPDATE {told.table} t SET {", ".join(f"{name} = b.{name}" for name in names)}
        FROM taken k CROSS JOIN LATERAL jsonb_to_record(k.before) AS
            b({images.record(told.fields)})
        WHERE t.id = k.id AND k.is_as_left
        """  # noqa: S608 - constants of the code
    )
    cursor.execute(
        "DELETE FROM members_importchange c USING taken k WHERE c.import_id = %s "
        "AND c.what = %s AND c.row_id = k.id AND k.is_as_left",
        [job.pk, told.what],
    )
    return Undone(last, looked_at, restored=restored, kept={"changed": changed} if changed else {})


def _remove(
    told: Told,
    model: type[Model],
    cursor: CursorWrapper,
    tenant: Tenant,
    job: ImportJob,
    after: int,
    rows: int,
) -> Undone | None:
    """Remove the next rows that the import created and nobody told of since; None: no more."""
    looked_at = stage_query(
        cursor,
        "created",
        f"""
        SELECT t.id, t.profile_id, CASE WHEN t.import_id < 0 OR EXISTS (
            SELECT FROM members_importchange c WHERE c.profile_id = t.profile_id
                AND c.row_id = t.id AND c.what = %s AND c.import_id <> %s
        ) THEN 'changed' ELSE '' END AS reason
        FROM {told.table} t
        WHERE t.brand_id = %s AND t.import_id IN (%s, -%s) AND t.id > %s AND t.id <= %s
        ORDER BY t.id LIMIT %s
        """,  # noqa: S608 - constants of the code
        [
            *(told.what, job.pk, job.brand_id, job.pk, job.pk),
            *(max(after, job.ids_after or 0), job.ids_to or 0, rows),
        ],
    )
    if not looked_at:
        return None
    find_reasons(cursor, model, goes_along=(), reasons={})
    cursor.execute("SELECT max(id), count(*) FILTER (WHERE reason = '') FROM created")
    last, removed = cursor.fetchone()
    cursor.execute(
        f"DELETE FROM {told.table} t USING created c WHERE t.id = c.id AND c.reason = ''"  # noqa: S608
    )
    # Told by the members that they are about.
    cursor.execute("UPDATE created SET id = profile_id")
    return Undone(last, looked_at, removed=removed, kept=kept_by_reason(cursor))


def _remove_words(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Remove the tags that the import brought into the dictionary and nobody uses; None: no more.

    A word that somebody has sorted, linked or removed since, or that a member carries, stays.
    """
    looked_at = stage_query(
        cursor,
        "created",
        """
        SELECT t.id, CASE WHEN t.removed_at IS NOT NULL OR t.kind <> '' OR t.made_by_name <> ''
            OR t.means_id IS DISTINCT FROM (
                SELECT g.id FROM members_grouptag g
                WHERE g.name = t.name AND g.removed_at IS NULL AND g.made_at <= t.made_at
            ) THEN 'changed' ELSE '' END AS reason
        FROM members_tag t WHERE t.brand_id = %s AND t.import_id = %s AND t.id > %s
        ORDER BY t.id LIMIT %s
        """,
        [job.brand_id, job.pk, after, rows],
    )
    if not looked_at:
        return None
    find_reasons(cursor, Tag, goes_along=(), reasons={})
    cursor.execute("SELECT max(id) FROM created")
    last = cursor.fetchone()[0]
    cursor.execute("DELETE FROM members_tag t USING created c WHERE t.id = c.id AND c.reason = ''")
    return Undone(last, looked_at)


TOUCHPOINT_STEPS: tuple[Step, ...] = (
    partial(_restore, images.TOUCHPOINTS),
    partial(_remove, images.TOUCHPOINTS, Touchpoint),
)
TAG_STEPS: tuple[Step, ...] = (
    partial(_restore, images.TAGS),
    partial(_remove, images.TAGS, ProfileTag),
    _remove_words,
)
