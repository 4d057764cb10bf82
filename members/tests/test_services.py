"""A consent opens the person's rows in every brand, a withdrawal closes them, at once."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, Notice
from brands.modes import Mode
from brands.services import mode_change
from members.figures import compare
from members.models import Consent, Contact, MaskedContact, Order, OrderLine, Profile
from members.services import consent_record, consent_withdraw
from tenants.models import AuditEvent

WALLED = (Profile, Contact, MaskedContact, Order, OrderLine)


@pytest.fixture
def person(importer):
    """Return one person's profile in tea and another in bakery, each with an order."""
    for brand in ("tea", "bakery"):
        importer.members("member_no,phone\n1,13800138000\n", brand=brand)
        importer.orders("order_no,member_no,ordered_at,amount\nA,1,2026-03-01,5\n", brand=brand)
    return {row.brand.code: row for row in Profile.objects.select_related("brand")}


@pytest.fixture
def second_notice(in_acme):
    """Return a newer notice."""
    notice = Notice.objects.create(version="2", title="Second", purposes="Service")
    notice.recipients.set(Brand.objects.all())
    return notice


def notices():
    """Return the notices that stand on each kind of row."""
    return {model.__name__: set(model.objects.values_list("notice", flat=True)) for model in WALLED}


def test_a_consent_stands_on_every_row_of_the_person(importer, person, cast):
    notice = Notice.objects.get()
    consent = consent_record(
        profile=person["tea"],
        notice=notice,
        is_given=True,
        acting_user=cast.brand_manager,
        channel="store",
        evidence="form 7",
    )
    assert consent.notice == notice
    assert (consent.brand.code, consent.person_id) == ("tea", person["tea"].person_id)
    assert notices() == {model.__name__: {notice.pk} for model in WALLED}
    event = AuditEvent.objects.get(action="consent.give")
    assert (event.target_name, event.target_id) == ("Tea House", str(person["tea"].pk))
    assert set(compare(tenant=importer.tenant).values()) == {0}


def test_a_withdrawal_in_another_brand_closes_every_row(importer, person):
    consent_record(
        profile=person["tea"], notice=Notice.objects.get(), is_given=True, acting_user=None
    )
    consent_withdraw(profile=person["bakery"], acting_user=None)
    assert notices() == {model.__name__: {None} for model in WALLED}
    assert [row.is_given for row in Consent.objects.order_by("pk")] == [True, False]
    assert consent_withdraw(profile=person["tea"], acting_user=None) is None
    assert set(compare(tenant=importer.tenant).values()) == {0}


def test_the_latest_answer_holds_whatever_the_order_of_recording(importer, person, second_notice):
    now = timezone.now()
    answers = [
        (second_notice, True, now - dt.timedelta(hours=1)),
        (Notice.objects.get(version="1"), True, now - dt.timedelta(hours=3)),
        (Notice.objects.get(version="1"), False, now - dt.timedelta(hours=2)),
    ]
    for notice, is_given, at in answers:
        consent_record(
            profile=person["tea"], notice=notice, is_given=is_given, acting_user=None, at=at
        )
        assert notices()["Profile"] == {second_notice.pk}


def test_a_withdrawal_wins_over_a_consent_of_the_same_instant(importer, person):
    at = timezone.now()
    for is_given in (False, True):
        consent_record(
            profile=person["tea"],
            notice=Notice.objects.get(),
            is_given=is_given,
            acting_user=None,
            at=at,
        )
    assert notices()["Contact"] == {None}


def test_the_same_answer_twice_is_one_row(importer, person):
    at = timezone.now()
    for _time in range(2):
        consent_record(
            profile=person["tea"],
            notice=Notice.objects.get(),
            is_given=True,
            acting_user=None,
            at=at,
        )
    assert Consent.objects.count() == 1
    assert AuditEvent.objects.filter(action="consent.give").count() == 1


def test_an_answer_from_the_future_is_refused(importer, person):
    with pytest.raises(ValueError, match="future"):
        consent_record(
            profile=person["tea"],
            notice=Notice.objects.get(),
            is_given=True,
            acting_user=None,
            at=timezone.now() + dt.timedelta(minutes=1),
        )
    assert not Consent.objects.exists()


def test_an_answer_to_a_notice_that_is_not_in_force_is_refused(importer, person, second_notice):
    answer = {"profile": person["tea"], "is_given": True, "acting_user": None}
    second_notice.effective_from = timezone.now() + dt.timedelta(days=1)
    with pytest.raises(ValueError, match="future"):
        consent_record(notice=second_notice, **answer)
    assert not Consent.objects.exists()
    consent_record(notice=Notice.objects.get(version="1"), **answer)
    assert Consent.objects.count() == 1


def test_strangers_rows_are_not_touched(importer, person):
    importer.members("member_no,phone\n2,13800138001\n")
    consent_record(
        profile=person["tea"], notice=Notice.objects.get(), is_given=True, acting_user=None
    )
    assert Profile.objects.get(member_no="2").notice is None


def test_the_wall_opens_and_closes_with_the_answer(importer, person, cast, seeing):
    mode_change(mode=Mode.FAN_MAX, acting_user=None)

    def seen_by_sibling():
        with seeing(cast.sibling_manager):
            return Profile.objects.filter(brand__code="tea").count()

    assert seen_by_sibling() == 0
    consent_record(
        profile=person["bakery"], notice=Notice.objects.get(), is_given=True, acting_user=None
    )
    assert seen_by_sibling() == 1
    consent_withdraw(profile=person["bakery"], acting_user=None)
    assert seen_by_sibling() == 0
