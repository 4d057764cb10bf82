"""Every cell of the wall's table as pages and the admin show it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.db import connection
from django.utils import timezone

from brands.models import Brand, Store
from brands.tests import oracle, wall_rows
from brands.tests.test_wall_table import OWN, TABLE, means, set_modes, write_notices
from brands.wall import scope
from brands.wall.models import is_walled
from members import contacts
from members.keys import group_keys
from members.models import Contact, MaskedContact, Order, OrderLine, Person, Profile
from tenants.context import tenant_transaction
from tenants.sites import group_site, platform_site


@dataclass(frozen=True)
class Member:
    """Be one member of tea as the test knows them."""

    pk: int
    row: oracle.Row

    @property
    def marks(self) -> dict[str, str]:
        """Return kind → what a page shows of the member only if it shows that kind."""
        return {
            "profile": f"MEMBER{self.pk}X",
            "contact": f"CLEAR{self.pk}X",
            "masked": f"MASK{self.pk}X",
            "activity": f"PRODUCT{self.pk}X",
        }


@pytest.fixture
def members(in_acme) -> tuple[wall_rows.Places, list[Member]]:
    """Make a member of tea for each store and each notice, with contact data and an order."""
    with connection.cursor() as cursor:
        places = wall_rows.Places.read(cursor)
    tea = Brand.objects.get(code="tea")
    write_notices(places)
    made = []
    with scope.bulk(reason="test"):
        for store in Store.objects.filter(brand=tea):
            for number in (None, *wall_rows.NOTICES):
                pk = 800_000 + len(made)
                member = Member(pk, oracle.Row(tea.pk, store.pk, number))
                placed = {"brand": tea, "store": store, "notice_id": number}
                profile = Profile.objects.create(
                    pk=pk,
                    person=Person.objects.create(),
                    member_no=member.marks["profile"],
                    **placed,
                )
                sealed = contacts.seal(group_keys(), {"name": member.marks["contact"]})
                Contact.objects.create(profile=profile, sealed=sealed, fingerprint=b"", **placed)
                MaskedContact.objects.create(profile=profile, name=member.marks["masked"], **placed)
                order = Order.objects.create(
                    pk=pk, profile=profile, order_no=str(pk), ordered_at=timezone.now(), **placed
                )
                OrderLine.objects.create(
                    order=order,
                    line_no=1,
                    product_name=member.marks["activity"],
                    amount=100,
                    **placed,
                )
                made.append(member)
    return places, made


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "modes",
    [
        ("fan_max", "fan_max"),
        ("fan_max", "member_max"),
        ("member_max", "member_max"),
        ("brand_max", "brand_max"),
    ],
    ids=" and ".join,
)
def test_member_pages_show_what_the_table_says(members, acme, cast, visit, modes):
    places, made = members
    with tenant_transaction(acme):
        set_modes(places, *modes)
    for person, words in {**OWN, **TABLE[modes]}.items():
        said = dict(
            zip(("metrics", "profile", "contact", "masked", "activity"), words.split(), strict=True)
        )
        client = visit(getattr(cast, person))
        listed = client.get("/members/").content.decode()
        shown_any = False
        for member in made:
            allowed = {kind: means(said[kind], kind, member.row, places) for kind in member.marks}
            case = (person, member.row)
            assert (member.marks["profile"] in listed) == allowed["profile"], case
            # A list shows masks alone, whoever looks.
            assert (member.marks["masked"] in listed) == (
                allowed["profile"] and allowed["masked"]
            ), case
            assert member.marks["contact"] not in listed
            page = client.get(f"/members/{member.pk}/")
            assert page.status_code == (200 if allowed["profile"] else 404), case
            text = page.content.decode()
            assert member.marks["contact"] not in text
            # Who may see the whole of it asks for it.
            revealed = client.post(f"/members/{member.pk}/contact/").content.decode()
            seen = {kind: mark in text for kind, mark in member.marks.items()}
            seen["contact"] = member.marks["contact"] in revealed
            if allowed["profile"]:
                shown_any = True
                assert seen["masked"] == allowed["masked"], case
                assert (seen["contact"], seen["activity"]) == (
                    allowed["contact"],
                    allowed["activity"],
                ), case
            else:
                assert not any(seen.values()), case
        # The control, in both directions: who may see some sees some, who may not sees none.
        assert shown_any == (said["profile"] != "none")


def test_searching_finds_no_contact_data_that_the_wall_hides(members, acme, cast, visit):
    _places, made = members
    with tenant_transaction(acme), scope.bulk(reason="test"):
        key = contacts.identity_key(group_keys(), "phone", "+8613800001111")
        Contact.objects.filter(profile_id=made[0].pk).update(phone_key=key)
    found = {}
    for person in ("brand_manager", "unit_manager", "provider_operator", "group_admin", "analyst"):
        text = visit(getattr(cast, person)).get("/members/?q=13800001111").content.decode()
        found[person] = made[0].marks["profile"] in text
    # In member-max HQ sees every profile, and learns of none whose phone this is.
    assert found == {
        "brand_manager": True,
        "unit_manager": True,
        "provider_operator": False,
        "group_admin": False,
        "analyst": False,
    }


def test_no_admin_lists_walled_rows():
    """Member rows have pages of their own; an admin page would add search, export and history."""
    for site in (group_site, platform_site):
        assert site._registry
        assert not [m for m in site._registry if is_walled(m)]
