"""Old previews go; those that a decision rests on stay as long as its assessment."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from brands.models import ModeDraft, ModePreview
from brands.tasks import sweep_modes
from brands.wall import scope
from tenants.context import tenant_transaction

NOW = timezone.now()


def _kept(acme, at_time, at: dt.datetime) -> set[tuple[int, int]]:
    with at_time(at):
        sweep_modes()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return set(ModePreview.objects.values_list("draft", "number"))


def test_previews_go_after_a_month_but_those_that_a_decision_rests_on(
    acme, cast, steps, seeing, at_time
):
    approved = steps.draft("brand_max", "bakery")
    steps.again(approved)
    steps.assess(approved)
    steps.again(approved)
    steps.submit(approved)
    steps.again(approved)
    steps.approve(approved, cast.second_admin)
    left, still_open = steps.draft("fan_max", "tea"), steps.draft("fan_max", "spa")
    steps.again(still_open)
    with tenant_transaction(acme):
        ModeDraft.objects.filter(pk=left.pk).update(state="withdrawn")
        kept_until = approved.assessments.get().kept_until
    everything = {(approved.pk, number) for number in (1, 2, 3, 4)}
    everything |= {(left.pk, 1), (still_open.pk, 1), (still_open.pk, 2)}
    day = dt.timedelta(days=1)
    assert _kept(acme, at_time, NOW + 29 * day) == everything
    # Written on the second, approved on the fourth; the open draft's newest.
    rest = {(approved.pk, 2), (approved.pk, 4), (still_open.pk, 2)}
    assert _kept(acme, at_time, NOW + 31 * day) == rest
    over = NOW + (kept_until - NOW.date())
    assert _kept(acme, at_time, over - day) == rest
    assert _kept(acme, at_time, over + 2 * day) == {(still_open.pk, 2)}
