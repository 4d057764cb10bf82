"""Find the members that lines name, and make fans of those who are not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _

from members.contacts import identity_key
from members.identity import hot_profiles
from members.identity.keyed import Keyed
from members.imports.files import Chunk
from members.imports.members import MemberChunks
from members.intake.lines import IdentityOf, LineRefused, normalised
from members.keys import group_keys
from members.models import Identity, ImportJob
from tenants.models import Tenant

# The column of an import that brings each identifier.
_COLUMN = {
    Identity.Kind.PHONE.value: "phone",
    Identity.Kind.UNIONID.value: "unionid",
    Identity.Kind.CARD.value: "card_no",
    Identity.Kind.EMAIL.value: "email",
}
Naming = tuple[str, str] | tuple[str, bytes] | tuple[str, int]


@dataclass(frozen=True)
class Member:
    """Be a member of the brand as lines need them."""

    profile_id: int
    member_no: str
    # Of an identifier that so many members share that it names nobody.
    is_hot: bool = False


class Members:
    """Look the members of one brand up that lines name, all at once."""

    def __init__(self, cursor: CursorWrapper, tenant: Tenant, brand_id: int) -> None:
        self._cursor = cursor
        self._tenant = tenant
        self._brand_id = brand_id
        self._keyed = Keyed(group_keys())
        self._found: dict[Naming, Member] = {}
        self._key_of: dict[IdentityOf, bytes] = {}

    def look_up(self, lines: Iterable[Any]) -> None:
        """Find the members of lines; those of `create` who are not there become fans."""
        numbers: set[str] = set()
        profiles: set[int] = set()
        keyed: dict[str, dict[bytes, IdentityOf]] = defaultdict(dict)
        fans: dict[str, dict[bytes, IdentityOf]] = defaultdict(dict)
        for line in lines:
            if line.member_no:
                numbers.add(line.member_no)
            elif line.profile is not None:
                profiles.add(line.profile)
            elif line.identity is not None:
                key = self._key(line.identity)
                keyed[line.identity.kind][key] = line.identity
                if getattr(line, "create", False):
                    fans[line.identity.kind][key] = line.identity
        if numbers:
            self._by("member_no", "varchar", numbers)
        if profiles:
            self._by("id", "bigint", map(str, profiles))
        for kind, wanted in keyed.items():
            self._by_key(kind, list(wanted))
        for kind, wanted in fans.items():
            missing = {k: one for k, one in wanted.items() if (kind, k) not in self._found}
            if missing:
                self._make(kind, missing)

    def of(self, line: Any) -> Member:
        """Return the member that a line names; raises LineRefused where there is none."""
        name: Naming
        if line.member_no:
            name, field = ("member_no", line.member_no), "member_no"
        elif line.profile is not None:
            name, field = ("id", line.profile), "profile"
        else:
            name, field = (line.identity.kind, self._key(line.identity)), "identity"
        member = self._found.get(name)
        if member is None:
            raise LineRefused(
                field, _("The brand has no such member. Hand the member in, then this line.")
            )
        if member.is_hot:
            raise LineRefused(
                field,
                _("Many members share this identifier, so it names nobody. Name another one."),
            )
        return member

    def _key(self, identity: IdentityOf) -> bytes:
        key = self._key_of.get(identity)
        if key is None:
            key = self._keyed.key(identity.kind, normalised(identity), self._brand_id)
            self._key_of[identity] = key
        return key

    def _by(self, column: str, kind: str, wanted: Iterable[str]) -> None:
        self._cursor.execute(
            f"""
            SELECT {column}, id, member_no FROM members_profile
            WHERE brand_id = %s AND {column} = ANY(string_to_array(%s, E'\n')::{kind}[])
            """,  # noqa: S608 - one of two columns
            [self._brand_id, "\n".join(wanted)],
        )
        for value, pk, number in self._cursor.fetchall():
            self._found[column, value] = Member(pk, number)

    def _by_key(self, kind: str, keys: list[bytes]) -> None:
        self._cursor.execute(
            """
            SELECT i.key, min(p.id), (array_agg(p.member_no ORDER BY p.id))[1], count(*) > %s
            FROM members_identity i
            JOIN members_identitylink l ON l.identity_id = i.id
            JOIN members_profile p ON p.id = l.profile_id AND p.brand_id = %s
            WHERE i.kind = %s AND i.key = ANY(%s) GROUP BY i.key
            """,
            # Of siblings' members with the identifier this brand is told nothing.
            [hot_profiles(kind), self._brand_id, kind, keys],
        )
        for key, pk, number, is_hot in self._cursor.fetchall():
            self._found[kind, bytes(key)] = Member(pk, number, is_hot)

    def _make(self, kind: str, missing: dict[bytes, IdentityOf]) -> None:
        """Make fans: who only follows is no member, and is numbered by the identifier's key."""
        column = _COLUMN[kind]
        # The brand's own: one that is the same at siblings would tell whom they have as well.
        keys, brand = self._keyed.keys, self._brand_id
        numbers = {
            key: f"fan-{identity_key(keys, 'fan', f'{brand}:{key.hex()}').hex()}" for key in missing
        }
        job = ImportJob(
            brand_id=self._brand_id,
            mapping={name: name for name in ("member_no", column)},
            created_by_name="API",
        )
        writer = MemberChunks(self._tenant, job, {"member_no": 0, column: 1})
        writer.write(
            Chunk(
                lines=list(range(len(missing))),
                rows=[[numbers[key], normalised(one)] for key, one in missing.items()],
            )
        )
        self._cursor.execute(
            """
            UPDATE members_profile SET is_member = false
            WHERE brand_id = %s AND member_no = ANY(%s) RETURNING id, member_no
            """,
            [self._brand_id, list(numbers.values())],
        )
        made = {number: pk for pk, number in self._cursor.fetchall()}
        for key, number in numbers.items():
            if number in made:
                self._found[kind, key] = Member(made[number], number)
        note_people(self._cursor, list(made.values()))


def note_people(cursor: CursorWrapper, profiles: list[int]) -> None:
    """Note members whose pools have to be counted again."""
    cursor.execute(
        """
        INSERT INTO members_pendingtotal (profile_id)
        SELECT unnest(%s::bigint[]) ORDER BY 1 ON CONFLICT DO NOTHING
        """,
        [profiles],
    )
