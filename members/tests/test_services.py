"""A yes opens what it was given for; a no closes every profile of the person, at once."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, Generation, Notice
from brands.modes import Mode
from brands.services import mode_change
from members.figures import compare
from members.models import Consent, Contact, MaskedContact, Order, OrderLine, Profile
from members.services import (
    AnswerRefused,
    consent_record,
    consent_withdraw,
    objection_record,
)
from tenants.models import AuditEvent

COPIES = (
    "notices on members",
    "objections on members",
    "notices and stores on contacts",
    "consents",
    "objections",
    "notices on orders",
    "copies on order lines",
)
WALLED = (Profile, Contact, MaskedContact, Order, OrderLine)
NOW = timezone.now()


def ago(hours):
    """Return an instant some hours before the tests began."""
    return NOW - dt.timedelta(hours=hours)


@pytest.fixture
def person(importer):
    """Return one person's profile in tea and another in bakery, each with an order."""
    for brand in ("tea", "bakery"):
        importer.members("member_no,phone\n1,13800138000\n", brand=brand)
        importer.orders("order_no,member_no,ordered_at,amount\nA,1,2026-03-01,5\n", brand=brand)
    return {row.brand.code: row for row in Profile.objects.select_related("brand")}


@pytest.fixture
def notice(in_acme):
    """Return the notice that names the group and every brand."""
    return Notice.objects.get()


@pytest.fixture
def for_tea(in_acme):
    """Return a newer notice that names tea alone, whose answers hold for a month."""
    found = Notice.objects.create(version="2", title="Second", purposes="S", consent_months=1)
    found.recipients.set(Brand.objects.filter(code="tea"))
    return found


@pytest.fixture
def says(importer, person):
    """Return a function that records what the person says in a brand."""

    def record(brand, notice, is_given=True, **options):
        answer = {"profile": person[brand], "is_given": is_given, "acting_user": None}
        return consent_record(notice=notice, **answer, **options)

    return record


@pytest.fixture
def opened(importer):
    """Return a function: brand → version that stands on each row of the person there."""

    def read():
        # Figures of the group are recounted after a change of mode, by a job.
        differing = compare(tenant=importer.tenant)
        assert {differing[name] for name in COPIES} == {0}
        found = {}
        for model in WALLED:
            rows = model.objects.values_list("brand__code", "notice__version")
            found[model.__name__] = {code: version for code, version in rows if version}
        assert len({str(sorted(one.items())) for one in found.values()}) == 1
        return found["Profile"]

    return read


def test_a_yes_opens_the_profile_it_was_given_in_and_no_other(says, opened, person, notice, cast):
    consent = says("tea", notice, channel="store", evidence="form 7")
    assert (consent.notice, consent.is_to_group, consent.expires_at) == (notice, False, None)
    assert (consent.brand.code, consent.person_id) == ("tea", person["tea"].person_id)
    assert opened() == {"tea": "1"}
    event = AuditEvent.objects.get(action="consent.give")
    assert (event.target_name, event.target_id) == ("Tea House", str(person["tea"].pk))
    says("bakery", notice)
    assert opened() == {"tea": "1", "bakery": "1"}


def test_a_yes_to_the_group_opens_where_it_stands_and_no_later_row_of_the_person(
    says, opened, notice, for_tea, importer
):
    # It was given with what bakery's profile carries, and its notice does not name bakery.
    says("bakery", for_tea, is_to_group=True, at=ago(3))
    assert opened() == {}
    says("tea", for_tea, is_to_group=True, at=ago(2))
    assert opened() == {"tea": "2"}
    says("bakery", notice, is_to_group=True, at=ago(1))
    assert opened() == {"tea": "2", "bakery": "1"}
    # A row that a brand adds to the person is one that nobody was asked about.
    importer.members("member_no,phone\n1,13800138000\n", brand="spa")
    importer.orders("order_no,member_no,ordered_at,amount\nA,1,2026-03-01,5\n", brand="spa")
    assert opened() == {"tea": "2", "bakery": "1"}


def test_a_no_closes_every_profile_until_it_is_taken_back_where_it_was_said(says, opened, notice):
    says("tea", notice, at=ago(9))
    says("bakery", notice, at=ago(8))
    says("bakery", notice, is_given=False, at=ago(7))
    assert opened() == {}
    says("tea", notice, at=ago(6))
    assert opened() == {}
    says("bakery", notice, at=ago(5))
    assert opened() == {"tea": "1", "bakery": "1"}


def test_a_yes_to_the_group_takes_a_no_back_where_it_stands_later_than_the_no(
    says, opened, notice, for_tea
):
    says("bakery", notice, is_given=False, at=ago(8))
    says("bakery", notice, is_to_group=True, at=ago(9))
    assert opened() == {}
    # One that does not stand where the no was said, and one that does not name that brand.
    says("tea", notice, is_to_group=True, at=ago(7))
    says("bakery", for_tea, is_to_group=True, at=ago(6))
    assert opened() == {}
    says("bakery", notice, is_to_group=True, at=ago(5))
    assert opened() == {"tea": "1", "bakery": "1"}
    # A no to the group is every membership's, until a yes in each.
    says("tea", None, is_given=False, is_to_group=True, at=ago(4))
    assert opened() == {}
    says("tea", notice, is_to_group=True, at=ago(3))
    assert opened() == {}
    says("bakery", notice, at=ago(2))
    assert opened() == {"tea": "1", "bakery": "1"}


def test_a_no_without_a_yes_before_it_is_recorded_too(importer, person, opened):
    first = consent_withdraw(profile=person["tea"], acting_user=None)
    second = consent_withdraw(profile=person["tea"], acting_user=None)
    assert (first.answered_notice, first.is_given, second.pk == first.pk) == (None, False, False)
    assert opened() == {}


def test_a_withdrawal_names_what_was_agreed_to_and_counts_as_an_answer(says, person, notice):
    says("tea", notice, at=ago(1))
    before = Generation.objects.get().answers
    assert consent_withdraw(profile=person["tea"], acting_user=None).answered_notice == notice
    assert Generation.objects.get().answers == before + 1
    assert AuditEvent.objects.filter(action="consent.withdraw").count() == 1


def test_the_latest_answer_holds_whatever_the_order_of_recording(says, opened, notice, for_tea):
    for answered, is_given, at in ((for_tea, True, 1), (notice, True, 3), (notice, False, 2)):
        says("tea", answered, is_given, at=ago(at))
        assert opened() == {"tea": "2"}


def test_a_no_wins_over_a_yes_of_the_same_instant(says, opened, notice):
    says("tea", notice, at=ago(2))
    assert opened() == {"tea": "1"}
    for is_given in (False, True):
        says("tea", notice, is_given, at=ago(1))
    assert opened() == {}


def test_the_same_answer_twice_is_one_row(says, notice):
    for _time in range(2):
        says("tea", notice, at=ago(1))
    assert Consent.objects.count() == 1
    assert AuditEvent.objects.filter(action="consent.give").count() == 1


def test_nothing_is_recorded_that_cannot_have_been_answered(says, notice, for_tea):
    Notice.objects.filter(pk=for_tea.pk).update(effective_from=NOW + dt.timedelta(days=1))
    for_tea.refresh_from_db()
    tomorrow = NOW + dt.timedelta(days=1)
    for answered, options, words in (
        (notice, {"at": tomorrow}, "dated in the future"),
        (None, {"is_given": False, "at": tomorrow}, "dated in the future"),
        (for_tea, {}, "in force only in the future"),
        (None, {}, "Say which one"),
    ):
        with pytest.raises(AnswerRefused, match=words):
            says("tea", answered, **options)
    assert not Consent.objects.exists()


def test_an_ended_notice_opens_nothing_takes_no_yes_and_every_no(
    says, opened, notice, cast, seeing
):
    mode_change(mode=Mode.FAN_MAX, acting_user=None)
    says("tea", notice, at=ago(2))

    def seen_by_hq():
        with seeing(cast.group_admin):
            return Profile.objects.filter(brand__code="tea").count()

    assert seen_by_hq() == 1
    notice.endings.create(ends_at=ago(1), decided_by_name="HQ")
    assert seen_by_hq() == 0
    with pytest.raises(AnswerRefused, match="has ended"):
        says("tea", notice, at=ago(3))
    says("tea", notice, is_given=False)
    assert opened() == {}


def test_a_yes_of_someone_under_14_is_a_guardian_s(says, opened, person, notice):
    birthday = dt.date(2026, 3, 1)
    Contact.objects.filter(profile=person["tea"]).update(minor_until=birthday)
    # Of two birthdays the later one holds: the narrower.
    earlier = dt.date(2025, 1, 1)
    Contact.objects.filter(profile=person["bakery"]).update(minor_until=earlier)
    before = dt.datetime(2026, 2, 28, 15, 59, tzinfo=dt.UTC)
    with pytest.raises(AnswerRefused, match="guardian"):
        says("tea", notice, at=before)
    # What another brand knows is not told here: the yes is kept, and opens nothing.
    says("bakery", notice, at=before)
    assert opened() == {}
    says("bakery", notice, is_by_guardian=True, at=before - dt.timedelta(minutes=1))
    assert opened() == {"bakery": "1"}
    # One minute later it is the birthday on the group's calendar.
    says("tea", notice, at=before + dt.timedelta(minutes=1))
    assert opened() == {"tea": "1", "bakery": "1"}


def test_strangers_rows_are_not_touched(importer, says, notice):
    importer.members("member_no,phone\n2,13800138001\n")
    says("tea", notice, is_to_group=True)
    assert Profile.objects.get(member_no="2").notice is None


def test_the_wall_opens_and_closes_with_the_answer(importer, person, says, notice, cast, seeing):
    mode_change(mode=Mode.FAN_MAX, acting_user=None)

    def seen_by_sibling():
        with seeing(cast.sibling_manager):
            return Profile.objects.filter(brand__code="tea").count()

    # A brand's own yes opens nothing of its siblings'.
    says("bakery", notice)
    assert seen_by_sibling() == 0
    says("tea", notice)
    assert seen_by_sibling() == 1
    consent_withdraw(profile=person["bakery"], acting_user=None)
    assert seen_by_sibling() == 0


def test_an_objection_stands_on_every_profile_until_it_is_taken_back_where_it_was_made(
    importer, person
):
    def objects(brand, is_objecting, hours, **options):
        objection_record(
            profile=person[brand],
            is_objecting=is_objecting,
            acting_user=None,
            at=ago(hours),
            **options,
        )
        assert set(compare(tenant=importer.tenant).values()) == {0}
        return set(Profile.objects.values_list("no_automation", flat=True))

    assert objects("tea", True, 9) == {True}
    assert objects("bakery", False, 8) == {True}
    assert objects("tea", False, 7) == {False}
    assert objects("bakery", True, 6, is_to_group=True) == {True}
    assert objects("tea", False, 5) == {True}
    assert objects("bakery", False, 4, is_to_group=True) == {False}
    # It goes with the profile that it was made in.
    assert objects("tea", True, 3) == {True}
    importer.members("member_no,phone\n1,13900139000\n", brand="bakery")
    assert set(Profile.objects.values_list("brand__code", "no_automation")) == {
        ("tea", True),
        ("bakery", False),
    }
    importer.members("member_no,phone\n1,13800138000\n", brand="bakery")
    assert set(Profile.objects.values_list("no_automation", flat=True)) == {True}
    assert set(compare(tenant=importer.tenant).values()) == {0}
