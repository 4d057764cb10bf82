"""How names are put side by side in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import get_language


def comma() -> str:
    """Return the comma that stands between the names of a list in the reader's language."""
    return "、" if (get_language() or "").startswith("zh") else ", "


def listed(names: Iterable[object]) -> str:
    """Return names in one line, with the comma of lists that the reader's language has."""
    return comma().join(str(name) for name in names)
