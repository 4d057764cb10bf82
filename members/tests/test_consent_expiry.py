"""A yes that expires is closed ahead of its time; where nobody closes, nothing is relied upon."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, Generation, Notice
from brands.modes import Mode
from brands.selectors import Standing, notice_standing, notice_terms
from brands.services import mode_change
from members.consents import expiry, ledger
from members.consents.expiry import AHEAD, EVERY
from members.models import Consent, Profile
from members.services import consent_record, expiries_close
from members.tasks import expire_answers, sweep_answers

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def nobody_closed_yet(in_acme):
    """Begin where no job came by: the browser's tests run real workers, whose commits stay."""
    Generation.objects.update(expiries_closed_until=None)


@pytest.fixture
def notice(in_acme):
    """Return a notice whose answers hold for a month."""
    found = Notice.objects.create(
        version="2", title="Monthly", purposes="S", names_group=True, consent_months=1
    )
    found.recipients.set(Brand.objects.all())
    return found


@pytest.fixture
def profiles(importer):
    """Return the profiles of two strangers."""
    importer.members("member_no\n1\n2\n")
    return list(Profile.objects.order_by("member_no"))


def expiring(profile, notice, left):
    """Record a yes of which so much time is left."""
    now = timezone.now()
    at = now - 40 * DAY
    consent = consent_record(profile=profile, notice=notice, is_given=True, acting_user=None, at=at)
    Consent.objects.filter(pk=consent.pk).update(expires_at=now + left)
    ledger.keep_persons([profile.person_id])


def opened():
    """Return the numbers of the members whose profile carries a notice."""
    return set(Profile.objects.exclude(notice=None).values_list("member_no", flat=True))


def test_what_expires_before_the_next_run_but_one_is_closed_and_the_rest_stays(
    importer, profiles, notice
):
    expiring(profiles[0], notice, 2 * EVERY)
    expiring(profiles[1], notice, 3 * EVERY)
    assert opened() == {"1", "2"}
    answers = Generation.objects.get().answers
    assert expiries_close(tenant=importer.tenant) == 1
    assert opened() == {"2"}
    generation = Generation.objects.get()
    assert generation.answers == answers + 1
    assert abs(generation.expiries_closed_until - timezone.now() - AHEAD) < dt.timedelta(minutes=1)
    # A later yes opens again; one that would expire before that opens nothing.
    consent_record(profile=profiles[0], notice=notice, is_given=True, acting_user=None)
    assert opened() == {"1", "2"}


def test_an_expired_yes_is_no_no(importer, profiles, notice):
    importer.members("member_no,phone\n1,13800138000\n")
    importer.members("member_no,phone\n1,13800138000\n", brand="bakery")
    bakery = Profile.objects.get(brand__code="bakery")
    consent_record(
        profile=bakery, notice=Notice.objects.get(version="1"), is_given=True, acting_user=None
    )
    expiring(Profile.objects.get(pk=profiles[0].pk), notice, EVERY)
    expiries_close(tenant=importer.tenant)
    assert set(Profile.objects.exclude(notice=None)) == {bakery}


def test_large_numbers_are_closed_in_parts(importer, notice, monkeypatch):
    monkeypatch.setattr(expiry, "_PERSONS_AT_ONCE", 2)
    importer.members("member_no\n" + "".join(f"{n}\n" for n in range(5)))
    for profile in Profile.objects.all():
        expiring(profile, notice, EVERY)
    assert len(opened()) == 5
    assert expiries_close(tenant=importer.tenant) == 5
    assert opened() == set()
    assert expiries_close(tenant=importer.tenant) == 0


def test_nothing_that_may_expire_is_in_force_while_nobody_closes(
    importer, profiles, notice, cast, seeing
):
    mode_change(mode=Mode.FAN_MAX, acting_user=None)
    expiring(profiles[0], notice, 20 * DAY)

    def seen():
        with seeing(cast.group_admin):
            return set(Profile.objects.values_list("member_no", flat=True))

    assert notice_standing(notice) is Standing.UNCHECKED
    assert seen() == set()
    # The first job of any kind that comes by makes up for it.
    assert sweep_answers() == 0
    assert notice_standing(notice) is Standing.IN_FORCE
    assert seen() == {"1"}
    # The scheduler has stood still for longer than it closes ahead.
    Generation.objects.update(expiries_closed_until=timezone.now() - dt.timedelta(seconds=1))
    assert [terms.id for terms in notice_terms()] == [Notice.objects.get(version="1").pk]
    assert seen() == set()
    assert expire_answers() == 0
    assert seen() == {"1"}


def test_a_day_that_a_month_lacks_is_its_last_day(importer, notice):
    Notice.objects.filter(pk=notice.pk).update(consent_months=13)
    importer.members("member_no,consent,consented_on\nM1,2,2024-01-31T12:00:00+08:00\n")
    consent = Consent.objects.get()
    assert consent.expires_at.isoformat() == "2025-02-28T04:00:00+00:00"
    assert ledger.expiry_of(consent.answered_at, 13) == consent.expires_at
    assert ledger.expiry_of(consent.answered_at, None) is None
