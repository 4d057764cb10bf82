"""What two people look alike by who may be one: name and birthday, as a keyed digest."""

from __future__ import annotations

import hmac

from members.keys import GroupKeys


def likeness(keys: GroupKeys, name: str, birthday: str) -> bytes:
    """Return the keyed digest under which one name and birthday is found in this group."""
    return hmac.digest(keys.index, likeness_text(name, birthday).encode(), "sha256")[:16]


def likeness_text(name: str, birthday: str) -> str:
    """Return what a likeness is the digest of."""
    return f"likeness:{''.join(name.split()).casefold()}\0{birthday}"
