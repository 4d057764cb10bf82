"""What two people look alike by who may be one: name and birthday, as a keyed digest."""

from __future__ import annotations


def likeness_text(name: str, birthday: str) -> str:
    """Return what a likeness is the digest of, under the group's index key."""
    return f"likeness:{''.join(name.split()).casefold()}\0{birthday}"
