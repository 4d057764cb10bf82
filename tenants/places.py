"""The places of a group at which a role can be granted; the app that holds them registers how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.roles import Level


@dataclass(frozen=True)
class Place:
    """Be one unit, brand or store; a store's code is written brand/store."""

    level: Level
    id: int
    code: str
    name: str

    @property
    def key(self) -> str:
        """Return what a form's choice is called."""
        return f"{self.level.value}:{self.id}"


_sources: list[Callable[[], list[Place]]] = []
_brands: list[Callable[[Any], list[Place]]] = []


def register_places(
    source: Callable[[], list[Place]], *, brands_shown: Callable[[Any], list[Place]]
) -> None:
    """Let the app that holds the hierarchy list its places in the current group.

    BRANDS_SHOWN returns the brands of which a request's `visible` shows anything.
    """
    _sources.append(source)
    _brands.append(brands_shown)


def brands_shown(visible: Any) -> list[Place]:
    """Return the brands of the current group of which a request's `visible` shows anything."""
    return [place for source in _brands for place in source(visible)]


def current_places() -> list[Place]:
    """Return every unit, brand and store of the current group."""
    return [place for source in _sources for place in source()]


def find_place(*, tenant: Tenant, level: Level, code: str) -> Place | None:
    """Return the place of a group by its level and code, or None."""
    with tenant_transaction(tenant):
        for place in current_places():
            if place.level == level and place.code.lower() == code.strip().lower():
                return place
    return None


def place_code(*, tenant: Tenant, level: Level, place_id: int) -> str:
    """Return the code of a group's unit, brand or store, "" when there is none."""
    with tenant_transaction(tenant):
        for place in current_places():
            if place.level == level and place.id == place_id:
                return place.code
    return ""
