"""A change of mode from draft to approval: who may take which step, and what each refusal says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from brands.changes import drafts
from brands.changes.assessments import digest_of
from brands.changes.drafts import DraftRefused
from brands.models import (
    Brand,
    ChannelAccount,
    ImpactAssessment,
    ModeChange,
    ModeDraft,
    Notice,
)
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import ModeUnchanged, answers_bump, generation_bump, mode_change
from brands.tests.mode_steps import TEXT
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Grant
from tenants.roles import Level, Role

State = ModeDraft.State


def _modes(acme, at: dt.datetime | None = None) -> dict[str, str]:
    with tenant_transaction(acme):
        modes = effective_modes(at=at)
        return {brand.code: str(modes[brand.pk]) for brand in Brand.objects.all()}


def test_a_change_goes_from_draft_to_effect_through_its_pages(acme, cast, visit, steps):
    asking, second = visit(cast.group_admin), visit(cast.second_admin)
    page = asking.post("/mode/drafts/new/", {"mode": "fan_max", "reason": "Spring"}, follow=True)
    address = page.redirect_chain[-1][0]
    assert "Counting what would open and close" in page.content.decode()
    with tenant_transaction(acme):
        draft = ModeDraft.objects.get()
    steps.preview(draft)
    text = asking.get(address).content.decode()
    assert "For HQ" in text
    assert "Rules that change hands" in text
    assert "The group has no hub mini-program" in text
    written = {**TEXT, "years": "5"}
    assert (
        "unfinished"
        in asking.post(
            f"{address}assessment/", {"purpose": "So far", "keep": "1"}, follow=True
        ).content.decode()
    )
    assert "So far</textarea>" in asking.get(f"{address}assessment/").content.decode()
    asking.post(f"{address}assessment/", written)
    asking.post(f"{address}decide/", {"step": "submit"})
    assert steps.stored(draft).state == State.SUBMITTED
    assert set(_modes(acme).values()) == {"member_max"}
    second.post(f"{address}decide/", {"step": "approve", "preview": "1", "note": "Agreed"})
    assert set(_modes(acme).values()) == {"fan_max"}
    text = second.get(address).content.decode()
    assert "second_admin approved it" in text
    acts = set(AuditEvent.objects.filter(tenant=acme).values_list("action", flat=True))
    assert {
        "mode_draft.create",
        "mode_draft.assess",
        "mode_draft.submit",
        "mode_draft.approve",
        "mode.change",
    } <= acts
    with tenant_transaction(acme):
        change = ModeChange.objects.get(draft=draft)
        assert (change.decided_by, change.reason) == (cast.second_admin, "Spring")
        document = draft.assessments.get()
    assert "One membership" in second.get(f"/mode/assessments/{document.pk}/").content.decode()


def test_an_analyst_reads_every_step_and_takes_none(cast, visit, steps):
    draft = steps.submitted("fan_max", "spa")
    client = visit(cast.analyst)
    address = f"/mode/drafts/{draft.pk}/"
    text = client.get(address).content.decode()
    assert "For HQ" in text
    assert "<form" not in text[text.index('id="preview"') :]
    for path in (f"{address}decide/", f"{address}preview/", "/mode/drafts/new/"):
        assert client.post(path, {"step": "approve"}).status_code == 404, path
    assert client.get("/mode/").status_code == 200
    assert visit(cast.brand_manager).get(address).status_code == 404


def test_neither_who_asked_nor_who_assessed_can_approve(acme, cast, steps):
    own = steps.submitted("fan_max", "spa")
    with pytest.raises(DraftRefused, match="You asked for this change"):
        steps.approve(own, cast.group_admin)
    draft = steps.draft("brand_max", "tea")
    steps.assess(draft, by=cast.second_admin)
    steps.submit(draft)
    with pytest.raises(DraftRefused, match="You wrote the assessment"):
        steps.approve(draft, cast.second_admin)
    assert set(_modes(acme).values()) == {"member_max"}
    # The positive twin: a person who did neither.
    assert steps.approve(own, cast.second_admin).state == State.APPROVED


def test_the_database_itself_keeps_no_approval_by_one_person(cast, seeing, steps):
    draft = steps.submitted("fan_max", "spa")
    with seeing(cast.group_admin):
        mine = ModeDraft.objects.filter(pk=draft.pk)
        with pytest.raises(IntegrityError, match="approved_by_a_second"), transaction.atomic():
            mine.update(state="approved", decided_by=cast.group_admin)
        with pytest.raises(IntegrityError, match="approved_by_a_second"), transaction.atomic():
            mine.update(state="approved")
        assert mine.update(state="approved", decided_by=cast.second_admin) == 1


def _import(acme) -> None:
    generation_bump()


def _answer(acme) -> None:
    answers_bump()


def _mode(acme) -> None:
    mode_change(mode=Mode.BRAND_MAX, brand=Brand.objects.get(code="bakery"), acting_user=None)


def _notice(acme) -> None:
    Notice.objects.create(version="2", title="New", names_group=True)


def _brand(acme) -> None:
    Brand.objects.create(code="new", name="New")


def _left(acme) -> None:
    Brand.objects.filter(code="bakery").update(left_at=timezone.now())


def _grant(acme) -> None:
    Grant.objects.filter(tenant=acme, role=Role.STORE_MANAGER).update(valid_until=timezone.now())


def _channel(acme) -> None:
    ChannelAccount.objects.create(kind="wecom", name="Corp", external_id="corp")


@pytest.mark.parametrize(
    ("happen", "words"),
    [
        (_import, "members, orders or figures"),
        (_answer, "people&#x27;s answers"),
        (_mode, "a mode"),
        (_notice, "a notice"),
        (_brand, "the brands"),
        (_left, "the brands"),
        (_grant, "a grant"),
        (_channel, "a channel account"),
    ],
)
def test_a_stale_preview_says_what_changed_and_cannot_be_approved(
    acme, cast, visit, steps, happen: Callable[[Any], None], words
):
    draft = steps.submitted("fan_max", "spa")
    with tenant_transaction(acme):
        happen(acme)
    client = visit(cast.second_admin)
    number = steps.previews(draft)[-1].number
    page = client.post(
        f"/mode/drafts/{draft.pk}/decide/", {"step": "approve", "preview": number}, follow=True
    ).content.decode()
    # A brand that moves in or out of brand-max takes the whole preview out of sight.
    hidden = happen in {_mode, _left}
    refused = "no finished preview" if hidden else "The preview is out of date"
    shown = "made in other modes than today" if hidden else "Out of date: "
    assert refused in page
    assert shown in page
    assert hidden or words in page.split("Out of date: ")[1].split(" changed since")[0]
    assert steps.stored(draft).state == State.SUBMITTED
    # Made anew and read, the draft can be decided; under other notices it is another change.
    steps.again(draft)
    if happen is _notice:
        with pytest.raises(DraftRefused, match="assessment is about another change"):
            steps.approve(draft, cast.second_admin)
    else:
        assert steps.approve(draft, cast.second_admin).state == State.APPROVED


def test_a_preview_that_the_approver_has_not_read_does_not_count(cast, steps):
    draft = steps.submitted("fan_max", "spa")
    steps.again(draft)
    with pytest.raises(DraftRefused, match="newer preview"):
        steps.approve(draft, cast.second_admin, number=1)
    assert steps.approve(draft, cast.second_admin, number=2).state == State.APPROVED


def test_a_second_approval_finds_the_first_and_does_nothing(acme, cast, steps):
    draft = steps.submitted("fan_max", "spa")
    steps.approve(draft, cast.second_admin)
    with tenant_transaction(acme):
        count = ModeChange.objects.count()
    with pytest.raises(DraftRefused, match="second_admin approved this draft already"):
        steps.approve(draft, cast.second_admin)
    with tenant_transaction(acme):
        assert ModeChange.objects.count() == count


def test_of_two_drafts_for_a_brand_the_approval_of_one_overtakes_the_other(acme, cast, steps):
    first = steps.submitted("fan_max", "spa")
    other = steps.submitted("brand_max", "spa")
    elsewhere = steps.submitted("brand_max", "tea")
    steps.approve(other, cast.second_admin)
    assert steps.stored(first).state == State.OVERTAKEN
    assert "second_admin decided otherwise" in steps.stored(first).decision_note
    assert steps.stored(elsewhere).state == State.SUBMITTED
    with pytest.raises(DraftRefused, match="not open for this"):
        steps.approve(first, cast.second_admin)
    assert _modes(acme)["spa"] == "brand_max"


def test_a_decision_made_otherwise_overtakes_a_draft_when_it_is_approved(acme, cast, steps):
    draft = steps.submitted("fan_max", "spa")
    with tenant_transaction(acme):
        mode_change(mode="brand_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    assert steps.approve(draft, cast.second_admin).state == State.OVERTAKEN
    assert _modes(acme)["spa"] == "brand_max"


def test_two_admins_approve_each_others_drafts_and_the_second_must_look_again(acme, cast, steps):
    mine = steps.submitted("fan_max", "spa")
    theirs = steps.submitted("brand_max", "tea", by=cast.second_admin)
    assert steps.approve(theirs, cast.group_admin).state == State.APPROVED
    with pytest.raises(DraftRefused, match="out of date|no finished preview"):
        steps.approve(mine, cast.second_admin)
    steps.again(mine)
    assert steps.approve(mine, cast.second_admin).state == State.APPROVED
    assert _modes(acme) == {"tea": "brand_max", "bakery": "member_max", "spa": "fan_max"}


def test_an_approver_whose_grant_has_ended_is_refused(acme, cast, steps, seeing):
    draft = steps.submitted("fan_max", "spa")
    with seeing(cast.second_admin):
        # Ended by another while the page was open: the request's own grant still looks whole.
        Grant.objects.filter(user=cast.second_admin).update(
            valid_from=timezone.now() - dt.timedelta(days=2),
            valid_until=timezone.now() - dt.timedelta(days=1),
        )
        with pytest.raises(DraftRefused, match="grant as HQ admin has ended"):
            drafts.draft_approve(draft=draft, acting_user=cast.second_admin, preview_number=1)
        # Another role of the same person's is no HQ admin's.
        cast.second_admin.acting_grant = Grant.objects.create(
            user=cast.second_admin, role=Role.HQ_ANALYST, level=Level.GROUP, tenant=acme
        )
        with pytest.raises(DraftRefused, match="grant as HQ admin has ended"):
            drafts.draft_approve(draft=draft, acting_user=cast.second_admin, preview_number=1)


def test_a_date_that_has_passed_is_refused_until_a_new_one_is_chosen(
    acme, cast, steps, seeing, at_time
):
    at = timezone.now() + dt.timedelta(days=1)
    draft = steps.submitted("fan_max", "spa", effective_at=at)
    with at_time(at + dt.timedelta(minutes=1)):
        with pytest.raises(DraftRefused, match="has passed"):
            steps.approve(draft, cast.second_admin)
        with seeing(cast.group_admin):
            drafts.draft_reopen(draft=draft, acting_user=cast.group_admin)
            drafts.draft_change(
                draft=draft,
                acting_user=cast.group_admin,
                mode="fan_max",
                reason="Later",
                effective_at=None,
            )
        steps.preview(draft)
        steps.submit(draft)
        assert steps.approve(draft, cast.second_admin).state == State.APPROVED
        assert _modes(acme)["spa"] == "fan_max"


def test_a_brand_that_left_cannot_be_drafted_nor_approved(acme, cast, steps):
    draft = steps.submitted("fan_max", "spa")
    with tenant_transaction(acme):
        Brand.objects.filter(code="spa").update(left_at=timezone.now())
    with pytest.raises(DraftRefused, match="has left the group"):
        steps.approve(draft, cast.second_admin)
    with pytest.raises(DraftRefused, match="has left the group"):
        steps.draft("member_max", "spa")


@pytest.mark.parametrize(
    ("mode", "brand", "reason", "error"),
    [
        ("", None, "Why", DraftRefused),
        ("open", None, "Why", DraftRefused),
        ("fan_max", None, "  ", DraftRefused),
        ("member_max", None, "Why", ModeUnchanged),
        ("", "spa", "Why", ModeUnchanged),
    ],
)
def test_a_draft_that_makes_no_sense_is_not_written(acme, steps, mode, brand, reason, error):
    with pytest.raises(error):
        steps.draft(mode, brand, reason=reason)
    with tenant_transaction(acme):
        assert not ModeDraft.objects.exists()


def test_a_draft_needs_preview_and_assessment_before_it_is_submitted(cast, seeing, steps):
    with seeing(cast.group_admin):
        draft = drafts.draft_create(
            acting_user=cast.group_admin,
            brand=Brand.objects.get(code="spa"),
            mode="fan_max",
            reason="Spring",
        )
    with pytest.raises(DraftRefused, match="no finished preview"):
        steps.submit(draft)
    steps.preview(draft)
    with pytest.raises(DraftRefused, match="no impact assessment"):
        steps.submit(draft)
    steps.assess(draft, conclusion="not_acceptable")
    with pytest.raises(DraftRefused, match="must not be made"):
        steps.submit(draft)
    steps.assess(draft)
    with pytest.raises(DraftRefused, match="Only group_admin"):
        steps.submit(draft, by=cast.second_admin)
    steps.submit(draft)


def test_a_draft_is_rejected_with_a_reason_taken_back_or_given_up(cast, seeing, steps):
    draft = steps.submitted("fan_max", "spa")
    with seeing(cast.second_admin):
        with pytest.raises(DraftRefused, match="Say why"):
            drafts.draft_reject(draft=draft, acting_user=cast.second_admin, note=" ")
        drafts.draft_reject(draft=draft, acting_user=cast.second_admin, note="Too early")
    assert steps.stored(draft).decision_note == "Too early"
    other = steps.submitted("fan_max", "tea")
    with seeing(cast.group_admin):
        with pytest.raises(DraftRefused, match="your own draft"):
            drafts.draft_reject(draft=other, acting_user=cast.group_admin, note="No")
        drafts.draft_withdraw(draft=other, acting_user=cast.group_admin)
    assert steps.stored(other).state == State.WITHDRAWN
    with pytest.raises(DraftRefused, match="not open for this"):
        steps.submit(other)


def test_an_assessment_is_a_dated_document_that_the_web_cannot_change(cast, seeing, steps):
    draft = steps.draft("fan_max", "spa")
    steps.assess(draft)
    with seeing(cast.group_admin):
        made = draft.assessments.get()
        assert made.kept_until.year == made.dated_on.year + 3
        assert (made.number, made.recipients) == (1, [""])
        assert "contact" in made.kinds
        assert digest_of(made) == made.digest
        made.measures = "None at all"
        assert digest_of(made) != made.digest
        for act in (
            lambda: ImpactAssessment.objects.update(measures="None"),
            lambda: ImpactAssessment.objects.all().delete(),
        ):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                act()
    steps.assess(draft, measures="More")
    with seeing(cast.group_admin):
        assert [one.number for one in draft.assessments.all()] == [2, 1]
        with pytest.raises(IntegrityError, match="three_years"), transaction.atomic():
            ImpactAssessment.objects.create(
                draft=draft,
                number=3,
                preview_number=1,
                dated_on=dt.date(2026, 1, 1),
                kept_until=dt.date(2028, 12, 1),
            )


def test_an_assessment_of_another_change_does_not_do(acme, cast, visit, steps, seeing):
    draft = steps.draft("fan_max", "spa")
    steps.assess(draft)
    with seeing(cast.group_admin):
        drafts.draft_change(
            draft=draft,
            acting_user=cast.group_admin,
            mode="brand_max",
            reason="Rather",
            effective_at=None,
        )
    steps.preview(draft)
    with pytest.raises(DraftRefused, match="about another change"):
        steps.submit(draft)
    page = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    assert "written about another change" in page
    steps.assess(draft)
    steps.submit(draft)


def test_a_changed_document_says_so(acme, cast, visit, steps):
    draft = steps.draft("fan_max", "spa")
    steps.assess(draft)
    with tenant_transaction(acme):
        made = draft.assessments.get()
    client = visit(cast.analyst)
    address = f"/mode/assessments/{made.pk}/"
    assert "changed in the database" not in client.get(address).content.decode()
    with tenant_transaction(acme), connection.cursor() as cursor:
        cursor.execute("UPDATE brands_impactassessment SET risks = 'none' WHERE id = %s", [made.pk])
    assert "changed in the database" in client.get(address).content.decode()
