"""Read the identifiers of a members' file that platforms give out: in which account each counts."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.contacts import key_start
from members.identity.keyed import Keyed
from members.identity.spaces import PLATFORM_KINDS, SpaceUnknown
from members.imports import cells
from members.imports.columns import Columns
from members.models import IdentityKind
from members.staging import copy_into, stage

# Fields of these kinds are named like them. A unionid is of the contact data, the others are kept
# as identities alone.
_FIELDS = tuple(kind.value for kind in PLATFORM_KINDS)
_ACCOUNT = "account"


class AccountCells:
    """Know where the identifiers of one brand's rows count."""

    def __init__(self, brand_id: int, keyed: Keyed, columns: set[str]) -> None:
        self.brand_id = brand_id
        self.keyed = keyed
        self.fields = [name for name in _FIELDS if name in columns]
        self.named = [name for name in self.fields if name != IdentityKind.UNIONID]
        self.card_space = keyed.space(IdentityKind.CARD, brand_id)
        self._found: dict[tuple[str, str], str] = {}

    def unionid_space(self, account: str) -> str:
        """Return where a unionid counts that is kept; "" where that is not known any more."""
        return self.keyed.space(IdentityKind.UNIONID, self.brand_id, account)

    def space(self, kind: str, account: str) -> str:
        """Return where an identifier counts; raises SpaceUnknown in words."""
        if (kind, account) not in self._found:
            self._found[kind, account] = (
                self.keyed.spaces.of_account(kind, self.brand_id, account)
                if account
                else self.keyed.spaces.of_brand(kind, self.brand_id)
            )
        return self._found[kind, account]

    def reject(self, read: Columns) -> None:
        """Set rows aside that do not say in which account an identifier counts."""
        reasons: dict[int, list[tuple[str, str]]] = {}
        for name in self.fields:
            for place, text in enumerate(read[name]):
                if text:
                    try:
                        self.space(name, read[_ACCOUNT][place])
                    except SpaceUnknown as unknown:
                        reasons.setdefault(place, []).append((name, str(unknown)))
        read.reject(reasons)

    def carried(self, account: str, texts: tuple[str, ...]) -> list[str]:
        """Return what a row carries in the spaces that it names, as COPY writes it.

        Of each kind in `named` the kind, the space and the key, which is null for nothing.
        """
        found = []
        for name, text in zip(self.named, texts, strict=True):
            try:
                space = self.space(name, account)
            except SpaceUnknown:
                continue
            key = cells.NULL
            if text:
                key = f"\\\\x{self.keyed.digest(key_start(name, space) + text).hex()}"
            found.append(f"{name}\t{cells.escape(space)}\t{key}\n")
        return found


def write_platform_keys(cursor: CursorWrapper) -> None:
    """Let the profiles of named_identity, once they are written, be found by what they carry."""
    cursor.execute(
        """
        DELETE FROM members_platformkey k USING named_identity n
        WHERE k.profile_id = n.profile_id AND k.kind = n.kind AND k.space = n.space
            AND k.key IS DISTINCT FROM n.key
        """
    )
    cursor.execute(
        """
        INSERT INTO members_platformkey
            (brand_id, store_id, notice_id, profile_id, kind, space, key)
        SELECT p.brand_id, p.store_id, p.notice_id, p.id, n.kind, n.space, n.key
        FROM named_identity n JOIN members_profile p ON p.id = n.profile_id
        WHERE n.key IS NOT NULL ON CONFLICT (profile_id, kind, space) DO NOTHING
        """
    )


def stage_named(cursor: CursorWrapper, rows: str, *, before_first: int) -> None:
    """Stage named_identity: what rows carry in the spaces that they name, null for nothing.

    A row is of a known profile, or of the new one with its number after BEFORE_FIRST.
    """
    stage(
        cursor,
        "named_identity",
        "n integer, known_id bigint, kind varchar, space varchar, key bytea, "
        f"profile_id bigint GENERATED ALWAYS AS (COALESCE(known_id, {before_first} + n)) STORED",
    )
    columns = "n, known_id, kind, space, key"
    copy_into(cursor, "named_identity", columns, rows, joined_by="profile_id")
