"""Take members back: restore those that an import changed, remove those that it created."""

from __future__ import annotations

from typing import Any

from django.db.backends.utils import CursorWrapper

from brands.services import answers_bump
from members import contacts, identity
from members.exports.tasks import sweep_enqueue
from members.identity.keyed import Keyed
from members.identity.open_persons import keep_open_persons
from members.imports import images
from members.imports.contact_rows import write_contacts, write_identities
from members.imports.undo_steps import Undone, find_reasons, kept_by_reason
from members.keys import group_keys
from members.models import IdentityKind, ImportJob, Profile
from members.notices import COPIES, refresh_notices, refresh_objections
from members.staging import stage, stage_query
from members.stratify import stratify_persons
from tenants.models import Tenant

# What belongs to a member alone, and is removed with it.
_GOES_ALONG = frozenset(
    {
        "members.Contact",
        "members.MaskedContact",
        "members.PlatformKey",
        "members.IdentityLink",
        "members.PersonMerge",
        # A suggestion that names nobody any more is dropped by whoever makes them.
        "members.PersonSuggestion",
    }
)
_TABLES = (
    "members_contact",
    "members_maskedcontact",
    "members_platformkey",
    "members_identitylink",
    "members_personmerge",
    "members_pendingtotal",
    "members_pendingstratum",
    "members_importchange",
)
_REASONS = {
    "members.Order": "orders",
    "members.Consent": "answers",
    "members.ConsentEntry": "answers",
    "members.GroupConsentEntry": "answers",
    "members.Objection": "answers",
    "members.PersonDecisionSide": "decisions",
    "members.PersonEntry": "decisions",
    "members.GroupPersonEntry": "decisions",
}
_NAMES = ", ".join(images.PROFILE_FIELDS)


def _fields(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in images.PROFILE_FIELDS)


def restore(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Restore the next members that are as the import left them; None: there are no more.

    A member is one: where its data or its contact changed since, all of it stays.
    """
    looked_at = stage_query(
        cursor,
        "taken",
        f"""
        SELECT t.row_id AS profile_id, t.before, k.id IS NOT NULL AS has_contact,
            k.before AS contact_before, k.sealed,
            p.id IS NOT NULL AND ({_fields("p")}) IS NOT DISTINCT FROM ({_fields("a")})
                AND (k.id IS NULL OR encode(c.fingerprint, 'hex') = k.after->>'fingerprint')
                AS is_as_left
        FROM members_importchange t
        CROSS JOIN LATERAL jsonb_to_record(t.after) AS a({images.record(images.PROFILE_FIELDS)})
        LEFT JOIN members_importchange k
            ON k.import_id = t.import_id AND k.what = 'contact' AND k.row_id = t.row_id
        LEFT JOIN members_profile p ON p.id = t.row_id
        LEFT JOIN members_contact c ON c.profile_id = t.row_id
        WHERE t.import_id = %s AND t.what = 'profile' AND t.row_id > %s
        ORDER BY t.row_id LIMIT %s
        """,  # noqa: S608 - constants of the code
        [job.pk, after, rows],
    )
    if not looked_at:
        return None
    restored = stage_query(
        cursor,
        "restoring",
        f"""
        SELECT p.id AS profile_id, p.store_id AS old_store_id, b.*
        FROM taken t JOIN members_profile p ON p.id = t.profile_id
        CROSS JOIN LATERAL jsonb_to_record(t.before) AS b(is_member boolean,
            updated_at timestamptz, {images.record(images.PROFILE_FIELDS)})
        WHERE t.is_as_left
        """,  # noqa: S608 - constants of the code
    )
    cursor.execute("SELECT max(profile_id) FROM taken")
    done = Undone(cursor.fetchone()[0], looked_at, restored=restored)
    cursor.execute(
        "SELECT array_agg(t.profile_id ORDER BY t.profile_id) FROM taken t "
        "JOIN members_profile p ON p.id = t.profile_id WHERE NOT t.is_as_left"
    )
    if changed := cursor.fetchone()[0]:
        done.kept["changed"] = changed
    if restored:
        _restore_profiles(cursor)
        identity.begin_touching(cursor)
        _restore_contacts(cursor, job.brand_id)
        _settle(
            cursor,
            "SELECT person_id FROM members_profile p JOIN restoring r ON r.profile_id = p.id",
        )
        cursor.execute(
            "DELETE FROM members_importchange i USING restoring r "
            "WHERE i.import_id = %s AND i.row_id = r.profile_id AND i.what IN ('profile', "
            "'contact')",
            [job.pk],
        )
    return done


def _restore_profiles(cursor: CursorWrapper) -> None:
    sets = ", ".join(f"{name} = r.{name}" for name in images.PROFILE_FIELDS)
    cursor.execute(
        f"""
        UPDATE members_profile p SET {sets}, is_member = r.is_member, updated_at = r.updated_at
        FROM restoring r WHERE p.id = r.profile_id
        """  # noqa: S608 - constants of the code
    )
    for table in COPIES:
        cursor.execute(
            f"""
            UPDATE {table} x SET store_id = r.store_id FROM restoring r
            WHERE x.profile_id = r.profile_id AND r.store_id IS DISTINCT FROM r.old_store_id
            """  # noqa: S608 - a table name of the code
        )


def _restore_contacts(cursor: CursorWrapper, brand_id: int) -> None:
    """Write contacts as they were, and resolve the persons that they join or part."""
    keys = group_keys()
    keyed = Keyed(keys)
    cursor.execute(
        "SELECT t.profile_id, t.sealed, (t.contact_before->>'is_generated')::boolean, "
        "(t.contact_before->>'minor_until')::date "
        "FROM taken t JOIN restoring r USING (profile_id) WHERE t.has_contact"
    )
    found = []
    for profile_id, sealed, is_generated, minor_until in cursor.fetchall():
        row: dict[str, Any] = {"profile_id": profile_id, "minor_until": minor_until}
        if sealed is not None:
            text = contacts.open_text(keys, bytes(sealed))
            fields = contacts.fields_of(text)
            generated = "t" if is_generated else "f"
            row |= {
                "name": contacts.mask_name(fields.get("name", "")),
                "phone": contacts.mask_phone(fields["phone"]) if "phone" in fields else "",
                "email": contacts.mask_email(fields.get("email", ""))[:120],
                "fingerprint": contacts.fingerprint(keys, generated + text),
                "sealed": contacts.seal_text(keys, text),
                "is_generated": bool(is_generated),
            }
            row |= keyed.columns(fields, brand_id)
            row["unionid_space"] = keyed.space(
                IdentityKind.UNIONID, brand_id, fields.get("account", "")
            )
        found.append(row)
    stage(cursor, "incoming_member", ", ".join(f"{name} {kind}" for name, kind in _STAGED.items()))
    stage(cursor, "changed_profile", "profile_id bigint NOT NULL")
    if found:
        cursor.executemany(
            f"INSERT INTO incoming_member ({', '.join(_GIVEN)}, is_new, has_contact) "  # noqa: S608
            f"VALUES ({', '.join(['%s'] * len(_GIVEN))}, false, true)",
            [[row.get(name) for name in _GIVEN] for row in found],
        )
        write_identities(cursor, brand_id, card_space=keyed.space(IdentityKind.CARD, brand_id))
    identity.resolve()
    if not found:
        return
    # Who had no contact before has none again.
    for table in ("members_contact", "members_maskedcontact"):
        cursor.execute(
            f"DELETE FROM {table} x USING incoming_member i "  # noqa: S608 - a name of the code
            "WHERE x.profile_id = i.profile_id AND i.sealed IS NULL"
        )
    cursor.execute("DELETE FROM incoming_member WHERE sealed IS NULL")
    write_contacts(cursor, keys.version)
    cursor.execute(
        "UPDATE members_contact c SET minor_until = i.minor_until FROM incoming_member i "
        "WHERE c.profile_id = i.profile_id AND c.minor_until IS DISTINCT FROM i.minor_until"
    )


# Of what the writers of identities and contacts read in their stage, the columns used here.
_STAGED = {
    "profile_id": "bigint",
    "person_id": "bigint",
    "is_new": "boolean",
    "has_contact": "boolean",
    "name": "varchar",
    "phone": "varchar",
    "email": "varchar",
    "fingerprint": "bytea",
    "sealed": "bytea",
    "phone_key": "bytea",
    "unionid_key": "bytea",
    "card_key": "bytea",
    "email_key": "bytea",
    "unionid_space": "varchar",
    "likeness": "bytea",
    "is_generated": "boolean",
    "minor_until": "date",
}
_GIVEN = tuple(name for name in _STAGED if name not in {"person_id", "is_new", "has_contact"})


def remove(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Remove the next members that the import created and nothing happened to; None: no more."""
    looked_at = stage_query(
        cursor,
        "created",
        """
        SELECT p.id, p.person_id, CASE WHEN p.updated_at > %s OR EXISTS (
            SELECT FROM members_importchange c WHERE c.profile_id = p.id AND c.import_id <> %s
                AND c.what IN ('profile', 'contact')
        ) THEN 'changed' ELSE '' END AS reason
        FROM members_profile p
        WHERE p.brand_id = %s AND p.import_id = %s AND p.id > %s AND p.id <= %s
        ORDER BY p.id LIMIT %s
        """,
        [
            job.finished_at,
            job.pk,
            job.brand_id,
            job.pk,
            max(after, job.ids_after or 0),
            job.ids_to or 0,
            rows,
        ],
    )
    if not looked_at:
        return None
    find_reasons(cursor, Profile, goes_along=_GOES_ALONG, reasons=_REASONS)
    cursor.execute("SELECT max(id), count(*) FILTER (WHERE reason = '') FROM created")
    last, removed = cursor.fetchone()
    done = Undone(last, looked_at, removed=removed, kept=kept_by_reason(cursor))
    if removed:
        _remove_created(cursor)
    return done


def _remove_created(cursor: CursorWrapper) -> None:
    cursor.execute("DELETE FROM created WHERE reason <> ''")
    identity.begin_touching(cursor)
    cursor.execute(
        "INSERT INTO touched_identity SELECT DISTINCT l.identity_id "
        "FROM members_identitylink l JOIN created c ON c.id = l.profile_id"
    )
    for table in _TABLES:
        cursor.execute(
            f"DELETE FROM {table} x USING created c WHERE x.profile_id = c.id"  # noqa: S608
        )
    cursor.execute("DELETE FROM members_profile p USING created c WHERE p.id = c.id")
    # Whom the removed ones joined may fall apart.
    cursor.execute(
        "INSERT INTO touched_profile SELECT p.id FROM members_profile p "
        "WHERE p.person_id IN (SELECT person_id FROM created)"
    )
    cursor.execute(
        """
        DELETE FROM members_identity i USING touched_identity t
        WHERE i.id = t.identity_id
            AND NOT EXISTS (SELECT FROM members_identitylink l WHERE l.identity_id = i.id)
        """
    )
    identity.resolve()
    _settle(cursor, "SELECT person_id FROM created")
    cursor.execute(
        """
        DELETE FROM members_person q USING created c WHERE q.id = c.person_id
            AND NOT EXISTS (SELECT FROM members_profile p WHERE p.person_id = q.id)
        """
    )


def _settle(cursor: CursorWrapper, persons: str) -> None:
    """Bring notices, objections and strata of everybody concerned up to date."""
    cursor.execute(f"INSERT INTO affected_person {persons}")
    if refresh_notices("affected_person"):
        answers_bump()
        sweep_enqueue()
    refresh_objections("affected_person")
    stratify_persons(cursor, "affected_person")
    keep_open_persons("affected_person")
