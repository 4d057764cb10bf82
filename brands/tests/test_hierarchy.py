"""The tree of a group."""

import pytest

from brands.hierarchy import tree
from brands.models import BusinessUnit, Store


def test_hq_sees_units_brands_and_their_sizes(cast, seeing):
    with seeing(cast.group_admin) as opened:
        BusinessUnit.objects.create(code="new", name="New unit")
        Store.objects.filter(code="tea-2").update(is_active=False)
        units = tree(opened.visible)
    assert [str(node.unit) for node in units] == ["Food", "New unit", "None"]
    food, empty, direct = units
    assert [leaf.brand.code for leaf in food.brands] == ["bakery", "tea"]
    tea = food.brands[1]
    assert (tea.open_stores, tea.closed_stores, tea.mode) == (1, 1, "member_max")
    assert (food.stores, empty.brands, [one.brand.code for one in direct.brands]) == (
        3,
        [],
        ["spa"],
    )


def test_a_brand_manager_sees_the_own_branch_of_the_tree(cast, seeing):
    with seeing(cast.brand_manager) as opened:
        units = tree(opened.visible)
    assert [leaf.brand.code for node in units for leaf in node.brands] == ["tea"]


def test_a_store_manager_sees_the_own_store_on_its_branch(cast, seeing):
    with seeing(cast.store_manager) as opened:
        ((leaf,),) = [node.brands for node in tree(opened.visible)]
    assert (leaf.brand.code, leaf.open_stores, leaf.accounts) == ("tea", 1, 0)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("group_admin", 200),
        ("analyst", 200),
        ("unit_manager", 200),
        ("brand_manager", 200),
        ("provider_operator", 200),
        ("store_manager", 200),
        ("guide", 404),
        ("outsider", 404),
    ],
)
def test_the_page_is_there_for_those_who_see_brands(cast, visit, name, status):
    assert visit(getattr(cast, name)).get("/hierarchy/").status_code == status


def test_ten_times_the_brands_cost_the_same_queries(cast, visit, acme, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from brands.models import Brand
    from tenants.context import tenant_transaction

    client = visit(cast.group_admin)
    client.get("/hierarchy/")
    with CaptureQueriesContext(connection) as few:
        client.get("/hierarchy/")
    with tenant_transaction(acme):
        for number in range(30):
            brand = Brand.objects.create(code=f"b{number}", name=f"Brand {number}")
            Store.objects.create(brand=brand, code="1", name="One")
    with django_assert_num_queries(len(few)):
        client.get("/hierarchy/")
