"""Read the identifiers of a members' file that platforms give out: in which account each counts."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.contacts import identity_key
from members.identity.spaces import PLATFORM_KINDS, Spaces, SpaceUnknown
from members.imports import cells
from members.imports.columns import Columns
from members.keys import GroupKeys
from members.models import IdentityKind
from members.staging import copy_into, stage

# Fields of these kinds are named like them. A unionid is of the contact data, the others are kept
# as identities alone.
_FIELDS = tuple(kind.value for kind in PLATFORM_KINDS)
_ACCOUNT = "account"


class AccountCells:
    """Know where the identifiers of one brand's rows count."""

    def __init__(self, brand_id: int, keys: GroupKeys, columns: set[str]) -> None:
        self.brand_id = brand_id
        self.keys = keys
        self.spaces = Spaces.now()
        self.fields = [name for name in _FIELDS if name in columns]
        self.has_account = _ACCOUNT in columns
        self.named = [name for name in self.fields if name != IdentityKind.UNIONID]
        self.card_space = self.spaces.of_brand(IdentityKind.CARD, brand_id)
        self._found: dict[tuple[str, str], str] = {}

    def unionid_space(self, account: str) -> str:
        """Return where a unionid counts that is kept; "" where that is not known any more."""
        try:
            return self.space(IdentityKind.UNIONID, account)
        except SpaceUnknown:
            return ""

    def space(self, kind: str, account: str) -> str:
        """Return where an identifier counts; raises SpaceUnknown in words."""
        if (kind, account) not in self._found:
            self._found[kind, account] = (
                self.spaces.of_account(kind, self.brand_id, account)
                if account
                else self.spaces.of_brand(kind, self.brand_id)
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

    def stage(self, cursor: CursorWrapper, read: Columns, profiles: list[int]) -> None:
        """Stage named_identity: what rows carry in the spaces that they name, null for nothing."""
        cursor.execute("DROP TABLE IF EXISTS pg_temp.named_identity")
        if not self.named:
            return
        rows = []
        for name in self.named:
            for text, account, profile in zip(read[name], read[_ACCOUNT], profiles, strict=True):
                try:
                    space = self.space(name, account)
                except SpaceUnknown:
                    continue
                key = cells.NULL
                if text:
                    key = f"\\\\x{identity_key(self.keys, name, text, space).hex()}"
                rows.append(f"{profile}\t{name}\t{cells.escape(space)}\t{key}\n")
        stage(cursor, "named_identity", "profile_id bigint, kind varchar, space varchar, key bytea")
        columns = "profile_id, kind, space, key"
        copy_into(cursor, "named_identity", columns, "".join(rows), joined_by="profile_id")
