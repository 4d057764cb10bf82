"""Set tags on members and take them away: the latest word counts, whatever comes first."""

from __future__ import annotations

from collections.abc import Collection

from django.db.backends.utils import CursorWrapper

# What `tags_merge` reads; `set_at` and `removed_at` each where a row tells of one.
INCOMING = (
    "profile_id bigint, tag_id bigint, set_at timestamptz, removed_at timestamptz, source varchar"
)


def tag_ids(cursor: CursorWrapper, brand_id: int, names: Collection[str]) -> dict[str, int]:
    """Return a brand's tags by name, made where there are none.

    A new one means the group's tag of the same name, where there is one: the brand may change that.
    Runs in the caller's transaction, as the owner.
    """
    cursor.execute(
        """
        INSERT INTO members_tag (brand_id, name, means_id, made_at, made_by_name)
        SELECT %s, n.name, g.id, now(), ''
        FROM unnest(%s::text[]) AS n (name)
        LEFT JOIN members_grouptag g ON g.name = n.name AND g.removed_at IS NULL
        ORDER BY n.name
        ON CONFLICT (brand_id, name) WHERE notice_id IS NULL AND store_id IS NULL DO NOTHING
        """,
        [brand_id, sorted(set(names))],
    )
    cursor.execute(
        """
        SELECT name, id FROM members_tag
        WHERE brand_id = %s AND name = ANY(%s) AND store_id IS NULL AND notice_id IS NULL
        """,
        [brand_id, list(names)],
    )
    return dict(cursor.fetchall())


def tags_merge(cursor: CursorWrapper) -> int:
    """Merge the rows of the temporary table incoming_tag; return how many changed.

    Several rows may tell of one member and tag. Runs in the caller's transaction, which holds the
    group's answers (members.locks).
    """
    cursor.execute(
        """
        INSERT INTO members_profiletag AS t (brand_id, store_id, notice_id, profile_id, tag_id,
            set_at, removed_at, source)
        SELECT p.brand_id, p.store_id, p.notice_id, p.id, i.tag_id, i.set_at, i.removed_at,
            i.source
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
            source = (SELECT x.source FROM (VALUES
                (GREATEST(t.set_at, t.removed_at), t.source),
                (GREATEST(excluded.set_at, excluded.removed_at), excluded.source)
            ) AS x (at, source) ORDER BY x.at DESC, x.source COLLATE "C" DESC LIMIT 1)
        WHERE GREATEST(excluded.set_at, excluded.removed_at)
                >= GREATEST(t.set_at, t.removed_at)
            OR excluded.set_at > COALESCE(t.set_at, '-infinity')
            OR excluded.removed_at > COALESCE(t.removed_at, '-infinity')
        """
    )
    return cursor.rowcount
