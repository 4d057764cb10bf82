"""Write a chunk of answers to notices: the ledger, and what the answers open and close."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.services import answers_bump
from members import contacts, locks
from members.contacts import identity_key
from members.exports.tasks import sweep_enqueue
from members.identity import hot_profiles
from members.identity.spaces import Spaces, SpaceUnknown
from members.imports import cells
from members.imports.answers import (
    WITHDRAWN_WORDS,
    answerable_notices,
    under_age,
    unknown_notice,
)
from members.imports.columns import Columns, Counts, read_columns, unknown_member
from members.imports.files import BadRow, Chunk
from members.keys import group_keys
from members.models import IdentityKind, ImportJob
from members.notices import refresh_notices
from members.staging import copy_into, stage
from members.stratify import stratify_persons
from tenants.models import Tenant

# What names the member, the surest first.
_NAMING = {
    "member_no": None,
    "unionid": IdentityKind.UNIONID,
    "card_no": IdentityKind.CARD,
    "phone": IdentityKind.PHONE,
    "email": IdentityKind.EMAIL,
}
_ANSWERS = {
    **dict.fromkeys(("yes", "y", "true", "1", "given", "agreed", "是", "同意"), "t"),
    **dict.fromkeys(("n", "false", "0", *WITHDRAWN_WORDS), "f"),
}
_YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "1", "是"), "t"),
    **dict.fromkeys(("", "no", "n", "false", "0", "否"), "f"),
}


_READ_CODE = cells.read_code(longest=64)


@dataclass(frozen=True)
class Found:
    """Be the member that a number names in the brand."""

    profile_id: int
    minor_until: dt.date | None
    # Members of the brand that carry the number, who are one person unless it is hot.
    holders: int = 1
    is_hot: bool = False


def _read_member_no(cell: str) -> str:
    """Read a member's number as files of members do; a row may name the member by another."""
    return _READ_CODE(cell) if cell.strip() else ""


class ConsentChunks:
    """Import answers that one brand collected, chunk by chunk."""

    tables = ("members_profile", "members_identity", "members_identitylink", "members_consent")

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        zone = ZoneInfo(tenant.time_zone)
        read = cells.Reader
        self.brand_id = job.brand_id
        self.zone = zone
        self.keys = group_keys()
        self.spaces = Spaces.now()
        self.columns = columns
        self.headings = job.mapping
        self.notices, self.ended = answerable_notices()
        yes_no = _("“%(cell)s” is neither yes nor no.")
        self.readers = {
            "member_no": read(_read_member_no),
            "unionid": read(cells.read_text(longest=64)),
            "card_no": read(cells.read_text(longest=64)),
            "phone": read(cells.read_text(longest=64)),
            "email": read(cells.read_text(longest=254)),
            "notice": read(self._read_notice),
            "answer": read(cells.read_choice(_ANSWERS, yes_no)),
            "answered_at": read(cells.read_instant(zone, latest=timezone.now())),
            "guardian": read(cells.read_choice(_YES_NO, yes_no)),
            "channel": read(cells.read_text(longest=40)),
            "evidence": read(cells.read_text(longest=200)),
        }
        self.defaults = {**dict.fromkeys(self.readers, ""), "guardian": "f"}

    def _read_notice(self, cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).strip()
        if not text or text in self.notices:
            return self.notices.get(text, "")
        # A no is recorded whatever became of the notice.
        return f"?{text}"

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_answers()
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        counts = Counts()
        with connection.cursor() as cursor:
            self._find_members(cursor, read)
            counts.repeated = read.keep_last("profile_id", "notice", "answer", "answered_at")
            if len(read):
                counts.created = self._write(cursor, read)
            counts.unchanged = len(read) - counts.created
        return counts, read.bad

    def _find_members(self, cursor: CursorWrapper, read: Columns) -> None:
        """Set `profile_id` of every row; set aside rows that name nobody or cannot be recorded."""
        named: list[tuple[str, str]] = []
        keyed: dict[tuple[str, str], bytes] = {}
        for place in range(len(read)):
            field, text = next(
                ((name, read[name][place]) for name in _NAMING if read[name][place]), ("", "")
            )
            named.append((field, text))
            kind = _NAMING.get(field)
            if kind is not None and (field, text) not in keyed:
                keyed[field, text] = self._key(kind, text)
        found = self._members(cursor, {text for field, text in named if field == "member_no"})
        found |= self._holders(cursor, keyed)
        reasons: dict[int, list[tuple[str, str]]] = {}
        read.values["profile_id"] = []
        for place, name in enumerate(named):
            member = found.get(name)
            read.values["profile_id"].append(str(member.profile_id) if member else "")
            if problem := self._problem(read, place, name, member):
                reasons[place] = [problem]
        read.reject(reasons)

    def _key(self, kind: IdentityKind, text: str) -> bytes:
        try:
            if kind is IdentityKind.PHONE:
                text = contacts.normalise_phone(text)
            elif kind is IdentityKind.EMAIL:
                text = contacts.normalise_email(text)
            else:
                text = contacts.normalise_code(text)
        except ValueError:
            # No member is found by what is no number.
            return b""
        try:
            space = self.spaces.of_brand(kind, self.brand_id)
        except SpaceUnknown:
            # Nor by what could be one of several accounts'.
            return b""
        return identity_key(self.keys, kind, text, space)

    def _members(self, cursor: CursorWrapper, numbers: set[str]) -> dict[tuple[str, str], Found]:
        cursor.execute(
            """
            SELECT p.member_no, p.id, k.minor_until
            FROM members_profile p LEFT JOIN members_contact k ON k.profile_id = p.id
            WHERE p.brand_id = %s AND p.member_no = ANY(%s)
            """,
            [self.brand_id, list(numbers)],
        )
        return {("member_no", number): Found(pk, minor) for number, pk, minor in cursor.fetchall()}

    def _holders(
        self, cursor: CursorWrapper, keyed: dict[tuple[str, str], bytes]
    ) -> dict[tuple[str, str], Found]:
        found: dict[tuple[str, str], Found] = {}
        wanted: dict[str, dict[bytes, list[tuple[str, str]]]] = defaultdict(dict)
        for name, key in keyed.items():
            kind = _NAMING[name[0]]
            if kind is not None:
                wanted[kind.value].setdefault(key, []).append(name)
        for value, names in wanted.items():
            cursor.execute(
                """
                SELECT i.key, count(*) > %s, min(p.id), count(*), max(k.minor_until)
                FROM members_identity i
                JOIN members_identitylink l ON l.identity_id = i.id
                JOIN members_profile p ON p.id = l.profile_id AND p.brand_id = %s
                LEFT JOIN members_contact k ON k.profile_id = p.id
                WHERE i.kind = %s AND i.key = ANY(%s) GROUP BY i.key
                """,
                # Of siblings' members with the number this brand is told nothing.
                [hot_profiles(value), self.brand_id, value, list(names)],
            )
            for key, is_hot, pk, holders, minor in cursor.fetchall():
                for name in names[bytes(key)]:
                    found[name] = Found(pk, minor, holders, is_hot)
        return found

    def _problem(
        self, read: Columns, place: int, name: tuple[str, str], member: Found | None
    ) -> tuple[str, str] | None:
        """Return the field and the reason for which a row is set aside."""
        field, text = name
        is_yes = read["answer"][place] == "t"
        notice = read["notice"][place]
        if not field:
            first = next(name for name in _NAMING if name in self.columns)
            return first, _("The row names no member.")
        if member is None:
            return field, unknown_member(cells.shortened(text))
        if member.is_hot or (is_yes and member.holders > 1):
            return field, _("More than one member has this number. Name the member number.")
        if not is_yes:
            return None
        if not notice:
            return "notice", _("A yes answers a notice. Say which one.")
        if notice.startswith("?"):
            return "notice", str(unknown_notice(notice[1:], self.notices, self.ended))
        if member.minor_until and read["guardian"][place] != "t":
            instant = dt.datetime.fromisoformat(read["answered_at"][place])
            if member.minor_until > instant.astimezone(self.zone).date():
                return "answer", under_age()
        return None

    def _write(self, cursor: CursorWrapper, read: Columns) -> int:
        """Append the answers, keep their persons' rows; return how many were new."""
        stage(
            cursor,
            "answer",
            "profile_id bigint, answered_notice_id bigint, is_given boolean, "
            "answered_at timestamptz, is_by_guardian boolean, channel varchar, evidence varchar",
        )
        names = ("profile_id", "notice", "answer", "answered_at", "guardian", "channel", "evidence")
        rows = [
            f"{profile}\t{notice if notice.isdigit() else cells.NULL}\t{answer}\t{at}\t{guardian}\t"
            f"{channel or 'import'}\t{evidence}\n"
            for profile, notice, answer, at, guardian, channel, evidence in zip(
                *(read[name] for name in names), strict=True
            )
        ]
        columns = (
            "profile_id, answered_notice_id, is_given, answered_at, is_by_guardian, channel, "
            "evidence"
        )
        copy_into(cursor, "answer", columns, "".join(rows), joined_by="profile_id")
        stage(cursor, "answering_person", "person_id bigint")
        cursor.execute(
            """
            WITH added AS (
                INSERT INTO members_consent (brand_id, store_id, notice_id, person_id, profile_id,
                    answered_notice_id, is_given, answered_at, is_to_group, is_by_guardian,
                    expires_at, channel, evidence, created_at)
                SELECT p.brand_id, p.store_id, p.notice_id, p.person_id, p.id,
                    a.answered_notice_id, a.is_given, a.answered_at, false, a.is_by_guardian,
                    CASE WHEN a.is_given THEN (
                        a.answered_at AT TIME ZONE 'UTC' + make_interval(months => n.consent_months)
                    ) AT TIME ZONE 'UTC' END,
                    a.channel, a.evidence, now()
                FROM answer a
                JOIN members_profile p ON p.id = a.profile_id
                LEFT JOIN brands_notice n ON n.id = a.answered_notice_id
                ON CONFLICT DO NOTHING
                RETURNING person_id
            )
            INSERT INTO answering_person SELECT person_id FROM added
            """
        )
        added = cursor.rowcount
        if added:
            refresh_notices("answering_person")
            stratify_persons(cursor, "answering_person")
            answers_bump()
            sweep_enqueue()
        return added
