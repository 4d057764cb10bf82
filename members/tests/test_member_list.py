"""The member list: counts that say how sure they are, sorts, filters, and views that are kept."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from brands.models import Brand, ChannelAccount, Store
from brands.modes import Mode
from brands.wall import scope
from members import member_counts
from members.contacts import identity_key
from members.keys import group_keys
from members.member_list import MemberFilter, members_asked, page_of
from members.models import (
    BrandSegment,
    Contact,
    OwnView,
    PoolMetric,
    Profile,
    ProfileTag,
    Tag,
    Touchpoint,
)
from members.tests.pools import LAST_DAY, fill
from tenants.context import tenant_transaction

ROWS = 100_000


def _listed(response) -> list[str]:
    return [row.member_no for row, _masked in response.context["rows"]]


def _rows(brand: Brand, store: Store, first: int, count: int) -> None:
    """Make members by SQL, one in twenty of them gold, every fourth without an order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members_person (id, created_at) "
            "SELECT g, now() FROM generate_series(%s, %s) g",
            [first, first + count - 1],
        )
        cursor.execute(
            """
            INSERT INTO members_profile (id, brand_id, store_id, person_id, member_no, is_member,
                gender, registered_on, orders, sales, no_automation, tier, stratum, last_order_at,
                created_at, updated_at)
            SELECT g, %(brand)s, %(store)s, g, 'M' || g, true, '', DATE '2026-01-01' + g %% 300,
                g %% 4, (g::bigint * 7919) %% 100000, false,
                CASE WHEN g %% 20 = 0 THEN 'gold' ELSE '' END,
                g %% 4, CASE WHEN g %% 4 > 0 THEN now() - (g %% 90000) * interval '1 minute' END,
                now(), now()
            FROM generate_series(%(first)s, %(last)s) g
            """,
            {"brand": brand.pk, "store": store.pk, "first": first, "last": first + count - 1},
        )


@pytest.fixture
def many(in_acme) -> dict[str, Brand]:
    """Give tea and bakery many members, and figures of them."""
    found = {}
    for place, code in enumerate(("tea", "bakery")):
        found[code] = Brand.objects.get(code=code)
        store = Store.objects.get(code=f"{code}-1")
        _rows(found[code], store, 1_000_000 + place * ROWS, ROWS // 2)
        with scope.bulk(reason="test"):
            figures = {"persons": 1, "buyers": 1, "repeat_buyers": 1, "smallest_count": 20}
            PoolMetric.objects.create(brand=found[code], members=ROWS // 2, **figures)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE members_person, members_profile, members_contact")
    return found


def _page(opened, **asked: str):
    form = MemberFilter(asked, visible=opened.visible)
    assert form.is_valid(), form.errors
    rows = members_asked(form.cleaned_data, visible=opened.visible)
    return page_of(rows, asked=form.cleaned_data, visible=opened.visible, before="", after="")


def test_lists_of_many_are_read_by_index_and_counted_honestly(many, cast, seeing, monkeypatch):
    plans: list[str] = []

    def explained(execute, sql, params, many_, context):
        if sql.startswith("SELECT") and "members_profile" in sql:
            context["cursor"].execute(f"EXPLAIN {sql}", params)
            plan = "\n".join(line for (line,) in context["cursor"].fetchall())
            plans.append(f"{sql}\n{plan}")
        return execute(sql, params, many_, context)

    # Under a load of other tests the server may take longer than a page would wait.
    monkeypatch.setattr(member_counts, "BUDGET_MS", 20_000)
    with seeing(cast.brand_manager) as opened:
        with connection.execute_wrapper(explained):
            pages = {
                name: _page(opened, **asked)
                for name, asked in {
                    "all": {},
                    "sales": {"sort": "sales"},
                    "last": {"sort": "last"},
                    "tier": {"tier": "gold"},
                    "stratum": {"stratum": "3"},
                    "few": {"sales_from": "999.00"},
                    "range": {"sales_from": "500", "sales_to": "750", "sort": "sales"},
                    "recent": {"last_from": "2020-01-01", "sort": "last"},
                }.items()
            }
        assert len(plans) > 15
        assert not [plan for plan in plans if "Seq Scan on members_profile" in plan]
        # A page of any order comes as its index has it: nobody sorts a brand.
        pages_read = [plan for plan in plans if "LIMIT 51" in plan and "WHERE" in plan]
        unfiltered = [plan for plan in pages_read if "tier" not in plan.split("WHERE", 1)[1]]
        assert len(unfiltered) >= 3
        assert not [plan for plan in unfiltered[:3] if "Sort Key" in plan], unfiltered[:3]
        counted = {name: (page.counted.how, page.counted.number) for name, page in pages.items()}
        assert counted["all"] == counted["sales"] == ("kept", ROWS // 2)
        assert counted["few"][0] == "exact"
        with scope.open(opened.visible):
            assert counted["few"][1] == Profile.objects.filter(sales__gte=99900).count()
        for name, real in {"tier": ROWS / 40, "stratum": ROWS / 8, "range": ROWS / 8}.items():
            how, number = counted[name]
            assert how == "about"
            assert 0.6 * real < number < 1.6 * real, name
            # Two digits that say something.
            assert str(number).rstrip("0").__len__() <= 2
        assert [row.sales for row in pages["sales"].rows] == sorted(
            (row.sales for row in pages["sales"].rows), reverse=True
        )
        assert all(row.last_order_at for row in pages["last"].rows)
        # In no time at all nothing is counted, and the page is there all the same.
        monkeypatch.setattr(member_counts, "BUDGET_MS", 1)
        late = member_counts._within(lambda: _slept())
        assert late is None
        assert Profile.objects.filter(tier="gold")[:3].count() == 3
    # An estimate is of what its reader sees: bakery's manager learns nothing of tea's.
    with seeing(cast.sibling_manager) as opened:
        monkeypatch.setattr(member_counts, "BUDGET_MS", 20_000)
        assert _page(opened, tier="gold").counted.how == "about"
        assert _page(opened).counted.number == ROWS // 2
    with seeing(cast.group_admin) as opened, connection.execute_wrapper(explained):
        plans.clear()
        page = _page(opened, sort="sales")
        assert len(page.rows) == 50
        assert page.counted == member_counts.Counted(ROWS, "kept")
        assert not [plan for plan in plans if "Seq Scan on members_profile" in plan]


def _slept() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")
    return 1


def test_a_filter_that_fits_few_is_counted_exactly_and_each_filter_filters(
    acme, cast, visit, switch
):
    pks = fill(acme, "tea", members=6, orders=1)
    fill(acme, "tea", members=2, orders=0, first=50)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        Profile.objects.filter(pk__in=pks[:2]).update(tier="gold", sales=90_00)
        tag = Tag.objects.create(brand=tea, name="Oolong")
        placed = {"brand": tea, "store": Store.objects.get(code="tea-1")}
        ProfileTag.objects.create(profile_id=pks[0], tag=tag, set_at="2026-01-01T00:00Z", **placed)
        account = ChannelAccount.objects.create(
            brand=tea, kind="wecom", name="Corp", external_id="c1"
        )
        Touchpoint.objects.create(
            profile_id=pks[1], account=account, followed_at="2026-01-01T00:00Z", **placed
        )
        key = identity_key(group_keys(), "unionid", "oXyz6t1234567890abcdef")
        Contact.objects.filter(profile_id=pks[2]).update(unionid_key=key)
    client = visit(cast.brand_manager)

    def found(**asked: object) -> list[str]:
        response = client.get("/members/", asked)
        assert response.context["page"].counted.number == len(_listed(response))
        return _listed(response)

    assert found(tier="gold") == ["TEA-2", "TEA-1"]
    assert found(tag=tag.pk) == ["TEA-1"]
    assert found(channel=account.pk) == ["TEA-2"]
    assert found(sales_from="90", sales_to="90.00") == ["TEA-2", "TEA-1"]
    assert found(sales_from="90.01") == []
    day = LAST_DAY.isoformat()
    assert len(found(last_from=day, last_to=day)) == 6
    assert found(last_from=(LAST_DAY + dt.timedelta(days=1)).isoformat()) == []
    assert len(found(sort="last")) == 6
    assert found(q="oXyz6t1234567890abcdef") == ["TEA-3"]
    # The same id is nobody's to whom contact data is hidden.
    hq = visit(cast.group_admin)
    assert _listed(hq.get("/members/", {"q": "oXyz6t1234567890abcdef"})) == []
    # HQ reads the profile of a member-max brand, and not what it follows.
    asked = {"brand": "tea", "channel": account.pk}
    assert _listed(hq.get("/members/", asked)) == []
    assert len(_listed(hq.get("/members/", {"brand": "tea", "tag": tag.pk}))) == 1
    switch(Mode.BRAND_MAX, "tea")
    assert "left out" in hq.get("/members/", asked).content.decode() or not _listed(
        hq.get("/members/", asked)
    )


def test_pages_of_several_brands_by_latest_order_show_each_buyer_once(acme, cast, visit):
    fill(acme, "tea", members=60, orders=1)
    fill(acme, "bakery", members=45, orders=1)
    fill(acme, "bakery", members=5, orders=0, first=300)
    client = visit(cast.unit_manager)
    for sort, expected in (("last", 105), ("sales", 110), ("newest", 110)):
        page = client.get("/members/", {"sort": sort})
        first, seen = _listed(page), []
        while True:
            seen += _listed(page)
            if not (after := page.context["page"].after):
                break
            page = client.get("/members/", {"sort": sort, "after": after})
        assert len(seen) == len(set(seen)) == expected, sort
        while before := page.context["page"].before:
            page = client.get("/members/", {"sort": sort, "before": before})
        assert _listed(page) == first


def test_a_view_is_ones_own_and_opens_first_where_asked(acme, cast, visit, seeing):
    fill(acme, "tea", members=2, orders=1)
    fill(acme, "tea", members=3, orders=0, first=50)
    client = visit(cast.guide)
    kept = {"name": "Buyers", "ordered": "yes", "sort": "sales", "opens_first": "on"}
    response = client.post("/members/views/new/", kept, follow=True)
    assert len(_listed(response)) == 2
    assert "“Buyers” is kept" in response.content.decode()
    opened = client.get("/members/", follow=True)
    assert opened.redirect_chain
    assert opened.context["form"].cleaned_data["sort"] == "sales"
    assert len(_listed(opened)) == 2
    assert len(_listed(client.get("/members/?all=1"))) == 5
    assert "of this name" in client.post("/members/views/new/", kept, follow=True).content.decode()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        view = OwnView.objects.get()
    # Nobody else's: not even of who manages the store.
    for person in (cast.store_manager, cast.brand_manager, cast.group_admin):
        other = visit(person)
        assert other.get(f"/members/views/{view.pk}/").status_code == 404
        assert other.post(f"/members/views/{view.pk}/", {"act": "remove"}).status_code == 404
        assert "Buyers" not in other.get("/members/").content.decode()
        with seeing(person):
            assert not OwnView.objects.exists()
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM members_ownview")
                assert cursor.fetchone()[0] == 0
    client.post(f"/members/views/{view.pk}/", {"act": "none"})
    assert len(_listed(client.get("/members/"))) == 5
    client.post(f"/members/views/{view.pk}/", {"act": "remove"})
    assert client.get(f"/members/views/{view.pk}/").status_code == 404


def test_what_is_kept_for_the_brand_is_a_segment_with_its_order(acme, cast, visit):
    fill(acme, "tea", members=2, orders=1)
    client = visit(cast.brand_manager)
    kept = {"name": "Best", "owner": "tea", "tier": "gold", "sales_from": "10", "sort": "sales"}
    client.post("/members/views/new/", kept)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not OwnView.objects.exists()
        segment = BrandSegment.objects.get()
    assert (segment.tier, segment.sales_from, segment.sort) == ("gold", 10_00, "sales")
    opened = client.get(f"/segments/brand/{segment.pk}/")
    assert "tier=gold" in opened["Location"]
    assert "sales_from=10.00" in opened["Location"]
    assert "sort=sales" in opened["Location"]
    assert "tier: gold" in client.get("/segments/").content.decode()
    # A guide keeps nothing for the brand.
    assert visit(cast.guide).post("/members/views/new/", kept).status_code == 404
