"""Write a chunk of members: profiles, contacts, identities, persons, consents and notices."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from secrets import randbelow
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.services import answers_bump
from members import identity, locks
from members.exports.tasks import sweep_enqueue
from members.identity.keyed import Keyed
from members.identity.open_persons import keep_open_persons
from members.imports import cells, images, rules
from members.imports.accounts import stage_named, write_platform_keys
from members.imports.answers import (
    WITHDRAWN_WORDS,
    answerable_notices,
    has_renoticed,
    stage_answers,
    under_age,
    unknown_notice,
    write_consents,
)
from members.imports.columns import Columns, Counts, read_columns
from members.imports.contact_rows import write_contacts, write_identities
from members.imports.files import BadRow, Chunk
from members.imports.known import store_words
from members.imports.member_cells import GENDERS, YES_NO, read_email, read_identifier, read_phone
from members.imports.member_rows import (
    COPIED,
    COPIED_NAMES,
    MOST_POINTS,
    PROFILE,
    WITHDRAWN,
    Known,
    Prepared,
    Rows,
    instant_of,
    known_answers,
    known_members,
    minor_until,
    seen_members,
)
from members.keys import GroupKeys, group_keys
from members.models import ImportJob
from members.notices import COPIES, apply_notices, refresh_objections
from members.rights.tombstones import erased_stamp, reject_erased
from members.staging import copy_into, economise, stage, stage_query
from members.stratify import stratify_persons
from tenants.models import Tenant

# Numbers left out before a chunk's: so many that the rows of other brands are lost among them, and
# never so few that someone who draws one at the same moment meets the chunk's.
_SHORTEST_GAP, _LONGEST_GAP = 1_000, 1_000_000


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
        now = timezone.now()
        today = now.astimezone(self.zone).date()
        stores = store_words(job.brand_id)
        self.notices, self.ended = answerable_notices()
        self.columns = {
            "store_id" if name == "store_code" else name: place for name, place in columns.items()
        }
        self.headings = {**job.mapping, "store_id": job.mapping.get("store_code", "")}
        read = cells.Reader
        once = partial(cells.Reader, is_repeated=False)
        self.readers = {
            "member_no": once(cells.read_code(longest=64)),
            "name": once(cells.read_plain(longest=80)),
            "phone": once(read_phone),
            "email": once(read_email),
            "unionid": once(read_identifier),
            "openid": once(read_identifier),
            "external_userid": once(read_identifier),
            "douyin": once(read_identifier),
            "account": read(read_identifier),
            "card_no": once(read_identifier),
            "birthday": read(cells.read_day(self.zone, latest=today)),
            "gender": read(
                cells.read_choice(GENDERS, _("“%(cell)s” is no gender that is known here."))
            ),
            "store_id": read(cells.read_store(stores)),
            "registered_on": read(cells.read_day(self.zone, latest=today)),
            "tier": read(cells.read_text(longest=40)),
            "points": read(
                cells.read_number(lowest=-MOST_POINTS, highest=MOST_POINTS, empty=cells.NULL)
            ),
            "consent": read(self._read_consent),
            "consented_on": read(self._read_consented_on(now)),
            "guardian": read(cells.read_choice(YES_NO, _("“%(cell)s” is neither yes nor no."))),
            "consent_channel": read(cells.read_text(longest=40)),
            "consent_evidence": read(cells.read_text(longest=200)),
            "generated": read(cells.read_choice(YES_NO, _("“%(cell)s” is neither yes nor no."))),
            "as_of": read(self._read_consented_on(now)),
        }
        nulls = ("birthday", "store_id", "registered_on", "points", "consented_on", "as_of")
        self.defaults = {
            **dict.fromkeys(self.readers, ""),
            **dict.fromkeys(nulls, cells.NULL),
            "guardian": "f",
            "generated": "f",
        }
        self._take_keys(group_keys())
        # Whose word it is that two members are one: what no file brings has no number.
        self.by_name = (
            _("Import %(number)s") % {"number": job.pk} if job.pk else job.created_by_name
        )
        # The members that the last chunk wrote.
        self._written: set[str] = set()
        self._day_of = lru_cache(maxsize=50_000)(
            lambda text: instant_of(text).astimezone(self.zone).date()
        )

    def _take_keys(self, keys: GroupKeys) -> None:
        """Seal and key rows with these keys from now on."""
        self.keys = keys
        self.rows = Rows(Keyed(keys), self.rules, self.columns, self.brand_id)
        self.accounts = self.rows.accounts

    def _read_consent(self, cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).strip()
        if not text or text in self.notices:
            return self.notices.get(text, "")
        if text.lower() in WITHDRAWN_WORDS:
            return WITHDRAWN
        return unknown_notice(text, self.notices, self.ended)

    def _read_consented_on(self, now: dt.datetime) -> Callable[[str], str]:
        read = cells.read_instant(self.zone, latest=now)
        return lambda cell: read(cell) if cell.strip() else cells.NULL

    def prepare(self, chunk: Chunk) -> Prepared:
        """Return the chunk's rows as they are to be written; holds and writes nothing."""
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        if "consent" in self.columns:
            self._date_consents(read)
        self.accounts.reject(read)
        # Another thread may take other keys meanwhile.
        rows = self.rows
        prepared = Prepared(
            rows=chunk.rows,
            key_version=rows.keys.version,
            repeated=read.keep_last("member_no"),
            bad=read.bad,
        )
        if not len(read):
            return prepared
        with connection.cursor() as cursor:
            known = known_members(
                cursor, self.brand_id, read["member_no"], with_sealed=rows.keeps_contact
            )
            answers = set()
            if known and "consent" in self.columns:
                answers = known_answers(cursor, [one.profile_id for one in known.values()])
        if "consent" in self.columns:
            self._guard_minors(read, known)
        prepared.erased = erased_stamp(self.brand_id)
        reject_erased(read, self.brand_id, known)
        rows.write(read, known, answers, prepared)
        return prepared

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows.

        What was prepared before the locks were held counts where it was prepared of these rows and
        the database still holds what they were compared with.
        """
        locks.hold_brand(self.brand_id, "members")
        prepared = getattr(chunk, "prepared", None)
        if (
            not isinstance(prepared, Prepared)
            or prepared.rows is not chunk.rows
            # Left out by what the database held before the chunk before this one.
            or not prepared.left_out.isdisjoint(self._written)
        ):
            prepared = None
        elif not prepared.text:
            return self._counts(prepared, 0), prepared.bad
        locks.hold_answers()
        locks.hold_rollups(is_shared=True)
        # They may have been changed since the file was begun with, but not from here on.
        if (keys := group_keys()) != self.keys:
            self._take_keys(keys)
        with connection.cursor() as cursor:
            economise(cursor)
            if (
                prepared is None
                or prepared.key_version != self.keys.version
                or prepared.erased != erased_stamp(self.brand_id)
                or prepared.known != seen_members(cursor, self.brand_id, prepared.numbers)
            ):
                prepared = self.prepare(chunk)
                if not prepared.text:
                    return self._counts(prepared, 0), prepared.bad
            self._stage(cursor, prepared)
            updated = self._write(cursor, prepared)
        self._written = prepared.numbers
        return self._counts(prepared, updated), prepared.bad

    def _counts(self, prepared: Prepared, updated: int) -> Counts:
        written = len(prepared.numbers)
        return Counts(
            created=prepared.new,
            updated=updated,
            unchanged=len(prepared.left_out) + written - prepared.new - updated,
            repeated=prepared.repeated,
        )

    def _write(self, cursor: CursorWrapper, prepared: Prepared) -> int:
        """Write the staged rows; return how many known members changed."""
        has_known = prepared.new < len(prepared.numbers)
        stage(cursor, "changed_profile", "profile_id bigint NOT NULL")
        identity.begin_touching(cursor)
        if prepared.new or prepared.has_contacts or prepared.named:
            write_identities(
                cursor,
                self.brand_id,
                card_space=self.accounts.card_space,
                has_known=has_known,
                has_named=bool(prepared.named),
            )
        identity.resolve(by_name=self.by_name)
        stage_answers(cursor, self.brand_id, has_answers=prepared.has_answers)
        if prepared.new:
            self._insert_profiles(cursor)
        if has_known:
            self._update_profiles(cursor)
        changed = apply_notices(cursor) if has_renoticed(cursor) else 0
        added = write_consents(cursor, has_known=has_known) if prepared.has_answers else 0
        if added or changed:
            answers_bump()
            sweep_enqueue()
        if prepared.has_contacts:
            if has_known:
                images.keep_contacts(cursor, self.job_id)
            write_contacts(cursor, self.keys.version, has_known=has_known)
        if prepared.named:
            write_platform_keys(cursor)
        refresh_objections("affected_person")
        stratify_persons(cursor, "affected_person")
        keep_open_persons("affected_person")
        if not has_known:
            return 0
        cursor.execute("SELECT count(DISTINCT profile_id) FROM changed_profile")
        return cursor.fetchone()[0]

    def _date_consents(self, read: Columns) -> None:
        """Date an answer without a day by the registration; set rows aside that have neither."""
        reasons = {}
        for place, answer in enumerate(read["consent"]):
            if answer and read["consented_on"][place] == cells.NULL:
                day = read["registered_on"][place]
                if day == cells.NULL or answer == WITHDRAWN:
                    reasons[place] = [
                        ("consent", _("The row does not say when this was answered."))
                    ]
                else:
                    instant = cells.parse_instant(day, self.zone)
                    read.values["consented_on"][place] = instant.isoformat()
        read.reject(reasons)

    def _guard_minors(self, read: Columns, known: Mapping[str, Known]) -> None:
        """Set aside the yes of a person who was under 14, unless a guardian gave it."""
        reasons = {}
        for place, (number, answer, birthday, guardian) in enumerate(
            zip(*(read[n] for n in ("member_no", "consent", "birthday", "guardian")), strict=True)
        ):
            if not answer or answer == WITHDRAWN or guardian == "t":
                continue
            before = known.get(number)
            until = before.minor_until if before else None
            if birthday != cells.NULL:
                until = minor_until(birthday)
            if until is not None and until > self._day_of(read["consented_on"][place]):
                reasons[place] = [("consent", under_age())]
        read.reject(reasons)

    def _stage(self, cursor: CursorWrapper, prepared: Prepared) -> None:
        """Write the rows into incoming_member, with the numbers that new members get."""
        profile, person = self._draw(cursor, prepared.new) if prepared.new else (0, 0)
        generated = f"""
            profile_id bigint GENERATED ALWAYS AS (COALESCE(known_id, {profile} + n)) STORED,
            person_id bigint GENERATED ALWAYS AS
                (CASE WHEN known_id IS NULL THEN {person} + n END) STORED,
            is_new boolean GENERATED ALWAYS AS (known_id IS NULL) STORED
        """
        stage(cursor, "incoming_member", f"{COPIED}, {generated}")
        copy_into(
            cursor, "incoming_member", COPIED_NAMES, prepared.text, joined_by="profile_id, is_new"
        )
        if prepared.named:
            stage_named(cursor, prepared.named, before_first=profile)

    def _draw(self, cursor: CursorWrapper, new: int) -> tuple[int, int]:
        """Reserve NEW numbers of profiles and of persons; return the one before each block."""
        # Members' numbers of record stand in addresses, where a brand would count by them what
        # its siblings bring in. Nobody else draws as many while the group's answers are held.
        gap = _SHORTEST_GAP + randbelow(_LONGEST_GAP)
        cursor.execute(
            """
            SELECT setval(s, nextval(s) + gap + %(new)s) - %(new)s
            FROM (VALUES
                (1, pg_get_serial_sequence('members_profile', 'id')::regclass, %(gap)s),
                (2, pg_get_serial_sequence('members_person', 'id')::regclass, %(least)s)
            ) AS of(place, s, gap) ORDER BY place
            """,
            {"new": new, "gap": gap, "least": _SHORTEST_GAP},
        )
        (profile,), (person,) = cursor.fetchall()
        return profile, person

    def _insert_profiles(self, cursor: CursorWrapper) -> None:
        """Insert new profiles, their persons and notices known."""
        cursor.execute(
            """
            INSERT INTO members_profile (id, brand_id, store_id, notice_id, person_id,
                own_person_id, member_no, is_member, gender, registered_on, tier, points,
                orders, sales, no_automation, as_of, source_rank, import_id, created_at, updated_at)
            SELECT i.profile_id, %s, i.store_id, n.notice, a.person_id, a.own_person_id,
                i.member_no, true,
                i.gender, i.registered_on, i.tier, i.points, 0, 0, false,
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

    def _update_profiles(self, cursor: CursorWrapper) -> None:
        """Change known profiles that differ."""
        has = {name: name in self.columns for name in PROFILE}
        query, params = rules.changing_sql(has, self.rules)
        changing = stage_query(cursor, "changing", query, params)
        if not changing:
            return
        images.keep_profiles(cursor, self.job_id)
        cursor.execute(
            """
            UPDATE members_profile p SET gender = c.gender, store_id = c.store_id,
                registered_on = c.registered_on, tier = c.tier, points = c.points,
                as_of = c.as_of, source_rank = c.source_rank, is_member = true, updated_at = now()
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
