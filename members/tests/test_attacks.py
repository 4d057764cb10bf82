"""What a brand or HQ tries with rows and answers of its own, to open, close or learn of others'."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Notice
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from members.consents import entries
from members.models import Contact, GroupConsentEntry, Identity, Profile
from members.services import answers_record, consent_record, consent_withdraw
from members.tests.pools import fill, phone_of
from members.tests.tokens import program
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,card_no\n"
THEIRS = "13900139000"


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
            identity, _new = profile.person.identities.get_or_create(kind="phone", key=key)
            identity.links.get_or_create(profile=profile)
        return {profile.brand.code: profile for profile in Profile.objects.all()}


def hand_in(user, **line):
    """Hand one answer in as a program of a person's."""
    client = program(user.acting_grant)
    client.raise_request_exception = False
    sent = {"answers": [line]}
    return client.post("/api/v1/consents/", sent, content_type="application/json")


def test_a_hot_number_says_the_same_to_hq_as_nobodys(acme, cast, closed):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        Identity.objects.update(is_hot=True)
    for value in (phone_of(1), "13712345678"):
        hand_in(
            cast.group_admin, identity={"kind": "phone", "value": value}, answer="no", to_group=True
        )
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert len(set(GroupConsentEntry.objects.values_list("state", "outcome"))) == 1
