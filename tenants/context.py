"""Enter a group's schema for one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from tenants.connection import connection
from tenants.models import Tenant


@contextmanager
def tenant_transaction(tenant: Tenant) -> Iterator[None]:
    """Run the block in one transaction with TENANT's schema in front of the public one."""
    previous = connection.tenant
    connection.set_tenant(tenant)
    try:
        with transaction.atomic():
            yield
    finally:
        connection.set_tenant(previous)
