"""Roles that a scope drops to beside the app's own: neither sees a row that it does not."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection

from brands.tests import oracle, wall_rows
from brands.tests.checker import role_sql, worlds
from brands.wall import scope
from brands.wall.models import walled_models

ROLE = "SELECT current_user"


def test_only_who_sees_whole_brands_drops_to_the_narrower_role(walled_acme, rows_of):
    seen: dict[str, set[str]] = {}
    for world in worlds(walled_acme):
        for viewer in walled_acme.viewers():
            visible = wall_rows.visible_of(world, viewer)
            with scope.open(visible):
                ((role,),) = rows_of(ROLE)
            seen.setdefault(role, set()).add(viewer.name)
            parts = [
                part
                for sets in visible.kinds.values()
                for part in (sets.stores, sets.consented_brands, sets.suppressed_brands)
            ]
            assert role == (settings.APP_ROLE if any(parts) else settings.WHOLE_ROLE)
    assert set(seen) == {settings.APP_ROLE, settings.WHOLE_ROLE}


def test_an_inner_scope_gives_the_outer_ones_role_back(walled_acme, rows_of):
    brands = walled_acme.brands
    world = oracle.World(dict.fromkeys(brands.values(), "member_max"))
    store = next(viewer for viewer in walled_acme.viewers() if viewer.store is not None)
    tea = oracle.Viewer("tea", brands=frozenset({brands["tea"]}))
    before = rows_of(ROLE)
    with scope.open(wall_rows.visible_of(world, store)):
        assert rows_of(ROLE) == [(settings.APP_ROLE,)]
        with scope.open(wall_rows.visible_of(world, tea)):
            assert rows_of(ROLE) == [(settings.WHOLE_ROLE,)]
            with scope.averaging():
                assert rows_of(ROLE) == [(settings.WHOLE_ROLE,)]
        assert rows_of(ROLE) == [(settings.APP_ROLE,)]
    assert rows_of(ROLE) == before


@pytest.mark.parametrize("model", walled_models(), ids=lambda model: model._meta.db_table)
def test_under_any_settings_the_narrower_role_sees_no_row_that_the_app_role_does_not(
    walled_acme, rows_of, model
):
    """Every setting names everything, which no scope does: the worst that raw SQL could set."""
    everything = scope.array(range(1, 2000))
    values = {name: everything for name in (*scope.SETTING_NAMES, *scope.LOOK_NAMES)} | {
        "sluice.schema": "acme",
        "sluice.k": "0",
        f"{scope.LOOK_PREFIX}k": "0",
    }
    listed = f'SELECT {wall_rows.key_sql(model)} FROM "{model._meta.db_table}"'
    kind = model.wall.kind
    for left_out in ("", f"sluice.{kind}_all", f"sluice.{kind}_stores"):
        found = {}
        for role in (settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE):
            with connection.cursor() as cursor:
                given = values | ({left_out: ""} if left_out else {})
                cursor.execute(f"SET LOCAL ROLE NONE; {role_sql(given, role)}")
            found[role] = set(rows_of(listed))
        assert found[settings.WHOLE_ROLE] <= found[settings.APP_ROLE]
        # HQ's side lets everything pass here, so that the role's is left: the app role's rule.
        assert found[settings.LOOK_ROLE] == found[settings.APP_ROLE]
        # Without the list of whole brands there is nothing left for it to see.
        assert bool(found[settings.WHOLE_ROLE]) == (not left_out.endswith("_all"))


def test_without_the_role_the_app_role_does_all(walled_acme, rows_of, settings):
    settings.WHOLE_ROLE = ""
    tea = oracle.Viewer("tea", brands=frozenset({walled_acme.brands["tea"]}))
    world = oracle.World(dict.fromkeys(walled_acme.brands.values(), "member_max"))
    with scope.open(wall_rows.visible_of(world, tea)):
        assert rows_of(ROLE) == [(settings.APP_ROLE,)]
        assert rows_of("SELECT count(*) FROM members_profile") != [(0,)]
