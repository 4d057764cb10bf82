"""The rows of a look: those that both the role and HQ may read, by SQL and by the ORM."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from hypothesis import given

from brands.tests import oracle, wall_rows
from brands.tests.test_wall_property import SHORT, WORLDS
from brands.wall import scope
from brands.wall.meeting import meet
from brands.wall.models import Walled
from brands.wall.visibility import Kind, KindSets, Sight, Visible
from brands.words import RANKS
from members.models import BrandOverlap


@pytest.mark.exhaustive
@SHORT
@given(**WORLDS)
def test_hq_looking_as_someone_sees_the_rows_that_both_may_read(
    walled_acme, modes, notices, k, who
):
    places = walled_acme
    world = oracle.World(
        dict(zip(places.brands.values(), modes, strict=True)),
        {
            number: oracle.Notice(group, frozenset(places.brands[b] for b in named), kinds)
            for number, (group, named, kinds) in notices.items()
        },
        k,
    )
    viewer = places.viewers()[2 + who % 8]
    with connection.cursor() as cursor:
        rows = {model: wall_rows.read_facts(cursor, model) for model in wall_rows.all_models()}
    for hq in places.viewers()[:2]:
        visible = meet(wall_rows.visible_of(world, viewer), wall_rows.visible_of(world, hq))
        assert not visible.write_brands | visible.write_stores
        assert not visible.writes_group
        shown: set[tuple[int, Kind]] = set()
        with scope.open(visible), connection.cursor() as cursor:
            for model, facts in rows.items():
                both = wall_rows.expected(world, viewer, model, facts) & wall_rows.expected(
                    world, hq, model, facts
                )
                by_sql = set(wall_rows.read_facts(cursor, model))
                by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                assert by_sql == both, (model, viewer.name, hq.name)
                assert by_orm == both, (model, viewer.name, hq.name)
                if issubclass(model, Walled):
                    shown |= {(facts[key].brand, model.wall.kind) for key in both}
        sides = visible.look.role, visible.look.hq
        for (brand, kind), cell in visible.cells.items():
            # What pages say is no more than either side's, and nothing is shown of a "nothing".
            ranks = [RANKS[side.cell(brand, kind).sight] for side in sides]
            assert RANKS[cell.sight] <= min(ranks)
            if cell.sight in {Sight.NONE, Sight.AVERAGES}:
                assert (brand, kind) not in shown


def _met(places: wall_rows.Places, mode: str, as_whom: int = 3) -> Visible:
    """Return what HQ sees that looks as brand tea, or another viewer, all brands in one mode."""
    world = oracle.World(dict.fromkeys(places.brands.values(), mode))
    hq, viewer = places.viewers()[0], places.viewers()[as_whom]
    return meet(wall_rows.visible_of(world, viewer), wall_rows.visible_of(world, hq))


def test_figures_about_several_brands_are_shown_where_both_see_each_of_them(walled_acme, rows_of):
    brands = walled_acme.brands
    tea, bakery = brands["tea"], brands["bakery"]
    within = [[tea], [tea, bakery]]
    with connection.cursor() as cursor:
        rows = [{"brand_id": tea, "brands": [tea], "within": one} for one in within]
        wall_rows.insert(cursor, "members_brandoverlap", rows)
    unit, hq = walled_acme.viewers()[2], walled_acme.viewers()[0]
    listed = "SELECT within FROM members_brandoverlap WHERE cardinality(within) > 0"
    for mode, seen in (("member_max", within), ("brand_max", [[tea]])):
        world = oracle.World({**dict.fromkeys(brands.values(), "member_max"), bakery: mode})
        sides = [wall_rows.visible_of(world, viewer) for viewer in (unit, hq)]
        with scope.open(sides[0]):
            assert sorted(row for (row,) in rows_of(listed)) == within
        with scope.open(meet(*sides)):
            assert sorted(row for (row,) in rows_of(listed)) == seen
            found = BrandOverlap.objects.exclude(within=[]).values_list("within", flat=True)
            assert sorted(found) == seen


def test_a_look_reads_as_a_role_that_may_do_nothing_else(walled_acme, rows_of):
    with scope.open(_met(walled_acme, "member_max")):
        assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
        assert rows_of("SELECT count(*) FROM members_profile") != [(0,)]
        for sql in (
            "INSERT INTO brands_businessunit (code, name) VALUES ('new', 'New')",
            "UPDATE members_importjob SET state = state",
            "INSERT INTO members_consententry (brand_id) VALUES (1)",
            "DELETE FROM public.django_session",
            "SELECT * FROM members_person",
        ):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(sql)


def test_no_scope_inside_a_look_lets_hqs_side_go(walled_acme, rows_of):
    met = _met(walled_acme, "member_max")
    alone = [met.look.role, _met(walled_acme, "member_max")]
    with scope.open(met):
        for other in alone:
            with pytest.raises(scope.ScopeRefused, match="met with HQ's"), scope.open(other):
                pass
        assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
        before = rows_of("SELECT count(*) FROM members_poolmetric")
        with scope.averaging():
            assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
            brands = rows_of("SELECT DISTINCT brand_id FROM members_poolmetric")
            assert {brand for (brand,) in brands} == set(walled_acme.brands.values())
            assert rows_of("SELECT count(*) FROM members_profile") == [(0,)]
        assert rows_of("SELECT count(*) FROM members_poolmetric") == before
    # Nothing of it stays behind in the transaction.
    names = ", ".join(f"current_setting('{name}', true)" for name in scope.LOOK_NAMES)
    assert set(rows_of(f"SELECT {names}")[0]) == {""}


def test_averages_in_a_look_leave_out_what_hq_does_not_see(walled_acme, rows_of):
    """By the database too: whatever page or list of brands asks for them."""
    world = oracle.World(dict.fromkeys(walled_acme.brands.values(), "member_max"))
    closed = oracle.World({**world.modes, walled_acme.brands["spa"]: "brand_max"})
    tea, hq = walled_acme.viewers()[3], walled_acme.viewers()[0]
    met = meet(wall_rows.visible_of(world, tea), wall_rows.visible_of(closed, hq))
    assert walled_acme.brands["spa"] not in met.averaged_brands
    every = KindSets(all_brands=frozenset(walled_acme.brands.values()))
    with scope.open(met.with_only({Kind.METRICS: every})):
        brands = rows_of("SELECT DISTINCT brand_id FROM members_dailymetric WHERE buyers < 10")
    assert {brand for (brand,) in brands} == met.averaged_brands


def test_a_look_is_cached_apart_from_the_role_and_from_hq(in_acme):
    with connection.cursor() as cursor:
        places = wall_rows.Places.read(cursor)
    world = oracle.World(dict.fromkeys(places.brands.values(), "member_max"))
    hq, tea = places.viewers()[0], places.viewers()[3]
    role, seen_by = wall_rows.visible_of(world, tea), wall_rows.visible_of(world, hq)
    looked_as = meet(role, seen_by)
    brand = places.brands["tea"]
    assert looked_as.cell(brand, Kind.METRICS).sight is Sight.ALL
    assert len({looked_as.digest, role.digest, seen_by.digest}) == 3
    # Pages may say the same of two looks whose rows differ.
    other = replace(looked_as, look=replace(looked_as.look, hq=role), _digest=[])
    assert other.kinds == looked_as.kinds
    assert other.digest != looked_as.digest


def test_a_look_is_refused_by_the_scope_where_there_is_no_role_for_it(walled_acme, settings):
    settings.LOOK_ROLE = ""
    met = _met(walled_acme, "member_max")
    with pytest.raises(scope.ScopeRefused, match="LOOK_ROLE"), scope.open(met):
        pass
