"""Merge what is told of follows into touchpoints: the latest word counts, whatever comes first."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

# What `touchpoints_merge` reads; `followed_at` and `unfollowed_at` each where a row tells of one.
INCOMING = (
    "profile_id bigint, account_id bigint, followed_at timestamptz, unfollowed_at timestamptz, "
    "scene varchar, source varchar"
)


def touchpoints_merge(cursor: CursorWrapper, *, import_id: int | None = None) -> int:
    """Merge the rows of the temporary table incoming_touchpoint; return how many changed.

    Several rows may tell of one member and account. Of two follows at one instant the scene that
    is later by its letters stays, so that no order of arrival matters. New rows keep the number of
    the import they come from; where nobody's import tells of such a row again, it turns negative.
    Runs in the caller's transaction, which holds the group's answers (members.locks).
    """
    cursor.execute(
        """
        INSERT INTO members_touchpoint AS t (brand_id, store_id, notice_id, profile_id, account_id,
            followed_at, unfollowed_at, scene, source, import_id)
        SELECT p.brand_id, p.store_id, p.notice_id, p.id, i.account_id, i.followed_at,
            i.unfollowed_at, COALESCE(i.latest[1], ''), COALESCE(i.latest[2], ''), %s::bigint
        FROM (
            SELECT profile_id, account_id, max(followed_at) AS followed_at,
                max(unfollowed_at) AS unfollowed_at,
                (array_agg(scene ORDER BY followed_at DESC, scene COLLATE "C" DESC,
                    source COLLATE "C" DESC) FILTER (WHERE followed_at IS NOT NULL))[1:1]
                || (array_agg(source ORDER BY followed_at DESC, scene COLLATE "C" DESC,
                    source COLLATE "C" DESC) FILTER (WHERE followed_at IS NOT NULL))[1:1] AS latest
            FROM incoming_touchpoint GROUP BY profile_id, account_id
        ) AS i JOIN members_profile p ON p.id = i.profile_id
        ORDER BY i.profile_id, i.account_id
        ON CONFLICT (profile_id, account_id) DO UPDATE SET
            followed_at = GREATEST(t.followed_at, excluded.followed_at),
            unfollowed_at = GREATEST(t.unfollowed_at, excluded.unfollowed_at),
            import_id = CASE WHEN excluded.import_id IS NULL THEN -abs(t.import_id)
                ELSE t.import_id END,
            (scene, source) = (SELECT x.scene, x.source FROM (VALUES
                (t.followed_at, t.scene, t.source),
                (excluded.followed_at, excluded.scene, excluded.source)
            ) AS x (at, scene, source)
            ORDER BY x.at DESC NULLS LAST, x.scene COLLATE "C" DESC, x.source COLLATE "C" DESC
            LIMIT 1)
        WHERE excluded.followed_at >= COALESCE(t.followed_at, excluded.followed_at)
            OR excluded.unfollowed_at > COALESCE(t.unfollowed_at, '-infinity')
            OR excluded.import_id IS NULL AND t.import_id > 0
        """,
        [import_id],
    )
    return cursor.rowcount
