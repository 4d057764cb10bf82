"""Read what the wall decides from: effective modes, notices, and a grant's place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import cast

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from brands.grounds import Grounds, grounds
from brands.models import (
    Brand,
    BusinessUnit,
    Generation,
    Notice,
    NoticeEnding,
    Store,
)
from brands.modes import Mode
from brands.wall.scope import ScopeRefused
from brands.wall.visibility import NoticeTerms, Viewer, Visible, visibility
from tenants.connection import connection
from tenants.models import Grant
from tenants.roles import HQ_ROLES, LEVELS, Level, Role


class Standing(StrEnum):
    """Whether the wall goes by a notice, and if not, why."""

    IN_FORCE = "in_force"
    NOT_YET = "not_yet"
    ENDED = "ended"
    # Its answers expire, and nobody has closed those that have: closed until that is done.
    UNCHECKED = "unchecked"


def group_mode(*, at: datetime | None = None) -> Mode:
    """Return the group's default mode at an instant; brand-max, the closest, when none was set."""
    return grounds(at=at).default


def brand_overrides(*, at: datetime | None = None) -> dict[int, str]:
    """Return brand id → its override at an instant, "" for brands that follow the group."""
    return grounds(at=at).overrides


def effective_modes(*, at: datetime | None = None) -> dict[int, Mode]:
    """Return brand id → effective mode for every brand at an instant."""
    return grounds(at=at).modes


def notices_in_force(*, at: datetime | None = None) -> QuerySet[Notice]:
    """Return the notices that the wall goes by at an instant: begun, not ended, not unchecked.

    brands.grounds has the same rule written out, for the wall itself.
    """
    at = at or timezone.now()
    return Notice.objects.filter(
        ~Exists(NoticeEnding.objects.filter(notice=OuterRef("pk"), ends_at__lte=at)),
        Q(ends_at=None) | Q(ends_at__gt=at),
        # Nobody has closed what expires: then no answer that may expire is relied upon.
        Q(consent_months=None)
        | Exists(Generation.objects.filter(expiries_closed_until__gt=timezone.now())),
        effective_from__lte=at,
    )


def notice_standing(notice: Notice, *, at: datetime | None = None) -> Standing:
    """Return whether the wall goes by a notice at an instant, and if not, why."""
    at = at or timezone.now()
    if notice.effective_from > at:
        return Standing.NOT_YET
    ends = [ending.ends_at for ending in notice.endings.all()]
    if any(end <= at for end in [*ends, *([notice.ends_at] if notice.ends_at else [])]):
        return Standing.ENDED
    if notice.consent_months is not None and not expiries_are_closed():
        return Standing.UNCHECKED
    return Standing.IN_FORCE


def expiries_are_closed() -> bool:
    """Tell whether all answers that have expired by now are closed."""
    return Generation.objects.filter(expiries_closed_until__gt=timezone.now()).exists()


def notice_terms(*, at: datetime | None = None) -> list[NoticeTerms]:
    """Return every notice in force at an instant, as the wall reads it."""
    return list(grounds(at=at).notices)


def viewer_of(grant: Grant, on: Grounds) -> Viewer:
    """Return a grant as the wall sees it, by grounds that know its store."""
    level, role = Level(grant.level), Role(grant.role)
    sees_contact = grant.includes_contact and role is not Role.HQ_ANALYST
    is_engaged = grant.engagement_id is not None
    if level not in LEVELS[role]:
        return Viewer(sees_contact=False, is_read_only=True)
    if level is Level.GROUP and role in HQ_ROLES:
        return Viewer(
            is_hq=True,
            sees_contact=sees_contact,
            is_engaged=is_engaged,
            is_read_only=role is Role.HQ_ANALYST,
        )
    # The database keeps no grant at the levels below without its place.
    place_id = cast(int, grant.place_id)
    if level is Level.UNIT:
        brands = frozenset(pk for pk, unit in on.staying.items() if unit == place_id)
        return Viewer(brands=brands, sees_contact=sees_contact, is_engaged=is_engaged)
    if level is Level.BRAND:
        brands = frozenset({place_id} & on.staying.keys())
        return Viewer(brands=brands, sees_contact=sees_contact, is_engaged=is_engaged)
    if level is Level.STORE:
        return Viewer(
            stores=frozenset({place_id} & on.stores.keys()),
            store_brands=frozenset(on.stores[pk] for pk in {place_id} & on.stores.keys()),
            sees_contact=sees_contact,
            is_engaged=is_engaged,
        )
    return Viewer(sees_contact=False, is_read_only=True)


def grounds_for(grant: Grant) -> Grounds:
    """Return what the wall decides on now for a grant in the current group."""
    if grant.tenant is not None and grant.tenant.schema_name != connection.schema_name:
        raise ScopeRefused(
            f"A grant at {grant.tenant.schema_name} opens nothing in {connection.schema_name}."
        )
    return grounds(store_id=grant.place_id if grant.level == Level.STORE else None)


def visible_for_grant(grant: Grant, *, k: int) -> Visible:
    """Return everything a grant lets its holder see in the current group, now."""
    on = grounds_for(grant)
    viewer = viewer_of(grant, on)
    if grant.pk is not None:
        viewer = replace(viewer, grants=frozenset({grant.pk}))
    return visibility(viewer, on.modes, on.notices, k=k)


def place_exists(*, level: str, place_id: int) -> str | None:
    """Return the name of a unit, brand or store of the current group, or None."""
    models: dict[Level, type[BusinessUnit | Brand | Store]] = {
        Level.UNIT: BusinessUnit,
        Level.BRAND: Brand,
        Level.STORE: Store,
    }
    place = models[Level(level)].objects.filter(pk=place_id).first()
    return str(place) if place else None
