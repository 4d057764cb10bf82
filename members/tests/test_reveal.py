"""Contact data is masked until somebody reveals it, which is known afterwards."""

from __future__ import annotations

import os
import re

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from brands.models import Brand
from brands.modes import Mode
from members import contacts
from members.models import RevealRule
from members.tests.pools import fill, phone_of
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, TokenAction
from tenants.tokens import token_create

CLEAR = ("Person Number1", phone_of(1), "person1@example.com")
EXAMPLES = int(os.environ.get("REVEAL_EXAMPLES", "60"))


@pytest.fixture
def member(acme) -> int:
    """Return a member of tea with contact data, who agreed to the group's notice."""
    return fill(acme, "tea", members=1, orders=0, agreeing=1)[0]


def _events(acme) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(tenant=acme, action="contact.reveal").order_by("id"))


def _reveals(visit, user, pk: int, **data: str) -> str:
    """Return "revealed", or what the answer is instead."""
    client = visit(user)
    page = client.get(f"/members/{pk}/")
    if page.status_code == 200:
        assert not any(value in page.content.decode() for value in CLEAR)
    button = f"/members/{pk}/contact/" in page.content.decode()
    answer = client.post(f"/members/{pk}/contact/", data, headers={"HX-Request": "true"})
    text = answer.content.decode()
    seen = [value in text for value in CLEAR]
    assert all(seen) == any(seen)
    # The page offers what it would do, and nothing else.
    assert button == (answer.status_code == 200)
    if not any(seen):
        return str(answer.status_code)
    assert "no-store" in answer["Cache-Control"]
    return "revealed"


def test_who_may_see_contact_data_reveals_it_and_nobody_else(acme, cast, visit, member, switch):
    in_member_max = {
        "brand_manager": "revealed",
        "unit_manager": "revealed",
        "store_manager": "revealed",
        "guide": "revealed",
        "group_admin": "404",
        "analyst": "404",
        "sibling_manager": "404",
        "provider_operator": "404",
        "platform_operator": "404",
        "outsider": "404",
    }
    found = {who: _reveals(visit, getattr(cast, who), member) for who in in_member_max}
    assert found == in_member_max
    # The store manager's twin: a member of another store of the brand.
    (other,) = fill(acme, "tea", members=1, first=60, store="tea-2")
    assert visit(cast.store_manager).post(f"/members/{other}/contact/").status_code == 404
    switch(Mode.FAN_MAX)
    fan_max = {**in_member_max, "group_admin": "revealed"}
    assert {who: _reveals(visit, getattr(cast, who), member) for who in fan_max} == fan_max
    switch(Mode.BRAND_MAX, "tea")
    assert _reveals(visit, cast.group_admin, member) == "404"
    assert _reveals(visit, cast.brand_manager, member) == "revealed"


def test_a_reveal_is_audited_by_number_and_never_with_what_was_revealed(acme, cast, visit, member):
    assert _reveals(visit, cast.brand_manager, member, reason="Parcel came back") == "revealed"
    (event,) = _events(acme)
    assert (event.user, event.target_type, event.target_id, event.target_name) == (
        cast.brand_manager,
        "members.profile",
        str(member),
        f"#{member}",
    )
    assert event.changes == {
        "fields": ["", "email, name, phone"],
        "reason": ["", "Parcel came back"],
    }
    assert "TEA-1" not in str(vars(event))


def test_a_group_may_ask_for_a_reason_which_names_nobody(acme, cast, visit, member):
    client = visit(cast.group_admin)
    assert visit(cast.brand_manager).get("/contact-data/").status_code == 404
    assert client.post("/contact-data/", {"act": "rule", "needs_reason": "on"}).status_code == 302
    with tenant_transaction(acme):
        assert RevealRule.objects.get().needs_reason
    address = f"/members/{member}/contact/"
    brand = visit(cast.brand_manager)
    for reason, words in {
        "": "asks for a reason",
        "x": "3 to 200 characters",
        "y" * 201: "3 to 200 characters",
        "ring 138 0000 0001": "without a number or address",
        "mail a@example.com": "without a number or address",
    }.items():
        # Without scripts the whole page comes back, and says why.
        answer = brand.post(address, {"reason": reason})
        assert answer.status_code == 422
        assert words in answer.content.decode(), reason
        assert not any(value in answer.content.decode() for value in CLEAR)
    assert _events(acme) == []
    answer = brand.post(address, {"reason": "Complaint 12"})
    assert answer.status_code == 200
    assert all(value in answer.content.decode() for value in CLEAR)


def test_nobody_reveals_more_than_so_many_an_hour(acme, cast, visit, settings):
    settings.REVEALS_PER_HOUR = 3
    pks = fill(acme, "tea", members=5)
    client = visit(cast.brand_manager)
    answers = [client.post(f"/members/{pk}/contact/") for pk in pks]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422, 422]
    assert phone_of(4) not in answers[3].content.decode()
    assert "3 times within an hour" in answers[3].content.decode()
    assert len(_events(acme)) == 3
    # Each for themselves, and again once the hour is over.
    assert visit(cast.unit_manager).post(f"/members/{pks[3]}/contact/").status_code == 200
    AuditEvent.objects.filter(user=cast.brand_manager).update(at="2026-01-01T00:00Z")
    assert client.post(f"/members/{pks[3]}/contact/").status_code == 200


def test_looking_as_a_role_reveals_nothing(acme, cast, visit, member, switch):
    switch(Mode.FAN_MAX)
    client = visit(cast.group_admin)
    with tenant_transaction(acme):
        brand = Brand.objects.get(code="tea").pk
    client.post("/view-as/", {"role": "brand_manager", "place": brand})
    page = client.get(f"/members/{member}/").content.decode()
    assert "138****0001" in page
    assert "/contact/" not in page
    answer = client.post(f"/members/{member}/contact/")
    assert answer.status_code == 403
    assert not any(value in answer.content.decode() for value in CLEAR)
    assert _events(acme) == []


def test_a_program_that_reads_contact_data_is_audited(acme, cast, visit, member):
    for actions in (
        [TokenAction.READ_MEMBERS],
        [TokenAction.READ_MEMBERS, TokenAction.READ_CONTACTS],
    ):
        _token, text = token_create(
            grant=cast.brand_manager.acting_grant,
            name=f"Till {len(actions)}",
            actions=actions,
            days=30,
            acting_user=cast.brand_manager,
        )
        answer = visit(None).get(
            f"/api/v1/members/{member}/", headers={"Authorization": f"Bearer {text}"}
        )
        may_read = TokenAction.READ_CONTACTS in actions
        assert bool(answer.json()["contact"]) == may_read
        assert len(_events(acme)) == int(may_read)
    (event,) = _events(acme)
    assert event.target_name == f"#{member}"


def test_without_the_groups_keys_the_list_goes_on(acme, cast, visit, member, settings):
    with tenant_transaction(acme), connection.cursor() as cursor:
        cursor.execute("UPDATE members_groupkey SET wrapped = 'x' WHERE purpose = 'data'")
    assert "138****0001" in visit(cast.brand_manager).get("/members/").content.decode()


# --- Masks ----------------------------------------------------------------------------------

SHOWN = {
    "name": {
        "张三": "张*",
        "张三丰": "张**",
        "欧阳娜娜": "欧***",
        "张": "*",
        "John Smith": "J***",
        "J": "*",
        "😀王": "**",
        "": "",
    },
    "phone": {
        "+8613812345678": "138****5678",
        "+442079460958": "+44****0958",
        "+862155551234": "21****34",
        "+861234567": "****",
        "123": "****",
    },
    "email": {
        "jane@example.com": "j***@example.com",
        "j@example.com": "***@example.com",
        "a@b@c.com": "a***@c.com",
        "nothing": "",
    },
    "card_no": {"6222000012345678": "****5678", "12345678": "****5678", "1234567": "****", "": ""},
    "unionid": {"oXyz6t1234567890abcdef": "oXyz****", "oXyz6t": "****"},
    "birthday": {"1990-05-17": "1990-**-**", "17.5.1990": "****", "": ""},
}


@pytest.mark.parametrize("kind", SHOWN)
def test_each_kind_is_masked_in_its_way(kind):
    assert {text: contacts.masked({kind: text})[kind] for text in SHOWN[kind]} == SHOWN[kind]


# The most characters of the clear text that a mask may show, and the fewest that stay hidden.
_MOST = {"name": 1, "phone": 7, "card_no": 4, "unionid": 4, "birthday": 4}


@examples(max_examples=EXAMPLES, deadline=None)
@given(
    kind=st.sampled_from(sorted(_MOST)), text=st.text(max_size=40) | st.from_regex(r"\+?\d{0,20}")
)
def test_no_mask_shows_more_than_its_kind_allows(kind, text):
    shown = re.sub(r"[*-]", "", contacts.masked({kind: text})[kind])
    assert len(shown) <= _MOST[kind]
    plain = re.sub(r"[*-]", "", text)
    if plain:
        assert len(shown) < len(text), (kind, text)
    assert all(letter in text for letter in shown)


@examples(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.text(min_size=1, max_size=30), domain=st.from_regex(r"[a-z]{1,9}\.com", fullmatch=True)
)
def test_of_an_address_one_letter_and_the_domain_are_shown(name, domain):
    shown = contacts.mask_email(f"{name}@{domain}")
    assert shown.endswith(f"***@{domain}")
    assert len(shown) - len(f"***@{domain}") == (1 if len(name) > 1 else 0)


def test_what_has_no_mask_is_hidden_whole():
    assert contacts.masked({"address": "1 Road", "openid": ""}) == {"address": "****", "openid": ""}
