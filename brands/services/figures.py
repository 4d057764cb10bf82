"""Tell cached figures, and what was copied out, that they are stale."""

from __future__ import annotations

from django.db.models import F

from brands.models import Generation


def generation_bump() -> None:
    """Say that roll-ups changed, in the transaction that changes them: cached figures are stale."""
    _bump("number")


def answers_bump() -> None:
    """Say that answers changed, in the transaction that changes them: what was copied is old."""
    _bump("number", "answers")


def _bump(*names: str) -> None:
    rows = Generation.objects.filter(pk=Generation.ONLY)
    if not rows.update(**{name: F(name) + 1 for name in names}):
        # Where another has just made the row, it counts for both.
        Generation.objects.get_or_create(pk=Generation.ONLY, defaults={name: 1 for name in names})
