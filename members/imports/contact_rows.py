"""Write what a chunk of members brings of identities and contact data, set by set."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members import identity
from members.staging import stage_query


def write_identities(cursor: CursorWrapper, brand_id: int, *, has_known: bool = True) -> None:
    """Write identities and links, and note what resolution must look at."""
    cursor.execute(
        "INSERT INTO arriving_profile "
        "SELECT profile_id, person_id, %s FROM incoming_member WHERE is_new",
        [brand_id],
    )
    stage_query(
        cursor,
        "incoming_identity",
        """
        SELECT i.profile_id, i.person_id, k.kind::varchar AS kind, k.key
        FROM incoming_member i
        CROSS JOIN LATERAL (VALUES ('phone', i.phone_key), ('unionid', i.unionid_key),
            ('card', i.card_key), ('email', i.email_key)) AS k(kind, key)
        WHERE i.has_contact AND k.key IS NOT NULL
        """,
    )
    # Known ones with the person they point to; the others get their numbers here.
    stage_query(
        cursor,
        "arriving_identity",
        """
        SELECT COALESCE(i.id, nextval(
                (SELECT pg_get_serial_sequence('members_identity', 'id'))::regclass
            )) AS identity_id, n.kind, n.key, n.person_id,
            i.person_id AS known_person_id, COALESCE(i.is_hot, false) AS is_hot
        FROM (
            SELECT kind, key, min(person_id) AS person_id FROM incoming_identity GROUP BY kind, key
        ) AS n
        LEFT JOIN members_identity i ON i.kind = n.kind AND i.key = n.key
        """,
    )
    stage_query(
        cursor,
        "arriving_link",
        """
        SELECT n.profile_id, n.person_id, i.identity_id
        FROM incoming_identity n JOIN arriving_identity i USING (kind, key)
        """,
    )
    identity.join_arriving(cursor)
    cursor.execute(
        """
        INSERT INTO members_identity (id, kind, key, person_id, is_hot)
        SELECT n.identity_id, n.kind, n.key, COALESCE(l.label, n.person_id, (
            SELECT p.person_id FROM arriving_link a JOIN members_profile p ON p.id = a.profile_id
            WHERE a.identity_id = n.identity_id LIMIT 1
        )), false
        FROM arriving_identity n LEFT JOIN person_label l USING (person_id)
        WHERE n.known_person_id IS NULL
        """
    )
    if not has_known:
        cursor.execute(
            "INSERT INTO members_identitylink (profile_id, identity_id) "
            "SELECT profile_id, identity_id FROM arriving_link"
        )
        return
    cursor.execute(
        """
        WITH added AS (
            INSERT INTO members_identitylink (profile_id, identity_id)
            SELECT profile_id, identity_id FROM arriving_link
            ON CONFLICT DO NOTHING
            RETURNING profile_id, identity_id
        ), removed AS (
            DELETE FROM members_identitylink l USING members_identity i, incoming_member m
            WHERE i.id = l.identity_id AND l.profile_id = m.profile_id
                AND m.has_contact AND NOT m.is_new
                AND NOT EXISTS (
                    SELECT 1 FROM incoming_identity n
                    WHERE n.profile_id = l.profile_id AND n.kind = i.kind AND n.key = i.key
                )
            RETURNING l.profile_id, l.identity_id
        ), both_ways AS (
            SELECT a.* FROM added a JOIN members_profile p ON p.id = a.profile_id
            UNION ALL SELECT * FROM removed
        ), profiles AS (
            INSERT INTO touched_profile SELECT DISTINCT profile_id FROM both_ways
        )
        INSERT INTO touched_identity SELECT DISTINCT identity_id FROM both_ways
        """
    )


def write_contacts(cursor: CursorWrapper, key_version: int, *, has_known: bool = True) -> None:
    """Write contact data, sealed and masked, of the rows that bring some."""
    cursor.execute(
        f"""
        INSERT INTO members_contact (profile_id, brand_id, store_id, notice_id, sealed,
            key_version, fingerprint, phone_key, email_key, card_key, unionid_key,
            is_generated, minor_until)
        SELECT p.id, p.brand_id, p.store_id, p.notice_id, i.sealed, %s, i.fingerprint,
            i.phone_key, i.email_key, i.card_key, i.unionid_key, i.is_generated, i.minor_until
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
        is_generated = excluded.is_generated,
        minor_until = COALESCE(excluded.minor_until, members_contact.minor_until)
"""
_OVER_MASKED = """
    ON CONFLICT (profile_id) DO UPDATE SET name = excluded.name, phone = excluded.phone,
        email = excluded.email
"""
