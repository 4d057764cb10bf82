"""The modes with and without a change that was not made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from brands.models import ModeChange
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall.visibility import NoticeTerms


@dataclass(frozen=True)
class Worlds:
    """Hold every brand's effective mode without and with a change, and the notices in force."""

    at: dt.datetime
    before: dict[int, Mode]
    after: dict[int, Mode]
    notices: tuple[NoticeTerms, ...]

    @property
    def moved(self) -> list[int]:
        """Return the brands whose effective mode is another."""
        return [brand for brand, mode in self.after.items() if self.before[brand] is not mode]


def worlds(
    *,
    brand_id: int | None,
    mode: str,
    at: dt.datetime | None = None,
    undoes: ModeChange | None = None,
) -> Worlds:
    """Return the modes at an instant, without a change and with it.

    The change is written and taken back again, so that what answers is the function that the wall
    itself asks, whatever else it takes into account. The web may try what takes a decision back,
    which is named then; for any other change the database asks it for a draft.
    """
    at = max(at or timezone.now(), timezone.now())
    before = effective_modes(at=at)
    with transaction.atomic():
        ModeChange.objects.create(
            brand_id=brand_id,
            mode=mode,
            effective_at=at,
            decided_by_name="preview",
            undoes=undoes,
        )
        after = effective_modes(at=at)
        transaction.set_rollback(True)
    return Worlds(at, before, after, tuple(notice_terms(at=at)))
