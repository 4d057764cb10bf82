"""Groups that are really committed, for what no rolled-back transaction can show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django_tenants.utils import quote_schema_name

from brands.models import BusinessUnit
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, AuditHead, Domain, Tenant
from tenants.provisioning import tenant_provision


def remove_group(schema_name: str) -> None:
    """Take away a group's schema and everything the public schema holds of it."""
    assert connection.settings_dict["NAME"].startswith("test_"), "never in a real database"
    with transaction.atomic():
        tenants = Tenant.objects.filter(schema_name=schema_name)
        ids = list(tenants.values_list("pk", flat=True))
        AuditEvent.objects.filter(tenant_id__in=ids).delete()
        AuditHead.objects.filter(pk__in=ids).delete()
        Domain.objects.filter(tenant_id__in=ids).delete()
        tenants.delete()
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {quote_schema_name(schema_name)} CASCADE")


@contextmanager
def committed_group(schema_name: str) -> Iterator[Tenant]:
    """Give a group of this name to the block, and take it away again.

    For tests outside pytest-django's transaction: ask for `django_db_setup` and
    `django_db_blocker.unblock()`.
    """
    remove_group(schema_name)
    try:
        tenant = Tenant.objects.create(schema_name=schema_name, name=schema_name)
        yield tenant_provision(tenant=tenant)
    finally:
        remove_group(schema_name)


@contextmanager
def two_groups(prefix: str) -> Iterator[tuple[Tenant, Tenant]]:
    """Give two committed groups that each know their own name."""
    with committed_group(f"{prefix}_one") as one, committed_group(f"{prefix}_two") as two:
        for tenant in (one, two):
            with tenant_transaction(tenant):
                BusinessUnit.objects.create(code=tenant.schema_name, name=tenant.name)
        yield one, two
