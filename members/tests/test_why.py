"""Why a member is seen, and why each field of theirs is shown, masked or hidden."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.utils import timezone

from brands.facts import facts
from brands.models import Brand, Notice
from brands.services import mode_change
from brands.wall import scope
from brands.wall.visibility import Kind
from members import contacts, why
from members.keys import group_keys
from members.models import Consent, Contact, MaskedContact, Profile
from members.tests.pools import fill
from tenants.context import tenant_transaction


@pytest.fixture
def tea_member(acme) -> int:
    """Make a member of tea with contact data, who agreed to the group's notice."""
    (pk,) = fill(acme, "tea", members=1, orders=1, agreeing=1)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        profile = Profile.objects.get(pk=pk)
        placed = {"brand": profile.brand, "store": profile.store, "notice": profile.notice}
        Contact.objects.filter(profile=profile).delete()
        MaskedContact.objects.filter(profile=profile).delete()
        sealed = contacts.seal(group_keys(), {"name": "Li Clear", "phone": "+8613800001111"})
        Contact.objects.create(profile=profile, sealed=sealed, fingerprint=b"", **placed)
        MaskedContact.objects.create(profile=profile, name="L*", phone="138****1111", **placed)
    return pk


def _shown(page: str) -> dict[str, str]:
    """Return field → how the page shows it."""
    card = page.split("s-facts", 1)[1].split("</section>")[0]
    found = re.findall(r"<dt>([^<]+)</dt>\s*<dd[^>]*>(.*?)</dd>", card, re.DOTALL)
    return {name: re.sub(r"<[^>]+>", "", value).strip() for name, value in found}


def test_each_field_says_whether_it_is_shown_masked_or_hidden_and_why(
    tea_member, acme, cast, visit
):
    def page(person) -> str:
        return visit(getattr(cast, person)).get(f"/members/{tea_member}/").content.decode()

    own = page("brand_manager")
    assert _shown(own) == {
        "Name": "L*** masked",
        "Phone": "138****1111 masked",
        "E-mail": "–",
        "Card": "–",
        "WeChat unionid": "–",
        "Birthday": "–",
    }
    hidden = page("group_admin")
    assert set(_shown(hidden).values()) == {"hidden"}
    assert "Hidden, because: The brand is member-maximizing" in " ".join(hidden.split())
    provider = page("provider_operator")
    assert set(_shown(provider).values()) == {"hidden"}
    assert "contract does not include contact data" in provider
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
    sibling = page("sibling_manager")
    assert _shown(sibling) == {
        "Name": "L* masked",
        "Phone": "138****1111 masked",
        "E-mail": "–",
        "Card": "hidden",
        "WeChat unionid": "hidden",
        "Birthday": "hidden",
    }
    assert "Masked, because: Both brands are fan-maximizing" in " ".join(sibling.split())
    assert "Li Clear" not in sibling
    # HQ may see it whole now, by the same notice.
    client = visit(cast.group_admin)
    revealed = client.post(f"/members/{tea_member}/contact/").content.decode()
    assert _shown(revealed)["Phone"] == "+8613800001111"


def test_the_chain_on_a_member_leads_from_the_grant_to_the_consent(tea_member, acme, cast, visit):
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
    page = visit(cast.sibling_manager).get(f"/members/{tea_member}/").content.decode()
    chain = page.split('id="why-profile"')[1].split("</details>")[0]
    steps = re.findall(r'class="s-chain__step">([^<]+)<', chain)
    assert steps == ["Grant", "Mode", "Mode", "Notice", "Consent", "So"]


# What was answered → what the member's own brand reads of it.
YES, NO = True, False
NOW = timezone.now()
ANSWERS = {
    "none": ([], "No answer of this person counts here."),
    "no": ([(NO, 1, None)], "This person said no (to the brand)."),
    "no after yes": ([(YES, 2, None), (NO, 1, None)], "This person said no (to the brand)."),
    "expired": ([(YES, 2, 1)], "This person's yes has expired (to the brand)."),
    "closed elsewhere": ([(YES, 2, None)], "This person's yes (to the brand) is not in force now."),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_does_not_count_is_said_without_telling_what_was_answered_elsewhere(
    acme, cast, seeing, case
):
    answered, words = ANSWERS[case]
    (pk,) = fill(acme, "tea", members=1, orders=0, agreeing=0)
    (other,) = fill(acme, "spa", members=1, orders=0, agreeing=0)
    hour = dt.timedelta(hours=1)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        profile, sibling = Profile.objects.get(pk=pk), Profile.objects.get(pk=other)
        notice = Notice.objects.get(version="1")
        placed = {"person": profile.person, "answered_notice": notice}
        Consent.objects.filter(person__in=[profile.person, sibling.person]).delete()
        Profile.objects.filter(pk__in=[pk, other]).update(notice=None)
        for is_given, hours_ago, expired_ago in answered:
            Consent.objects.create(
                profile=profile,
                brand=profile.brand,
                is_given=is_given,
                answered_at=NOW - hours_ago * hour,
                expires_at=NOW - expired_ago * hour if expired_ago else None,
                **placed,
            )
        if case == "closed elsewhere":
            Consent.objects.create(
                profile=sibling,
                brand=sibling.brand,
                is_given=False,
                answered_at=NOW,
                **placed,
            )
    with seeing(cast.brand_manager) as opened:
        viewer = opened.visible.viewer
        link = why.answer_link(Profile.objects.get(pk=pk), facts(), viewer)
    assert link.words == words
    assert not link.opens
    assert "Spa" not in link.words


def test_an_answer_given_elsewhere_opens_without_being_named(acme, cast, seeing):
    (pk,) = fill(acme, "tea", members=1, orders=0, agreeing=1)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        Consent.objects.filter(profile=pk).delete()
        assert Profile.objects.get(pk=pk).notice_id is not None
    with seeing(cast.brand_manager) as opened:
        viewer = opened.visible.viewer
        link = why.answer_link(Profile.objects.get(pk=pk), facts(), viewer)
    assert link.words == "This person agreed to a notice that counts here."
    assert link.opens


def test_looking_as_a_role_says_so_in_the_chain(tea_member, acme, cast, visit):
    with tenant_transaction(acme):
        brand = Brand.objects.get(code="tea").pk
    client = visit(cast.group_admin)
    client.post("/view-as/", {"role": "brand_manager", "place": brand})
    page = client.get(f"/members/{tea_member}/").content.decode()
    assert "You look as this role: shown are the rows that both it and HQ see." in page
    # The brand sees its own; HQ sees no contact data of a member-max brand, so neither does this.
    assert set(_shown(page).values()) == {"hidden"}
    assert Kind.CONTACT in page
