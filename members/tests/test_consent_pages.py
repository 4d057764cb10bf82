"""A member's answers on pages: handed in once, recorded or refused in words, shown to some."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.utils import timezone

from brands.models import Brand, Notice, NoticeEnding, Store
from brands.modes import Mode
from brands.wall import scope
from members.models import (
    Consent,
    ConsentEntry,
    Contact,
    GroupConsentEntry,
    Objection,
    Person,
    Profile,
)
from members.services import answers_record, consent_record
from tenants.context import tenant_transaction


@pytest.fixture
def member(acme) -> Profile:
    """Return a member of tea who has answered nothing."""
    return _member(acme, "tea")


def _member(acme, code: str, person: int | None = None) -> Profile:
    with tenant_transaction(acme), scope.bulk(reason="test"):
        brand = Brand.objects.get(code=code)
        return Profile.objects.create(
            brand=brand,
            store=Store.objects.filter(brand=brand).first(),
            person_id=person or Person.objects.create().pk,
            member_no=f"{code}-1",
        )


def _page(profile: Profile) -> str:
    return f"/members/{profile.pk}/consents/"


@pytest.fixture
def form(acme):
    """Return a function that fills the form of an answer."""

    def fill(**changes: object) -> dict[str, object]:
        with tenant_transaction(acme):
            notice = Notice.objects.get(version="1")
        filled = {
            "what": "yes",
            "notice": notice.pk,
            "channel": "Store",
            "evidence": "Form 7",
            "request_key": str(uuid.uuid4()),
        }
        return {**filled, **changes}

    return fill


def _notice_of(acme, profile: Profile) -> int | None:
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return Profile.objects.get(pk=profile.pk).notice_id


def test_a_yes_is_handed_in_recorded_and_said_to_have_opened(acme, cast, visit, member, form):
    client = visit(cast.brand_manager)
    assert "No answer yet" in client.get(_page(member)).content.decode()
    answer = client.post(_page(member), form())
    where = answer["Location"]
    waiting = client.get(where).content.decode()
    assert "It is handed in" in waiting
    poll = re.search(r'hx-get="([^"]+)"', waiting)[1]
    assert client.get(poll, headers={"HX-Request": "true"}).get("HX-Refresh") is None
    assert answers_record(tenant=acme) == 1
    assert client.get(poll, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    done = client.get(where).content.decode()
    assert "This member is open now to the recipients of “1 – Group notice”" in done
    assert "Form 7" in done
    assert _notice_of(acme, member) is not None


def test_a_no_closes_every_membership_and_the_page_says_so(acme, cast, visit, member, form):
    sibling = _member(acme, "bakery", member.person_id)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        for profile in (member, sibling):
            consent_record(
                profile=profile, notice=Notice.objects.get(), is_given=True, acting_user=None
            )
    client = visit(cast.brand_manager)
    where = client.post(_page(member), form(what="no", notice=""))["Location"]
    answers_record(tenant=acme)
    assert "consent opens this member to nobody" in (client.get(where).content.decode())
    assert (_notice_of(acme, member), _notice_of(acme, sibling)) == (None, None)
    # Bakery's manager is told that it is closed, and not where.
    shown = visit(cast.sibling_manager).get(_page(sibling)).content.decode()
    assert "given elsewhere" in shown.replace("gave elsewhere", "given elsewhere")
    assert "Tea House" not in shown.split("s-breadcrumbs")[1]


def test_the_same_form_twice_is_one_answer(acme, cast, visit, member, form):
    client = visit(cast.brand_manager)
    filled = form()
    places = {client.post(_page(member), filled)["Location"] for _each in "ab"}
    assert len(places) == 1
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert (ConsentEntry.objects.count(), Consent.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at": "2999-01-01T10:00"}, "dated in the future"),
        ({"notice": ""}, "A yes answers a notice"),
        ({"notice": "987654"}, "not in force"),
        ({"what": "perhaps"}, "perhaps"),
        ({"channel": ""}, "required"),
        ({"birthday": "2020-05-05"}, "a guardian must answer"),
        ({"birthday": "2999-05-05"}, "yet to come"),
        ({"request_key": "x"}, "Load the page again"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_words_and_what_was_typed_stays(
    acme, cast, visit, member, form, changes, words
):
    page = visit(cast.brand_manager).post(_page(member), form(**changes))
    assert page.status_code == 200
    shown = page.content.decode()
    assert words in shown
    assert "Form 7" in shown
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not ConsentEntry.objects.exists()


def test_a_guardian_answers_for_a_child_and_the_birthday_is_kept(acme, cast, visit, member, form):
    child = form(birthday=str(timezone.localdate() - dt.timedelta(days=3000)), is_by_guardian="on")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        Contact.objects.create(
            profile=member, brand_id=member.brand_id, sealed=b"", fingerprint=b""
        )
    client = visit(cast.brand_manager)
    client.post(_page(member), child)
    answers_record(tenant=acme)
    assert _notice_of(acme, member) is not None
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Consent.objects.get().is_by_guardian
        assert Contact.objects.get().minor_until > timezone.localdate()
    assert "by a guardian" in client.get(_page(member)).content.decode()


def test_an_answer_to_a_notice_that_ends_meanwhile_is_refused_on_the_page(
    acme, cast, visit, member, form
):
    # What came of an answer is written down in the group's language.
    acme.locale = "en"
    client = visit(cast.brand_manager)
    where = client.post(_page(member), form())["Location"]
    with tenant_transaction(acme):
        NoticeEnding.objects.create(
            notice=Notice.objects.get(), ends_at=timezone.now(), decided_by_name="HQ"
        )
    answers_record(tenant=acme)
    shown = client.get(where).content.decode()
    assert "It was not recorded." in shown
    assert "has ended" in shown
    assert _notice_of(acme, member) is None
    assert "has ended" in client.get("/consents/").content.decode()


def test_an_objection_is_recorded_and_taken_back(acme, cast, visit, member, form):
    client = visit(cast.brand_manager)
    client.post(_page(member), form(what="objects", notice=""))
    answers_record(tenant=acme)
    assert "no automated decisions" in client.get(_page(member)).content.decode()
    client.post(_page(member), form(what="allows", notice=""))
    answers_record(tenant=acme)
    assert "no automated decisions" not in client.get(_page(member)).content.decode()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Objection.objects.count() == 2


@pytest.mark.parametrize("who", ["sibling_manager", "analyst", "store_manager", "outsider"])
def test_whoever_does_not_work_for_the_brand_finds_no_page_and_posts_to_none(
    acme, cast, visit, member, form, who
):
    client = visit(getattr(cast, who))
    assert client.get(_page(member)).status_code == 404
    assert client.post(_page(member), form()).status_code == 404
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not ConsentEntry.objects.exists()


def test_a_sibling_reads_a_shared_member_s_answers_and_records_none(
    acme, cast, visit, member, form, switch
):
    switch(Mode.FAN_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_record(
            profile=member,
            notice=Notice.objects.get(),
            is_given=True,
            acting_user=None,
            evidence="Call with Mrs Zhang",
        )
    shown = visit(cast.sibling_manager).get(_page(member))
    assert shown.status_code == 200
    assert "1 – Group notice" in shown.content.decode()
    # Evidence may name the person.
    assert "Zhang" not in shown.content.decode()
    assert "Zhang" in visit(cast.brand_manager).get(_page(member)).content.decode()
    assert visit(cast.sibling_manager).post(_page(member), form()).status_code == 404


def test_hq_records_for_the_group_in_fan_max_alone(acme, cast, visit, member, form, switch):
    client = visit(cast.group_admin)
    # In member-max HQ sees a profile without a name: nobody to have spoken with.
    assert client.get(_page(member)).status_code == 200
    assert client.post(_page(member), form(what="no")).status_code == 404
    switch(Mode.FAN_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_record(profile=member, notice=Notice.objects.get(), is_given=True, acting_user=None)
    where = client.post(_page(member), form(what="no"))["Location"]
    assert "group=" in where
    assert "It is handed in" in client.get(where).content.decode()
    answers_record(tenant=acme)
    # It closed the member to HQ too.
    assert client.get(where).status_code == 404
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert GroupConsentEntry.objects.get().state == "recorded"
        assert Consent.objects.filter(is_to_group=True, is_given=False).exists()
    assert _notice_of(acme, member) is None


def test_a_guessed_entry_is_not_found(acme, cast, visit, member, form):
    client = visit(cast.brand_manager)
    where = client.post(_page(member), form())["Location"]
    entry = int(where.rpartition("=")[2])
    assert client.get(f"/consents/entries/{entry}/").status_code == 302
    assert client.get(f"/consents/entries/{entry + 1}/").status_code == 404
    assert visit(cast.sibling_manager).get(f"/consents/entries/{entry}/").status_code == 404
    assert (
        visit(cast.outsider, "globex.localhost").get(f"/consents/entries/{entry}/").status_code
        == 404
    )
    # Another member's page does not show it.
    other = _member(acme, "spa")
    assert client.get(f"{_page(other)}?own={entry}").status_code == 404


def test_the_members_to_ask_are_a_brand_s_own_with_their_reasons(acme, cast, visit, member, form):
    client = visit(cast.brand_manager)
    page = "/consents/gap/tea/?mode=fan_max"
    assert "tea-1" in client.get(page).content.decode()
    assert "Has not answered here" in client.get(page).content.decode()
    assert "tea-1" not in client.get(f"{page}&why=withdrawn").content.decode()
    client.post(_page(member), form(what="no", notice=""))
    answers_record(tenant=acme)
    assert "tea-1" in client.get(f"{page}&why=withdrawn").content.decode()
    client.post(_page(member), form())
    answers_record(tenant=acme)
    assert "tea-1" not in client.get(page).content.decode()
    # Agreed, yet to too little for all kinds: the control is that it does for profiles alone.
    with tenant_transaction(acme):
        Notice.objects.update(covers_activity=False)
    assert "does not say enough" in client.get(f"{page}&why=words").content.decode()
    assert "tea-1" in client.get(f"{page}&why=words").content.decode()
    assert "tea-1" not in client.get(f"{page}&kind=profile").content.decode()
    assert client.get(page.replace("fan_max", "open")).status_code == 404
    assert client.get("/consents/gap/bakery/").status_code == 404
    assert visit(cast.group_admin).get(page).status_code == 404


def test_how_a_brand_came_to_know_an_answer_is_shown_to_the_brand_alone(
    acme, cast, visit, member, switch
):
    switch(Mode.FAN_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_record(
            profile=member,
            notice=Notice.objects.get(),
            is_given=True,
            acting_user=None,
            channel="Reels at noon",
            evidence="Form 7",
        )
    pages = ["/consents/", f"/members/{member.pk}/", _page(member)]
    for person, sees in ((cast.brand_manager, True), (cast.group_admin, False)):
        for page in pages:
            answer = visit(person).get(page)
            shown = answer.content.decode()
            assert (answer.status_code, "tea-1" in shown) == (200, True)
            assert ("Reels at noon" in shown) is sees, (page, person)


def test_the_gap_page_offers_to_write_what_no_notice_says(acme, cast, visit, member):
    with tenant_transaction(acme):
        Brand.objects.create(code="new", name="Joined later")
    page = visit(cast.group_admin).get("/consents/gap/").content.decode()
    assert "No notice in force names all that is needed" in page
    assert "Joined later" in page
    assert "Write one that does" in page
    # Beginning with the words of the newest.
    assert 'name="from"' in page
    brand = visit(cast.brand_manager).get("/consents/gap/").content.decode()
    assert "HQ writes notices" in brand
    assert "Write one that does" not in brand
    assert (
        "nobody has to be asked"
        in visit(cast.group_admin).get("/consents/gap/?mode=member_max").content.decode()
    )
