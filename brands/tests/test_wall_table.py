"""Every cell of the wall's table, for real grants and modes, through the ORM and through SQL."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

from brands.models import Brand, Notice
from brands.modes import Mode
from brands.selectors import visible_for_grant
from brands.services import ModeUnchanged, mode_change
from brands.tests import oracle, wall_rows
from brands.tests.test_wall_property import KINDS
from brands.wall import scope
from brands.wall.models import Walled, walled_models
from brands.wall.visibility import Kind, Sight, Viewer, visibility

ALL_KINDS = tuple(str(kind) for kind in Kind)

# (mode of tea, mode of the others) → who → what of tea's they see, in the order of the columns
# metrics, profile, contact, masked, activity. Tea's own people and stores do not depend on modes.
OWN = {
    "brand_manager": "all all all all all",
    "unit_manager": "all all all all all",
    "provider_operator": "all all none none all",
    "store_manager": "own_store own_store own_store own_store own_store",
    "guide": "own_store own_store own_store own_store own_store",
}
TABLE = {
    ("fan_max", "fan_max"): {
        "group_admin": "all group group group group",
        "analyst": "all group none none group",
        "sibling_manager": "all bakery none bakery bakery",
    },
    ("fan_max", "member_max"): {
        "group_admin": "all group group group group",
        "analyst": "all group none none group",
        "sibling_manager": "none none none none none",
    },
    ("fan_max", "brand_max"): {
        "group_admin": "all group group group group",
        "analyst": "all group none none group",
        "sibling_manager": "none none none none none",
    },
    ("member_max", "fan_max"): {
        "group_admin": "all all none none none",
        "analyst": "all all none none none",
        "sibling_manager": "none none none none none",
    },
    ("member_max", "member_max"): {
        "group_admin": "all all none none none",
        "analyst": "all all none none none",
        "sibling_manager": "none none none none none",
    },
    ("brand_max", "fan_max"): {
        "group_admin": "large none none none none",
        "analyst": "large none none none none",
        "sibling_manager": "none none none none none",
    },
    ("brand_max", "brand_max"): {
        "group_admin": "large none none none none",
        "analyst": "large none none none none",
        "sibling_manager": "none none none none none",
    },
}
# What each notice says: 901 names all and covers all; 902 names bakery, without activity; 903
# names the group, profiles only.
NAMED = {
    ("group", "profile"): {901, 903},
    ("group", "contact"): {901},
    ("group", "masked"): {901},
    ("group", "activity"): {901},
    ("bakery", "profile"): {901, 902},
    ("bakery", "masked"): {901, 902},
    ("bakery", "activity"): {901},
}


def means(word: str, kind: str, row: oracle.Row, places: wall_rows.Places) -> bool:
    """Say whether a word of the table takes in a row of tea's."""
    if word == "own_store":
        return row.store == places.store_ids["tea-1"]
    if word == "large":
        return row.store is None and row.count is not None and row.count >= 10
    if word in {"group", "bakery"}:
        return row.notice in NAMED[word, kind]
    return word == "all"


def set_modes(places: wall_rows.Places, tea: str, others: str) -> None:
    """Give tea one mode, and the group, which the other brands follow, another."""
    for mode, brand in ((others, None), (tea, Brand.objects.get(pk=places.brands["tea"]))):
        try:
            mode_change(mode=mode, acting_user=None, brand=brand)
        except ModeUnchanged:
            continue


def write_notices(places: wall_rows.Places) -> None:
    """Write the three notices that the rows name."""
    for number, group, named, kinds in (
        (901, True, ("tea", "bakery", "spa"), KINDS),
        (902, False, ("bakery",), ("profile", "contact")),
        (903, True, ("tea",), ("profile",)),
    ):
        notice = Notice.objects.create(
            pk=number,
            version=str(number),
            names_group=group,
            **{f"covers_{kind}": kind in kinds for kind in KINDS},
        )
        notice.recipients.set([places.brands[code] for code in named])


@pytest.fixture
def notices_in_force(walled_acme):
    """Write the three notices that the rows name."""
    places = walled_acme
    write_notices(places)
    return places


@pytest.mark.parametrize("modes", TABLE, ids=" and ".join)
def test_every_cell_through_the_orm_and_through_sql(notices_in_force, cast, seeing, modes):
    places = notices_in_force
    set_modes(places, *modes)
    tea = places.brands["tea"]
    with connection.cursor() as cursor:
        rows = {
            model: {
                key: row
                for key, row in wall_rows.read_facts(cursor, model).items()
                if row.brand == tea
            }
            for model in walled_models()
        }
    for person, words in {**OWN, **TABLE[modes]}.items():
        by_kind = dict(zip(ALL_KINDS, _in_order(words), strict=True))
        with seeing(getattr(cast, person)), connection.cursor() as cursor:
            for model, facts in rows.items():
                kind = str(model.wall.kind)
                word = by_kind[kind]
                if person == "sibling_manager" and not model.wall.is_for_siblings:
                    word = "none"
                allowed = {key for key, row in facts.items() if means(word, kind, row, places)}
                # Imports are figures without a count of people: never shown where cells are small.
                if word != "none" and not (word == "large" and not model.wall.counted):
                    assert allowed, "a cell that shows something must have something to show"
                by_sql = set(wall_rows.read_facts(cursor, model)) & set(facts)
                by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                assert by_sql == allowed, (person, model, "SQL")
                assert by_orm & set(facts) == allowed, (person, model, "ORM")


def _in_order(words: str) -> list[str]:
    """Put the words, written as metrics, profile, contact, masked, activity, in Kind's order."""
    written = dict(
        zip(("metrics", "profile", "contact", "masked", "activity"), words.split(), strict=True)
    )
    return [written[kind] for kind in ALL_KINDS]


@pytest.mark.parametrize("modes", TABLE, ids=" and ".join)
def test_strangers_see_nothing_where_the_brand_sees_all(
    notices_in_force, cast, seeing, modes, acme, globex
):
    set_modes(notices_in_force, *modes)
    with seeing(cast.brand_manager):
        assert all(model.objects.exists() for model in walled_models())
    with seeing(cast.platform_operator):
        assert not any(model.objects.exists() for model in wall_rows.all_models())
    # A grant at another group opens nothing here, and says so.
    with pytest.raises(scope.ScopeRefused, match="globex"):
        visible_for_grant(cast.outsider.acting_grant, k=acme.k)


def test_figures_of_the_group_are_hqs_and_leave_closed_brands_out(
    walled_acme, cast, seeing, rows_of
):
    """With a closed brand in them, HQ would be left with its small cells by subtraction."""
    sql = "SELECT brands FROM members_groupmetric"
    group_metric = apps.get_model("members", "GroupMetric")
    tea = walled_acme.brands["tea"]
    for mode, closed in (("member_max", frozenset()), ("brand_max", frozenset({tea}))):
        set_modes(walled_acme, mode, "member_max")
        for person in (cast.group_admin, cast.analyst):
            with seeing(person) as opened:
                numbers = [number for (number,) in rows_of(sql)]
                brands = opened.visible.modes
                assert [wall_rows.left_out(number, brands) for number in numbers] == [closed]
                assert group_metric.objects.count() == 1
        for person in (cast.brand_manager, cast.unit_manager, cast.store_manager, cast.guide):
            with seeing(person):
                assert rows_of(sql) == []
                assert group_metric.objects.count() == 0


@pytest.mark.parametrize("table", ["members_dailymetric", "members_poolmetric"])
def test_hq_cannot_reach_a_small_cell_of_a_closed_brand_by_its_stores(
    walled_acme, cast, seeing, rows_of, table
):
    tea = walled_acme.brands["tea"]
    sql = f"SELECT count(*), count(store_id) FROM {table} WHERE brand_id = %s"
    set_modes(walled_acme, "member_max", "member_max")
    with seeing(cast.group_admin):
        total, of_stores = rows_of(sql, [tea])[0]
    assert of_stores > 0
    set_modes(walled_acme, "brand_max", "member_max")
    with seeing(cast.group_admin):
        left, of_stores = rows_of(sql, [tea])[0]
    assert of_stores == 0
    assert left < total


def test_no_figure_of_all_days_lets_hq_subtract_the_days_it_may_not_see():
    """A pool counts people alone: sales of all days less those seen would be those hidden."""
    daily = {field.name for field in apps.get_model("members.DailyMetric")._meta.fields}
    pool = {field.name for field in apps.get_model("members.PoolMetric")._meta.fields}
    walled = {field.name for field in Walled._meta.get_fields()}
    assert (daily & pool) - walled == {"id", "buyers"}


def test_a_sibling_reads_averages_only_where_nothing_can_be_subtracted(
    walled_acme, cast, seeing, rows_of
):
    sql = "SELECT count(DISTINCT brand_id) FROM members_poolmetric"
    set_modes(walled_acme, "member_max", "member_max")
    for person, readable in ((cast.brand_manager, 3), (cast.unit_manager, 0)):
        with seeing(person):
            own = rows_of(sql)
            with scope.averaging():
                # A unit of two brands would get the third by subtraction.
                assert rows_of(sql) == [(readable,)]
                assert rows_of("SELECT count(*) FROM members_profile") == [(0,)]
            assert rows_of(sql) == own
    set_modes(walled_acme, "brand_max", "member_max")
    with seeing(cast.brand_manager), scope.averaging():
        assert rows_of(sql) == [(0,)]
    for person in (cast.group_admin, cast.store_manager, cast.platform_operator):
        with seeing(person), scope.averaging():
            assert rows_of(sql) == [(0,)]


def test_a_cell_says_why(walled_acme):
    places = walled_acme
    modes = dict.fromkeys(places.brands.values(), Mode.MEMBER_MAX)
    tea, bakery = places.brands["tea"], places.brands["bakery"]
    visible = visibility(Viewer(brands=frozenset({tea}), sees_contact=False), modes, [])
    assert visible.cell(tea, Kind.CONTACT).reason == "role_without_contact"
    assert visible.cell(bakery, Kind.PROFILE).reason == "sibling_member_max"
    assert visible.cell(bakery, Kind.METRICS).sight is Sight.AVERAGES
    engaged = Viewer(brands=frozenset({tea}), sees_contact=False, is_engaged=True)
    assert visibility(engaged, modes, []).cell(tea, Kind.CONTACT).reason == "contact_not_engaged"
    assert visible.cell(999, Kind.PROFILE).sight is Sight.NONE


def test_no_two_viewers_modes_or_sets_share_a_key_to_the_cache(walled_acme):
    places = walled_acme
    viewers = places.viewers()
    worlds = [
        oracle.World(dict.fromkeys(places.brands.values(), mode), {}, k)
        for mode in Mode.values
        for k in (10, 11)
    ]
    digests = [wall_rows.visible_of(world, viewer).digest for world in worlds for viewer in viewers]
    assert len(set(digests)) == len(worlds) * len(viewers)
    again = [wall_rows.visible_of(world, viewer).digest for world in worlds for viewer in viewers]
    assert again == digests
