"""Tell cached figures that they are stale."""

from __future__ import annotations

from django.db.models import F

from brands.models import Generation


def generation_bump() -> None:
    """Say that roll-ups changed, in the transaction that changes them: cached figures are stale."""
    rows = Generation.objects.filter(pk=Generation.ONLY)
    if not rows.update(number=F("number") + 1):
        Generation.objects.get_or_create(pk=Generation.ONLY, defaults={"number": 1})
