"""What a brand or HQ tries with rows and answers of its own, to open, close or learn of others'."""

import datetime as dt
import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from brands.models import Notice
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from members.consents import entries
from members.models import (
    Consent,
    ConsentEntry,
    Contact,
    GroupConsentEntry,
    Identity,
    Profile,
)
from members.services import answers_record, consent_record, consent_withdraw
from members.tests.pools import fill, phone_of
from members.tests.tokens import program
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,card_no\n"
THEIRS = "13900139000"
NOBODYS = "13900139001"


def ago(hours):
    """Return an instant of the past."""
    return timezone.now() - dt.timedelta(hours=hours)


def notice_of(number):
    """Return the notice that a member's rows carry."""
    return Profile.objects.get(member_no=number).notice_id


def say(number, *, yes=True, hours=5, **options):
    """Record an answer of a member."""
    profile = Profile.objects.get(member_no=number)
    if not yes:
        return consent_withdraw(profile=profile, acting_user=None, at=ago(hours), **options)
    return consent_record(
        profile=profile,
        notice=Notice.objects.get(),
        is_given=True,
        acting_user=None,
        at=ago(hours),
        **options,
    )


MINE = "T1,Mine,13800138000,CARD\n"
PLANTED = f"T2,Mine,{THEIRS},CARD\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (MINE, PLANTED),
        (MINE, f"T1,Mine,{THEIRS},CARD\n"),
        (MINE + PLANTED, ""),
    ],
    ids=["a row planted later", "an own row changed", "a row planted before"],
)
def test_no_row_of_a_brands_own_makes_a_yes_to_the_group_open_a_siblings_member(
    importer, first, then
):
    importer.members(f"{HEAD}B1,Victim,{THEIRS},\n", brand="bakery")
    importer.members(HEAD + first)
    say("T1", is_to_group=True)
    if then:
        importer.members(HEAD + then)
    assert notice_of("B1") is None


def test_no_brand_undoes_a_no_by_making_a_siblings_number_hot(importer):
    importer.members(f"{HEAD}B1,Victim,{THEIRS},\n", brand="bakery")
    importer.members(f"{HEAD}S1,Victim,{THEIRS},\n", brand="spa")
    say("B1", hours=9)
    say("S1", yes=False)
    assert notice_of("B1") is None
    importer.members(HEAD + "".join(f"T{n},Fake,{THEIRS},\n" for n in range(51)))
    assert notice_of("B1") is None


def test_no_brand_carries_a_no_to_the_group_away_with_its_row(importer):
    importer.members(f"{HEAD}T1,Victim,{THEIRS},\n")
    importer.members(f"{HEAD}B1,Victim,{THEIRS},\n", brand="bakery")
    say("B1", hours=9)
    key = bytes(Identity.objects.get(kind="phone").key)
    entry = GroupConsentEntry.objects.create(
        brand_set="", what="no", identity_kind="phone", identity_key=key, answered_at=ago(5)
    )
    entries._record([entry], importer.tenant, entries._Failed())
    assert notice_of("B1") is None
    importer.members(f"{HEAD}T1,Victim,13700137000,\n")
    assert notice_of("B1") is None


def test_fifty_rows_of_ones_own_do_not_tell_whether_a_sibling_has_one_more(importer):
    mode_change(mode=Mode.BRAND_MAX, acting_user=None)
    importer.members(f"{HEAD}B1,Victim,{THEIRS},\n", brand="bakery")
    told = []
    for phone in (THEIRS, NOBODYS):
        importer.members(HEAD + "".join(f"{phone}-{n},Fake,{phone},\n" for n in range(50)))
        job = importer.consents(
            f"phone,notice,answer,answered_at\n{phone},1,no,2026-11-01T10:00:00+08:00\n"
        )
        told.append((job.rows_created, job.rows_rejected))
    assert told[0] == told[1]


@pytest.fixture
def closed(acme):
    """Give tea and bakery, in brand-max, a member each: one person, a child as bakery knows."""
    for code in ("tea", "bakery"):
        fill(acme, code, members=1)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        mode_change(mode=Mode.BRAND_MAX, acting_user=None)
        Contact.objects.update(minor_until=dt.date(2034, 1, 1))
        for profile in Profile.objects.all():
            key = profile.contact.phone_key
            identity, _new = Identity.objects.get_or_create(kind="phone", key=key)
            identity.links.get_or_create(profile=profile)
        return {profile.brand.code: profile for profile in Profile.objects.all()}


def hand_in(user, **line):
    """Hand one answer in as a program of a person's."""
    client = program(user.acting_grant)
    client.raise_request_exception = False
    sent = {"answers": [line]}
    return client.post("/api/v1/consents/", sent, content_type="application/json")


def test_a_hot_number_says_the_same_to_hq_as_nobodys(acme, cast, closed, settings):
    settings.IDENTITY_HOT_PROFILES = 0
    for value in (phone_of(1), "13712345678"):
        hand_in(
            cast.group_admin, identity={"kind": "phone", "value": value}, answer="no", to_group=True
        )
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert len(set(GroupConsentEntry.objects.values_list("state", "outcome"))) == 1
        assert not Consent.objects.exists()


def minors():
    """Return every 14th birthday that is kept."""
    return set(Contact.objects.values_list("minor_until", flat=True))


def test_hq_writes_no_birthday_into_a_brand_that_is_closed_to_it(acme, cast, closed):
    phone = {"kind": "phone", "value": phone_of(1)}
    hand_in(
        cast.group_admin,
        identity=phone,
        answer="yes",
        notice="1",
        to_group=True,
        minor_until="2001-01-01",
    )
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert minors() == {dt.date(2034, 1, 1)}


def test_a_birthday_that_is_known_is_not_talked_away_with_a_yes(acme, cast, closed):
    number = closed["tea"].member_no
    hand_in(
        cast.brand_manager, member_no=number, answer="yes", notice="1", minor_until="2001-01-01"
    )
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert minors() == {dt.date(2034, 1, 1)}


def test_no_answer_of_one_brand_holds_up_those_of_the_group(acme, cast, closed, visit):
    client = visit(cast.brand_manager)
    client.raise_request_exception = False
    client.post(
        f"/members/{closed['tea'].pk}/consents/",
        {"what": "no", "at": "0001-01-01T00:00", "channel": "x", "request_key": uuid.uuid4()},
    )
    hand_in(cast.sibling_manager, member_no=closed["bakery"].member_no, answer="no")
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Consent.objects.filter(brand=closed["bakery"].brand_id).exists()
        assert not ConsentEntry.objects.filter(state="waiting").exists()


def test_a_key_that_was_used_in_another_mode_is_no_fault_of_ours(acme, cast, closed, switch):
    line = {"identity": {"kind": "phone", "value": "13712345678"}, "answer": "no"}
    line |= {"to_group": True, "key": str(uuid.uuid4())}
    assert hand_in(cast.group_admin, **line).status_code == 202
    switch(Mode.MEMBER_MAX)
    assert hand_in(cast.group_admin, **line).status_code < 500


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "1899-06-01T00:00:00Z"])
def test_a_program_that_is_wrong_about_the_century_is_told_so(cast, closed, at):
    number = closed["tea"].member_no
    answer = hand_in(cast.brand_manager, member_no=number, answer="no", answered_at=at)
    assert answer.status_code == 422
    assert answer.json()["taken"] == 0


def test_no_row_keeps_a_time_that_cannot_be_read_back(acme, cast, closed, seeing):
    tea = closed["tea"]
    with seeing(cast.brand_manager), pytest.raises(IntegrityError), transaction.atomic():
        ConsentEntry.objects.create(
            brand_id=tea.brand_id,
            what="no",
            profile=tea,
            answered_at=dt.datetime.min.replace(tzinfo=dt.UTC),
        )


def test_an_entry_that_cannot_be_read_holds_up_no_other(acme, cast, closed):
    for user, brand in ((cast.brand_manager, "tea"), (cast.sibling_manager, "bakery")):
        hand_in(user, member_no=closed[brand].member_no, answer="no")
    with tenant_transaction(acme), scope.bulk(reason="test"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE members_consententry SET minor_until = '20000-01-01' WHERE brand_id = %s",
            [closed["tea"].brand_id],
        )
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert list(Consent.objects.values_list("brand__code", flat=True)) == ["bakery"]
