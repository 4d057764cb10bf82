"""Panels: their figures, what they leave out, and that nothing cached crosses a scope."""

from __future__ import annotations

import datetime as dt

import pytest

from brands.dashboard import Ask, Page, Period
from brands.models import Brand, Store
from brands.modes import Mode
from brands.services import mode_change
from members.models import PoolMetric
from members.panels.brands import brands_side_by_side
from members.panels.people import persons_by_brands
from members.panels.sales import kpis, sales_by_day, stores
from members.tests.pools import LAST_DAY, fill
from tenants.context import tenant_transaction

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def ask():
    """Return a function that makes the question of a page in the open scope."""

    def make(opened, page: Page, *codes: str, store: str | None = None, **period) -> Ask:
        brands = Brand.objects.filter(code__in=codes) if codes else Brand.objects.all()
        return Ask(
            page=page,
            brand_ids=tuple(brands.order_by("code").values_list("pk", flat=True)),
            store_id=Store.objects.get(code=store).pk if store else None,
            period=Period(**period),
            visible=opened.visible,
        )

    return make


def test_key_figures_of_a_brand_are_those_of_its_facts(acme, cast, seeing, ask):
    fill(acme, "tea", members=12, orders=2)
    fill(acme, "tea", members=3, orders=1, first=100)
    with seeing(cast.brand_manager) as opened:
        answer = kpis(ask(opened, Page.BRAND, "tea"))
    assert (answer.members, answer.buyers, answer.orders) == (15, 15, 27)
    assert answer.sales == 27 * 2500
    assert answer.average == 2500
    assert answer.repeat_rate == pytest.approx(12 / 15)
    assert answer.period.last == LAST_DAY
    assert answer.persons is None


def test_key_figures_compare_with_the_days_before(acme, cast, seeing, ask):
    fill(acme, "tea", members=10, orders=3)
    with seeing(cast.brand_manager) as opened:
        answer = kpis(ask(opened, Page.BRAND, "tea", first=LAST_DAY, last=LAST_DAY))
        assert answer.orders == 10
        assert answer.orders_change == 0
        answer = kpis(ask(opened, Page.BRAND, "tea", days=2))
    assert answer.orders == 20
    assert answer.orders_change == pytest.approx(20 / 10 - 1)


def test_hq_counts_each_person_once_and_members_per_brand(acme, cast, seeing, ask):
    fill(acme, "tea", members=12)
    fill(acme, "bakery", members=20)
    with seeing(cast.group_admin) as opened:
        answer = kpis(ask(opened, Page.GROUP))
        rows = persons_by_brands(ask(opened, Page.GROUP)).rows
    assert (answer.members, answer.persons) == (32, 20)
    assert rows == ((1, 8), (2, 12))


def test_a_brand_in_brand_max_is_left_out_of_the_groups_persons(
    acme, cast, seeing, ask, switch, django_capture_on_commit_callbacks
):
    fill(acme, "tea", members=12)
    fill(acme, "bakery", members=20)
    with django_capture_on_commit_callbacks() as callbacks:
        switch(Mode.BRAND_MAX, "bakery")
    with seeing(cast.group_admin) as opened:
        # The old figures closed with the switch; the new ones come with its job.
        assert persons_by_brands(ask(opened, Page.GROUP)).rows == ()
    for callback in callbacks:
        callback()
    with seeing(cast.group_admin) as opened:
        rows = persons_by_brands(ask(opened, Page.GROUP))
        answer = kpis(ask(opened, Page.GROUP))
    assert rows.rows == ((1, 12),)
    assert rows.left_out == 1
    assert answer.persons == 12
    assert answer.has_hidden_persons


def test_days_of_few_buyers_of_a_brand_max_brand_are_absent_and_counted(
    acme, cast, seeing, ask, switch
):
    fill(acme, "bakery", members=12, orders=1)
    fill(acme, "bakery", members=5, orders=3, first=300)
    switch(Mode.BRAND_MAX, "bakery")
    days = {"first": LAST_DAY - dt.timedelta(days=9), "last": LAST_DAY}
    with seeing(cast.group_admin) as opened:
        answer = sales_by_day(ask(opened, Page.BRAND, "bakery", **days))
        figures = kpis(ask(opened, Page.BRAND, "bakery", **days))
        own_stores = stores(ask(opened, Page.BRAND, "bakery", **days))
    assert [one.orders for one in answer.days] == [None] * 9 + [17]
    assert answer.days_left_out == figures.days_left_out == 9
    assert figures.orders == 17
    assert own_stores.stores == ()
    assert own_stores.is_hidden
    with seeing(cast.sibling_manager) as opened:
        answer = sales_by_day(ask(opened, Page.BRAND, "bakery", **days))
        assert [one.orders for one in answer.days] == [0] * 7 + [5, 5, 17]
        assert len(stores(ask(opened, Page.BRAND, "bakery", **days)).stores) == 1


def test_a_period_without_any_day_to_show_says_nothing_instead_of_zero(
    acme, cast, seeing, ask, switch
):
    fill(acme, "bakery", members=5, orders=2)
    switch(Mode.BRAND_MAX, "bakery")
    with seeing(cast.group_admin) as opened:
        figures = kpis(ask(opened, Page.BRAND, "bakery"))
        rows = brands_side_by_side(ask(opened, Page.GROUP)).brands
    assert (figures.orders, figures.sales, figures.members) == (None, None, None)
    assert figures.hidden_pools == 1
    row = next(row for row in rows if row.code == "bakery")
    assert row.is_hidden
    assert (row.sales, row.members) == (None, None)


def test_fewer_than_three_averaged_brands_are_not_averaged(acme, cast, seeing, ask):
    for code in ("tea", "bakery", "spa"):
        fill(acme, code, members=12)
    with seeing(cast.brand_manager) as opened:
        answer = brands_side_by_side(ask(opened, Page.BRAND, "tea"))
    assert [row.code for row in answer.brands] == ["tea"]
    assert answer.average is None
    assert answer.unseen == 2


def test_three_sibling_brands_are_shown_as_one_average(acme, cast, seeing, ask):
    with tenant_transaction(acme):
        extra = Brand.objects.create(code="deli", name="Deli")
        Store.objects.create(brand=extra, code="deli-1", name="Deli 1")
    for code, members in (("tea", 50), ("bakery", 12), ("spa", 12), ("deli", 15)):
        fill(acme, code, members=members, orders=1)
    with seeing(cast.brand_manager) as opened:
        answer = brands_side_by_side(ask(opened, Page.BRAND, "tea"))
        with pytest.raises(PoolMetric.DoesNotExist):
            PoolMetric.objects.get(brand__code="deli", store=None)
    assert answer.average.members == 13
    assert answer.average.sales == 13 * 2500
    assert answer.averaged == 3
    with tenant_transaction(acme):
        mode_change(mode=Mode.BRAND_MAX, brand=extra, acting_user=None)
    with seeing(cast.brand_manager) as opened:
        answer = brands_side_by_side(ask(opened, Page.BRAND, "tea"))
    assert answer.average is None


def test_an_averaged_brand_without_figures_does_not_make_three(acme, cast, seeing, ask):
    with tenant_transaction(acme):
        Brand.objects.create(code="deli", name="Deli")
    for code in ("bakery", "spa"):
        fill(acme, code, members=12)
    with seeing(cast.brand_manager) as opened:
        assert brands_side_by_side(ask(opened, Page.BRAND, "tea")).average is None


def test_no_period_tells_one_averaged_brands_own_sales(acme, cast, seeing, ask):
    with tenant_transaction(acme):
        extra = Brand.objects.create(code="deli", name="Deli")
        Store.objects.create(brand=extra, code="deli-1", name="Deli 1")
    for code in ("bakery", "spa"):
        fill(acme, code, members=12, orders=1)
    fill(acme, "deli", members=15, orders=3)
    before = {"last": LAST_DAY - dt.timedelta(days=1)}
    with seeing(cast.brand_manager) as opened:
        alone = brands_side_by_side(ask(opened, Page.BRAND, "tea", days=30, **before)).average
        both = brands_side_by_side(ask(opened, Page.BRAND, "tea", days=30, last=LAST_DAY)).average
        day = brands_side_by_side(ask(opened, Page.BRAND, "tea", days=1, last=LAST_DAY)).average
    assert (alone.sales, alone.orders, alone.average) == (None, None, None)
    assert alone.members == both.members == 13
    assert both == day


def test_siblings_stand_side_by_side_once_fan_max(acme, cast, seeing, ask, switch):
    for code in ("tea", "bakery", "spa"):
        fill(acme, code, members=12)
    switch(Mode.FAN_MAX)
    with seeing(cast.brand_manager) as opened:
        answer = brands_side_by_side(ask(opened, Page.BRAND, "tea"))
    assert {row.code for row in answer.brands} == {"tea", "bakery", "spa"}
    assert {row.code for row in answer.brands if row.is_open} == {"tea"}


def _kpis(client, address: str) -> str:
    return client.get(f"{address}panels/kpis/", headers=FRAGMENT).content.decode()


def test_a_kept_panel_is_never_given_to_another_scope(acme, cast, visit, switch):
    fill(acme, "tea", members=7)
    manager, hq = visit(cast.brand_manager), visit(cast.group_admin)
    assert ">7<" in _kpis(manager, "/brands/tea/")
    assert ">7<" in _kpis(hq, "/brands/tea/")
    switch(Mode.BRAND_MAX, "tea")
    hidden = _kpis(hq, "/brands/tea/")
    assert ">7<" not in hidden
    assert "&lt; 10" in hidden
    assert ">7<" in _kpis(manager, "/brands/tea/")


def test_what_is_kept_answers_the_same_question_without_asking_again(
    acme, cast, visit, monkeypatch
):
    fill(acme, "tea", members=12)
    client = visit(cast.brand_manager)
    first = _kpis(client, "/brands/tea/")
    monkeypatch.setattr(PoolMetric, "objects", None)
    assert _kpis(client, "/brands/tea/") == first


def test_roll_ups_that_change_are_seen_at_once(acme, cast, visit):
    fill(acme, "tea", members=12)
    client = visit(cast.brand_manager)
    assert ">12<" in _kpis(client, "/brands/tea/")
    fill(acme, "tea", members=4, first=50)
    assert ">16<" in _kpis(client, "/brands/tea/")


def test_a_panel_without_htmx_is_a_page_of_its_own(acme, cast, visit):
    fill(acme, "tea", members=12)
    response = visit(cast.brand_manager).get("/brands/tea/panels/sales_by_day/")
    text = response.content.decode()
    assert "<html" in text
    assert "As a table" in text


def test_a_chart_has_its_figures_in_json_and_no_script_to_run(acme, cast, visit):
    fill(acme, "tea", members=12)
    client = visit(cast.brand_manager)
    text = client.get("/brands/tea/panels/sales_by_day/", headers=FRAGMENT).content.decode()
    assert 'type="application/json"' in text
    assert text.count("<script") == 1
