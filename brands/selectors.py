"""Read what the wall decides from: effective modes, notices, and a grant's place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import cast

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from brands.models import (
    Brand,
    BusinessUnit,
    Generation,
    ModeChange,
    Notice,
    NoticeEnding,
    Store,
)
from brands.modes import Mode
from brands.wall.scope import ScopeRefused
from brands.wall.visibility import Kind, NoticeTerms, Viewer, Visible, visibility
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
    latest = (
        ModeChange.objects.filter(brand=None, effective_at__lte=at or timezone.now())
        .order_by("-effective_at", "-id")
        .values_list("mode", flat=True)
        .first()
    )
    return Mode(latest) if latest else Mode.BRAND_MAX


def brand_overrides(*, at: datetime | None = None) -> dict[int, str]:
    """Return brand id → its override at an instant, "" for brands that follow the group."""
    return {pk: mode for pk, mode, _has_left in _brand_rows(at or timezone.now())}


def _brand_rows(at: datetime) -> list[tuple[int, str, bool]]:
    latest = (
        ModeChange.objects.filter(brand=OuterRef("pk"), effective_at__lte=at)
        .order_by("-effective_at", "-id")
        .values("mode")[:1]
    )
    rows = Brand.objects.order_by("pk").values_list(
        "pk", Coalesce(Subquery(latest), Value("")), "left_at"
    )
    return [(pk, mode, left_at is not None and left_at <= at) for pk, mode, left_at in rows]


def effective_modes(*, at: datetime | None = None) -> dict[int, Mode]:
    """Return brand id → effective mode for every brand at an instant."""
    at = at or timezone.now()
    default = group_mode(at=at)
    return {
        # A brand that left or was sold shares nothing any more, whatever was decided before.
        brand_id: Mode.BRAND_MAX if has_left else Mode(override) if override else default
        for brand_id, override, has_left in _brand_rows(at)
    }


def notices_in_force(*, at: datetime | None = None) -> QuerySet[Notice]:
    """Return the notices that the wall goes by at an instant: begun, not ended, not unchecked."""
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
    at = at or timezone.now()
    stays = Q(recipients__left_at=None) | Q(recipients__left_at__gt=at)
    rows = (
        notices_in_force(at=at)
        .annotate(brand_ids=ArrayAgg("recipients", filter=Q(recipients__isnull=False) & stays))
        .order_by("pk")
        .values_list(
            "pk", "names_group", "brand_ids", "covers_profile", "covers_contact", "covers_activity"
        )
    )
    return [
        NoticeTerms(
            id=pk,
            names_group=names_group,
            brands=frozenset(brand_ids or ()),
            kinds=frozenset(
                kind
                for kind, covered in (
                    (Kind.PROFILE, profile),
                    (Kind.CONTACT, contact),
                    (Kind.ACTIVITY, activity),
                )
                if covered
            ),
        )
        for pk, names_group, brand_ids, profile, contact, activity in rows
    ]


def viewer_of(grant: Grant) -> Viewer:
    """Return a grant as the wall sees it."""
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
        brands = _staying().filter(business_unit_id=place_id).values_list("pk", flat=True)
        return Viewer(brands=frozenset(brands), sees_contact=sees_contact, is_engaged=is_engaged)
    if level is Level.BRAND:
        brands = _staying().filter(pk=place_id).values_list("pk", flat=True)
        return Viewer(brands=frozenset(brands), sees_contact=sees_contact, is_engaged=is_engaged)
    if level is Level.STORE:
        stores = dict(
            Store.objects.filter(pk=place_id, brand__in=_staying()).values_list("pk", "brand_id")
        )
        return Viewer(
            stores=frozenset(stores),
            store_brands=frozenset(stores.values()),
            sees_contact=sees_contact,
            is_engaged=is_engaged,
        )
    return Viewer(sees_contact=False, is_read_only=True)


def _staying() -> QuerySet[Brand]:
    """Return the brands that are with the group now: one that left is nobody's own any more."""
    return Brand.objects.filter(Q(left_at=None) | Q(left_at__gt=timezone.now()))


def visible_for_grant(grant: Grant, *, k: int) -> Visible:
    """Return everything a grant lets its holder see in the current group, now."""
    if grant.tenant is not None and grant.tenant.schema_name != connection.schema_name:
        raise ScopeRefused(
            f"A grant at {grant.tenant.schema_name} opens nothing in {connection.schema_name}."
        )
    viewer = viewer_of(grant)
    if grant.pk is not None:
        viewer = replace(viewer, grants=frozenset({grant.pk}))
    return visibility(viewer, effective_modes(), notice_terms(), k=k)


def place_exists(*, level: str, place_id: int) -> str | None:
    """Return the name of a unit, brand or store of the current group, or None."""
    models: dict[Level, type[BusinessUnit | Brand | Store]] = {
        Level.UNIT: BusinessUnit,
        Level.BRAND: Brand,
        Level.STORE: Store,
    }
    place = models[Level(level)].objects.filter(pk=place_id).first()
    return str(place) if place else None
