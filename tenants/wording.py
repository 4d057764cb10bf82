"""How names are put side by side in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import get_language


def listed(names: Iterable[object]) -> str:
    """Return names in one line, with the comma of lists that the reader's language has."""
    is_chinese = (get_language() or "").startswith("zh")
    return ("、" if is_chinese else ", ").join(str(name) for name in names)
