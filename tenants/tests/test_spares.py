"""Spare schemas: as good as new ones, never stale, never taken twice."""

import pytest
from django.db import connection

from tenants import provisioning
from tenants.models import Tenant
from tenants.provisioning import (
    ProvisioningError,
    spares_refill,
    tenant_provision,
    tenant_request,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_spares(acme):
    spares_refill(wanted=0)
    assert spares() == []


def spares():
    return [name for name, _mark in provisioning._spares()]


def provision(schema_name):
    return tenant_provision(
        tenant=tenant_request(schema_name=schema_name, name=schema_name, acting_user=None)
    )


def shape(rows_of, schema):
    """Return everything a schema holds, its own name left out."""
    found = rows_of(
        """
        SELECT c.relname::text, c.relkind::text, c.relrowsecurity, c.relacl::text,
            pg_get_indexdef(c.oid)
        FROM pg_class c WHERE relnamespace = %(schema)s::regnamespace
        UNION ALL
        SELECT c.relname::text, a.attname::text, a.attnotnull, format_type(a.atttypid, a.atttypmod),
            pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE relnamespace = %(schema)s::regnamespace
        UNION ALL
        SELECT conrelid::regclass::text, conname::text, convalidated, pg_get_constraintdef(oid), ''
        FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace
        UNION ALL
        SELECT tablename::text, policyname::text, permissive = 'PERMISSIVE', qual, with_check
        FROM pg_policies WHERE schemaname = %(schema)s
        UNION ALL
        SELECT nspname::text, nspacl::text, true, obj_description(oid, 'pg_namespace'), ''
        FROM pg_namespace WHERE nspname = %(schema)s
        """,
        {"schema": schema},
    )
    return sorted(
        tuple(str(part).replace(schema, "<schema>") for part in row)
        for row in found
        if not str(row[0]).startswith("pg_toast")
    )


def test_a_spare_taken_into_use_equals_a_schema_made_anew(rows_of):
    provision("made_anew")
    spares_refill(wanted=1)
    (spare,) = spares()
    assert provision("from_spare").status == Tenant.Status.ACTIVE
    assert spares() == []
    assert rows_of("SELECT 1 FROM pg_namespace WHERE nspname = %s", [spare]) == []
    made = shape(rows_of, "made_anew")
    assert len(made) > 200
    assert shape(rows_of, "from_spare") == made


def test_policies_of_a_spare_name_the_group_that_took_it(rows_of):
    spares_refill(wanted=1)
    provision("from_spare")
    found = rows_of(
        "SELECT DISTINCT qual FROM pg_policies WHERE schemaname = 'from_spare'"
        " AND policyname = 'sluice_group'"
    )
    assert len(found) == 1
    assert "'from_spare'" in found[0][0]


def test_refilling_makes_only_what_is_missing_and_drops_what_is_too_many():
    assert spares_refill(wanted=2) == 2
    kept = spares()
    assert spares_refill(wanted=2) == 0
    assert spares() == kept
    assert spares_refill(wanted=1) == 0
    assert spares() == kept[:1]


def test_a_spare_of_older_ddl_is_not_taken_and_is_replaced():
    spares_refill(wanted=1)
    (old,) = spares()
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {old} IS 'sluice spare of another release'")
    assert provision("made_anew").status == Tenant.Status.ACTIVE
    assert spares() == [old]
    assert spares_refill(wanted=1) == 1
    assert len(spares()) == 1
    assert old not in spares()


def test_without_a_spare_left_the_schema_is_made_anew():
    spares_refill(wanted=1)
    provision("first_group")
    assert provision("second_group").status == Tenant.Status.ACTIVE


def test_a_failed_provisioning_leaves_its_spare_where_it_was(monkeypatch):
    spares_refill(wanted=1)
    kept = spares()

    def fail(tenant):
        raise RuntimeError("no keys today")

    monkeypatch.setattr(provisioning, "_seeds", [fail])
    with pytest.raises(ProvisioningError, match="no keys today"):
        provision("never_made")
    assert spares() == kept


def test_an_invalid_name_takes_no_spare():
    spares_refill(wanted=1)
    tenant = Tenant.objects.create(schema_name="Bad Name", name="Bad")
    with pytest.raises(ProvisioningError):
        tenant_provision(tenant=tenant)
    assert len(spares()) == 1
