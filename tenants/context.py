"""Enter a group's schema for one transaction, and find the group that a task came with."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import transaction

from tenants.connection import connection
from tenants.models import Tenant
from tenants.selectors import active_tenants

log = logging.getLogger(__name__)


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


def task_tenant() -> Tenant:
    """Return the group whose schema came with the running task; RuntimeError without one."""
    tenant = connection.tenant
    if not isinstance(tenant, Tenant):
        tenant = Tenant.objects.filter(schema_name=connection.schema_name).first()
    if tenant is None:
        raise RuntimeError("This task belongs to a group; it came without one.")
    return tenant


def in_every_group(act: Callable[[Tenant], int]) -> int:
    """Act in each group in use and return the sum; what fails in one is logged, stops no other."""
    total = 0
    for tenant in active_tenants():
        try:
            total += act(tenant)
        except Exception:
            log.exception("in %s", tenant.schema_name)
    return total
