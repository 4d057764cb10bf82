"""After the decision: dates, call-offs, rollbacks, and what is recomputed with the old marked."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from brands import tasks
from brands.changes import drafts, follow_up, registry, rollback
from brands.changes.drafts import DraftRefused
from brands.changes.follow_up import SILENCE, follow_up_run, follow_ups_due, recomputing
from brands.changes.preview import previews_wanted
from brands.models import Brand, ModeChange, ModeDraft, ModeFollowUp
from brands.selectors import effective_modes
from brands.services import mode_change
from members.models import GroupMetric
from members.tests.pools import fill
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Grant

State = ModeFollowUp.State
HOUR = dt.timedelta(hours=1)


def _mode(acme, code: str, at: dt.datetime | None = None) -> str:
    with tenant_transaction(acme):
        return str(effective_modes(at=at)[Brand.objects.get(code=code).pk])


def _set(acme, code: str | None, mode: str, **fields: Any) -> ModeChange:
    with tenant_transaction(acme):
        brand = Brand.objects.get(code=code) if code else None
        return mode_change(mode=mode, brand=brand, acting_user=None, **fields)


def _undo(seeing, user, change: ModeChange) -> ModeChange | ModeDraft:
    with seeing(user):
        return rollback.change_undo(change=change, acting_user=user, reason="Not after all")


# --- At a date -------------------------------------------------------------------------------


def test_a_change_at_a_date_holds_from_that_instant_on_exactly(acme, cast, steps):
    at = timezone.now() + HOUR
    draft = steps.submitted("fan_max", "spa", effective_at=at)
    steps.approve(draft, cast.second_admin)
    assert _mode(acme, "spa") == "member_max"
    assert _mode(acme, "spa", at - dt.timedelta(microseconds=1)) == "member_max"
    assert _mode(acme, "spa", at) == "fan_max"


def test_a_scheduled_change_is_called_off_before_its_time(acme, cast, visit, steps, seeing):
    at = timezone.now() + HOUR
    draft = steps.submitted("fan_max", "spa", effective_at=at)
    steps.approve(draft, cast.second_admin)
    with tenant_transaction(acme):
        change = draft.change
    client = visit(cast.group_admin)
    assert "to come" in client.get("/mode/").content.decode()
    assert (
        "Called off, the mode stays as it is"
        in client.get(f"/mode/changes/{change.pk}/undo/").content.decode()
    )
    page = client.post(f"/mode/changes/{change.pk}/undo/", {"reason": "Not yet"}, follow=True)
    assert "Called off. The mode stays" in page.content.decode()
    assert _mode(acme, "spa", at + HOUR) == "member_max"
    # Nothing was taken out of the history.
    with tenant_transaction(acme):
        off = ModeChange.objects.get(undoes=change)
        assert (off.effective_at, off.mode, off.reason) == (at, "", "Not yet")
    with pytest.raises(DraftRefused, match="Only the last decision"):
        _undo(seeing, cast.group_admin, change)
    # Calling it off cannot be called off: that would open it again by one word.
    with pytest.raises(DraftRefused, match="Only the last decision"):
        _undo(seeing, cast.group_admin, off)
    assert "called it off" in client.get(f"/mode/drafts/{draft.pk}/").content.decode()


def test_what_was_called_off_never_comes_back_by_itself(acme, cast, seeing):
    at = timezone.now() + HOUR
    _set(acme, "spa", "fan_max")
    later = _set(acme, "spa", "member_max", effective_at=at)
    latest = _set(acme, "spa", "brand_max", effective_at=at + HOUR)
    _undo(seeing, cast.group_admin, latest)
    _undo(seeing, cast.group_admin, later)
    assert [_mode(acme, "spa", at + n * HOUR) for n in (-0.5, 0, 1)] == ["fan_max"] * 3
    # Closed in a hurry: without more, the mode written down for AT would open it again.
    _set(acme, "spa", "brand_max")
    assert [_mode(acme, "spa", at + n * HOUR) for n in (-0.5, 0, 1, 2)] == ["brand_max"] * 4
    # A scheduled change that stands keeps its date.
    _set(acme, "spa", "member_max", effective_at=at + HOUR)
    _set(acme, "spa", "fan_max")
    assert [_mode(acme, "spa", at + n * HOUR) for n in (-0.5, 0, 1)] == [
        "fan_max",
        "fan_max",
        "member_max",
    ]


# --- Rollback --------------------------------------------------------------------------------


def test_a_rollback_that_only_closes_is_at_once_and_by_one(acme, cast, visit, seeing):
    change = _set(acme, "spa", "fan_max")
    _set(acme, "tea", "fan_max")
    # From member-max to fan-max HQ lost those who never agreed: going back opens them.
    _set(acme, "bakery", "brand_max")
    closing = _set(acme, "bakery", "member_max")
    client = visit(cast.group_admin)
    text = client.get(f"/mode/changes/{closing.pk}/undo/").content.decode()
    assert "This only closes" in text
    client.post(f"/mode/changes/{closing.pk}/undo/", {"reason": "Too early"})
    assert _mode(acme, "bakery") == "brand_max"
    event = AuditEvent.objects.get(tenant=acme, action="mode.roll_back")
    assert (event.user, event.target_id) == (cast.group_admin, str(closing.pk))
    made = _undo(seeing, cast.group_admin, change)
    assert isinstance(made, ModeDraft)
    assert _mode(acme, "spa") == "fan_max"


def test_a_rollback_that_opens_is_a_draft_for_a_second_admin(acme, cast, visit, steps, seeing):
    change = _set(acme, "spa", "brand_max")
    client = visit(cast.group_admin)
    assert (
        "This opens data for someone"
        in client.get(f"/mode/changes/{change.pk}/undo/").content.decode()
    )
    client.post(f"/mode/changes/{change.pk}/undo/", {"reason": "Back"})
    assert _mode(acme, "spa") == "brand_max"
    with tenant_transaction(acme):
        draft = ModeDraft.objects.get()
    assert (draft.mode, draft.requested_by) == ("", cast.group_admin)
    steps.preview(draft)
    steps.assess(draft)
    steps.submit(draft)
    steps.approve(draft, cast.second_admin)
    assert _mode(acme, "spa") == "member_max"


def test_only_the_last_decision_is_taken_back_and_the_first_never(acme, cast, seeing):
    with tenant_transaction(acme):
        first, now = ModeChange.objects.filter(brand=None).order_by("id")
    with pytest.raises(DraftRefused, match="Only the last decision"):
        _undo(seeing, cast.group_admin, first)
    closed = _undo(seeing, cast.group_admin, now)
    assert isinstance(closed, ModeChange)
    assert _mode(acme, "tea") == "brand_max"


def test_a_rollback_needs_a_reason_and_a_grant_that_holds(acme, cast, seeing):
    change = _set(acme, "spa", "brand_max")
    with seeing(cast.group_admin), pytest.raises(DraftRefused, match="Say why"):
        rollback.change_undo(change=change, acting_user=cast.group_admin, reason="")
    with seeing(cast.group_admin):
        Grant.objects.filter(user=cast.group_admin).update(role="hq_analyst")
        with pytest.raises(DraftRefused, match="has ended"):
            rollback.change_undo(change=change, acting_user=cast.group_admin, reason="Why")


def test_a_rollback_overtakes_the_drafts_that_were_open(acme, cast, steps, seeing):
    closing = _set(acme, "spa", "brand_max")
    draft = steps.draft("fan_max", "spa")
    made = _undo(seeing, cast.group_admin, closing)
    assert isinstance(made, ModeDraft)
    assert steps.stored(draft).state == ModeDraft.State.DRAFT
    with seeing(cast.group_admin):
        drafts.draft_withdraw(draft=made, acting_user=cast.group_admin)
    opened = _set(acme, "spa", "member_max")
    other = steps.draft("fan_max", "spa")
    _undo(seeing, cast.group_admin, opened)
    assert steps.stored(other).state == ModeDraft.State.OVERTAKEN


# --- What is recomputed ----------------------------------------------------------------------


def _follow_up(acme, change: ModeChange) -> ModeFollowUp:
    with tenant_transaction(acme):
        return ModeFollowUp.objects.get(change=change)


def test_old_figures_are_marked_until_they_are_counted_anew(acme, cast, visit, seeing):
    fill(acme, "tea", members=4, orders=1)
    fill(acme, "spa", members=4, orders=1)
    change = _set(acme, "spa", "brand_max")
    row = _follow_up(acme, change)
    client = visit(cast.group_admin)
    panel = "/group/panels/persons_by_brands/"
    for page in ("/group/", "/mode/"):
        assert "still of the former mode" in client.get(page).content.decode(), page
    assert "being counted anew" in client.get(panel).content.decode()
    assert "being counted anew" not in client.get("/group/panels/kpis/").content.decode()
    assert follow_up_run(tenant=acme, follow_up_id=row.pk) == State.DONE
    with seeing(cast.group_admin):
        assert list(GroupMetric.objects.values_list("brands", "persons")) == [(1, 4)]
        assert recomputing() is None
    assert "still of the former mode" not in client.get("/group/").content.decode()
    assert "being counted anew" not in client.get(panel).content.decode()
    # Once more changes nothing.
    assert follow_up_run(tenant=acme, follow_up_id=row.pk) == "not due"


@pytest.fixture
def two_steps(monkeypatch) -> list[str]:
    """Return what is called: two steps, the second of which dies once."""
    called: list[str] = []

    def first(tenant: object, say: registry.Say) -> None:
        say(1, 2)
        called.append("first")
        say(2, 2)

    def second(tenant: object, say: registry.Say) -> None:
        called.append("second")
        if called.count("second") == 1:
            raise called_off

    called_off: BaseException = KeyboardInterrupt()
    monkeypatch.setattr(registry, "recomputes", {})
    monkeypatch.setattr(follow_up, "recomputes", registry.recomputes)
    registry.register_recompute("first", "First", first)
    registry.register_recompute("second", "Second", second)
    return called


def test_a_follow_up_that_was_killed_goes_on_at_the_step_where_it_died(acme, two_steps, at_time):
    row = _follow_up(acme, _set(acme, "spa", "brand_max"))
    with pytest.raises(KeyboardInterrupt):
        follow_up_run(tenant=acme, follow_up_id=row.pk)
    with tenant_transaction(acme):
        row.refresh_from_db()
        assert [step["state"] for step in row.steps] == [State.DONE, State.RUNNING]
        assert row.steps[0]["total"] == 2
        assert [str(label) for label in recomputing().labels] == ["Second"]
        # Its worker may be alive: not before a silence does another begin.
        assert follow_ups_due() == []
    assert follow_up_run(tenant=acme, follow_up_id=row.pk) == "not due"
    with at_time(timezone.now() + SILENCE + HOUR):
        with tenant_transaction(acme):
            assert follow_ups_due() == [row.pk]
        assert follow_up_run(tenant=acme, follow_up_id=row.pk) == State.DONE
    assert two_steps == ["first", "second", "second"]


def test_a_step_that_fails_is_told_and_tried_again(acme, cast, visit, monkeypatch):
    fails = [ValueError("no rule"), None]

    def act(tenant: object, say: registry.Say) -> None:
        if error := fails.pop(0):
            raise error

    monkeypatch.setitem(registry.recomputes, "group", registry.Recompute("group", "Figures", act))
    row = _follow_up(acme, _set(acme, "spa", "brand_max"))
    assert follow_up_run(tenant=acme, follow_up_id=row.pk) == State.FAILED
    with tenant_transaction(acme):
        row.refresh_from_db()
        assert row.error == "Figures: ValueError"
        assert follow_ups_due() == [row.pk]
    assert "A step failed" in visit(cast.group_admin).get("/mode/").content.decode()
    assert follow_up_run(tenant=acme, follow_up_id=row.pk) == State.DONE
    assert fails == []


def test_the_sweep_starts_what_becomes_due_and_skips_what_was_called_off(
    acme, cast, seeing, at_time, monkeypatch
):
    at = timezone.now() + HOUR
    kept = _set(acme, "spa", "brand_max", effective_at=at)
    off = _set(acme, "tea", "brand_max", effective_at=at)
    _undo(seeing, cast.group_admin, off)
    started: list[tuple[str, int]] = []
    monkeypatch.setattr(
        tasks, "_send", lambda task, row_id, schema: started.append((schema, row_id))
    )
    tasks.sweep_modes()
    assert started == []
    with at_time(at + dt.timedelta(seconds=1)):
        tasks.sweep_modes()
        rows = [_follow_up(acme, change) for change in (kept, off)]
        assert sorted(started) == [("acme", row.pk) for row in rows]
        assert all(follow_up_run(tenant=acme, follow_up_id=row.pk) == "done" for row in rows)
    assert [len(_follow_up(acme, change).steps) > 0 for change in (kept, off)] == [True, False]


def test_a_preview_whose_worker_died_is_asked_for_again(acme, cast, steps, seeing, at_time):
    with seeing(cast.group_admin):
        draft = drafts.draft_create(
            acting_user=cast.group_admin, brand=None, mode="fan_max", reason="Spring"
        )
        assert previews_wanted() == []
    with at_time(timezone.now() + HOUR), tenant_transaction(acme):
        assert previews_wanted() == [draft.pk]
    steps.preview(draft)
    with at_time(timezone.now() + HOUR), tenant_transaction(acme):
        assert previews_wanted() == []
