"""Homes of group, unit, brand and store: who lands where, and who is told of nothing."""

from __future__ import annotations

import pytest

from brands.models import Brand, Store
from brands.modes import Mode
from brands.services import mode_change
from members.tests.pools import fill
from tenants.context import tenant_transaction
from tenants.models import Grant
from tenants.roles import Level, Role


@pytest.fixture
def store_ids(acme):
    """Return code → number of acme's stores."""
    with tenant_transaction(acme):
        return dict(Store.objects.values_list("code", "pk"))


def test_everyone_lands_at_the_home_of_their_own_place(cast, visit, store_ids):
    homes = {
        "group_admin": "/group/",
        "analyst": "/group/",
        "unit_manager": "/group/",
        "brand_manager": "/brands/tea/",
        "provider_operator": "/brands/tea/",
        "store_manager": f"/stores/{store_ids['tea-1']}/",
        "guide": f"/stores/{store_ids['tea-1']}/",
    }
    for name, address in homes.items():
        response = visit(getattr(cast, name)).get("/", follow=True)
        assert response.status_code == 200, name
        assert response.redirect_chain[-1][0] == address, name


def _statuses(cast, visit, expected: dict[tuple[str, str], int], address: str, ids=None) -> dict:
    """Return what EXPECTED would be if the pages and their panels agreed with each other."""
    found = {}
    for who, code in expected:
        client, place = visit(getattr(cast, who)), address.format((ids or {}).get(code, code))
        answers = {client.get(place).status_code, client.get(f"{place}panels/kpis/").status_code}
        found[who, code] = answers.pop() if len(answers) == 1 else answers
    return found


def test_a_brands_home_opens_to_hq_and_its_own_people(acme, cast, visit):
    expected = {
        ("group_admin", "tea"): 200,
        ("group_admin", "spa"): 200,
        ("unit_manager", "tea"): 200,
        ("unit_manager", "spa"): 404,
        ("brand_manager", "tea"): 200,
        ("brand_manager", "bakery"): 404,
        ("store_manager", "tea"): 404,
        ("guide", "tea"): 404,
        ("group_admin", "nowhere"): 404,
    }
    assert _statuses(cast, visit, expected, "/brands/{}/") == expected


def test_a_fan_max_siblings_home_stays_closed(acme, cast, visit):
    with tenant_transaction(acme):
        mode_change(mode=Mode.FAN_MAX, acting_user=None)
    assert visit(cast.brand_manager).get("/brands/bakery/").status_code == 404


def test_a_stores_home_opens_to_its_people_its_brand_and_hq(cast, visit, store_ids):
    expected = {
        ("store_manager", "tea-1"): 200,
        ("store_manager", "tea-2"): 404,
        ("brand_manager", "tea-2"): 200,
        ("brand_manager", "bakery-1"): 404,
        ("unit_manager", "bakery-1"): 200,
        ("unit_manager", "spa-1"): 404,
        ("group_admin", "spa-1"): 200,
    }
    assert _statuses(cast, visit, expected, "/stores/{}/", store_ids) == expected


def test_hq_opens_no_store_of_a_brand_max_brand(acme, cast, visit, store_ids):
    with tenant_transaction(acme):
        mode_change(mode=Mode.BRAND_MAX, brand=Brand.objects.get(code="spa"), acting_user=None)
    assert visit(cast.group_admin).get(f"/stores/{store_ids['spa-1']}/").status_code == 404
    assert visit(cast.group_admin).get("/brands/spa/").status_code == 200


def test_the_groups_home_is_for_hq_and_units(cast, visit):
    for who in ("brand_manager", "store_manager", "guide"):
        assert visit(getattr(cast, who)).get("/group/").status_code == 404, who


def test_a_units_home_holds_the_units_brands_only(acme, cast, visit):
    fill(acme, "tea", members=11)
    fill(acme, "spa", members=40)
    client = visit(cast.unit_manager)
    text = client.get("/group/panels/kpis/", headers={"HX-Request": "true"}).content.decode()
    assert ">11<" in text
    assert "Persons" not in text
    assert client.get("/group/panels/persons_by_brands/").status_code == 404


def test_a_period_that_cannot_be_read_is_said_and_the_usual_one_shown(acme, cast, visit):
    client = visit(cast.brand_manager)
    for query in (
        "from=2026-99-99",
        "from=x&to=y",
        "days=0",
        "days=-5",
        "days=x",
        "days=999999",
        "from=2026-05-01&to=2026-04-01",
        "from=0001-01-01",
        "to=9999-12-31",
    ):
        response = client.get(f"/brands/tea/?{query}")
        assert response.status_code == 200, query
        assert "could not be read" in response.content.decode(), query
        assert client.get(f"/brands/tea/panels/sales_by_day/?{query}").status_code == 200, query


def test_a_period_that_can_be_read_is_shown(acme, cast, visit):
    fill(acme, "tea", members=11)
    client = visit(cast.brand_manager)
    for query in (
        "from=2026-11-19&to=2026-11-20",
        "days=30",
        "from=1990-01-01",
        "to=1990-01-01",
        "from=2099-01-01",
    ):
        assert "could not be read" not in client.get(f"/brands/tea/?{query}").content.decode()
        for name in ("kpis", "sales_by_day", "brands_side_by_side", "stores"):
            assert client.get(f"/brands/tea/panels/{name}/?{query}").status_code == 200, query


def test_a_person_with_several_grants_chooses_which_to_act_under(acme, cast, visit, store_ids):
    store = Grant.objects.create(
        user=cast.brand_manager,
        role=Role.STORE_MANAGER,
        level=Level.STORE,
        tenant=acme,
        place_id=store_ids["tea-2"],
        place_name="Tea House 2",
    )
    client = visit(cast.brand_manager)
    assert "Store manager · Tea House 2" in client.get("/brands/tea/").content.decode()
    response = client.post("/acting/", {"grant": store.pk}, follow=True)
    assert response.redirect_chain[-1][0] == f"/stores/{store_ids['tea-2']}/"
    assert "You now act as Store manager · Tea House 2." in response.content.decode()
    assert client.get("/brands/tea/").status_code == 404


def test_no_one_acts_under_a_grant_of_another(cast, visit):
    foreign = cast.group_admin.acting_grant.pk
    client = visit(cast.brand_manager)
    for value in (foreign, "x", ""):
        assert client.post("/acting/", {"grant": value}).status_code == 404
    assert client.get("/acting/").status_code == 405
    assert client.get("/group/").status_code == 404


def test_an_empty_home_says_that_figures_come_with_imports(cast, visit):
    text = visit(cast.brand_manager).get("/brands/tea/panels/kpis/").content.decode()
    assert "No figures yet" in text
