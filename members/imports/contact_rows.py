"""Write what a chunk of members brings of identities and contact data, set by set."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.staging import stage_query

# What a row's contact data brings; a row that brings any says all of them.
_OF_CONTACT = ("phone", "unionid", "card", "email")
_NAMED = """
    UNION ALL SELECT profile_id, kind, space, key FROM named_identity WHERE key IS NOT NULL
"""
_NAMED_SPACE = """EXISTS (
    SELECT FROM named_identity n
    WHERE n.profile_id = l.profile_id AND n.kind = i.kind AND n.space = i.space
)"""


def write_identities(
    cursor: CursorWrapper,
    brand_id: int,
    *,
    card_space: str,
    has_known: bool = True,
    has_named: bool = False,
) -> None:
    """Write identities and links of the staged rows, and note what resolution must look at.

    That is not what is new and has one profile: it joins nobody.

    CARD_SPACE says where the brand's cards count. What came through an account of a platform
    stands in named_identity (members.imports.accounts): of its kind and space it is all that the
    profile carries, a null key for nothing.
    """
    cursor.execute(
        "INSERT INTO arriving_profile "
        "SELECT profile_id, person_id, %s FROM incoming_member WHERE is_new",
        [brand_id],
    )
    stage_query(
        cursor,
        "carried",
        f"""
        SELECT i.profile_id, k.kind::varchar AS kind, k.space::varchar AS space, k.key
        FROM incoming_member i
        CROSS JOIN LATERAL (VALUES ('phone', '', i.phone_key),
            ('unionid', i.unionid_space, i.unionid_key), ('card', %s, i.card_key),
            ('email', '', i.email_key)) AS k(kind, space, key)
        WHERE i.has_contact AND k.key IS NOT NULL {_NAMED if has_named else ""}
        """,  # noqa: S608 - a constant of the code
        [card_space],
    )
    # Each identity once, known or new. Numbers in the order of profiles, so that links are
    # written near one another.
    stage_query(
        cursor,
        "incoming_identity",
        """
        SELECT COALESCE(i.id, nextval(
                (SELECT pg_get_serial_sequence('members_identity', 'id'))::regclass
            )) AS identity_id, i.id IS NULL AS is_new, n.kind, n.space, n.key, n.holders
        FROM (
            SELECT kind, any_value(space) AS space, key, count(*) AS holders,
                min(profile_id) AS first_id
            FROM carried GROUP BY kind, key
        ) AS n
        LEFT JOIN members_identity i ON i.kind = n.kind AND i.key = n.key
        ORDER BY n.first_id
        """,
    )
    cursor.execute(
        "INSERT INTO members_identity (id, kind, space, key, is_hot) "
        "SELECT identity_id, kind, space, key, false FROM incoming_identity WHERE is_new"
    )
    if has_known:
        _change_links(cursor, has_named=has_named)
        return
    cursor.execute(
        "INSERT INTO members_identitylink (profile_id, identity_id) "
        "SELECT c.profile_id, i.identity_id FROM carried c JOIN incoming_identity i "
        "USING (kind, key) ORDER BY c.profile_id"
    )
    cursor.execute(
        "INSERT INTO touched_identity SELECT identity_id FROM incoming_identity "
        "WHERE NOT is_new OR holders > 1"
    )


def _change_links(cursor: CursorWrapper, *, has_named: bool) -> None:
    """Add the links that profiles have now and remove those that known ones have no more."""
    cursor.execute(
        f"""
        WITH carries AS MATERIALIZED (
            SELECT c.profile_id, i.identity_id
            FROM carried c JOIN incoming_identity i USING (kind, key)
        ), added AS (
            INSERT INTO members_identitylink (profile_id, identity_id)
            SELECT profile_id, identity_id FROM carries
            ON CONFLICT DO NOTHING
            RETURNING profile_id, identity_id
        ), removed AS (
            DELETE FROM members_identitylink l USING members_identity i, incoming_member m
            WHERE i.id = l.identity_id AND l.profile_id = m.profile_id AND NOT m.is_new
                AND (m.has_contact AND i.kind = ANY(%s)
                    {"OR " + _NAMED_SPACE if has_named else ""})
                AND NOT EXISTS (
                    SELECT FROM carries c
                    WHERE c.profile_id = l.profile_id AND c.identity_id = l.identity_id
                )
            RETURNING l.profile_id, l.identity_id
        ), both_ways AS (
            SELECT * FROM added UNION ALL SELECT * FROM removed
        ), profiles AS (
            INSERT INTO touched_profile SELECT DISTINCT profile_id FROM both_ways
        )
        INSERT INTO touched_identity
        SELECT identity_id FROM both_ways
        EXCEPT SELECT identity_id FROM incoming_identity WHERE is_new AND holders = 1
        """,  # noqa: S608 - constants of the code
        [list(_OF_CONTACT)],
    )


def write_contacts(cursor: CursorWrapper, key_version: int, *, has_known: bool = True) -> None:
    """Write contact data, sealed and masked, of the rows that bring some."""
    cursor.execute(
        f"""
        INSERT INTO members_contact (profile_id, brand_id, store_id, notice_id, sealed,
            key_version, fingerprint, phone_key, email_key, card_key, unionid_key,
            likeness, is_generated, minor_until)
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, i.sealed, %s, i.fingerprint,
            i.phone_key, i.email_key, i.card_key, i.unionid_key, i.likeness, i.is_generated,
            i.minor_until
        FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
        WHERE i.has_contact
        {_OVER_CONTACT if has_known else ""}
        """,  # noqa: S608 - a constant of the code
        [key_version],
    )
    cursor.execute(
        f"""
        INSERT INTO members_maskedcontact (profile_id, brand_id, store_id, notice_id, name,
            phone, email)
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, i.name, i.phone, i.email
        FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
        WHERE i.has_contact
        {_OVER_MASKED if has_known else ""}
        """  # noqa: S608 - a constant of the code
    )
    if has_known:
        cursor.execute(
            "INSERT INTO changed_profile "
            "SELECT profile_id FROM incoming_member WHERE has_contact AND NOT is_new"
        )


_OVER_CONTACT = """
    ON CONFLICT (profile_id) DO UPDATE SET sealed = excluded.sealed,
        key_version = excluded.key_version, fingerprint = excluded.fingerprint,
        phone_key = excluded.phone_key, email_key = excluded.email_key,
        card_key = excluded.card_key, unionid_key = excluded.unionid_key,
        likeness = excluded.likeness, is_generated = excluded.is_generated,
        minor_until = COALESCE(excluded.minor_until, members_contact.minor_until)
"""
_OVER_MASKED = """
    ON CONFLICT (profile_id) DO UPDATE SET name = excluded.name, phone = excluded.phone,
        email = excluded.email
"""
