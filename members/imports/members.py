"""Write a chunk of members: profiles, contacts, identities, persons, consents and notices."""

from __future__ import annotations

import datetime as dt
import hmac
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from secrets import randbelow
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Notice, Store
from members import contacts, identity, locks
from members.contacts import identity_key
from members.imports import cells
from members.imports.columns import Columns, Counts, read_columns
from members.imports.files import BadRow, Chunk
from members.keys import GroupKeys, group_keys
from members.models import Identity, ImportJob, Profile
from members.notices import refresh_notices
from members.staging import copy_into, stage, stage_query
from tenants.models import Tenant

_CONTACT = ("name", "phone", "email", "unionid", "card_no", "birthday")
_IDENTITIES = (
    ("phone", Identity.Kind.PHONE),
    ("unionid", Identity.Kind.UNIONID),
    ("card_no", Identity.Kind.CARD),
    ("email", Identity.Kind.EMAIL),
)
_WITHDRAWN = "withdrawn"
# Numbers left out before a chunk's: so many that the rows of other brands are lost among them.
_LONGEST_GAP = 1_000_000
_GENDERS = {
    **dict.fromkeys(
        ("f", "female", "woman", "女", "女士", "女性", "2"), Profile.Gender.FEMALE.value
    ),
    **dict.fromkeys(("m", "male", "man", "男", "男士", "男性", "1"), Profile.Gender.MALE.value),
    **dict.fromkeys(("", "0", "u", "unknown", "other", "未知", "保密", "其他", "-"), ""),
}
_YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "1", "是"), "t"),
    **dict.fromkeys(("", "no", "n", "false", "0", "否"), "f"),
}
_COLUMNS = (
    "line bigint, profile_id bigint, person_id bigint, is_new boolean, member_no varchar, "
    "gender varchar, store_id bigint, registered_on date, has_contact boolean, name varchar, "
    "phone varchar, email varchar, fingerprint bytea, sealed bytea, phone_key bytea, "
    "unionid_key bytea, card_key bytea, email_key bytea, is_generated boolean, "
    "answered_notice_id bigint, is_given boolean, answered_at timestamptz"
)


# The contact columns of a row that says what the database holds already.
_SAME_CONTACT = "\t".join(("f", *(cells.NULL,) * 10))


@dataclass(frozen=True)
class Known:
    """Be what the database knows of a member in the chunk."""

    profile_id: int
    fingerprint: bytes | None
    sealed: bytes | None
    is_generated: bool


class MemberChunks:
    """Import members of one brand, chunk by chunk."""

    tables = (
        "members_profile",
        "members_contact",
        "members_identity",
        "members_identitylink",
        "members_consent",
    )

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        self.brand_id = job.brand_id
        self.zone = ZoneInfo(tenant.time_zone)
        self.keys = group_keys()
        self.key_version = self.keys.version
        now = timezone.now()
        today = now.astimezone(self.zone).date()
        stores = dict(Store.objects.filter(brand=job.brand_id).values_list("code", "pk"))
        # What a notice says may still be changed until it is in force: nobody has answered it yet.
        notices = Notice.objects.filter(effective_from__lte=now).order_by("effective_from", "pk")
        self.notices = {notice.version: str(notice.pk) for notice in notices}
        self.last_notice = list(self.notices.values())[-1] if self.notices else cells.NULL
        self.columns = {
            "store_id" if name == "store_code" else name: place for name, place in columns.items()
        }
        self.headings = {**job.mapping, "store_id": job.mapping.get("store_code", "")}
        read = cells.Reader
        self.readers = {
            "member_no": read(cells.read_code(longest=64)),
            "name": read(cells.read_plain(longest=80)),
            "phone": read(_read_phone),
            "email": read(_read_email),
            "unionid": read(_read_identifier),
            "card_no": read(_read_identifier),
            "birthday": read(cells.read_day(self.zone, latest=today)),
            "gender": read(
                cells.read_choice(_GENDERS, _("“%(cell)s” is no gender that is known here."))
            ),
            "store_id": read(cells.read_store(stores)),
            "registered_on": read(cells.read_day(self.zone, latest=today)),
            "consent": read(self._read_consent),
            "consented_on": read(self._read_consented_on(now)),
            "generated": read(cells.read_choice(_YES_NO, _("“%(cell)s” is neither yes nor no."))),
        }
        nulls = ("birthday", "store_id", "registered_on", "consented_on")
        self.defaults = {
            **dict.fromkeys(self.readers, ""),
            **dict.fromkeys(nulls, cells.NULL),
            "generated": "f",
        }
        # Contact fields without a column keep what they hold.
        self.keeps_contact = not set(_CONTACT) <= set(self.columns)

    def _read_consent(self, cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).strip()
        if not text or text in self.notices:
            return self.notices.get(text, "")
        if text.lower() in {"withdrawn", "no", "撤回", "否", "不同意"}:
            return _WITHDRAWN
        return cells.Problem(
            _("There is no notice “%(version)s”; the group has %(versions)s.")
            % {
                "version": cells.shortened(text),
                "versions": ", ".join(self.notices) or _("none"),
            }
        )

    def _read_consented_on(self, now: dt.datetime) -> Callable[[str], str]:
        read = cells.read_instant(self.zone, latest=now)
        return lambda cell: read(cell) if cell.strip() else cells.NULL

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "members")
        locks.hold_answers()
        locks.hold_rollups(is_shared=True)
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        self._date_consents(read)
        counts = Counts(repeated=read.keep_last("member_no"))
        if not len(read):
            return counts, read.bad
        with connection.cursor() as cursor:
            new, has_contacts = self._stage(cursor, read)
            identity.begin_touching(cursor)
            if new or has_contacts:
                self._write_identities(cursor)
            identity.resolve()
            self._stage_answers(cursor)
            self._write_profiles(cursor, new)
            self._write_consents(cursor)
            refresh_notices("affected_person")
            if has_contacts:
                self._write_contacts(cursor)
            cursor.execute("SELECT count(DISTINCT profile_id) FROM changed_profile")
            counts.updated = cursor.fetchone()[0]
        counts.created = new
        counts.unchanged = len(read) - counts.created - counts.updated
        return counts, read.bad

    def _date_consents(self, read: Columns) -> None:
        """Date an answer without a day by the registration; set rows aside that have neither."""
        reasons = {}
        for place, answer in enumerate(read["consent"]):
            if answer and read["consented_on"][place] == cells.NULL:
                day = read["registered_on"][place]
                if day == cells.NULL or answer == _WITHDRAWN:
                    reasons[place] = [
                        ("consent", _("The row does not say when this was answered."))
                    ]
                else:
                    instant = cells.parse_instant(day, self.zone)
                    read.values["consented_on"][place] = instant.isoformat()
        read.reject(reasons)

    def _known(self, cursor: CursorWrapper, numbers: list[str]) -> dict[str, Known]:
        cursor.execute(
            """
            SELECT p.member_no, p.id, c.fingerprint, CASE WHEN %s THEN c.sealed END, c.is_generated
            FROM members_profile p LEFT JOIN members_contact c ON c.profile_id = p.id
            WHERE p.brand_id = %s AND p.member_no = ANY(%s)
            """,
            [self.keeps_contact, self.brand_id, numbers],
        )
        return {
            number: Known(pk, fingerprint and bytes(fingerprint), sealed and bytes(sealed), bool(g))
            for number, pk, fingerprint, sealed, g in cursor.fetchall()
        }

    def _stage(self, cursor: CursorWrapper, read: Columns) -> tuple[int, bool]:
        """Write the rows into incoming_member.

        Return how many of them are new, and whether any brings contact data to write.
        """
        numbers = read["member_no"]
        known = self._known(cursor, numbers)
        new = len(numbers) - len(known)
        if new:
            # Members' numbers of record stand in addresses, where a brand would count by them what
            # its siblings bring in. Nobody else draws any while the group's answers are held.
            cursor.execute(
                "SELECT setval(s, nextval(s) + %s) "
                "FROM (SELECT pg_get_serial_sequence('members_profile', 'id')::regclass) AS of(s)",
                [randbelow(_LONGEST_GAP)],
            )
        cursor.execute(
            """
            SELECT nextval((SELECT pg_get_serial_sequence('members_profile', 'id'))::regclass),
                nextval((SELECT pg_get_serial_sequence('members_person', 'id'))::regclass)
            FROM generate_series(1, %s)
            """,
            [new],
        )
        ids = iter(cursor.fetchall())
        names = ("gender", "store_id", "registered_on", "consent", "consented_on", "generated")
        contact_columns = zip(*(read[name] for name in _CONTACT), strict=True)
        rows = []
        has_contacts = False
        for line, number, contact, values in zip(
            read.lines,
            numbers,
            contact_columns,
            zip(*(read[n] for n in names), strict=True),
            strict=True,
        ):
            gender, store, registered, consent, consented, generated = values
            before = known.get(number)
            profile, person = (before.profile_id, cells.NULL) if before else next(ids)
            is_given = "f" if consent == _WITHDRAWN else "t"
            notice = self.last_notice if consent == _WITHDRAWN else consent
            sealed = self._contact(contact, generated, before)
            has_contacts = has_contacts or sealed is not _SAME_CONTACT
            rows.append(
                f"{line}\t{profile}\t{person}\t{'f' if before else 't'}\t{number}\t{gender}\t"
                f"{store}\t{registered}\t{sealed}\t"
                f"{notice or cells.NULL}\t{is_given if notice else cells.NULL}\t"
                f"{consented if notice else cells.NULL}\n"
            )
        stage(cursor, "incoming_member", _COLUMNS)
        columns = ", ".join(column.split()[0] for column in _COLUMNS.split(","))
        copy_into(cursor, "incoming_member", columns, "".join(rows), joined_by="profile_id, is_new")
        stage(cursor, "changed_profile", "profile_id bigint NOT NULL")
        return new, has_contacts

    def _contact(self, texts: tuple[str, ...], generated: str, before: Known | None) -> str:
        """Return a row's contact columns; all empty where the database holds the same already."""
        fields = {
            name: text
            for name, text in zip(_CONTACT, texts, strict=True)
            if text and text != cells.NULL
        }
        if before and self.keeps_contact:
            if before.sealed:
                kept = contacts.open_sealed(self.keys, before.sealed)
                fields = {
                    name: found
                    for name in _CONTACT
                    if (found := (fields if name in self.columns else kept).get(name))
                }
            if "generated" not in self.columns:
                generated = "t" if before.is_generated else "f"
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        fingerprint = _fingerprint(self.keys, generated + text)
        if before and before.fingerprint == fingerprint:
            return _SAME_CONTACT
        keys = [
            _bytes(identity_key(self.keys, kind, fields[name])) if name in fields else cells.NULL
            for name, kind in _IDENTITIES
        ]
        return "\t".join(
            (
                "t",
                cells.escape(contacts.mask_name(fields.get("name", ""))),
                cells.escape(contacts.mask_phone(fields["phone"]) if "phone" in fields else ""),
                cells.escape(contacts.mask_email(fields.get("email", ""))[:120]),
                _bytes(fingerprint),
                _bytes(contacts.seal_text(self.keys, text)),
                *keys,
                generated,
            )
        )

    def _stage_answers(self, cursor: CursorWrapper) -> None:
        """Stage the rows' answers with their persons, and the notice that each person then has."""
        stage_query(
            cursor,
            "answer",
            """
            SELECT i.profile_id, COALESCE(a.person_id, p.person_id) AS person_id,
                i.answered_notice_id, i.is_given, i.answered_at
            FROM incoming_member i
            LEFT JOIN arriving_profile a ON a.profile_id = i.profile_id
            LEFT JOIN members_profile p ON p.id = i.profile_id
            WHERE i.answered_notice_id IS NOT NULL
            """,
        )
        cursor.execute("INSERT INTO affected_person SELECT DISTINCT person_id FROM answer")
        stage_query(
            cursor,
            "current_notice",
            """
            SELECT person_id, CASE WHEN is_given THEN answered_notice_id END AS notice_id FROM (
                SELECT DISTINCT ON (person_id) person_id, is_given, answered_notice_id FROM (
                    SELECT person_id, is_given, answered_notice_id, answered_at FROM answer
                    UNION ALL
                    SELECT c.person_id, c.is_given, c.answered_notice_id, c.answered_at
                    FROM members_consent c
                    WHERE c.person_id IN (SELECT person_id FROM affected_person)
                ) AS every_answer
                ORDER BY person_id, answered_at DESC, is_given, answered_notice_id DESC
            ) AS latest
            """,
        )

    def _write_profiles(self, cursor: CursorWrapper, new: int) -> None:
        """Insert new profiles, their persons and notices known, and change those that differ."""
        if new:
            cursor.execute(
                """
                INSERT INTO members_profile (id, brand_id, store_id, notice_id, person_id,
                    member_no, is_member, gender, registered_on, orders, sales, created_at,
                    updated_at)
                SELECT i.profile_id, %s, i.store_id, n.notice_id, a.person_id, i.member_no, true,
                    i.gender, i.registered_on, 0, 0, now(), now()
                FROM incoming_member i
                JOIN arriving_profile a ON a.profile_id = i.profile_id
                LEFT JOIN current_notice n ON n.person_id = a.person_id
                """,
                [self.brand_id],
            )
        has = {name: name in self.columns for name in ("gender", "store_id", "registered_on")}
        changing = stage_query(
            cursor,
            "changing",
            """
            SELECT * FROM (
                SELECT p.id AS profile_id, p.store_id AS old_store_id,
                    CASE WHEN %(gender)s THEN i.gender ELSE p.gender END AS gender,
                    CASE WHEN %(store_id)s THEN i.store_id ELSE p.store_id END AS store_id,
                    CASE WHEN %(registered_on)s THEN i.registered_on ELSE p.registered_on END
                        AS registered_on,
                    p.gender AS old_gender, p.registered_on AS old_registered_on, p.is_member
                FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
                WHERE NOT i.is_new
            ) AS both_sides
            WHERE (gender, store_id, registered_on)
                IS DISTINCT FROM (old_gender, old_store_id, old_registered_on) OR NOT is_member
            """,
            has,
        )
        if not changing:
            return
        cursor.execute(
            """
            UPDATE members_profile p SET gender = c.gender, store_id = c.store_id,
                registered_on = c.registered_on, is_member = true, updated_at = now()
            FROM changing c WHERE p.id = c.profile_id
            """
        )
        cursor.execute("INSERT INTO changed_profile SELECT profile_id FROM changing")
        for table in ("members_contact", "members_maskedcontact", "members_consent"):
            cursor.execute(
                f"""
                UPDATE {table} x SET store_id = c.store_id FROM changing c
                WHERE x.profile_id = c.profile_id AND c.store_id IS DISTINCT FROM c.old_store_id
                """  # noqa: S608 - a table name of the code
            )

    def _write_identities(self, cursor: CursorWrapper) -> None:
        """Write identities and links, and note what resolution must look at."""
        cursor.execute(
            "INSERT INTO arriving_profile "
            "SELECT profile_id, person_id FROM incoming_member WHERE is_new"
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
        cursor.execute(
            """
            INSERT INTO members_identity (kind, key, person_id, is_hot)
            SELECT DISTINCT ON (n.kind, n.key) n.kind, n.key,
                COALESCE(n.person_id, p.person_id), false
            FROM incoming_identity n LEFT JOIN members_profile p ON p.id = n.profile_id
            WHERE NOT EXISTS (
                SELECT 1 FROM members_identity i WHERE i.kind = n.kind AND i.key = n.key
            )
            ORDER BY n.kind, n.key, n.profile_id
            """
        )
        cursor.execute(
            """
            WITH added AS (
                INSERT INTO members_identitylink (profile_id, identity_id)
                SELECT n.profile_id, i.id FROM incoming_identity n
                JOIN members_identity i ON i.kind = n.kind AND i.key = n.key
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
                SELECT * FROM added UNION ALL SELECT * FROM removed
            ), profiles AS (
                INSERT INTO touched_profile SELECT DISTINCT profile_id FROM both_ways
            )
            INSERT INTO touched_identity SELECT DISTINCT identity_id FROM both_ways
            """
        )

    def _write_consents(self, cursor: CursorWrapper) -> None:
        """Append the answers that are new."""
        cursor.execute(
            """
            WITH added AS (
                INSERT INTO members_consent (brand_id, store_id, notice_id, person_id, profile_id,
                    answered_notice_id, is_given, answered_at, channel, evidence, created_at)
                SELECT p.brand_id, p.store_id, p.notice_id, p.person_id, p.id,
                    a.answered_notice_id, a.is_given, a.answered_at, 'import', '', now()
                FROM answer a JOIN members_profile p ON p.id = a.profile_id
                ON CONFLICT DO NOTHING
                RETURNING profile_id
            )
            INSERT INTO changed_profile SELECT a.profile_id FROM added a
            JOIN incoming_member i USING (profile_id) WHERE NOT i.is_new
            """
        )

    def _write_contacts(self, cursor: CursorWrapper) -> None:
        cursor.execute(
            """
            INSERT INTO members_contact (profile_id, brand_id, store_id, notice_id, sealed,
                key_version, fingerprint, phone_key, email_key, card_key, unionid_key, is_generated)
            SELECT p.id, p.brand_id, p.store_id, p.notice_id, i.sealed, %s, i.fingerprint,
                i.phone_key, i.email_key, i.card_key, i.unionid_key, i.is_generated
            FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
            WHERE i.has_contact
            ON CONFLICT (profile_id) DO UPDATE SET sealed = excluded.sealed,
                key_version = excluded.key_version, fingerprint = excluded.fingerprint,
                phone_key = excluded.phone_key, email_key = excluded.email_key,
                card_key = excluded.card_key, unionid_key = excluded.unionid_key,
                is_generated = excluded.is_generated
            """,
            [self.key_version],
        )
        cursor.execute(
            """
            INSERT INTO members_maskedcontact (profile_id, brand_id, store_id, notice_id, name,
                phone, email)
            SELECT p.id, p.brand_id, p.store_id, p.notice_id, i.name, i.phone, i.email
            FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
            WHERE i.has_contact
            ON CONFLICT (profile_id) DO UPDATE SET name = excluded.name, phone = excluded.phone,
                email = excluded.email
            """
        )
        cursor.execute(
            "INSERT INTO changed_profile "
            "SELECT profile_id FROM incoming_member WHERE has_contact AND NOT is_new"
        )


def _fingerprint(keys: GroupKeys, text: str) -> bytes:
    return hmac.digest(keys.index, f"contact:{text}".encode(), "sha256")[:16]


def _bytes(value: bytes) -> str:
    return f"\\\\x{value.hex()}"


def _read_phone(cell: str) -> str:
    if not cell.strip():
        return ""
    try:
        return contacts.normalise_phone(cell)
    except ValueError:
        return cells.Problem(
            _("“%(cell)s” is not a phone number.") % {"cell": cells.shortened(cell.strip())}
        )


def _read_email(cell: str) -> str:
    if not cell.strip():
        return ""
    try:
        return contacts.normalise_email(cell)
    except ValueError:
        return cells.Problem(
            _("“%(cell)s” is not an e-mail address.") % {"cell": cells.shortened(cell.strip())}
        )


def _read_identifier(cell: str) -> str:
    code = contacts.normalise_code(cell)
    if len(code) > 64 or not code.isprintable():
        return cells.Problem(_("The text is too long or holds characters that no number has."))
    return code
