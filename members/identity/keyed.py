"""The keys under which identifiers are found: each in the space in which it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from members.contacts import IDENTIFIERS, identity_key, readings
from members.identity.likeness import likeness
from members.identity.spaces import Spaces, SpaceUnknown
from members.keys import GroupKeys
from members.models import IdentityKind


class Keyed:
    """Key the identifiers of a group's brands, by what is registered now."""

    def __init__(self, keys: GroupKeys) -> None:
        self.keys = keys
        self._spaces = Spaces.now()
        self._found: dict[tuple[str, int, str], str] = {}

    def space(self, kind: str, brand_id: int, account: str = "") -> str:
        """Return where a kept identifier counts; "" where that is not known any more."""
        at = (str(kind), brand_id, account)
        if at not in self._found:
            try:
                self._found[at] = (
                    self._spaces.of_account(kind, brand_id, account)
                    if account and kind not in (IdentityKind.CARD, IdentityKind.PHONE)
                    else self._spaces.of_brand(kind, brand_id)
                )
            except SpaceUnknown:
                self._found[at] = ""
        return self._found[at]

    def key(self, kind: str, text: str, brand_id: int, account: str = "") -> bytes:
        """Return the key of a normalised identifier of a brand's member."""
        return identity_key(self.keys, kind, text, self.space(kind, brand_id, account))

    def keys_in(self, kind: str, text: str, brand_ids: Iterable[int]) -> list[bytes]:
        """Return every key that a normalised identifier may have at brands."""
        spaces: set[str] = set()
        for brand_id in brand_ids:
            try:
                spaces.add(self._spaces.of_brand(kind, brand_id))
            except SpaceUnknown:
                spaces |= self._spaces.of_accounts(kind, brand_id)
        return sorted(identity_key(self.keys, kind, text, space) for space in spaces or {""})

    def found_by(self, text: str, brand_ids: Iterable[int] = ()) -> dict[str, list[bytes]]:
        """Return Contact column → keys for all that TEXT could be at brands: phone, card …"""
        brands = list(brand_ids)
        return {
            column: self.keys_in(kind, normalised, brands)
            for column, (kind, normalised) in readings(text).items()
        }

    def columns(self, fields: Mapping[str, str], brand_id: int) -> dict[str, bytes]:
        """Return Contact column → key for the normalised fields of a contact."""
        account = fields.get("account", "")
        found = {
            column: self.key(kind, fields[name], brand_id, account if name == "unionid" else "")
            for name, kind, column in IDENTIFIERS
            if fields.get(name)
        }
        if fields.get("name") and fields.get("birthday"):
            found["likeness"] = likeness(self.keys, fields["name"], fields["birthday"])
        return found
