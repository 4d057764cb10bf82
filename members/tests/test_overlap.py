"""Overlaps of brands: counted from facts, shown by the wall, and not made anew too often."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest
from django.utils import timezone

from brands.models import Brand
from brands.modes import Mode
from brands.wall import scope
from members.figures import compare
from members.models import (
    BrandOverlap,
    GroupOverlap,
    Identity,
    IdentityLink,
    Measure,
    OverlapCell,
    Person,
    Profile,
)
from members.overlap.counts import overlaps_finish
from members.overlap.shown import overview
from members.rollups import finish_pending, group_finish
from tenants.context import tenant_transaction


def join(tenant, **numbers: Iterable[int]) -> None:
    """Make the persons of these numbers members of brands, and bring the figures up to date."""
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        for code, persons in numbers.items():
            brand = Brand.objects.get(code=code)
            Person.objects.bulk_create([Person(pk=n) for n in persons], ignore_conflicts=True)
            profiles = Profile.objects.bulk_create(
                Profile(brand=brand, person_id=n, member_no=f"{code}-{n}") for n in persons
            )
            Identity.objects.bulk_create(
                [Identity(pk=n, kind="phone", key=n.to_bytes(16)) for n in persons],
                ignore_conflicts=True,
            )
            IdentityLink.objects.bulk_create(
                IdentityLink(profile=one, identity_id=one.person_id) for one in profiles
            )
    finish_pending(tenant=tenant)


@pytest.fixture
def filled(acme):
    """Give acme tea 1–60, bakery 21–80 (40 shared), spa 58–62 and 101–140 (few shared)."""
    join(acme, tea=range(1, 61), bakery=range(21, 81), spa=[*range(58, 63), *range(101, 141)])
    return acme


@pytest.fixture
def shared_by(acme, seeing):
    """Return a function: person → pair of codes → persons that the page says, None for hidden."""

    def read(user) -> dict[str, int | None]:
        with seeing(user) as opened:
            found = overview(opened.visible)
        return {
            "+".join(brand.code for brand in pair.brands): pair.persons
            for section in found.sections
            for pair in section.pairs
        }

    return read


@pytest.fixture
def sets_seen(acme, seeing):
    """Return a function: person → set of codes → persons who are in exactly these."""

    def read(user, *, is_open: bool = False) -> dict[str, int]:
        with seeing(user) as opened:
            sections = overview(opened.visible).sections
        return {
            "+".join(brand.code for brand in one.brands): one.persons
            for section in sections
            for one in (section.open_combinations if is_open else section.combinations)
        }

    return read


def differing(tenant) -> dict[str, int]:
    """Return what figures differ from facts."""
    return {name: n for name, n in compare(tenant=tenant).items() if n}


def finish(tenant, **later) -> None:
    """Follow a change of mode, as its job does, some time from now."""
    group_finish(tenant=tenant)
    if later:
        overlaps_finish(tenant=tenant, now=timezone.now() + dt.timedelta(**later))


def test_every_overlap_is_exact_for_hq_while_no_brand_is_in_brand_max(
    filled, cast, shared_by, sets_seen
):
    assert shared_by(cast.group_admin) == {"bakery+tea": 40, "spa+tea": 3, "bakery+spa": 5}
    sets = {
        "tea": 20,
        "bakery": 18,
        "spa": 40,
        "bakery+tea": 37,
        "bakery+spa+tea": 3,
        "bakery+spa": 2,
    }
    got = {"+".join(sorted(name.split("+"))): n for name, n in sets_seen(cast.group_admin).items()}
    assert got == sets
    assert not differing(filled)


def test_hq_is_shown_no_small_overlap_of_a_brand_in_brand_max_and_none_to_work_it_out(
    filled, cast, shared_by, sets_seen, switch
):
    switch(Mode.BRAND_MAX, "spa")
    # What was shown closed with the switch itself.
    assert shared_by(cast.group_admin) == {}
    finish(filled)
    assert shared_by(cast.group_admin) == {"bakery+tea": 40, "bakery+spa": None, "spa+tea": None}
    assert sets_seen(cast.group_admin) == {}
    assert sets_seen(cast.group_admin, is_open=True) == {"bakery+tea": 40, "tea": 20, "bakery": 20}
    # The positive twin: many shared persons are shown.
    join(filled, spa=[*range(65, 73), *range(30, 45)])
    finish(filled, hours=25)
    pairs = shared_by(cast.group_admin)
    assert (pairs["spa+tea"], pairs["bakery+spa"]) == (18, 28)
    assert sets_seen(cast.group_admin)["bakery+spa"] == 10
    assert not differing(filled)


def test_figures_of_a_closed_brand_stand_still_until_many_persons_changed_and_a_day_went_by(
    filled, cast, shared_by, switch
):
    join(filled, spa=range(1, 31))
    switch(Mode.BRAND_MAX, "spa")
    finish(filled)
    assert shared_by(cast.group_admin)["spa+tea"] == 33
    # One person more, a week later: not to be seen by the difference.
    join(filled, spa=range(31, 32))
    finish(filled, days=7)
    assert shared_by(cast.group_admin)["spa+tea"] == 33
    # Many, but at once.
    join(filled, spa=range(32, 44))
    finish(filled)
    assert shared_by(cast.group_admin)["spa+tea"] == 33
    # Of brands that are not in brand-max HQ sees every person as they come.
    join(filled, bakery=range(1, 2))
    assert shared_by(cast.group_admin)["bakery+tea"] == 41
    assert not differing(filled)
    finish(filled, days=2)
    assert shared_by(cast.group_admin)["spa+tea"] == 46
    assert not differing(filled)


def test_a_larger_k_takes_back_what_became_small(filled, cast, shared_by, switch):
    join(filled, spa=range(1, 10))
    switch(Mode.BRAND_MAX, "spa")
    finish(filled)
    assert shared_by(cast.group_admin)["spa+tea"] == 12
    filled.k = 15
    filled.save()
    finish(filled)
    assert shared_by(cast.group_admin)["spa+tea"] is None


def test_a_brand_manager_sees_shared_persons_only_between_brands_in_fan_max(
    filled, cast, shared_by, sets_seen, switch
):
    assert shared_by(cast.brand_manager) == {}
    switch(Mode.FAN_MAX, "tea")
    switch(Mode.FAN_MAX, "bakery")
    finish(filled)
    assert shared_by(cast.brand_manager) == {"bakery+tea": 40}
    assert sets_seen(cast.brand_manager) == {"bakery+tea": 40, "tea": 20}
    switch(Mode.FAN_MAX, "spa")
    finish(filled)
    # Its own pairs, not those of its siblings.
    assert shared_by(cast.brand_manager) == {"bakery+tea": 40, "spa+tea": 3}
    assert "bakery+spa" not in sets_seen(cast.brand_manager)
    assert not differing(filled)


def test_a_sibling_that_leaves_fan_max_takes_every_figure_about_it_along_at_once(
    filled, cast, shared_by, switch, seeing, rows_of
):
    switch(Mode.FAN_MAX)
    finish(filled)
    sql = "SELECT count(*) FROM members_brandoverlap WHERE cardinality(within) = 3"
    with seeing(cast.brand_manager):
        assert rows_of(sql)[0][0] > 0
    assert shared_by(cast.brand_manager)
    switch(Mode.BRAND_MAX, "spa")
    # "In tea and in no other" would say something about spa, so those rows closed as well.
    with seeing(cast.brand_manager):
        assert rows_of(sql) == [(0,)]
        assert not BrandOverlap.objects.filter(within__len=3).exists()
    assert "spa+tea" not in shared_by(cast.brand_manager)
    finish(filled)
    assert shared_by(cast.brand_manager) == {"bakery+tea": 40}


def test_a_unit_manager_sees_the_own_brands_in_every_mode(filled, cast, shared_by, switch):
    switch(Mode.BRAND_MAX)
    finish(filled)
    assert shared_by(cast.unit_manager) == {"bakery+tea": 40}
    switch(Mode.FAN_MAX, "tea")
    switch(Mode.FAN_MAX, "spa")
    finish(filled)
    # Bakery does not share with spa, whoever else looks after it.
    assert shared_by(cast.unit_manager) == {"bakery+tea": 40, "spa+tea": 3}


def test_nobody_but_the_owner_reads_the_structure_and_no_brand_the_groups_figures(
    filled, cast, seeing, rows_of
):
    with seeing(cast.brand_manager):
        assert rows_of("SELECT count(*) FROM members_groupoverlap") == [(0,)]
        assert rows_of(
            "SELECT has_table_privilege(current_user, 'members_overlapcell', 'SELECT')"
        ) == [(False,)]
    with seeing(cast.group_admin):
        assert rows_of("SELECT count(*) > 0 FROM members_groupoverlap") == [(True,)]


def test_the_check_of_figures_finds_a_wrong_overlap(filled):
    with tenant_transaction(filled), scope.bulk(reason="test"):
        OverlapCell.objects.filter(persons=40).update(persons=41)
        row = GroupOverlap.objects.filter(measure=Measure.SHARED, brands__len=2).first()
        GroupOverlap.objects.filter(pk=row.pk).update(persons=row.persons + 1)
    found = compare(tenant=filled)
    assert found["persons by set of brands"] == 2
    assert found["overlaps shown"] > 0


def test_the_page_shows_a_matrix_a_list_and_sets_and_no_hidden_number(filled, cast, visit, switch):
    client = visit(cast.group_admin)
    text = client.get("/overlap/").content.decode()
    assert "s-matrix__5" in text
    assert "Bakery + Tea House" in text
    assert "only Spa" in text
    switch(Mode.BRAND_MAX, "spa")
    finish(filled)
    text = client.get("/overlap/").content.decode()
    assert "2 pairs with a brand in brand-max are hidden" in text
    assert "only Spa" not in text
    assert "as of" not in text


def test_who_has_nothing_to_compare_is_told_why(acme, cast, visit, switch):
    assert "No figures yet" in visit(cast.group_admin).get("/overlap/").content.decode()
    client = visit(cast.brand_manager)
    assert "Your brand does not share" in client.get("/overlap/").content.decode()
    switch(Mode.FAN_MAX, "tea")
    assert "No other brand to compare with" in client.get("/overlap/").content.decode()
    assert visit(cast.store_manager).get("/overlap/").status_code == 404


def test_any_number_of_brands_fits_the_structure(in_acme):
    with scope.bulk(reason="test"):
        Brand.objects.bulk_create(
            [Brand(code=f"more{number}", name=f"More {number}") for number in range(70)]
        )
    join(in_acme, more0=range(1, 4), more69=range(1, 4))
    with scope.bulk(reason="test"):
        found = OverlapCell.objects.values_list("brands__len", "persons")
        assert list(found) == [(2, 3)]
