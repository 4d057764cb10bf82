"""Take away old previews; what a decision rests on stays as long as its assessment."""

from __future__ import annotations

import datetime as dt

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from brands.models import ImpactAssessment, ModeDraft, ModePreview

KEPT = dt.timedelta(days=30)


def previews_purge() -> int:
    """Delete previews that are 30 days old and that nothing rests on, in a bulk scope.

    Kept are the newest of a draft that can still become a change; and, until the day to which the
    assessment is kept (three years at least), the one it was written on and the one approved on,
    which is the last: none is made for a draft that was decided.
    """
    of_draft = ModePreview.objects.filter(draft=OuterRef("draft"))
    is_last = ~Exists(of_draft.filter(number__gt=OuterRef("number")))
    assessed = ImpactAssessment.objects.filter(
        draft=OuterRef("draft"), kept_until__gte=timezone.localdate()
    )
    is_assessed = Exists(assessed.filter(preview_number=OuterRef("number")))
    is_open = Q(draft__state__in=[ModeDraft.State.DRAFT, ModeDraft.State.SUBMITTED])
    is_approved = Q(draft__state=ModeDraft.State.APPROVED) & Exists(assessed)
    old = ModePreview.objects.filter(started_at__lt=timezone.now() - KEPT)
    count, _rows = old.exclude(is_assessed | (is_last & (is_open | is_approved))).delete()
    return count
