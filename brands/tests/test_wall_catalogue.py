"""What the database says of the wall is what the code declares, in every group's schema."""

from __future__ import annotations

from django.core.checks import run_checks
from django.db import connection, models
from django.test.utils import isolate_apps

from brands.wall import catalogue, checks
from brands.wall.models import Walled, is_walled
from brands.wall.policies import secured_models
from tenants.models import Tenant
from tenants.provisioning import tenant_models


def test_every_walled_table_of_every_schema_is_as_declared(db, rows_of):
    schemas = list(Tenant.objects.values_list("schema_name", flat=True))
    assert {"acme", "globex"} <= set(schemas)
    assert catalogue.read_differences(schemas) == []


def test_the_comparison_looks_at_every_walled_table(db, rows_of):
    tables = {model._meta.db_table for model in secured_models()}
    assert len(tables) >= 10
    with connection.cursor() as cursor:
        declared = catalogue.declared_policies(cursor, ["acme"])
    assert set(declared) == tables
    walled = {model._meta.db_table for model in secured_models() if is_walled(model)}
    assert len(walled) >= 10
    # One policy says who reads, and one ties what is read behind the wall to its schema.
    assert all("sluice_read" in {row[0] for row in rows} for rows in declared.values())
    assert walled == {
        table for table, rows in declared.items() if "sluice_group" in {row[0] for row in rows}
    }
    secured = rows_of(
        "SELECT relname FROM pg_class WHERE relnamespace = 'acme'::regnamespace AND relrowsecurity"
    )
    assert {name for (name,) in secured} == tables


def test_the_system_checks_find_nothing_and_the_database_check_runs(db):
    assert run_checks(databases=["default"]) == []


def test_the_database_check_tells_a_difference(db, rows_of):
    with connection.cursor() as cursor:
        cursor.execute("GRANT DELETE ON acme.members_profile TO sluice_app")
    found = checks.the_database_is_as_declared(None, databases=["default"])
    assert ["acme.members_profile" in error.msg for error in found] == [True]
    assert checks.the_database_is_as_declared(None, databases=None) == []


def test_the_database_check_waits_for_the_first_migration(db, rows_of):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_tenant RENAME TO not_yet")
    assert checks.the_database_is_as_declared(None, databases=["default"]) == []


def test_no_table_of_a_group_lies_in_the_public_schema(db, rows_of):
    tables = {model._meta.db_table for model in tenant_models()}
    public = {
        name for (name,) in rows_of("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert public
    assert not tables & public


@isolate_apps("brands")
def test_a_model_that_says_nothing_of_the_wall_is_refused(monkeypatch):
    class Undeclared(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "brands"
            managed = False

    monkeypatch.setattr(checks, "tenant_models", lambda: [Undeclared])
    assert [error.id for error in checks.every_table_is_declared(None)] == ["sluice.E010"]


@isolate_apps("brands")
def test_a_walled_model_with_a_plain_manager_is_refused(monkeypatch):
    class Leaky(Walled):
        plain = models.Manager()

        class Meta:
            app_label = "brands"
            managed = False

    monkeypatch.setattr(checks, "tenant_models", lambda: [Leaky])
    found = checks.every_manager_fails_closed(None)
    # Its own manager, and the base manager it lost by not extending Walled.Meta.
    assert {error.id for error in found} == {"sluice.E012"}
    assert len(found) >= 2


@isolate_apps("brands")
def test_a_plain_join_table_of_a_walled_model_is_refused(monkeypatch):
    class Tagged(Walled):
        class Meta(Walled.Meta):
            app_label = "brands"
            managed = False

    class Join(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "brands"
            managed = False

    Join._meta.auto_created = Tagged
    monkeypatch.setattr(checks, "tenant_models", lambda: [Join])
    assert [error.id for error in checks.every_table_is_declared(None)] == ["sluice.E011"]
