"""What pages and programs hand in is recorded by the owner role, once, and says what came of it."""

import datetime as dt
import uuid

import pytest
from django.db import Error, transaction
from django.utils import timezone

from brands.models import Brand, Generation, Notice
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from members.consents import entries
from members.models import (
    Consent,
    ConsentEntry,
    Contact,
    Entry,
    GroupConsentEntry,
    Identity,
    Profile,
)
from members.services import AnswerRefused, answer_enter, answers_record
from members.tests.pools import fill, phone_of
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

What = Entry.What


@pytest.fixture
def pools(acme):
    """Return code → profiles of tea and bakery, where members of one number are one person."""
    # What came of an answer is written down in the group's language.
    acme.locale = "en"
    found = {code: fill(acme, code, members=2, orders=1) for code in ("tea", "bakery")}
    with tenant_transaction(acme), scope.bulk(reason="test"):
        for profile in Profile.objects.all():
            key = profile.contact.phone_key
            identity, _new = Identity.objects.get_or_create(kind="phone", key=key)
            identity.links.get_or_create(profile=profile)
    return found


@pytest.fixture
def enter(seeing, pools):
    """Return a function that hands an answer in as a person of the cast, as the web does."""

    def hand_in(user, what, profile=None, **options):
        with seeing(user) as opened:
            if profile is not None:
                options["profile"] = Profile.objects.get(pk=profile)
            if version := options.pop("version", None):
                options["notice"] = Notice.objects.get(version=version)
            return answer_enter(visible=opened.visible, what=what, acting_user=user, **options)

    return hand_in


@pytest.fixture
def record(acme):
    """Return a function that records what waits, and reads an entry again."""

    def run(entry=None):
        answers_record(tenant=acme)
        with tenant_transaction(acme), scope.bulk(reason="test"):
            if isinstance(entry, ConsentEntry):
                return ConsentEntry.objects.select_related("store").get(pk=entry.pk)
            return entry and GroupConsentEntry.objects.get(pk=entry.pk)

    return run


@pytest.fixture
def opened(acme):
    """Return a function: the brands and numbers of record whose profiles carry a notice."""

    def read():
        with tenant_transaction(acme), scope.bulk(reason="test"):
            return set(Profile.objects.exclude(notice=None).values_list("member_no", flat=True))

    return read


def test_an_answer_of_a_brand_waits_until_it_is_recorded(
    enter, record, opened, pools, cast, seeing
):
    entry = enter(
        cast.brand_manager, What.YES, pools["tea"][0], version="1", channel="store", evidence="7"
    )
    assert (entry.state, opened()) == ("waiting", set())
    entry = record(entry)
    assert (entry.state, entry.has_opened, entry.has_closed) == ("recorded", True, False)
    assert opened() == {"TEA-1"}
    with seeing(cast.brand_manager):
        consent = Consent.objects.get()
        assert (consent.channel, consent.evidence, consent.is_to_group) == ("store", "7", False)
        assert ConsentEntry.objects.get().recorded_at is not None
    event = AuditEvent.objects.get(action="consent.give")
    assert (event.user, event.target_name) == (cast.brand_manager, "Tea House")
    no = record(enter(cast.sibling_manager, What.NO, pools["bakery"][0]))
    assert (no.state, no.has_opened, no.has_closed, opened()) == ("recorded", False, False, set())


def test_a_member_is_named_by_number_or_by_what_identifies_them(enter, record, opened, cast):
    for name in ({"member_no": "TEA-1"}, {"identity": ("phone", "138 0000 0002")}):
        entry = record(enter(cast.brand_manager, What.YES, version="1", **name))
        assert entry.state == "recorded"
    assert opened() == {"TEA-1", "TEA-2"}
    for name in ({"member_no": "BAKERY-1"}, {"identity": ("phone", phone_of(9))}):
        entry = record(enter(cast.brand_manager, What.NO, **name))
        assert (entry.state, "no such member" in entry.outcome) == ("refused", True)
    assert opened() == {"TEA-1", "TEA-2"}
    with pytest.raises(AnswerRefused, match="no phone, card"):
        enter(cast.brand_manager, What.NO, identity=("phone", "12"))


def test_a_store_answers_for_its_own_members_and_for_no_other(
    acme, enter, record, opened, pools, cast, seeing
):
    (elsewhere,) = fill(acme, "tea", members=1, orders=0, first=7, store="tea-2")
    entry = record(enter(cast.guide, What.YES, pools["tea"][0], version="1"))
    assert (entry.state, entry.store.code, opened()) == ("recorded", "tea-1", {"TEA-1"})
    entry = record(enter(cast.guide, What.NO, member_no="TEA-7"))
    assert (entry.state, opened()) == ("refused", {"TEA-1"})
    with pytest.raises(Profile.DoesNotExist):
        enter(cast.guide, What.NO, elsewhere)
    with seeing(cast.guide):
        assert ConsentEntry.objects.count() == 2
    with seeing(cast.sibling_manager):
        assert ConsentEntry.objects.count() == 0
    with seeing(cast.group_admin):
        assert ConsentEntry.objects.count() == 0


def test_the_database_takes_no_entry_for_another_brand_and_no_change(enter, pools, cast, seeing):
    with seeing(cast.brand_manager):
        bakery = Brand.objects.get(code="bakery")
        entry = ConsentEntry(what=What.NO, profile_id=pools["bakery"][0], brand=bakery)
        with pytest.raises(Error, match="row-level security"), transaction.atomic():
            entry.save()
    enter(cast.brand_manager, What.NO, pools["tea"][0])
    with seeing(cast.brand_manager):
        with pytest.raises(Error, match="permission denied"), transaction.atomic():
            ConsentEntry.objects.update(state="recorded")
        with pytest.raises(Error, match="row-level security"), transaction.atomic():
            GroupConsentEntry.objects.create(what=What.NO, brand_set="x")


def test_an_entry_that_names_another_brands_profile_records_nothing(
    acme, record, opened, pools, cast, seeing
):
    with seeing(cast.brand_manager):
        tea = Brand.objects.get(code="tea")
        forged = ConsentEntry.objects.create(
            what=What.YES,
            profile_id=pools["bakery"][0],
            brand=tea,
            answered_notice=Notice.objects.get(),
        )
    forged = record(forged)
    assert (forged.state, opened()) == ("refused", set())


def test_hq_records_answers_to_the_group_and_no_brand_does(
    acme, enter, record, opened, pools, cast, seeing
):
    with tenant_transaction(acme):
        mode_change(mode=Mode.FAN_MAX, acting_user=None)
    phone = ("phone", phone_of(1))
    yes = {"identity": phone, "version": "1", "to_group": True}
    for person in (cast.brand_manager, cast.analyst):
        with pytest.raises(AnswerRefused, match="Only the group's HQ"):
            enter(person, What.YES, **yes)
    entry = record(enter(cast.group_admin, What.YES, **yes))
    assert (entry.state, opened()) == ("recorded", {"TEA-1", "BAKERY-1"})
    with seeing(cast.group_admin):
        assert GroupConsentEntry.objects.get().pk == entry.pk
    with seeing(cast.brand_manager):
        assert GroupConsentEntry.objects.count() == 0
    # The audit, which HQ reads in every mode, does not say in which brand the person is.
    event = AuditEvent.objects.get(action="consent.give")
    assert (event.target_type, event.target_id) == ("members.groupconsententry", str(entry.pk))
    record(enter(cast.group_admin, What.NO, pools["tea"][0], to_group=True))
    assert opened() == set()


def test_an_answer_to_the_group_does_not_tell_whether_there_is_such_a_member(
    acme, enter, record, opened, pools, cast
):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        child = timezone.now().date() + dt.timedelta(days=9)
        Contact.objects.filter(profile__member_no="TEA-1").update(minor_until=child)

    def told(number, what):
        entry = enter(
            cast.group_admin, what, identity=("phone", number), version="1", to_group=True
        )
        entry = record(entry)
        events = AuditEvent.objects.filter(target_id=str(entry.pk))
        with tenant_transaction(acme):
            answers = Generation.objects.get().answers
        return entry.state, entry.outcome, list(events.values_list("target_name")), answers

    *told_of_child, first = told(phone_of(1), What.YES)
    *told_of_nobody, second = told(phone_of(77), What.YES)
    assert told_of_child == told_of_nobody
    assert told_of_child[0] == "recorded"
    assert (second - first, opened()) == (1, set())
    assert told(phone_of(2), What.YES)[:-1] == tuple(told_of_nobody)
    assert opened() == {"TEA-2", "BAKERY-2"}


def test_what_cannot_be_recorded_is_refused_in_words_at_once_or_by_the_job(
    acme, enter, record, opened, pools, cast
):
    profile = pools["tea"][0]
    tomorrow = timezone.now() + dt.timedelta(days=1)
    with pytest.raises(AnswerRefused, match="dated in the future"):
        enter(cast.brand_manager, What.NO, profile, at=tomorrow)
    with pytest.raises(AnswerRefused, match="Say which one"):
        enter(cast.brand_manager, What.YES, profile)
    with pytest.raises(AnswerRefused, match="which member"):
        enter(cast.brand_manager, What.NO)
    birthday = (timezone.now() + dt.timedelta(days=9)).date()
    fourteen = {"minor_until": birthday, "version": "1"}
    with pytest.raises(AnswerRefused, match="guardian"):
        enter(cast.brand_manager, What.YES, profile, **fourteen)
    entry = record(enter(cast.brand_manager, What.YES, profile, is_by_guardian=True, **fourteen))
    assert (entry.state, opened()) == ("recorded", {"TEA-1"})
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Contact.objects.get(profile=profile).minor_until == birthday
    # A notice that ends between the page and the job.
    entry = enter(cast.brand_manager, What.YES, pools["tea"][1], version="1")
    with tenant_transaction(acme):
        Notice.objects.get().endings.create(ends_at=timezone.now(), decided_by_name="HQ")
    entry = record(entry)
    assert (entry.state, "has ended" in entry.outcome) == ("refused", True)


def test_the_same_request_twice_is_one_answer(enter, record, pools, cast, acme):
    key = uuid.uuid4()
    first, second = (
        enter(cast.brand_manager, What.NO, pools["tea"][0], request_key=key) for _time in range(2)
    )
    assert first.pk == second.pk
    record()
    assert record(first).state == "recorded"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Consent.objects.count() == 1


def test_a_run_that_is_killed_leaves_everything_waiting(
    enter, record, opened, pools, cast, monkeypatch
):
    class Killed(BaseException):
        """Stand for the end of a process."""

    entry = enter(cast.brand_manager, What.YES, pools["tea"][0], version="1")

    def die(persons):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(entries.ledger, "keep_persons", die)
        with pytest.raises(Killed):
            record()
    assert opened() == set()
    assert record(entry).state == "recorded"
    assert opened() == {"TEA-1"}


def test_a_fault_of_ours_keeps_one_answer_waiting_and_no_other(
    enter, record, opened, pools, cast, monkeypatch
):
    bad = enter(cast.brand_manager, What.YES, pools["tea"][0], version="1")
    good = enter(cast.brand_manager, What.YES, pools["tea"][1], version="1")
    append = entries._append
    with monkeypatch.context() as patched:
        patched.setattr(
            entries, "_append", lambda entry: 1 / 0 if entry.pk == bad.pk else append(entry)
        )
        assert record(good).state == "recorded"
    assert opened() == {"TEA-2"}
    assert record(bad).state == "recorded"


def test_an_objection_is_handed_in_like_an_answer(enter, record, pools, cast, acme):
    record(enter(cast.brand_manager, What.OBJECTS, pools["tea"][0]))
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert set(
            Profile.objects.filter(no_automation=True).values_list("member_no", flat=True)
        ) == {"TEA-1", "BAKERY-1"}
    record(enter(cast.brand_manager, What.ALLOWS, pools["tea"][0]))
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.filter(no_automation=True).exists()


def test_each_waiting_answer_is_found_without_being_told_of(acme, enter, pools, cast, opened):
    from members.tasks import sweep_answers

    for number in (0, 1):
        enter(cast.brand_manager, What.YES, pools["tea"][number], version="1")
    assert sweep_answers() == 2
    assert opened() == {"TEA-1", "TEA-2"}
    assert sweep_answers() == 0


def test_answers_that_are_handed_in_together_are_sent_once(
    enter, pools, cast, seeing, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as sent, seeing(cast.brand_manager) as scope_opened:
        for number in ("TEA-1", "TEA-2"):
            answer_enter(
                visible=scope_opened.visible,
                what=What.NO,
                acting_user=cast.brand_manager,
                member_no=number,
            )
    assert len(sent) == 1
