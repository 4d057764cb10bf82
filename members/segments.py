"""Segments as somebody sees them: what they ask for, and how many members that is to the reader."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from brands import dashboard
from brands.formatting import day
from brands.models import Brand
from brands.wall.visibility import Kind, Visible
from members.models import BrandSegment, GroupSegment, Profile, SavedFilter, Stratum

Segment = BrandSegment | GroupSegment
GROUP, BRAND = "group", "brand"


@dataclass(frozen=True)
class Filter:
    """Be what a segment asks for; None asks nothing."""

    brand_id: int | None = None
    store_id: int | None = None
    since: dt.date | None = None
    has_orders: bool | None = None
    stratum: int | None = None

    @classmethod
    def of(cls, one: SavedFilter) -> Filter:
        """Return what a segment asks for, as it was kept."""
        return cls(one.of_brand_id, one.of_store_id, one.since, one.has_orders, one.stratum)

    @classmethod
    def asked(cls, asked: dict[str, Any]) -> Filter:
        """Return what the cleaned filters of the member list ask for, without search and order."""
        brand, store = asked.get("brand"), asked.get("store")
        ordered = asked.get("ordered") or ""
        return cls(
            brand_id=store.brand_id if store else brand.pk if brand else None,
            store_id=store.pk if store else None,
            since=asked.get("since"),
            has_orders={"yes": True, "no": False}.get(ordered),
            stratum=asked.get("stratum") or None,
        )

    @property
    def columns(self) -> dict[str, Any]:
        """Return what a segment keeps of it."""
        return {
            "of_brand_id": self.brand_id,
            "of_store_id": self.store_id,
            "since": self.since,
            "has_orders": self.has_orders,
            "stratum": self.stratum,
        }

    @property
    def condition(self) -> Q:
        """Return the condition on members; whoever asked for restriction is in no audience."""
        found = Q(is_restricted=False)
        if self.brand_id:
            found &= Q(brand_id=self.brand_id)
        if self.store_id:
            found &= Q(store_id=self.store_id)
        if self.since:
            found &= Q(registered_on__gte=self.since)
        if self.has_orders is not None:
            found &= Q(orders__gt=0) if self.has_orders else Q(orders=0)
        if self.stratum:
            found &= Q(stratum=self.stratum)
        return found

    def parameters(self) -> dict[str, str]:
        """Return the parameters with which the member list asks for the same."""
        words = {None: "", True: "yes", False: "no"}
        codes = Brand.objects.filter(pk=self.brand_id or 0).values_list("code", flat=True)
        found = {
            "brand": codes.first() or "" if self.brand_id else "",
            "store": str(self.store_id or ""),
            "since": self.since.isoformat() if self.since else "",
            "ordered": words[self.has_orders],
            "stratum": str(self.stratum or ""),
        }
        return {name: value for name, value in found.items() if value}

    def __bool__(self) -> bool:
        return self != Filter()


def in_words(asked: Filter, *, brand: str = "", store: str = "") -> str:
    """Return what a filter asks for; BRAND and STORE are the names of its own."""
    parts = []
    if store:
        parts.append(f"{brand} › {store}")
    elif brand:
        parts.append(brand)
    if asked.since:
        parts.append(_("member since %(day)s or later") % {"day": day(asked.since)})
    if asked.has_orders is not None:
        parts.append(_("with orders") if asked.has_orders else _("without orders"))
    if asked.stratum:
        parts.append(_("stratum: %(stratum)s") % {"stratum": dict(Stratum.choices)[asked.stratum]})
    return " · ".join(parts) or _("everybody")


@dataclass
class Shown:
    """Be one segment as a reader sees it."""

    segment: Segment
    sort: str
    owner: str
    words: str
    # Whether any member that it asks for could be seen by the reader at all.
    is_open: bool
    may_change: bool
    count: int | None = None


def owners(visible: Visible) -> list[tuple[str, str]]:
    """Return (value, name) of those for whom the viewer may keep a segment."""
    found = [(GROUP, _("Group"))] if visible.writes_group else []
    brands = Brand.objects.filter(pk__in=visible.write_brands).order_by("code")
    return [*found, *brands.values_list("code", "name")]


@dataclass(frozen=True)
class Saving:
    """Be what a form needs to keep the filter that is set."""

    parameters: dict[str, str]
    owners: list[tuple[str, str]]


def saving(asked: dict[str, Any], *, visible: Visible) -> Saving | None:
    """Return what keeps the list's cleaned filters; None where none is set or none may be kept."""
    found = Filter.asked(asked)
    if not found or not (visible.writes_group or visible.write_brands):
        return None
    return Saving(found.parameters(), owners(visible))


def segments_of(visible: Visible) -> list[Segment]:
    """Return the segments that the viewer may read, by name.

    The group's are HQ's. A brand's are as open as the wall shows them.
    """
    found: list[Segment] = []
    if visible.viewer.is_hq:
        of_group = GroupSegment.objects.filter(removed_at=None)
        found += of_group.select_related("of_brand", "of_store")
    own = BrandSegment.objects.filter(removed_at=None, store=None, notice=None)
    found += own.select_related("brand", "of_brand", "of_store")
    return sorted(found, key=lambda one: (one.name.casefold(), one.pk))


def seen_as(one: Segment, visible: Visible) -> Filter:
    """Return what a segment asks for when this viewer opens it.

    A brand's segment that names no brand is about what the brand sees; to anybody else it is about
    the brand itself.
    """
    asked = Filter.of(one)
    if not isinstance(one, BrandSegment) or asked.brand_id:
        return asked
    return (
        asked if visible.viewer.brands == {one.brand_id} else replace(asked, brand_id=one.brand_id)
    )


def is_open(asked: Filter, visible: Visible) -> bool:
    """Tell whether the viewer sees any members where a filter looks."""
    brands = visible.kinds[Kind.PROFILE].brands
    return asked.brand_id in brands if asked.brand_id else bool(brands)


def shown(segments: Iterable[Segment], visible: Visible) -> list[Shown]:
    """Return segments as the viewer sees them, with the number of members each is to them now."""
    names = dict(Brand.objects.values_list("pk", "name"))
    found = []
    for one in segments:
        asked = seen_as(one, visible)
        is_own = one.brand_id in visible.write_brands if isinstance(one, BrandSegment) else None
        found.append(
            Shown(
                segment=one,
                sort=BRAND if isinstance(one, BrandSegment) else GROUP,
                owner=one.brand.name if isinstance(one, BrandSegment) else _("Group"),
                words=in_words(
                    asked,
                    brand=names.get(asked.brand_id or 0, ""),
                    store=one.of_store.name if one.of_store else "",
                ),
                is_open=is_open(asked, visible),
                may_change=visible.writes_group if is_own is None else is_own,
            )
        )
    counted = [row for row in found if row.is_open]
    for row, number in zip(counted, _counts(counted, visible), strict=True):
        row.count = number
    return found


def _counts(segments: list[Shown], visible: Visible) -> list[int]:
    """Return how many of the members that the open scope shows are in each; kept a while."""
    if not segments:
        return []
    key = hashlib.sha256(repr([(one.sort, one.segment.pk) for one in segments]).encode())

    def count() -> list[int]:
        wanted = {
            f"n{number}": Count("pk", filter=seen_as(one.segment, visible).condition)
            for number, one in enumerate(segments)
        }
        counted = Profile.objects.aggregate(**wanted)
        return [counted[name] for name in wanted]

    return dashboard.kept("segments", key.hexdigest()[:20], count)
