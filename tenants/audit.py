"""Write the audit: one event for every write a person makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models

from tenants import audit_chain, audit_telling
from tenants.connection import connection
from tenants.models import AuditEvent, Tenant, User


def record(
    *,
    acting_user: User | None,
    action: str,
    target: models.Model | None = None,
    changes: dict[str, Any] | None = None,
    target_name: str = "",
    tenant: Tenant | None = None,
    brands: Iterable[int] = (),
) -> AuditEvent:
    """Append an event about TARGET to the chain of the current transaction's group.

    `tenant` names the group for what is done on the platform's host, so that the group sees who
    was let in and by whom. `changes` holds field → [before, after] and never contact data. `brands`
    are those whose affairs it tells of; of a row behind the wall its own, unless named.
    """
    grant = acting_user.acting_grant if acting_user else None
    tenant_id = (
        getattr(connection.tenant, "pk", None)
        or (tenant.pk if tenant else None)
        or (grant.tenant_id if grant else None)
    )
    return audit_chain.append(
        tenant_id=tenant_id,
        user=acting_user,
        user_name=str(acting_user)[:120] if acting_user else "system",
        role=str(grant)[:200] if grant else "",
        engagement_id=grant.engagement_id if grant else None,
        action=action,
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        target_name=(target_name or (str(target) if target is not None else ""))[:200],
        brands=sorted(set(brands)) or audit_telling.brands_of(target),
        changes=changes or {},
    )
