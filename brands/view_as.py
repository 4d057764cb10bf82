"""What HQ may look as in its group, and what it then sees."""

from __future__ import annotations

from dataclasses import dataclass

from brands.models import Brand, BusinessUnit, Store
from brands.selectors import grounds_for, viewer_of, visible_for_grant
from brands.wall.meeting import meet
from brands.wall.visibility import Visible, visibility
from tenants.models import Engagement, Tenant
from tenants.requests import SluiceRequest
from tenants.roles import LEVELS, Level, Role
from tenants.view_as import Looking, engagements_now

_PLACES: dict[Level, type[BusinessUnit | Brand | Store]] = {
    Level.UNIT: BusinessUnit,
    Level.BRAND: Brand,
    Level.STORE: Store,
}


@dataclass(frozen=True)
class Wish:
    """Be a role at a place, and the contract it is held through, that HQ wants to look as."""

    role: Role
    place: BusinessUnit | Brand | Store
    engagement: Engagement | None


def wish_of(
    *, tenant: Tenant, role: Role, level: Level, place_id: int, engagement_id: int | None
) -> Wish | None:
    """Return what is asked for; None where place or contract is not this group's, now."""
    if level not in LEVELS[role]:
        return None
    place = _PLACES[level].objects.filter(pk=place_id).first()
    if place is None:
        return None
    engagement = None
    if engagement_id is not None:
        engagement = engagements_now(tenant).filter(pk=engagement_id).first()
        if engagement is None:
            return None
    return Wish(role, place, engagement)


def visible_for_request(request: SluiceRequest, *, k: int) -> Visible:
    """Return what a request sees: its grant's part of the group, and of HQ's where HQ looks on."""
    looking: Looking | None = getattr(request, "looking", None)
    assert request.grant is not None  # noqa: S101 - asked for requests with a grant alone
    if looking is None:
        return visible_for_grant(request.grant, k=k)
    on = grounds_for(looking.grant)
    seen_as, seen_by = (
        visibility(viewer_of(grant, on), on.modes, on.notices, k=k)
        for grant in (looking.grant, looking.by)
    )
    return meet(seen_as, seen_by)
