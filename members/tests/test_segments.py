from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable

import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone

from brands.changes.figures import Cutter
from brands.changes.preview import count_change
from brands.changes.registry import affected_counters
from brands.models import Brand, Store
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.wall import scope
from members.models import BrandSegment, GroupSegment, Profile
from members.segment_services import SegmentRefused, segment_create, segment_remove, segment_rename
from members.segments import Filter, seen_as, segments_of, shown
from members.tests.pools import fill
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

WITH_ORDERS = Filter(has_orders=True)


@pytest.fixture
def keep(seeing) -> Callable[..., int]:
    """Return a function that keeps a segment as somebody; it returns its number."""

    def make(user, name: str, *, brand: str | None = None, asked: Filter = WITH_ORDERS) -> int:
        with seeing(user):
            owner = Brand.objects.get(code=brand) if brand else None
            return segment_create(owner=owner, name=name, asked=asked, acting_user=user).pk

    return make


@pytest.fixture
def names(seeing) -> Callable[..., list[str]]:
    """Return a function: a person → the names of the segments that they may read."""

    def read(user) -> list[str]:
        with seeing(user) as opened:
            return [one.name for one in segments_of(opened.visible)]

    return read


def test_the_groups_segments_are_hqs_and_a_brands_are_its_own(cast, keep, names, seeing, switch):
    keep(cast.group_admin, "of the group")
    keep(cast.brand_manager, "of tea", brand="tea")
    read = {
        # The brand, its unit, a sibling, HQ.
        Mode.MEMBER_MAX: (["of tea"], ["of tea"], [], ["of tea", "of the group"]),
        Mode.FAN_MAX: (["of tea"], ["of tea"], ["of tea"], ["of tea", "of the group"]),
        Mode.BRAND_MAX: (["of tea"], ["of tea"], [], ["of the group"]),
    }
    who = (cast.brand_manager, cast.unit_manager, cast.sibling_manager, cast.group_admin)
    for mode, expected in read.items():
        if mode is not Mode.MEMBER_MAX:  # as it is
            switch(mode)
        assert tuple(names(user) for user in who) == expected, mode
    switch(Mode.FAN_MAX)
    # What may be read may not be written: by the service, nor by the database.
    for user in (cast.sibling_manager, cast.group_admin, cast.analyst):
        with seeing(user):
            tea = Brand.objects.get(code="tea")
            kept = BrandSegment.objects.get()
            with pytest.raises(SegmentRefused, match="Only the brand"):
                segment_create(owner=tea, name="x", asked=WITH_ORDERS, acting_user=user)
            with pytest.raises(SegmentRefused, match="Only the brand"):
                segment_rename(segment=kept, name="x", acting_user=user)
            with pytest.raises(ProgrammingError), transaction.atomic():
                BrandSegment.objects.create(brand=tea, name="x", made_by_name="x")
            assert BrandSegment.objects.filter(pk=kept.pk).update(name="x") == 0
    for user in (cast.brand_manager, cast.analyst):
        with pytest.raises(SegmentRefused, match="Only HQ"):
            keep(user, "x")
        with seeing(user), pytest.raises(ProgrammingError), transaction.atomic():
            GroupSegment.objects.create(name="x", made_by_name="x")
    assert names(cast.store_manager) == []


def test_what_is_kept_is_checked_renamed_and_removed(acme, cast, keep, names, seeing):
    for name, asked, why in [
        ("", WITH_ORDERS, "needs a name"),
        ("x" * 81, WITH_ORDERS, "at most 80"),
        ("x", Filter(), "No filter is set"),
    ]:
        with pytest.raises(SegmentRefused, match=why):
            keep(cast.brand_manager, name, brand="tea", asked=asked)
    pk = keep(cast.brand_manager, "  Buyers \x00 of  tea ", brand="tea")
    keep(cast.sibling_manager, "Buyers of tea", brand="bakery")
    with pytest.raises(SegmentRefused, match="of this name"):
        keep(cast.brand_manager, "Buyers of tea", brand="tea")
    user = cast.brand_manager
    with seeing(user):
        kept = BrandSegment.objects.get(pk=pk)
        assert kept.name == "Buyers of tea"
        segment_rename(segment=kept, name="Customers", acting_user=user)
    assert names(user) == ["Customers"]
    with seeing(user):
        segment_remove(segment=BrandSegment.objects.get(pk=pk), acting_user=user)
    assert names(user) == []
    assert names(cast.sibling_manager) == ["Buyers of tea"]
    keep(user, "Customers", brand="tea")
    # HQ reads the audit: what a brand keeps is not in it.
    events = AuditEvent.objects.filter(tenant_id=acme.pk, action__startswith="segment.")
    assert {one.action for one in events} == {"segment.add", "segment.change", "segment.delete"}
    assert {one.target_name for one in events} == {"Tea House", "Bakery"}
    assert all(one.changes == {} for one in events)


def test_a_segment_counts_the_members_that_its_reader_sees(acme, cast, keep, seeing, switch):
    fill(acme, "tea", members=5, orders=1, agreeing=2)
    fill(acme, "tea", members=3, orders=0, first=50)
    fill(acme, "bakery", members=4, orders=1, agreeing=3, first=100)
    keep(cast.brand_manager, "Buyers", brand="tea")
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
    keep(cast.group_admin, "Without", asked=Filter(brand_id=tea, has_orders=False))

    def counts(user) -> dict[str, int | None]:
        with seeing(user) as opened:
            found = shown(segments_of(opened.visible), opened.visible)
            return {one.segment.name: one.count for one in found}

    assert counts(cast.brand_manager) == {"Buyers": 5}
    # To HQ tea's segment is about tea, and not about all that HQ sees.
    assert counts(cast.group_admin) == {"Buyers": 5, "Without": 3}
    switch(Mode.FAN_MAX)
    assert counts(cast.brand_manager) == {"Buyers": 5 + 3}
    assert counts(cast.sibling_manager) == {"Buyers": 2}
    assert counts(cast.group_admin) == {"Buyers": 2, "Without": 0}
    switch(Mode.BRAND_MAX, "tea")
    assert counts(cast.brand_manager) == {"Buyers": 5}
    # None: closed.
    assert counts(cast.group_admin) == {"Without": None}


@pytest.mark.parametrize("switched", ["fan_max tea", "brand_max tea", "member_max", "fan_max spa"])
def test_a_preview_says_what_each_owner_then_counts(acme, cast, keep, seeing, switch, switched):
    """The lines of the preview are what the owners read themselves before and after the change.

    Of tea alone: it is in member-max, where HQ reads all members.
    """
    switch(Mode.FAN_MAX)
    switch(Mode.MEMBER_MAX, "tea")
    switch(Mode.BRAND_MAX, "spa")
    for number, code in enumerate(("tea", "bakery", "spa")):
        fill(acme, code, members=6, orders=1, agreeing=4, first=100 * number)
        fill(acme, code, members=2, orders=0, agreeing=1, first=100 * number + 50)
    with tenant_transaction(acme):
        ids = dict(Brand.objects.values_list("code", "pk"))
        store = Store.objects.get(code="tea-1").pk
    asked = [
        WITH_ORDERS,
        Filter(brand_id=ids["tea"]),
        Filter(brand_id=ids["tea"], store_id=store, has_orders=False),
        Filter(since=dt.date(2026, 1, 4)),
    ]
    owners = {None: cast.group_admin, "tea": cast.brand_manager, "bakery": cast.sibling_manager}
    for (code, user), (number, one) in itertools.product(owners.items(), enumerate(asked)):
        keep(user, f"{code} {number}", brand=code, asked=one)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        # Nobody is told of it, nor of how many there are.
        BrandSegment.objects.create(brand_id=ids["spa"], name="secret", since=dt.date(2026, 1, 1))

    def seen() -> dict[str, int]:
        """Return name → members of tea that the owner sees."""
        found = {}
        for code, user in owners.items():
            with seeing(user) as opened:
                for one in segments_of(opened.visible):
                    if one.name.startswith(f"{code} "):
                        rows = Profile.objects.filter(seen_as(one, opened.visible).condition)
                        found[one.name] = rows.filter(brand_id=ids["tea"]).count()
        return found

    mode, _, code = switched.partition(" ")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        result = count_change(
            brand_id=ids.get(code),
            mode=mode,
            at=None,
            cutter=Cutter(frozenset({ids["spa"]}), acme.k),
        ).result
    lines = [row for row in result["affected"] if row["label"] == "Saved segments"]
    told = {
        row["words"].split("”")[0][1:]: (row["count"], row["after"])
        for row in lines
        if row["after"] is not None
    }
    before = seen()
    switch(mode, code or None)
    after = seen()
    moved = {name for name, row in told.items() if row[0] != row[1]}
    assert moved >= {name for name in before if before[name] != after[name]}
    assert {name: (before[name], after[name]) for name in told} == told
    assert "secret" not in repr(result["affected"])
    named = [row for row in lines if "“" in row["words"]]
    number = [row["count"] for row in lines if row not in named and row["brand"] != ids["spa"]]
    assert number == ([len(named)] if named else [])
    assert all(row["count"] is None for row in named if row["after"] is None)
    if switched == "fan_max tea":
        # Bakery's people then see tea's; of their own HQ asks nothing by a filter.
        assert "Not counted: members of Bakery" in repr(lines)
    # The brand in brand-max is named where its people are shown others, with no number.
    nameless = [row for row in lines if row["brand"] == ids["spa"]]
    assert [row["count"] for row in nameless] == ([None] if switched == "fan_max spa" else [])
    if switched == "fan_max spa":
        assert any("Not counted" in row["words"] and "Spa" in row["words"] for row in named)


def test_nothing_is_said_where_no_segment_sees_others(acme, cast, keep):
    fill(acme, "tea", members=3, orders=1)
    keep(cast.brand_manager, "own", brand="tea")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        before = effective_modes()
        count = affected_counters["segments"].count
        assert list(count(before, before)) == []
        # Tea alone in fan-max sees nobody else's.
        tea = Brand.objects.get(code="tea").pk
        assert list(count(before, {**before, tea: Mode.FAN_MAX})) == []


def test_a_filter_is_saved_in_the_list_and_opened_again(acme, cast, visit):
    fill(acme, "tea", members=3, orders=1)
    fill(acme, "tea", members=2, orders=0, first=50)
    client, hq = visit(cast.brand_manager), visit(cast.group_admin)
    assert "Keep this view" not in client.get("/members/").content.decode()
    assert "Keep this view" not in client.get("/members/?q=13800000001").content.decode()
    assert "Keep this view" in client.get("/members/?ordered=yes").content.decode()
    for user in (cast.store_manager, cast.analyst):
        # For themselves alone.
        page = visit(user).get("/members/?ordered=yes").content.decode()
        assert "Keep this view" in page
        assert 'name="owner"' not in page
    asked = {"ordered": "yes", "since": "2026-01-02", "name": "Buyers <b>"}
    assert client.post("/segments/new/", asked).status_code == 302
    page = client.get("/segments/").content.decode()
    assert "Buyers &lt;b&gt;" in page
    assert "with orders" in page
    with tenant_transaction(acme), scope.bulk(reason="test"):
        kept = BrandSegment.objects.get()
        assert kept.made_by_id == cast.brand_manager.pk
    opened = client.get(f"/segments/brand/{kept.pk}/")
    assert opened["Location"] == "/members/?since=2026-01-02&ordered=yes"
    # HQ opens the brand's members.
    at_hq = hq.get(f"/segments/brand/{kept.pk}/")
    assert at_hq["Location"] == "/members/?brand=tea&since=2026-01-02&ordered=yes"
    assert "TEA-1<" in hq.get(at_hq["Location"]).content.decode()
    for data in ({"since": "x"}, {"ordered": "yes", "stratum": "9"}, {"name": "nothing"}):
        answer = client.post("/segments/new/", {"name": "x", **data}, follow=True)
        assert "Nothing was kept" in answer.content.decode()
    assert client.post("/segments/new/", {**asked, "owner": "bakery"}).status_code == 404
    # Only who may write a segment changes it; the others are not told that it is there to change.
    for user, status in [
        (cast.group_admin, 404),
        (cast.sibling_manager, 404),
        (cast.brand_manager, 302),
    ]:
        answer = visit(user).post(f"/segments/brand/{kept.pk}/", {"act": "remove"})
        assert answer.status_code == status
    assert "Buyers" not in client.get("/members/").content.decode()
    assert client.get(f"/segments/brand/{kept.pk}/").status_code == 404
    hq.post("/segments/new/", {"brand": "tea", "ordered": "no", "name": "Quiet"})
    with tenant_transaction(acme):
        quiet = GroupSegment.objects.get()
        assert (quiet.of_brand.code, quiet.has_orders) == ("tea", False)
        assert quiet.made_at <= timezone.now()
