"""Write a chunk of members: profiles, contacts, identities, persons, consents and notices."""

from __future__ import annotations

import datetime as dt
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

from brands.models import Store
from brands.services import answers_bump
from members import contacts, identity, locks
from members.consents.ledger import fourteenth_birthday
from members.contacts import identity_key
from members.exports.tasks import sweep_enqueue
from members.imports import cells, images, rules
from members.imports.answers import (
    WITHDRAWN_WORDS,
    answerable_notices,
    stage_answers,
    under_age,
    unknown_notice,
    write_consents,
)
from members.imports.columns import Columns, Counts, read_columns
from members.imports.contact_rows import write_contacts, write_identities
from members.imports.files import BadRow, Chunk
from members.imports.member_cells import GENDERS, YES_NO, read_email, read_identifier, read_phone
from members.keys import group_keys
from members.models import Identity, ImportJob
from members.notices import COPIES, apply_notices, refresh_objections
from members.staging import copy_into, stage, stage_query
from members.stratify import stratify_persons
from tenants.models import Tenant

_CONTACT = ("name", "phone", "email", "unionid", "card_no", "birthday")
_IDENTITIES = (
    ("phone", Identity.Kind.PHONE),
    ("unionid", Identity.Kind.UNIONID),
    ("card_no", Identity.Kind.CARD),
    ("email", Identity.Kind.EMAIL),
)
_WITHDRAWN = "withdrawn"
_NO_ANSWER = "\t".join((cells.NULL,) * 6)
# Numbers left out before a chunk's: so many that the rows of other brands are lost among them.
_LONGEST_GAP = 1_000_000
# A row as it is staged: the member, the contact data, the answer.
_COLUMNS = (
    "line bigint, profile_id bigint, person_id bigint, is_new boolean, member_no varchar, "
    "gender varchar, store_id bigint, registered_on date, has_contact boolean, name varchar, "
    "phone varchar, email varchar, fingerprint bytea, sealed bytea, phone_key bytea, "
    "unionid_key bytea, card_key bytea, email_key bytea, is_generated boolean, minor_until date, "
    "answered_notice_id bigint, is_given boolean, answered_at timestamptz, "
    f"is_by_guardian boolean, channel varchar, evidence varchar, {rules.STAGED}"
)


# The contact columns of a row that says what the database holds already.
_SAME_CONTACT = "\t".join(("f", *(cells.NULL,) * 11))


@dataclass(frozen=True)
class Known:
    """Be what the database knows of a member in the chunk."""

    profile_id: int
    fingerprint: bytes | None
    sealed: bytes | None
    is_generated: bool
    minor_until: dt.date | None
    as_of: dt.datetime | None
    source_rank: int


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
        self.job_id = job.pk
        self.rules = rules.Rules.of(job)
        self.zone = ZoneInfo(tenant.time_zone)
        self.keys = group_keys()
        self.key_version = self.keys.version
        now = timezone.now()
        today = now.astimezone(self.zone).date()
        stores = dict(Store.objects.filter(brand=job.brand_id).values_list("code", "pk"))
        self.notices, self.ended = answerable_notices()
        self.columns = {
            "store_id" if name == "store_code" else name: place for name, place in columns.items()
        }
        self.headings = {**job.mapping, "store_id": job.mapping.get("store_code", "")}
        read = cells.Reader
        self.readers = {
            "member_no": read(cells.read_code(longest=64)),
            "name": read(cells.read_plain(longest=80)),
            "phone": read(read_phone),
            "email": read(read_email),
            "unionid": read(read_identifier),
            "card_no": read(read_identifier),
            "birthday": read(cells.read_day(self.zone, latest=today)),
            "gender": read(
                cells.read_choice(GENDERS, _("“%(cell)s” is no gender that is known here."))
            ),
            "store_id": read(cells.read_store(stores)),
            "registered_on": read(cells.read_day(self.zone, latest=today)),
            "consent": read(self._read_consent),
            "consented_on": read(self._read_consented_on(now)),
            "guardian": read(cells.read_choice(YES_NO, _("“%(cell)s” is neither yes nor no."))),
            "consent_channel": read(cells.read_text(longest=40)),
            "consent_evidence": read(cells.read_text(longest=200)),
            "generated": read(cells.read_choice(YES_NO, _("“%(cell)s” is neither yes nor no."))),
            "as_of": read(self._read_consented_on(now)),
        }
        nulls = ("birthday", "store_id", "registered_on", "consented_on", "as_of")
        self.defaults = {
            **dict.fromkeys(self.readers, ""),
            **dict.fromkeys(nulls, cells.NULL),
            "guardian": "f",
            "generated": "f",
        }
        # Contact fields without a column keep what they hold, and all do where the rules say so.
        self.keeps_contact = self.rules.keeps or not set(_CONTACT) <= set(self.columns)

    def _read_consent(self, cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).strip()
        if not text or text in self.notices:
            return self.notices.get(text, "")
        if text.lower() in WITHDRAWN_WORDS:
            return _WITHDRAWN
        return unknown_notice(text, self.notices, self.ended)

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
            known = self._known(cursor, read["member_no"])
            self._guard_minors(read, known)
            new, has_contacts = self._stage(cursor, read, known)
            identity.begin_touching(cursor)
            if new or has_contacts:
                write_identities(cursor, self.brand_id, has_known=new < len(read))
            identity.resolve()
            stage_answers(cursor, self.brand_id)
            self._write_profiles(cursor, new)
            changed = apply_notices(cursor)
            if write_consents(cursor) or changed:
                answers_bump()
                sweep_enqueue()
            if has_contacts:
                images.keep_contacts(cursor, self.job_id)
                write_contacts(cursor, self.key_version)
            refresh_objections("affected_person")
            stratify_persons(cursor, "affected_person")
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
            SELECT p.member_no, p.id, c.fingerprint, CASE WHEN %s THEN c.sealed END,
                c.is_generated, c.minor_until, p.as_of, p.source_rank
            FROM members_profile p LEFT JOIN members_contact c ON c.profile_id = p.id
            WHERE p.brand_id = %s AND p.member_no = ANY(%s)
            """,
            [self.keeps_contact, self.brand_id, numbers],
        )
        return {
            number: Known(
                *(pk, fingerprint and bytes(fingerprint), sealed and bytes(sealed), bool(g)),
                *(minor, as_of, rank),
            )
            for number, pk, fingerprint, sealed, g, minor, as_of, rank in cursor.fetchall()
        }

    def _guard_minors(self, read: Columns, known: dict[str, Known]) -> None:
        """Set aside the yes of a person who was under 14, unless a guardian gave it."""
        reasons = {}
        for place, (number, answer, birthday, guardian) in enumerate(
            zip(*(read[n] for n in ("member_no", "consent", "birthday", "guardian")), strict=True)
        ):
            if not answer or answer == _WITHDRAWN or guardian == "t":
                continue
            before = known.get(number)
            minor_until = before.minor_until if before else None
            if birthday != cells.NULL:
                minor_until = fourteenth_birthday(dt.date.fromisoformat(birthday))
            if minor_until is None:
                continue
            instant = dt.datetime.fromisoformat(read["consented_on"][place])
            if minor_until > instant.astimezone(self.zone).date():
                reasons[place] = [("consent", under_age())]
        read.reject(reasons)

    def _stage(
        self, cursor: CursorWrapper, read: Columns, known: dict[str, Known]
    ) -> tuple[int, bool]:
        """Write the rows into incoming_member.

        Return how many of them are new, and whether any brings contact data to write.
        """
        numbers = read["member_no"]
        new = sum(number not in known for number in numbers)
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
        names = (
            *("gender", "store_id", "registered_on", "consent", "consented_on", "generated"),
            "as_of",
        )
        said_names = ("guardian", "consent_channel", "consent_evidence")
        contact_columns = zip(*(read[name] for name in _CONTACT), strict=True)
        rows = []
        has_contacts = False
        for line, number, contact, values, said in zip(
            read.lines,
            numbers,
            contact_columns,
            zip(*(read[n] for n in names), strict=True),
            zip(*(read[n] for n in said_names), strict=True),
            strict=True,
        ):
            gender, store, registered, consent, consented, generated, as_of = values
            before = known.get(number)
            profile, person = (before.profile_id, cells.NULL) if before else next(ids)
            if not consent:
                answer = _NO_ANSWER
            else:
                guardian, channel, evidence = said
                is_no = consent == _WITHDRAWN
                answer = (
                    f"{cells.NULL if is_no else consent}\t{'f' if is_no else 't'}\t{consented}\t"
                    f"{guardian}\t{channel or 'import'}\t{evidence}"
                )
            loses = before is not None and self._loses(as_of, before)
            sealed = self._contact(contact, generated, before, loses=loses)
            has_contacts = has_contacts or sealed is not _SAME_CONTACT
            rows.append(
                f"{line}\t{profile}\t{person}\t{'f' if before else 't'}\t{number}\t{gender}\t"
                f"{store}\t{registered}\t{sealed}\t{answer}\t{as_of}\t{'t' if loses else 'f'}\n"
            )
        stage(cursor, "incoming_member", _COLUMNS)
        columns = ", ".join(column.split()[0] for column in _COLUMNS.split(","))
        copy_into(cursor, "incoming_member", columns, "".join(rows), joined_by="profile_id, is_new")
        stage(cursor, "changed_profile", "profile_id bigint NOT NULL")
        return new, has_contacts

    def _loses(self, as_of: str, before: Known) -> bool:
        own = None if as_of == cells.NULL else dt.datetime.fromisoformat(as_of)
        return self.rules.loses(own, before.as_of, before.source_rank)

    def _contact(
        self, texts: tuple[str, ...], generated: str, before: Known | None, *, loses: bool
    ) -> str:
        """Return a row's contact columns; all empty where the database holds the same already."""
        if loses and not self.rules.keeps:
            return _SAME_CONTACT
        fields = {
            name: text
            for name, text in zip(_CONTACT, texts, strict=True)
            if text and text != cells.NULL
        }
        if before and self.keeps_contact:
            if before.sealed:
                kept = contacts.open_sealed(self.keys, before.sealed)
                fields = self.rules.merged(fields, kept, columns=self.columns, loses=loses)
            if "generated" not in self.columns or loses:
                generated = "t" if before.is_generated else "f"
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        fingerprint = contacts.fingerprint(self.keys, generated + text)
        if before and before.fingerprint == fingerprint:
            return _SAME_CONTACT
        minor_until = cells.NULL
        if birthday := fields.get("birthday"):
            minor_until = fourteenth_birthday(dt.date.fromisoformat(birthday)).isoformat()
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
                minor_until,
            )
        )

    def _write_profiles(self, cursor: CursorWrapper, new: int) -> None:
        """Insert new profiles, their persons and notices known, and change those that differ."""
        if new:
            cursor.execute(
                """
                INSERT INTO members_profile (id, brand_id, store_id, notice_id, person_id,
                    member_no, is_member, gender, registered_on, orders, sales, no_automation,
                    as_of, source_rank, import_id, created_at, updated_at)
                SELECT i.profile_id, %s, i.store_id, n.notice, a.person_id, i.member_no, true,
                    i.gender, i.registered_on, 0, 0, false,
                    COALESCE(i.as_of, %s), %s, %s, now(), now()
                FROM incoming_member i
                JOIN arriving_profile a ON a.profile_id = i.profile_id
                LEFT JOIN renoticed n ON n.profile_id = i.profile_id
                """,
                [self.brand_id, self.rules.as_of, self.rules.rank, self.job_id],
            )
            # Written already, each row once.
            cursor.execute(
                "DELETE FROM renoticed r USING arriving_profile a WHERE r.profile_id = a.profile_id"
            )
        has = {name: name in self.columns for name in ("gender", "store_id", "registered_on")}
        query, params = rules.changing_sql(has, self.rules)
        changing = stage_query(cursor, "changing", query, params)
        if not changing:
            return
        images.keep_profiles(cursor, self.job_id)
        cursor.execute(
            """
            UPDATE members_profile p SET gender = c.gender, store_id = c.store_id,
                registered_on = c.registered_on, as_of = c.as_of, source_rank = c.source_rank,
                is_member = true, updated_at = now()
            FROM changing c WHERE p.id = c.profile_id
            """
        )
        cursor.execute("INSERT INTO changed_profile SELECT profile_id FROM changing")
        for table in COPIES:
            cursor.execute(
                f"""
                UPDATE {table} x SET store_id = c.store_id FROM changing c
                WHERE x.profile_id = c.profile_id AND c.store_id IS DISTINCT FROM c.old_store_id
                """  # noqa: S608 - a table name of the code
            )


def _bytes(value: bytes) -> str:
    return f"\\\\x{value.hex()}"
