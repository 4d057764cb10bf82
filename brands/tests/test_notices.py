"""Notices: complete before they are published, never changed after, ended once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from brands.models import Brand, Generation, Notice, NoticeDraft, NoticeEnding
from brands.selectors import notice_terms, notices_in_force
from brands.services import notices as services
from brands.services.notices import Content, NoticeRefused
from tenants import services as tenant_services
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

GROUP_LANGUAGE = "zh-hans"


@pytest.fixture
def whole(in_acme) -> Content:
    """Return a content with nothing missing: tea and the group, all kinds."""
    return Content(
        version="2",
        purposes="Service",
        names_group=True,
        brands=(Brand.objects.get(code="tea").pk,),
        covers_profile=True,
        covers_contact=True,
        retention_months=24,
        texts={"zh-hans": ("告知", "正文"), "en": ("Notice", "Text")},
    )


def _problems(content: Content) -> list[str]:
    return services.problems(content, language=GROUP_LANGUAGE, now=timezone.now())


def _published(content: Content, user) -> NoticeDraft:
    draft = services.draft_create(acting_user=user, content=content)
    services.publish_ask(draft=draft, language=GROUP_LANGUAGE, acting_user=user)
    return services.publish(draft_id=draft.pk, language=GROUP_LANGUAGE)


def test_a_whole_notice_has_no_problem(whole):
    assert _problems(whole) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names_group": False, "brands": ()}, "no recipient"),
        ({"brands": (987_654,)}, "does not exist"),
        ({"covers_profile": False, "covers_contact": False}, "no kind of data"),
        ({"texts": {"en": ("Notice", "Text")}}, "group's language"),
        ({"texts": {"zh-hans": ("告知", " ")}}, "group's language"),
        ({"texts": {"zh-hans": ("告知", "正文"), "en": ("Notice", "")}}, "only a title"),
        ({"purposes": " "}, "no purpose"),
        ({"version": ""}, "no version"),
        ({"version": "1"}, "Choose another"),
        ({"retention_months": None}, "how long"),
        ({"consent_months": 0}, "at least a month"),
        ({"effective_from": timezone.now() - dt.timedelta(hours=1)}, "has passed"),
        ({"ends_at": timezone.now() - dt.timedelta(hours=1)}, "end before it begins"),
    ],
)
def test_each_thing_that_is_missing_or_wrong_is_said_and_nothing_published(
    whole, cast, change, words
):
    content = replace(whole, **change)
    found = _problems(content)
    assert len(found) == 1
    assert words in found[0]
    draft = services.draft_create(acting_user=cast.group_admin, content=content)
    if content.version:
        with pytest.raises(NoticeRefused, match=words):
            services.publish_ask(draft=draft, language=GROUP_LANGUAGE, acting_user=cast.group_admin)
    assert Notice.objects.count() == 1
    draft.refresh_from_db()
    assert Content.of_json(draft.content).purposes == content.purposes


def test_a_brand_that_will_have_left_is_no_recipient_and_one_that_stays_is(whole):
    later = timezone.now() + dt.timedelta(days=1)
    Brand.objects.filter(code="tea").update(left_at=later)
    assert _problems(whole) == []
    found = _problems(replace(whole, effective_from=later + dt.timedelta(days=1)))
    assert len(found) == 1
    assert "has left the group" in found[0]


def test_publishing_makes_the_notice_that_the_draft_says_once(whole, cast):
    draft = _published(whole, cast.group_admin)
    assert draft.state == NoticeDraft.State.PUBLISHED
    notice = draft.notice
    assert (notice.version, notice.title, notice.retention_months) == ("2", "告知", 24)
    assert [brand.code for brand in notice.recipients.all()] == ["tea"]
    assert {one.language: one.text for one in notice.texts.all()} == {
        "zh-hans": "正文",
        "en": "Text",
    }
    assert notice.pk in {terms.id for terms in notice_terms()}
    again = services.publish(draft_id=draft.pk, language=GROUP_LANGUAGE)
    assert again.notice_id == notice.pk
    assert Notice.objects.filter(version="2").count() == 1
    event = AuditEvent.objects.get(action="notice.publish")
    assert event.user_name == str(cast.group_admin)
    assert event.changes["recipients"] == ["", "Group, tea"]


def test_two_drafts_of_one_version_make_one_notice_and_the_other_says_why(whole, cast):
    drafts = [services.draft_create(acting_user=cast.group_admin, content=whole) for _ in "ab"]
    for draft in drafts:
        services.publish_ask(draft=draft, language=GROUP_LANGUAGE, acting_user=cast.group_admin)
    first, second = (
        services.publish(draft_id=draft.pk, language=GROUP_LANGUAGE) for draft in drafts
    )
    assert first.state == NoticeDraft.State.PUBLISHED
    assert second.state == NoticeDraft.State.DRAFT
    assert "Choose another" in second.problem
    assert Content.of_json(second.content) == whole


def test_a_notice_is_not_published_for_someone_whose_grant_ended_meanwhile(whole, cast):
    draft = services.draft_create(acting_user=cast.group_admin, content=whole)
    services.publish_ask(draft=draft, language=GROUP_LANGUAGE, acting_user=cast.group_admin)
    tenant_services.grant_end(
        grant=cast.group_admin.acting_grant, acting_user=cast.second_admin, reason="left"
    )
    draft = services.publish(draft_id=draft.pk, language=GROUP_LANGUAGE)
    assert draft.state == NoticeDraft.State.DRAFT
    assert "no right" in draft.problem
    assert not Notice.objects.filter(version="2").exists()


def test_a_published_draft_is_neither_changed_nor_thrown_away(whole, cast):
    draft = _published(whole, cast.group_admin)
    with pytest.raises(NoticeRefused, match="new version"):
        services.draft_save(draft=draft, content=whole, acting_user=cast.group_admin)
    with pytest.raises(NoticeRefused, match="new version"):
        services.draft_discard(draft=draft, acting_user=cast.group_admin)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE brands_notice SET names_group = true",
        "DELETE FROM brands_notice",
        "INSERT INTO brands_notice (version) VALUES ('9')",
        "INSERT INTO brands_notice_recipients (notice_id, brand_id) SELECT 1, 1",
        "DELETE FROM brands_notice_recipients",
        "UPDATE brands_noticetext SET text = ''",
        "INSERT INTO brands_noticetext (language) VALUES ('en')",
        "UPDATE brands_noticeending SET ends_at = now() + interval '9 years'",
        "DELETE FROM brands_noticeending",
    ],
)
def test_the_web_can_neither_write_nor_change_what_people_answer(seeing, cast, sql):
    with seeing(cast.group_admin), connection.cursor() as cursor:
        # The control: it reads them.
        cursor.execute("SELECT count(*) FROM brands_notice")
        assert cursor.fetchone() == (1,)
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            cursor.execute(sql)


def _in_force(at: dt.datetime | None = None) -> list[int]:
    """Return what the wall goes by, which is what people are shown as in force."""
    found = [terms.id for terms in notice_terms(at=at)]
    assert found == sorted(notices_in_force(at=at).values_list("pk", flat=True))
    return found


def test_a_notice_that_ended_opens_nothing_from_that_instant_and_did_before(in_acme, cast):
    notice = Notice.objects.get()
    assert _in_force() == [notice.pk]
    assert _in_force(notice.effective_from) == [notice.pk]
    assert _in_force(notice.effective_from - dt.timedelta(microseconds=1)) == []
    later = timezone.now() + dt.timedelta(days=3)
    services.notice_end(notice=notice, acting_user=cast.group_admin, at=later, reason="New text")
    assert _in_force() == [notice.pk]
    assert _in_force(later) == []
    services.notice_end(notice=notice, acting_user=cast.group_admin, reason="At once")
    assert _in_force() == []
    assert AuditEvent.objects.filter(action="notice.end").count() == 2
    # Its own end, and an answer that may expire unseen.
    Generation.objects.update(expiries_closed_until=None)
    expiring = {"version": "8", "consent_months": 6, "ends_at": later}
    notice = Notice.objects.create(title="N", purposes="P", names_group=True, **expiring)
    assert _in_force() == []
    generation, _made = Generation.objects.get_or_create(pk=Generation.ONLY)
    generation.expiries_closed_until = later
    generation.save()
    assert _in_force() == [notice.pk]
    assert _in_force(later) == []


def test_a_notice_does_not_end_in_the_past_nor_twice_nor_later_than_decided(in_acme, cast):
    notice = Notice.objects.get()
    now = timezone.now()

    def end(days: int) -> None:
        services.notice_end(
            notice=notice,
            acting_user=cast.group_admin,
            at=now + dt.timedelta(days=days),
            reason="…",
        )

    with pytest.raises(NoticeRefused, match="in the past"):
        end(-1)
    end(2)
    with pytest.raises(NoticeRefused, match="earlier than that"):
        end(5)
    services.notice_end(notice=notice, acting_user=cast.group_admin, reason="now")
    with pytest.raises(NoticeRefused, match="ended already"):
        services.notice_end(notice=notice, acting_user=cast.group_admin, reason="again")
    assert NoticeEnding.objects.count() == 2


def test_hq_writes_keeps_and_publishes_a_draft_on_pages(cast, visit, acme):
    client = visit(cast.group_admin)
    with tenant_transaction(acme):
        first, tea = Notice.objects.get(), Brand.objects.get(code="tea")
    page = client.post("/notices/drafts/new/", {"from": first.pk})["Location"]
    assert "A new version of" in client.get(page).content.decode()
    typed = {
        "version": "1b",
        "purposes": "Offers",
        "brands": [tea.pk],
        "kinds": ["profile"],
        "text_en": "Only English",
    }
    answer = client.post(page, typed, follow=True).content.decode()
    assert "The draft is kept." in answer
    assert "group&#x27;s language" in answer
    assert "Only English" in answer
    refused = client.post(page, {**typed, "publish": "1"}, follow=True).content.decode()
    assert "no title and text" in refused
    typed |= {"title_zh-hans": "告知", "text_zh-hans": "正文", "title_en": "Offers"}
    typed |= {"retention_months": "12"}
    unread = client.post(page, {**typed, "retention_months": "many"})
    assert "Only English" in unread.content.decode()
    with tenant_transaction(acme):
        assert Content.of_json(NoticeDraft.objects.get().content).retention_months is None
    client.post(page, {**typed, "publish": "1"})
    assert "is being published" in client.get(page).content.decode()
    with tenant_transaction(acme):
        draft = services.publish(draft_id=NoticeDraft.objects.get().pk, language=GROUP_LANGUAGE)
    assert client.get(page)["Location"] == f"/notices/{draft.notice_id}/"
    assert client.get(page + "state/")["HX-Refresh"] == "true"
    shown = client.get(f"/notices/{draft.notice_id}/").content.decode()
    assert "Bakery" in shown.split("Brands it does not name")[1]
    assert "Tea House" in shown


def test_a_draft_for_what_another_page_needs_names_it(cast, visit, acme):
    client = visit(cast.group_admin)
    data = {"group": "1", "brand": ["tea", "spa", "nowhere"], "kind": ["profile", "contact"]}
    client.post("/notices/drafts/new/", data)
    with tenant_transaction(acme):
        content = Content.of_json(NoticeDraft.objects.get().content)
        assert set(content.brands) == set(
            Brand.objects.filter(code__in=["tea", "spa"]).values_list("pk", flat=True)
        )
    assert (content.names_group, content.covers_contact) == (True, True)
    assert (content.covers_activity, content.version) == (False, "2")
    with tenant_transaction(acme):
        first = Notice.objects.get()
    page = client.post("/notices/drafts/new/", {**data, "from": first.pk})["Location"]
    with tenant_transaction(acme):
        worded = Content.of_json(NoticeDraft.objects.get(pk=page.split("/")[-2]).content)
    assert (worded.brands, worded.covers_activity) == (content.brands, False)
    assert (worded.purposes, worded.texts["zh-hans"][0]) == ("Service", "Group notice")


def test_the_end_of_a_notice_is_shown_before_it_is_made_and_needs_a_reason(cast, visit, acme):
    client = visit(cast.group_admin)
    with tenant_transaction(acme):
        number = Notice.objects.get().pk
    page = f"/notices/{number}/end/"
    assert "What closes" in client.get(page).content.decode()
    assert client.post(page, {"reason": ""}).status_code == 200
    with tenant_transaction(acme):
        assert not NoticeEnding.objects.exists()
    client.post(page, {"reason": "A new text"})
    assert "ended on" in client.get(f"/notices/{number}/").content.decode()
    assert client.get(page).status_code == 302
    # A brand's manager reads of it and has no part in it.
    brand = visit(cast.brand_manager)
    assert "A new text" in brand.get(f"/notices/{number}/").content.decode()
    assert brand.post(page, {"reason": "…"}).status_code == 404
