"""Each layer of the wall alone: the managers with row security off, row security without them."""

from __future__ import annotations

import pytest
from django.db import connection, models

from brands.tests import oracle, wall_rows
from brands.tests.checker import role_sql, worlds
from brands.wall import scope
from brands.wall.models import walled_models
from tenants.context import tenant_transaction


def _plain(model: type[models.Model]) -> models.QuerySet:
    """Return what a manager that knows nothing of the wall would."""
    return models.QuerySet(model)


@pytest.fixture
def security_off(walled_acme):
    """Switch row security off in acme, until the test's transaction is undone."""
    with connection.cursor() as cursor:
        for model in wall_rows.all_models():
            cursor.execute(f'ALTER TABLE "{model._meta.db_table}" DISABLE ROW LEVEL SECURITY')
    return walled_acme


def _cells(places: wall_rows.Places):
    for world in worlds(places):
        for viewer in places.viewers():
            yield world, viewer


def _facts() -> dict[type[models.Model], dict[str, oracle.Row]]:
    with connection.cursor() as cursor:
        return {model: wall_rows.read_facts(cursor, model) for model in wall_rows.all_models()}


def test_the_managers_alone_show_what_the_oracle_says(security_off):
    facts = _facts()
    for world, viewer in _cells(security_off):
        with scope.open(wall_rows.visible_of(world, viewer)):
            for model, rows in facts.items():
                seen = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                assert seen == wall_rows.expected(world, viewer, model, rows)
                # The control: without the manager everything is there to be seen.
                assert _plain(model).count() == len(rows)


def test_row_security_alone_shows_what_the_oracle_says(walled_acme):
    facts = _facts()
    for world, viewer in _cells(walled_acme):
        with scope.open(wall_rows.visible_of(world, viewer)):
            for model, rows in facts.items():
                seen = {wall_rows.key_of(pk) for pk in _plain(model).values_list("pk", flat=True)}
                assert seen == wall_rows.expected(world, viewer, model, rows)


def test_a_join_shows_no_row_of_a_table_whose_manager_was_not_asked(walled_acme):
    places = walled_acme
    world = worlds(places)[4]
    hq = places.viewers()[0]
    profile = next(model for model in walled_models() if model._meta.model_name == "profile")
    facts = _facts()[profile]
    with scope.open(wall_rows.visible_of(world, hq)):
        # HQ sees every profile in member-max and no contact: no way of asking tells of one.
        assert profile.objects.count() == len(facts)
        assert profile.objects.filter(contact__isnull=False).count() == 0
        assert profile.objects.filter(order_set__isnull=False).count() == 0
        assert profile.objects.filter(contact__is_generated=False).count() == 0
        found = profile.objects.aggregate(orders=models.Count("order_set"))
        assert found == {"orders": 0}
        assert profile.objects.filter(models.Exists(_contacts_of_profiles())).count() == 0
    tea = places.viewers()[3]
    with scope.open(wall_rows.visible_of(world, tea)):
        assert profile.objects.filter(contact__isnull=False).count() > 0


def _contacts_of_profiles() -> models.QuerySet:
    contact = next(model for model in walled_models() if model._meta.model_name == "contact")
    return _plain(contact).filter(pk=models.OuterRef("pk"))


def test_no_setting_no_row_for_the_app_role(walled_acme, rows_of):
    facts = _facts()
    with connection.cursor() as cursor:
        cursor.execute(role_sql({}))
    for model, rows in facts.items():
        assert rows
        assert rows_of(f'SELECT count(*) FROM "{model._meta.db_table}"') == [(0,)]
        assert _plain(model).count() == 0


def test_one_groups_settings_show_nothing_of_another(walled_acme, globex, rows_of):
    """Both groups have a brand 1, and one app role: only the name of the schema tells them apart.

    Written for a query with the schema in its text, and for a group entered inside a scope.
    """
    with tenant_transaction(globex), connection.cursor() as cursor:
        wall_rows.fill(cursor, wall_rows.Places.read(cursor))
    world = worlds(walled_acme)[3]
    hq = walled_acme.viewers()[3]
    with scope.open(wall_rows.visible_of(world, hq)):
        assert rows_of("SELECT count(*) FROM acme.members_profile") != [(0,)]
        for model in wall_rows.all_models():
            table = model._meta.db_table
            assert rows_of(f'SELECT count(*) FROM globex."{table}"') == [(0,)]
            with tenant_transaction(globex):
                assert rows_of(f'SELECT count(*) FROM "{table}"') == [(0,)]
                with pytest.raises(scope.ScopeRequired, match="belongs to acme"):
                    model.objects.count()
        assert rows_of("SELECT count(*) FROM members_profile") != [(0,)]
