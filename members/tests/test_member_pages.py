"""The member list and the member page, as each of the cast sees them."""

from __future__ import annotations

import re

import pytest

from brands.models import Brand, Store
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from members.imports.services import import_create, import_run
from members.models import Order, Profile
from members.tests.pools import fill, phone_of
from tenants.context import tenant_transaction


def _listed(response) -> list[str]:
    """Return the member numbers on a list page, in order."""
    return [row.member_no for row, _masked in response.context["rows"]]


@pytest.fixture
def pools(acme):
    """Fill tea and bakery: 12 members each, the same persons, the first 8 of them agreeing."""
    return {code: fill(acme, code, members=12, agreeing=8) for code in ("tea", "bakery")}


def test_a_brand_manager_lists_the_own_members_with_masks_and_never_a_whole_name(
    pools, cast, visit
):
    response = visit(cast.brand_manager).get("/members/")
    assert _listed(response) == [f"TEA-{number}" for number in range(12, 0, -1)]
    text = response.content.decode()
    assert "P***" in text
    assert "138****0001" in text
    assert "Person Number" not in text
    assert phone_of(1) not in text


def test_hq_lists_profiles_without_any_contact_data_while_the_mode_is_member_max(
    pools, cast, visit
):
    response = visit(cast.group_admin).get("/members/")
    assert len(_listed(response)) == 24
    text = response.content.decode()
    assert "P***" not in text
    assert "138****" not in text
    assert "finds member numbers only" in text


def test_hq_finds_no_one_by_phone_while_the_mode_hides_contact_data(pools, cast, visit):
    client = visit(cast.group_admin)
    assert _listed(client.get("/members/", {"q": phone_of(3)})) == []
    assert _listed(client.get("/members/", {"q": "TEA-3"})) == ["TEA-3"]


@pytest.mark.parametrize(
    "text", ["TEA-3", "+86 138 0000 0003", "13800000003", "Person3@Example.com"]
)
def test_the_search_finds_exactly_one_own_member(pools, cast, visit, text):
    assert _listed(visit(cast.brand_manager).get("/members/", {"q": text})) == ["TEA-3"]


def test_the_search_finds_no_part_of_a_number(pools, cast, visit):
    assert _listed(visit(cast.brand_manager).get("/members/", {"q": "1380000"})) == []


def test_a_sibling_lists_agreeing_members_only_once_both_brands_are_fan_max(
    pools, cast, visit, switch
):
    client = visit(cast.sibling_manager)
    assert not any(number.startswith("TEA") for number in _listed(client.get("/members/")))
    switch(Mode.FAN_MAX)
    shared = [number for number in _listed(client.get("/members/")) if number.startswith("TEA")]
    assert shared == [f"TEA-{number}" for number in range(8, 0, -1)]


def test_a_store_manager_lists_the_own_store_only(acme, pools, cast, visit):
    fill(acme, "tea", members=3, first=50, store="tea-2")
    listed = _listed(visit(cast.store_manager).get("/members/"))
    assert sorted(listed) == sorted(f"TEA-{number}" for number in range(1, 13))


def test_pages_by_key_show_every_member_once_forth_and_back(acme, cast, visit):
    fill(acme, "tea", members=120, orders=1)
    client = visit(cast.brand_manager)
    for sort in ("newest", "sales"):
        page = client.get("/members/", {"sort": sort})
        first, seen = _listed(page), []
        while True:
            seen += _listed(page)
            after = page.context["page"].after
            if not after:
                break
            page = client.get("/members/", {"sort": sort, "after": after})
        assert len(seen) == len(set(seen)) == 120
        while page.context["page"].before:
            page = client.get("/members/", {"sort": sort, "before": page.context["page"].before})
        assert _listed(page) == first


@pytest.mark.parametrize("cursor", ["x", "1_2_3", "9" * 40, "-", "1_x"])
def test_a_cursor_that_is_none_shows_the_first_page(pools, cast, visit, cursor):
    client = visit(cast.brand_manager)
    assert _listed(client.get("/members/", {"after": cursor})) == _listed(client.get("/members/"))


def test_filters_stand_in_the_address_and_bad_ones_are_left_out(acme, pools, cast, visit):
    fill(acme, "tea", members=2, first=70, orders=0)
    client = visit(cast.brand_manager)
    assert len(_listed(client.get("/members/", {"ordered": "no"}))) == 2
    assert len(_listed(client.get("/members/", {"ordered": "yes"}))) == 12
    assert len(_listed(client.get("/members/", {"since": "2026-01-05"}))) == 11
    response = client.get("/members/", {"since": "yesterday", "ordered": "no"})
    assert response.status_code == 200
    assert len(_listed(response)) == 2
    assert "left out" in response.content.decode()


@pytest.mark.parametrize("person", ["brand_manager", "group_admin"])
def test_a_kept_address_of_a_brand_that_closed_since_is_answered_in_words(
    acme, pools, cast, visit, person
):
    """Whether the choice of brands is still on the page (HQ) or has gone with it (one brand)."""
    client = visit(getattr(cast, person))
    words = "“Bakery” shares no members with you now"
    asked = {"brand": "bakery", "ordered": "yes"}
    with tenant_transaction(acme):
        mode_change(mode=Mode.FAN_MAX, acting_user=None)
        store = Store.objects.get(code="bakery-1").pk
    open_page = client.get("/members/", asked)
    assert {number.split("-")[0] for number in _listed(open_page)} == {"BAKERY"}
    assert words not in open_page.content.decode()
    with tenant_transaction(acme):
        mode_change(mode=Mode.BRAND_MAX, brand=Brand.objects.get(code="bakery"), acting_user=None)
    for more in ({}, {"store": store}):
        page = client.get("/members/", asked | more)
        assert words in page.content.decode()
        assert "could not be read" not in page.content.decode()
        assert {number.split("-")[0] for number in _listed(page)} == {"TEA"}
    text = client.get("/members/", {"brand": "nothing", "since": "x"}).content.decode()
    assert "“nothing” shares no members" in text
    assert "could not be read" in text


def test_no_parameter_breaks_a_page(pools, cast, visit):
    client = visit(cast.group_admin)
    for address in (
        "/members/?brand=%00",
        "/members/?store=%00&brand=tea",
        "/members/?q=%00",
        "/members/?q=%F0%9F%98%80",
        "/members/?brand=tea&store=99999999999999999999",
        "/members/?after=9999999999999999999",
        "/members/?since=0001-01-01&sort=zzz&ordered=maybe",
        "/mode/?brand=%00&mode=%00",
        "/visibility/?brand=%00",
        "/admin/search/?s=%00",
    ):
        assert client.get(address).status_code == 200, address
    for address in ("/members/99999999999999999999/", "/stores/99999999999999999999/"):
        assert client.get(address).status_code == 404, address


def test_hq_chooses_a_brand_before_a_store(pools, cast, visit):
    client = visit(cast.group_admin)
    assert "store" not in client.get("/members/").context["form"].fields
    response = client.get("/members/", {"brand": "bakery"})
    assert "store" in response.context["form"].fields
    assert {number.split("-")[0] for number in _listed(response)} == {"BAKERY"}


def test_an_empty_list_says_what_to_do(acme, cast, visit):
    text = visit(cast.brand_manager).get("/members/").content.decode()
    assert "Import a file of members to begin." in text
    text = visit(cast.store_manager).get("/members/").content.decode()
    assert "They appear when your brand imports them" in text


def test_a_brand_manager_opens_a_member_with_masks_and_orders(acme, pools, cast, visit):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        last = Order.objects.filter(profile=pools["tea"][0]).order_by("-ordered_at").first()
        Order.objects.filter(pk=last.pk).update(refunded=4_00)
    response = visit(cast.brand_manager).get(f"/members/{pools['tea'][0]}/")
    text = response.content.decode()
    assert response.status_code == 200
    assert "Person Number1" not in text
    assert phone_of(1) not in text
    assert "138****0001" in text
    assert "Product 2" in text
    assert "¥25.00" in text
    assert "refunded ¥4.00" in text
    assert "¥21.00" in text
    assert "own people see all of it" in text
    assert "BAKERY" not in text


def test_hq_opens_a_member_without_name_and_reads_why(pools, cast, visit):
    response = visit(cast.group_admin).get(f"/members/{pools['tea'][0]}/")
    text = response.content.decode()
    assert response.status_code == 200
    assert "Person Number1" not in text
    assert "138****" not in text
    assert "Product 2" not in text
    assert "profiles without names" in text
    assert f"/members/{pools['bakery'][0]}/" in text


def test_hq_opens_contact_and_orders_of_those_who_agreed_once_fan_max(pools, cast, visit, switch):
    client = visit(cast.group_admin)
    switch(Mode.FAN_MAX)
    text = client.get(f"/members/{pools['tea'][0]}/").content.decode()
    assert "138****0001" in text
    assert "Product 2" in text
    revealed = client.post(f"/members/{pools['tea'][0]}/contact/").content.decode()
    assert "Person Number1" in revealed
    assert client.get(f"/members/{pools['tea'][11]}/").status_code == 404


def test_a_sibling_opens_a_shared_member_masked(pools, cast, visit, switch):
    client = visit(cast.sibling_manager)
    assert client.get(f"/members/{pools['tea'][0]}/").status_code == 404
    switch(Mode.FAN_MAX)
    text = client.get(f"/members/{pools['tea'][0]}/").content.decode()
    assert "138****0001" in text
    assert phone_of(1) not in text
    assert "Person Number1" not in text
    assert f"/members/{pools['bakery'][0]}/" in text
    switch(Mode.BRAND_MAX, "tea")
    assert client.get(f"/members/{pools['tea'][0]}/").status_code == 404


def test_a_provider_without_contact_data_sees_no_name_of_the_brand_it_runs(pools, cast, visit):
    client = visit(cast.provider_operator)
    text = client.get(f"/members/{pools['tea'][0]}/").content.decode()
    assert "Person Number1" not in text
    assert "138****" not in text
    assert "Product 2" in text
    assert "contract does not include contact data" in text
    assert "P***" not in client.get("/members/").content.decode()


def test_members_of_another_group_are_absent(pools, cast, visit):
    assert visit(cast.outsider).get("/members/").status_code == 404
    response = visit(cast.outsider, "globex.localhost").get(f"/members/{pools['tea'][0]}/")
    assert response.status_code == 404


@pytest.fixture
def banner(visit):
    """Return a function: a person → the words of the banner on their member list."""

    def words(person) -> str:
        text = visit(person).get("/members/").content.decode()
        found = re.search(r'<div class="s-banner".*?</div>', text, re.DOTALL)[0]
        return " ".join(re.sub(r"<[^>]+>", " ", found).split())

    return words


def test_the_banner_claims_averages_only_where_brands_are_enough_for_one(acme, pools, cast, banner):
    assert "averages" not in banner(cast.sibling_manager)
    with tenant_transaction(acme):
        Brand.objects.create(code="deli", name="Deli")
    assert "Of 3 other brands you see averages only." in banner(cast.sibling_manager)


def test_the_banner_counts_own_and_shared_members(pools, cast, banner, switch):
    assert "You see 12 members of your own." in banner(cast.sibling_manager)
    assert "You see 24 profiles of 3 brands, without names." in banner(cast.group_admin)
    assert "You see the 12 members of your store." in banner(cast.store_manager)
    switch(Mode.FAN_MAX)
    assert "8 more are shared by 2 brands." in banner(cast.sibling_manager)
    assert "You see 16 members of 3 brands who agreed to a notice that names the group." in banner(
        cast.group_admin
    )
    switch(Mode.BRAND_MAX)
    assert "Of 3 brands you see figures only." in banner(cast.group_admin)


def test_what_only_a_sibling_knows_joins_no_two_members_on_a_page(pools, acme, cast, visit):
    one, other = pools["tea"][:2]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        person = Profile.objects.get(pk=one).person_id
        Profile.objects.filter(pk=other).update(person_id=person)
    for person in (cast.brand_manager, cast.group_admin):
        text = visit(person).get(f"/members/{one}/").content.decode()
        assert f"/members/{other}/" not in text
    # What a viewer sees of both brands is joined as before.
    assert f"/members/{pools['bakery'][0]}/" in text


def test_a_made_up_member_tells_no_brand_whom_a_sibling_knows(acme, tmp_path, cast, visit):
    phones = {"T1": phone_of(1), "T2": phone_of(2), "T3": phone_of(3)}
    rows = {
        "bakery": ["B1,+8613800000001,1,2026-01-05"],
        "tea": [f"T1,{phones['T1']},,", f"T2,{phones['T2']},,", f"T3,{phones['T3']},1,2026-01-05"],
    }
    for brand, lines in rows.items():
        path = tmp_path / f"{brand}.csv"
        path.write_text("\n".join(["member_no,phone,consent,consented_on", *lines]))
        with tenant_transaction(acme), scope.bulk(reason="test"):
            job = import_create(
                brand=Brand.objects.get(code=brand), kind="members", path=path, file_name=path.name
            )
        assert import_run(tenant=acme, job_id=job.pk).rows_rejected == 0
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ids = dict(Profile.objects.values_list("member_no", "pk"))
    client = visit(cast.brand_manager)

    def agrees_to(number: str) -> str:
        text = client.get(f"/members/{ids[number]}/").content.decode()
        return re.search(r"<dt>Agrees to</dt><dd>(.*?)</dd>", text)[1]

    assert agrees_to("T1") == agrees_to("T2") == "Not known"
    assert agrees_to("T3") == "1 – Group notice"
