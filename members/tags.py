"""Set tags on members and take them away: the latest word counts, whatever comes first."""

from __future__ import annotations

from collections.abc import Collection

from django.db.backends.utils import CursorWrapper

# What `tags_merge` reads; `set_at` and `removed_at` each where a row tells of one.
INCOMING = (
    "profile_id bigint, tag_id bigint, set_at timestamptz, removed_at timestamptz, source varchar"
)


def tag_ids(
    cursor: CursorWrapper, brand_id: int, names: Collection[str], *, import_id: int | None = None
) -> dict[str, int]:
    """Return a brand's tags by name, made where there are none.

    A new one means the group's tag of the same name, where there is one: the brand may change that.
    Runs in the caller's transaction, as the owner.
    """
    cursor.execute(
        """
        INSERT INTO members_tag (brand_id, name, means_id, made_at, made_by_name, import_id)
        SELECT %s, n.name, g.id, now(), '', %s::bigint
        FROM unnest(%s::text[]) AS n (name)
        LEFT JOIN members_grouptag g ON g.name = n.name AND g.removed_at IS NULL
        ORDER BY n.name
        ON CONFLICT (brand_id, name) WHERE notice_id IS NULL AND store_id IS NULL DO NOTHING
        """,
        [brand_id, import_id, sorted(set(names))],
    )
    return tag_ids_known(cursor, brand_id, names)


def tag_ids_known(cursor: CursorWrapper, brand_id: int, names: Collection[str]) -> dict[str, int]:
    """Return those of a brand's tags that there are, by name."""
    cursor.execute(
        """
        SELECT name, id FROM members_tag
        WHERE brand_id = %s AND name = ANY(%s) AND store_id IS NULL AND notice_id IS NULL
        """,
        [brand_id, list(names)],
    )
    return dict(cursor.fetchall())


def tags_merge(cursor: CursorWrapper, *, import_id: int | None = None) -> int:
    """Merge the rows of the temporary table incoming_tag; return how many changed.

    Several rows may tell of one member and tag. New rows keep the number of the import they come
    from, as in touchpoints_merge. Runs in the caller's transaction, which holds the group's answers
    (members.locks).
    """
    cursor.execute(
        """
        INSERT INTO members_profiletag AS t (brand_id, store_id, notice_id, profile_id, tag_id,
            set_at, removed_at, source, import_id)
        SELECT p.brand_id, p.store_id, p.notice_id, p.id, i.tag_id, i.set_at, i.removed_at,
            i.source, %s::bigint
        FROM (
            SELECT profile_id, tag_id, max(set_at) AS set_at, max(removed_at) AS removed_at,
                (array_agg(source ORDER BY GREATEST(set_at, removed_at) DESC,
                    source COLLATE "C" DESC))[1] AS source
            FROM incoming_tag GROUP BY profile_id, tag_id
        ) AS i JOIN members_profile p ON p.id = i.profile_id
        ORDER BY i.profile_id, i.tag_id
        ON CONFLICT (profile_id, tag_id) DO UPDATE SET
            set_at = GREATEST(t.set_at, excluded.set_at),
            removed_at = GREATEST(t.removed_at, excluded.removed_at),
            import_id = CASE WHEN excluded.import_id IS NULL THEN -abs(t.import_id)
                ELSE t.import_id END,
            source = (SELECT x.source FROM (VALUES
                (GREATEST(t.set_at, t.removed_at), t.source),
                (GREATEST(excluded.set_at, excluded.removed_at), excluded.source)
            ) AS x (at, source) ORDER BY x.at DESC, x.source COLLATE "C" DESC LIMIT 1)
        WHERE GREATEST(excluded.set_at, excluded.removed_at)
                >= GREATEST(t.set_at, t.removed_at)
            OR excluded.set_at > COALESCE(t.set_at, '-infinity')
            OR excluded.removed_at > COALESCE(t.removed_at, '-infinity')
            OR excluded.import_id IS NULL AND t.import_id > 0
        """,
        [import_id],
    )
    return cursor.rowcount
