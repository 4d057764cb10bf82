"""The keys under which identifiers are found: each in the space in which it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress

from members.contacts import IDENTIFIERS, key_start, normalise_code, readings
from members.identity.likeness import likeness_text
from members.identity.spaces import PLATFORM_KINDS, Spaces, SpaceUnknown
from members.keys import GroupKeys
from members.models import IdentityKind


class Keyed:
    """Key the identifiers of a group's brands, by what is registered now.

    HMAC's inner and outer hash begin with the key alone; they begin once here and are copied.
    """

    def __init__(self, keys: GroupKeys) -> None:
        self.keys = keys
        self.spaces = Spaces.now()
        self._found: dict[tuple[str, int, str], str] = {}
        padded = keys.index.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, text: str) -> bytes:
        """Return the first 16 bytes of a text's HMAC-SHA-256 under the group's index key."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()[:16]

    def space(self, kind: str, brand_id: int, account: str = "") -> str:
        """Return where a kept identifier counts; "" where that is not known any more."""
        at = (str(kind), brand_id, account)
        if at not in self._found:
            try:
                self._found[at] = (
                    self.spaces.of_account(kind, brand_id, account)
                    if account and kind not in (IdentityKind.CARD, IdentityKind.PHONE)
                    else self.spaces.of_brand(kind, brand_id)
                )
            except SpaceUnknown:
                self._found[at] = ""
        return self._found[at]

    def key(self, kind: str, text: str, brand_id: int, account: str = "") -> bytes:
        """Return the key of a normalised identifier of a brand's member."""
        return self.digest(key_start(kind, self.space(kind, brand_id, account)) + text)

    def keys_in(self, kind: str, text: str, brand_ids: Iterable[int]) -> list[bytes]:
        """Return every key that a normalised identifier may have at brands."""
        spaces: set[str] = set()
        for brand_id in brand_ids:
            # Also of an account of the group, beside one of the brand's own.
            spaces |= self.spaces.of_accounts(kind, brand_id)
            with suppress(SpaceUnknown):
                spaces.add(self.spaces.of_brand(kind, brand_id))
        return sorted(self.digest(key_start(kind, space) + text) for space in spaces or {""})

    def found_by(self, text: str, brand_ids: Iterable[int] = ()) -> dict[str, list[bytes]]:
        """Return Contact column → keys for all that TEXT could be at brands: phone, card …"""
        brands = list(brand_ids)
        return {
            column: self.keys_in(kind, normalised, brands)
            for column, (kind, normalised) in readings(text).items()
        }

    def platform_keys(self, text: str, brand_ids: Iterable[int]) -> list[bytes]:
        """Return every key that TEXT may have at brands as an identifier kept as a key alone."""
        code, brands = normalise_code(text), list(brand_ids)
        kinds = [kind for kind in PLATFORM_KINDS if kind != IdentityKind.UNIONID]
        return [key for kind in kinds for key in self.keys_in(kind, code, brands)] if code else []

    def columns(self, fields: Mapping[str, str], brand_id: int) -> dict[str, bytes]:
        """Return Contact column → key for the normalised fields of a contact."""
        account = fields.get("account", "")
        found = {
            column: self.key(kind, fields[name], brand_id, account if name == "unionid" else "")
            for name, kind, column in IDENTIFIERS
            if fields.get(name)
        }
        if fields.get("name") and fields.get("birthday"):
            found["likeness"] = self.digest(likeness_text(fields["name"], fields["birthday"]))
        return found
