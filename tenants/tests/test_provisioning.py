"""A group's schema is made whole or not at all, and is what the migrations make."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction

from brands.models import ModeChange
from brands.wall import catalogue
from members.models import GroupKey
from tenants import provisioning
from tenants.context import tenant_transaction
from tenants.migration import migrate_group
from tenants.models import AuditEvent, Domain, Tenant
from tenants.provisioning import (
    ProvisioningError,
    create_schema,
    schema_parts,
    tenant_provision,
    tenant_request,
)
from tenants.tests.committed import committed_group, remove_group

# Everything a schema holds, without the numbers and names that differ from schema to schema.
CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, a.attgenerated, coalesce(pg_get_expr(d.adbin, d.adrelid), ''),
               a.attcollation
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT c.relname, t.conname, t.contype, pg_get_constraintdef(t.oid), t.condeferrable,
               t.condeferred, t.convalidated
        FROM pg_constraint t JOIN pg_class c ON c.oid = t.conrelid
        WHERE t.connamespace = %s::regnamespace
    """,
    "indexes": """
        SELECT tablename, indexname, replace(indexdef, schemaname || '.', '')
        FROM pg_indexes WHERE schemaname = %s
    """,
    "relations": """
        SELECT relname, relkind, relrowsecurity, relforcerowsecurity, relacl::text
        FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    """,
    "policies": """
        SELECT tablename, policyname, permissive, roles::text, cmd, coalesce(qual, ''),
               coalesce(with_check, '')
        FROM pg_policies WHERE schemaname = %s
    """,
    "routines": "SELECT proname FROM pg_proc WHERE pronamespace = %s::regnamespace",
    "schema": "SELECT nspacl::text FROM pg_namespace WHERE nspname = %s",
}


@pytest.fixture
def contents(db, rows_of):
    """Return a function that describes a schema, its own name left out."""

    def describe(schema_name: str) -> dict[str, Counter[str]]:
        return {
            part: Counter(
                str(row).replace(schema_name, "SCHEMA") for row in rows_of(sql, [schema_name])
            )
            for part, sql in CATALOGUE.items()
        }

    return describe


def _without_order(columns: Counter[str]) -> Counter[str]:
    """Leave out a column's position, which a column added later by a migration has at the end."""
    return Counter(
        str(tuple(part for place, part in enumerate(eval(row)) if place != 2))  # noqa: S307
        for row in columns.elements()
    )


@pytest.mark.exhaustive
def test_a_provisioned_schema_is_what_the_migrations_make(contents, rows_of):
    provisioned, migrated = "by_provisioning", "by_migrations"
    tenant_provision(
        tenant=tenant_request(schema_name=provisioned, name="Provisioned", acting_user=None)
    )
    create_schema(migrated)
    tenant = Tenant.objects.create(schema_name=migrated, name="Migrated")
    assert migrate_group(tenant) > 0
    ours, theirs = contents(provisioned), contents(migrated)
    assert sum(theirs["columns"].values()) > 100
    assert len(theirs["policies"]) >= 20
    for part in CATALOGUE:
        if part == "columns":
            ours[part], theirs[part] = map(_without_order, (ours[part], theirs[part]))
        assert ours[part] - theirs[part] == Counter(), f"{part}: only by provisioning"
        assert theirs[part] - ours[part] == Counter(), f"{part}: only by migrations"
    applied = "SELECT app, name FROM {}.django_migrations"
    assert set(rows_of(applied.format(provisioned))) == set(rows_of(applied.format(migrated)))
    assert catalogue.read_differences([provisioned, migrated]) == []


def test_migrating_a_group_again_changes_nothing(acme, contents):
    before = contents("acme")
    assert migrate_group(acme) == 0
    assert contents("acme") == before


def test_the_statements_of_the_wall_may_run_again(in_acme, contents):
    before = contents("acme")
    with connection.cursor() as cursor:
        cursor.execute("\n".join(schema_parts()))
    assert contents("acme") == before


def _events(tenant: Tenant) -> int:
    return AuditEvent.objects.filter(
        action="tenant.provision", target_type="tenants.tenant", target_id=str(tenant.pk)
    ).count()


def test_a_new_group_starts_closed_with_its_keys_its_host_and_an_event(db):
    tenant = tenant_request(schema_name="fresh_group", name="Fresh", acting_user=None)
    assert (tenant.status, tenant.is_active) == ("requested", False)
    tenant = tenant_provision(tenant=tenant)
    assert tenant.is_active
    # No underscore: browsers refuse cookies of such a host.
    assert Domain.objects.get(tenant=tenant).domain == "fresh-group.localhost"
    with tenant_transaction(tenant):
        assert list(ModeChange.objects.values_list("brand", "mode")) == [(None, "brand_max")]
        assert GroupKey.objects.count() == 3
    assert _events(tenant) == 1


# --- All of it or none --------------------------------------------------------------------------


@pytest.fixture
def committed(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Commit for real, and take the group away afterwards."""
    with django_db_blocker.unblock():
        remove_group("whole_or_not")
        yield
        remove_group("whole_or_not")


def _schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'whole%%'")
        return {name for (name,) in cursor.fetchall()}


def _requested() -> Tenant:
    return tenant_request(schema_name="whole_or_not", name="Whole", acting_user=None)


@pytest.mark.parametrize("moment", ["seed", "ddl", "wall", "host"])
def test_a_group_that_cannot_be_set_up_leaves_nothing_but_its_reason(
    committed, monkeypatch, moment
):
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    tenant = _requested()
    with monkeypatch.context() as broken:
        if moment == "seed":
            broken.setattr(provisioning, "_seeds", [*provisioning._seeds, fail])
        elif moment == "ddl":
            broken.setattr(provisioning, "schema_ddl", fail)
        elif moment == "wall":
            broken.setattr(provisioning, "schema_ddl", lambda: "SELECT 1; SELECT 1/0")
        else:
            broken.setattr(Domain.objects, "get_or_create", fail)
        with pytest.raises(ProvisioningError, match="Nothing was created"):
            tenant_provision(tenant=tenant)
    tenant.refresh_from_db()
    assert tenant.status == Tenant.Status.FAILED
    words = "division by zero" if moment == "wall" else "the disk is full"
    assert tenant.status_note == f"Nothing was created: {words}"
    assert _schemas() == set()
    assert not Domain.objects.filter(tenant=tenant).exists()
    assert _events(tenant) == 0
    # What failed may be tried again.
    again = tenant_provision(tenant=tenant)
    assert (again.status, again.status_note) == (Tenant.Status.ACTIVE, "")
    assert _schemas() == {"whole_or_not"}


def test_setting_up_twice_is_setting_up_once(committed):
    tenant = tenant_provision(tenant=_requested())
    with tenant_transaction(tenant):
        keys = set(GroupKey.objects.values_list("pk", "wrapped"))
    again = tenant_provision(tenant=tenant)
    assert again.is_active
    with tenant_transaction(tenant):
        assert set(GroupKey.objects.values_list("pk", "wrapped")) == keys
    assert _events(tenant) == 1


def test_two_runs_at_once_set_up_one_group(committed):
    tenant = _requested()
    start, done, failed = threading.Barrier(3), [], []

    def run() -> None:
        try:
            start.wait(10)
            done.append(tenant_provision(tenant=tenant))
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert [each.is_active for each in done] == [True, True, True]
    tenant.refresh_from_db()
    assert tenant.is_active
    assert _events(tenant) == 1
    assert Domain.objects.filter(tenant=tenant).count() == 1


def test_a_schema_that_is_there_already_is_never_taken_over(committed):
    tenant = _requested()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA whole_or_not")
        cursor.execute("CREATE TABLE whole_or_not.somebodys (id int)")
    with pytest.raises(ProvisioningError, match="exists"):
        tenant_provision(tenant=tenant)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM whole_or_not.somebodys")
        assert cursor.fetchone() == (0,)


def test_a_committed_group_is_gone_after_the_block(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        with committed_group("whole_or_not") as tenant:
            assert tenant.is_active
            assert _schemas() == {"whole_or_not"}
        assert _schemas() == set()
        assert not Tenant.objects.filter(schema_name="whole_or_not").exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "Acme",
        "1acme",
        "_acme",
        "ac-me",
        "ac me",
        "acmé",
        "public",
        "pg_catalog",
        "pg_anything",
        "information_schema",
        "platform",
        "www",
        "api",
        "a" * 42,
        'a"; DROP SCHEMA acme; --',
        "acme\n",
        "acme'",
    ],
)
def test_a_name_that_is_no_schemas_is_refused(db, name):
    with pytest.raises(ValidationError):
        tenant_request(schema_name=name, name="Refused", acting_user=None)
    with pytest.raises(ValidationError):
        create_schema(name)
    assert not Tenant.objects.filter(name="Refused").exists()


def test_a_name_in_use_is_refused(acme):
    with pytest.raises(ValidationError):
        tenant_request(schema_name="acme", name="Again", acting_user=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.bulk_create([Tenant(schema_name="acme", name="Again")])
