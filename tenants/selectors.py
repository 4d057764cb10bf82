"""Read across people, grants and groups."""

from __future__ import annotations

from django.db.models import Q

from tenants.models import Grant, Tenant, User
from tenants.roles import PLATFORM_ROLES, Level

_WIDEST_FIRST = {
    level: position
    for position, level in enumerate(
        [Level.PLATFORM, Level.PROVIDER, Level.GROUP, Level.UNIT, Level.BRAND, Level.STORE]
    )
}


def current_grants(*, user: User, tenant: Tenant | None) -> list[Grant]:
    """Return the person's grants that hold now at a group, or on the platform; the widest first."""
    grants = Grant.objects.current().filter(user=user).select_related("tenant", "engagement")
    if tenant is None:
        grants = grants.filter(tenant=None, role__in=PLATFORM_ROLES)
    else:
        grants = grants.filter(tenant=tenant)
    return sorted(grants, key=lambda grant: (_WIDEST_FIRST[Level(grant.level)], grant.pk))


def enterable_grants(*, user: User) -> list[Grant]:
    """Return every grant in a running group that the person may enter now."""
    return list(
        Grant.objects.current()
        .filter(Q(tenant__status=Tenant.Status.ACTIVE), user=user)
        .select_related("tenant", "engagement__provider")
        .order_by("tenant__name", "place_name", "pk")
    )
