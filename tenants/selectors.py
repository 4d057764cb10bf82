"""Read across people, grants and groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, Count, IntegerField, Q, When
from django.utils import timezone

from tenants.models import Engagement, Grant, ServiceProvider, Tenant, User
from tenants.roles import PLATFORM_ROLES, Level

_WIDEST_FIRST = {
    level: position
    for position, level in enumerate(
        [Level.PLATFORM, Level.PROVIDER, Level.GROUP, Level.UNIT, Level.BRAND, Level.STORE]
    )
}


def active_tenants() -> list[Tenant]:
    """Return every group that is in use."""
    return list(Tenant.objects.filter(status=Tenant.Status.ACTIVE))


def current_grants(*, user: User, tenant: Tenant | None) -> list[Grant]:
    """Return the person's grants that hold now at a group, or on the platform; the widest first."""
    grants = Grant.objects.current().filter(user=user).select_related("tenant", "engagement")
    if tenant is None:
        grants = grants.filter(tenant=None, role__in=PLATFORM_ROLES)
    else:
        grants = grants.filter(tenant=tenant)
    return widest_first(grants)


def widest_first(grants: Iterable[Grant]) -> list[Grant]:
    """Return grants in the order in which a person is offered them."""
    return sorted(grants, key=lambda grant: (_WIDEST_FIRST[Level(grant.level)], grant.pk))


def enterable_grants(*, user: User) -> list[Grant]:
    """Return every grant in a running group that the person may enter now."""
    return list(
        Grant.objects.current()
        .filter(Q(tenant__status=Tenant.Status.ACTIVE), user=user)
        .select_related("tenant", "engagement__provider")
        .order_by("tenant__name", "place_name", "pk")
    )


@dataclass(frozen=True)
class Client:
    """Be one group on the landing page, with the grants a person may enter it under."""

    tenant: Tenant
    grants: list[Grant]


def clients(*, user: User) -> list[Client]:
    """Return the groups a person may enter now, each with their grants there."""
    by_tenant: dict[int, Client] = {}
    for grant in enterable_grants(user=user):
        assert grant.tenant is not None  # noqa: S101 - only grants in groups can be entered
        client = by_tenant.setdefault(grant.tenant.pk, Client(grant.tenant, []))
        client.grants.append(grant)
    return list(by_tenant.values())


def group_states() -> list[Tenant]:
    """Return every group; those that need someone first, then by name."""
    needs_someone = Case(
        When(status=Tenant.Status.FAILED, then=0),
        When(status__in=[Tenant.Status.REQUESTED, Tenant.Status.PROVISIONING], then=1),
        default=2,
        output_field=IntegerField(),
    )
    still_holds = Q(grants__valid_until=None) | Q(grants__valid_until__gt=timezone.now())
    return list(
        Tenant.objects.annotate(
            urgency=needs_someone,
            people=Count("grants__user", filter=still_holds, distinct=True),
        ).order_by("urgency", "name")
    )


@dataclass(frozen=True)
class Term:
    """Be an engagement with the days it still runs; negative once it is over."""

    engagement: Engagement
    days_left: int
    has_begun: bool

    @property
    def is_over(self) -> bool:
        """Tell whether the last day has passed."""
        return self.days_left < 0

    @property
    def ends_soon(self) -> bool:
        """Tell whether less than a month is left."""
        return 0 <= self.days_left < 30


def engagements_of(*, provider: ServiceProvider) -> list[Term]:
    """Return a provider's engagements, those that end first at the top, those over at the end."""
    today = timezone.now().date()
    terms = [
        Term(row, (row.ends_on - today).days, row.starts_on <= today)
        for row in provider.engagements.select_related("tenant").order_by("ends_on")
    ]
    return sorted(terms, key=lambda term: term.is_over)
