"""Turn read rows of members into what COPY writes: sealed, keyed, masked, unchanged ones left out.

Needs no lock: what the database holds is asked beforehand, and goes along with the rows, so that
whoever writes them can tell whether that still holds.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper

from members import contacts
from members.consents.ledger import fourteenth_birthday
from members.contacts import key_start
from members.identity.keyed import Keyed
from members.identity.likeness import likeness_text
from members.imports import cells, rules
from members.imports.accounts import AccountCells
from members.imports.columns import Columns
from members.imports.files import BadRow
from members.models import IdentityKind

# The account is where the unionid counts, and kept with it.
CONTACT = ("name", "phone", "email", "unionid", "card_no", "birthday", "account")
MOST_POINTS = 10**12
# Columns of members_profile that files fill.
PROFILE = ("gender", "store_id", "registered_on", "tier", "points")
WITHDRAWN = "withdrawn"
# What COPY writes into incoming_member.
COPIED = (
    "n integer, known_id bigint, member_no varchar, gender varchar, "
    "store_id bigint, registered_on date, tier varchar, points bigint, has_contact boolean, "
    "name varchar, phone varchar, email varchar, fingerprint bytea, sealed bytea, "
    "phone_key bytea, unionid_key bytea, card_key bytea, email_key bytea, unionid_space varchar, "
    "likeness bytea, is_generated boolean, minor_until date, answered_notice_id bigint, "
    "is_given boolean, answered_at timestamptz, "
    f"is_by_guardian boolean, channel varchar, evidence varchar, {rules.STAGED}"
)
COPIED_NAMES = ", ".join(column.split()[0] for column in COPIED.split(", "))
# What a row is compared with; of members `p` and their contacts `c`.
_SEEN = (
    "concat_ws('|', encode(c.fingerprint, 'hex'), c.is_generated, c.minor_until, "
    "p.as_of, p.source_rank)"
)
_NO_ANSWER = "\t".join((cells.NULL,) * 6)
# The contact columns of a row that says what the database holds already.
_SAME_CONTACT = "\t".join(("f", *(cells.NULL,) * 13))
# What JSON escapes; nothing else is looked at by its encoder.
_SPECIAL = re.compile(r'[\x00-\x1f\\"]')


class Known(NamedTuple):
    """Be what the database knows of a member in the chunk; texts as COPY writes them."""

    profile_id: int
    seen: str
    fields: tuple[str, ...]
    is_member: bool
    fingerprint: bytes | None
    sealed: bytes | None
    is_generated: bool
    minor_until: dt.date | None
    as_of: dt.datetime | None
    source_rank: int


@dataclass
class Prepared:
    """Hold a chunk's rows as COPY writes them, and what has become of the others."""

    # The very rows that it was prepared of.
    rows: list[list[str]]
    # What it is sealed with.
    key_version: int = 0
    text: str = ""
    # What they carry in accounts of platforms, for `accounts.stage_named`.
    named: str = ""
    # Of the rows to write: their numbers, those of new members, those with contact data.
    numbers: set[str] = field(default_factory=set)
    # Known members among them, with what their rows were compared with.
    known: dict[str, tuple[int, str]] = field(default_factory=dict)
    new: int = 0
    has_contacts: bool = False
    has_answers: bool = False
    # Numbers of known members about whom the rows say nothing new.
    left_out: set[str] = field(default_factory=set)
    repeated: list[int] = field(default_factory=list)
    # Whom the brand had erased by then.
    erased: tuple[object, ...] = ()
    bad: list[BadRow] = field(default_factory=list)


def known_members(
    cursor: CursorWrapper, brand_id: int, numbers: list[str], *, with_sealed: bool
) -> dict[str, Known]:
    """Return what the database knows of a brand's members, by number."""
    cursor.execute(
        f"""
        SELECT p.member_no, p.id, {_SEEN}, p.gender, COALESCE(p.store_id::text, '\\N'),
            COALESCE(p.registered_on::text, '\\N'), p.tier, COALESCE(p.points::text, '\\N'),
            p.is_member, c.fingerprint, CASE WHEN %s THEN c.sealed END, c.is_generated,
            c.minor_until, p.as_of::text, p.source_rank
        FROM members_profile p LEFT JOIN members_contact c ON c.profile_id = p.id
        WHERE p.brand_id = %s AND p.member_no = ANY(%s)
        """,  # noqa: S608 - constants of the code
        [with_sealed, brand_id, numbers],
    )
    found = {}
    for number, pk, seen, gender, store, registered, tier, *rest in cursor.fetchall():
        points, is_member, fingerprint, sealed, generated, minor, as_of, rank = rest
        found[number] = Known(
            *(pk, seen, (gender, store, registered, cells.escape(tier), points), is_member),
            *(fingerprint and bytes(fingerprint), sealed and bytes(sealed), bool(generated)),
            *(minor, as_of and instant_of(as_of), rank),
        )
    return found


def seen_members(
    cursor: CursorWrapper, brand_id: int, numbers: Collection[str]
) -> dict[str, tuple[int, str]]:
    """Return what rows of some of a brand's members are compared with now, as in `Prepared`."""
    cursor.execute(
        f"SELECT p.member_no, p.id, {_SEEN} FROM members_profile p "  # noqa: S608
        "LEFT JOIN members_contact c ON c.profile_id = p.id "
        "WHERE p.brand_id = %s AND p.member_no = ANY(%s)",
        [brand_id, list(numbers)],
    )
    return {number: (pk, seen) for number, pk, seen in cursor.fetchall()}


def known_answers(cursor: CursorWrapper, profiles: list[int]) -> set[tuple[int, str, int]]:
    """Return the answers recorded in profiles: profile, notice or `withdrawn`, microseconds."""
    cursor.execute(
        "SELECT profile_id, CASE WHEN is_given THEN answered_notice_id::text ELSE %s END, "
        "(extract(epoch FROM answered_at) * 1000000)::bigint FROM members_consent "
        "WHERE profile_id = ANY(%s) AND NOT is_to_group "
        "AND (is_given OR answered_notice_id IS NULL)",
        [WITHDRAWN, profiles],
    )
    return set(cursor.fetchall())


@lru_cache(maxsize=50_000)
def instant_of(text: str) -> dt.datetime:
    """Return the instant that a reader wrote."""
    return dt.datetime.fromisoformat(text)


@lru_cache(maxsize=50_000)
def _micros(text: str) -> int:
    since = instant_of(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1)


@lru_cache(maxsize=50_000)
def minor_until(birthday: str) -> dt.date:
    """Return the 14th birthday of who was born on a day."""
    return fourteenth_birthday(dt.date.fromisoformat(birthday))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if _SPECIAL.search(text) else f'"{text}"'


def _bytes(value: bytes) -> str:
    return f"\\\\x{value.hex()}"


class Rows:
    """Write the rows of one brand's files as COPY's text, by the rules of their import."""

    def __init__(
        self, keyed: Keyed, its_rules: rules.Rules, columns: Mapping[str, int], brand_id: int
    ) -> None:
        self.keys = keyed.keys
        self.accounts = AccountCells(brand_id, keyed, set(columns))
        self.rules = its_rules
        self.columns = columns
        # Contact fields without a column keep what they hold, and all do where the rules say so.
        self.keeps_contact = its_rules.keeps or not set(CONTACT) - {"account"} <= set(columns)
        self._digest = keyed.digest
        self._starts = {
            kind: key_start(kind, keyed.space(kind, brand_id))
            for kind in (IdentityKind.PHONE, IdentityKind.CARD, IdentityKind.EMAIL)
        }
        self._by_rank = its_rules.wins == rules.PRIORITY
        self._places = [place for place, name in enumerate(PROFILE) if name in columns]

    def write(
        self,
        read: Columns,
        known: Mapping[str, Known],
        answers: set[tuple[int, str, int]],
        prepared: Prepared,
    ) -> None:
        """Add the rows that are new or differ to PREPARED, and count the others."""
        lines: list[str] = []
        named: list[str] = []
        new = 0
        accounts = self.accounts
        platform_cells = list(zip(*(read[name] for name in accounts.named), strict=True))
        seal = contacts.seal_text
        names = ("member_no", *CONTACT, *PROFILE, "consent", "consented_on", "guardian")
        more = ("consent_channel", "consent_evidence", "generated", "as_of")
        rows = zip(*(read[column] for column in (*names, *more)), strict=True)
        for at, (number, name, phone, email, unionid, card, birthday, *rest) in enumerate(rows):
            account, *rest = rest
            gender, store, registered, tier, points, consent, consented, *rest = rest
            guardian, channel, evidence, generated, as_of = rest
            before = known.get(number)
            loses = before is not None and self._loses(as_of, before)
            if before is not None and (self.keeps_contact or loses):
                contact = self._merged(
                    (name, phone, email, unionid, card, birthday, account),
                    *(generated, before),
                    loses=loses,
                )
            else:
                # What `contacts.seal` would seal, its keys in order.
                parts = []
                if unionid and account:
                    parts.append(f'"account":{_quoted(account)}')
                if birthday and birthday != cells.NULL:
                    parts.append(f'"birthday":"{birthday}"')
                if card:
                    parts.append(f'"card_no":{_quoted(card)}')
                if email:
                    parts.append(f'"email":{_quoted(email)}')
                if name:
                    parts.append(f'"name":{_quoted(name)}')
                if phone:
                    parts.append(f'"phone":{_quoted(phone)}')
                if unionid:
                    parts.append(f'"unionid":{_quoted(unionid)}')
                text = f"{{{','.join(parts)}}}"
                fingerprint = self._digest(f"contact:{generated}{text}")
                if before is not None and before.fingerprint == fingerprint:
                    contact = _SAME_CONTACT
                else:
                    contact = self._text(
                        *(name, phone, email, unionid, card, birthday, account, generated),
                        fingerprint,
                        seal(self.keys, text),
                    )
            if before is None:
                new += 1
                start = f"{new}\t{cells.NULL}"
            else:
                said = (gender, store, registered, tier, points)
                if (
                    contact is _SAME_CONTACT
                    and not platform_cells
                    and self._is_same(before, said, consent, consented, as_of, answers, loses=loses)
                ):
                    prepared.left_out.add(number)
                    continue
                prepared.known[number] = (before.profile_id, before.seen)
                start = f"{cells.NULL}\t{before.profile_id}"
            if contact is not _SAME_CONTACT:
                prepared.has_contacts = True
            if not consent:
                answer = _NO_ANSWER
            else:
                prepared.has_answers = True
                is_no = consent == WITHDRAWN
                answer = (
                    f"{cells.NULL if is_no else consent}\t{'f' if is_no else 't'}\t{consented}\t"
                    f"{guardian}\t{channel or 'import'}\t{evidence}"
                )
            if platform_cells:
                named += [
                    f"{start}\t{one}" for one in accounts.carried(account, platform_cells[at])
                ]
            prepared.numbers.add(number)
            lines.append(
                f"{start}\t{number}\t{gender}\t{store}\t{registered}\t{tier}\t{points}\t{contact}\t"
                f"{answer}\t{as_of}\t{'t' if loses else 'f'}\n"
            )
        prepared.new = new
        prepared.text = "".join(lines)
        prepared.named = "".join(named)

    def _loses(self, as_of: str, before: Known) -> bool:
        own = None if as_of == cells.NULL else instant_of(as_of)
        return self.rules.loses(own, before.as_of, before.source_rank)

    def _is_same(
        self,
        before: Known,
        said: tuple[str, ...],
        consent: str,
        consented: str,
        as_of: str,
        answers: set[tuple[int, str, int]],
        *,
        loses: bool,
    ) -> bool:
        """Tell whether a row with the contact that is stored says nothing else new either.

        Of what `rules.changing_sql` would write some is called new here; never the other way.
        """
        if consent and (before.profile_id, consent, _micros(consented)) not in answers:
            return False
        if not before.is_member:
            return False
        if loses:
            return not self.rules.keeps
        if self._by_rank and self.rules.rank != before.source_rank:
            return False
        if as_of != cells.NULL and instant_of(as_of) != before.as_of:
            return False
        return all(said[place] == before.fields[place] for place in self._places)

    def _merged(self, texts: tuple[str, ...], generated: str, before: Known, *, loses: bool) -> str:
        """Return the contact columns of a known member whose stored contact has its say."""
        if loses and not self.rules.keeps:
            return _SAME_CONTACT
        fields = {
            name: text
            for name, text in zip(CONTACT, texts, strict=True)
            if text and text != cells.NULL
        }
        if self.keeps_contact:
            if before.sealed:
                kept = contacts.open_sealed(self.keys, before.sealed)
                fields = self.rules.merged(fields, kept, columns=self.columns, loses=loses)
            if "generated" not in self.columns or loses:
                generated = "t" if before.is_generated else "f"
        if "unionid" not in fields:
            fields.pop("account", None)
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        fingerprint = self._digest(f"contact:{generated}{text}")
        if before.fingerprint == fingerprint:
            return _SAME_CONTACT
        sealed = contacts.seal_text(self.keys, text)
        name, phone, email, unionid, card, birthday, account = (fields.get(o, "") for o in CONTACT)
        return self._text(
            *(name, phone, email, unionid, card, birthday, account, generated), fingerprint, sealed
        )

    def _text(
        self,
        name: str,
        phone: str,
        email: str,
        unionid: str,
        card: str,
        birthday: str,
        account: str,
        generated: str,
        fingerprint: bytes,
        sealed: bytes,
    ) -> str:
        """Return the contact columns: masks, sealed blob, keys, day of the 14th birthday."""
        key, starts, null = self._digest, self._starts, cells.NULL
        minor = alike = unionid_key = null
        if birthday and birthday != null:
            minor = str(minor_until(birthday))
            if name:
                alike = _bytes(key(likeness_text(name, birthday)))
        space = ""
        if unionid:
            space = self.accounts.unionid_space(account)
            unionid_key = _bytes(key(key_start("unionid", space) + unionid))
        return (
            f"t\t{cells.escape(contacts.mask_name(name))}\t"
            f"{contacts.mask_phone(phone) if phone else ''}\t"
            f"{cells.escape(contacts.mask_email(email)[:120]) if email else ''}\t"
            f"\\\\x{fingerprint.hex()}\t\\\\x{sealed.hex()}\t"
            f"{_bytes(key(starts[IdentityKind.PHONE] + phone)) if phone else null}\t{unionid_key}\t"
            f"{_bytes(key(starts[IdentityKind.CARD] + card)) if card else null}\t"
            f"{_bytes(key(starts[IdentityKind.EMAIL] + email)) if email else null}\t"
            f"{cells.escape(space)}\t{alike}\t{generated}\t{minor}"
        )
