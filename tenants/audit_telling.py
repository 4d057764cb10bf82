"""Read the audit to somebody: what is another's affair is left out of an event.

An event names in `brands` whose affairs it tells of. Whoever is not told of one of these (HQ of a
brand in brand-max) reads that it happened, when, by whom and what kind of act it was, and neither
what it was done to nor what changed. What is counted over several brands is kept by brand, and told
as the sum over those that the reader is told of. Nothing of it changes the chain: seals are made
and checked over what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from tenants.audit_models import AuditEvent

_BY_BRAND = "by brand"


def by_brand(counts: Mapping[int, int]) -> dict[str, dict[str, int]]:
    """Return counts of several brands as an event keeps them, in the place of one number."""
    return {_BY_BRAND: {str(brand): count for brand, count in sorted(counts.items())}}


def brands_of(target: Any) -> list[int]:
    """Return whose affair a row is: the brand of a row behind the wall, and nobody's else."""
    is_walled = getattr(type(target), "wall", None) is not None
    brand = getattr(target, "brand_id", None) if is_walled else None
    return [] if brand is None else [brand]


@dataclass(frozen=True)
class Reader:
    """Be who reads the audit: the brands whose affairs they are told; None for all."""

    told: frozenset[int] | None = None

    def is_kept_from(self, event: AuditEvent) -> bool:
        """Tell whether an event is about a brand of whose affairs the reader is not told."""
        return self.told is not None and not self.told.issuperset(event.brands)

    def open_to(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Return the events of which the reader is told everything."""
        if self.told is None:
            return events
        return events.filter(Q(brands__contained_by=sorted(self.told)))

    def read(self, event: AuditEvent) -> AuditEvent:
        """Return the event as the reader is told it; the instance is not to be saved."""
        if self.is_kept_from(event):
            event.target_id, event.brands, event.changes = "", [], {}
            event.target_name = gettext("of a brand in brand-max: not told")
        else:
            event.changes = {name: self._told(values) for name, values in event.changes.items()}
        return event

    def _told(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._told(one) for one in value]
        if not isinstance(value, dict) or set(value) != {_BY_BRAND}:
            return value
        counts: Iterable[tuple[str, int]] = value[_BY_BRAND].items()
        return sum(n for brand, n in counts if self.told is None or int(brand) in self.told)


def reader_of(request: Any) -> Reader:
    """Return who reads by a request: on the platform's host all of its own, in a group by scope."""
    if request.tenant is None:
        return Reader()
    return Reader(getattr(request.visible, "told_brands", frozenset()))
