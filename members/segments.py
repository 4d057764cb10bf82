"""Segments as somebody sees them: what they ask for, and how many members that is to the reader."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from brands import dashboard
from brands.formatting import day, major_units, money
from brands.models import Brand
from brands.wall.visibility import Kind, Visible
from members.models import (
    BrandSegment,
    GroupSegment,
    Profile,
    ProfileTag,
    SavedFilter,
    Stratum,
    Tag,
    Touchpoint,
)
from tenants.connection import connection

Segment = BrandSegment | GroupSegment
GROUP, BRAND, OWN = "group", "brand", "own"


# Field of a filter → column that keeps it.
_COLUMNS = {
    "brand_id": "of_brand_id",
    "store_id": "of_store_id",
    "since": "since",
    "has_orders": "has_orders",
    "stratum": "stratum",
    "tier": "tier",
    "sales_from": "sales_from",
    "sales_to": "sales_to",
    "last_from": "last_from",
    "last_to": "last_to",
    "tag_id": "of_tag_id",
    "sort": "sort",
}


def _minor(amount: Decimal | None) -> int | None:
    """Return minor units of an amount as people write it."""
    return None if amount is None else int(amount / major_units(1))


def _major(minor: int | None) -> str:
    return "" if minor is None else format(major_units(minor), "f")


def _start(first: dt.date) -> dt.datetime:
    """Return when a day begins where the group is."""
    zone = ZoneInfo(getattr(connection.tenant, "time_zone", None) or "UTC")
    return dt.datetime.combine(first, dt.time(), tzinfo=zone)


@dataclass(frozen=True)
class Filter:
    """Be what a segment asks for; None asks nothing."""

    brand_id: int | None = None
    store_id: int | None = None
    since: dt.date | None = None
    has_orders: bool | None = None
    stratum: int | None = None
    tier: str = ""
    # In minor units, both ends in it.
    sales_from: int | None = None
    sales_to: int | None = None
    # Days of the last order, both in it.
    last_from: dt.date | None = None
    last_to: dt.date | None = None
    tag_id: int | None = None
    # Kept in views of one's own alone.
    account_id: int | None = None
    # How the list is ordered; no filter.
    sort: str = field(default="", compare=False)

    @classmethod
    def of(cls, one: SavedFilter) -> Filter:
        """Return what a segment asks for, as it was kept."""
        return cls(
            **{name: getattr(one, column) for name, column in _COLUMNS.items()},
            account_id=getattr(one, "of_account_id", None),
        )

    @classmethod
    def asked(cls, asked: dict[str, Any]) -> Filter:
        """Return what the cleaned filters of the member list ask for, without search."""
        brand, store = asked.get("brand"), asked.get("store")
        tag, account = asked.get("tag"), asked.get("channel")
        ordered = asked.get("ordered") or ""
        return cls(
            brand_id=store.brand_id if store else brand.pk if brand else None,
            store_id=store.pk if store else None,
            since=asked.get("since"),
            has_orders={"yes": True, "no": False}.get(ordered),
            stratum=asked.get("stratum") or None,
            tier=asked.get("tier") or "",
            sales_from=_minor(asked.get("sales_from")),
            sales_to=_minor(asked.get("sales_to")),
            last_from=asked.get("last_from"),
            last_to=asked.get("last_to"),
            tag_id=tag.pk if tag else None,
            account_id=account.pk if account else None,
            sort=asked.get("sort") or "",
        )

    @property
    def columns(self) -> dict[str, Any]:
        """Return what a segment keeps of it."""
        return {column: getattr(self, name) for name, column in _COLUMNS.items()}

    @property
    def condition(self) -> Q:
        """Return the condition on an audience; whoever asked for restriction is in none."""
        return Q(is_restricted=False) & self.listed

    @property
    def listed(self) -> Q:
        """Return the condition on the members of the list."""
        found = Q()
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
        if self.tier:
            found &= Q(tier=self.tier)
        if self.sales_from is not None:
            found &= Q(sales__gte=self.sales_from)
        if self.sales_to is not None:
            found &= Q(sales__lte=self.sales_to)
        if self.last_from:
            found &= Q(last_order_at__gte=_start(self.last_from))
        if self.last_to:
            found &= Q(last_order_at__lt=_start(self.last_to + dt.timedelta(days=1)))
        if self.tag_id:
            carried = ProfileTag.objects.filter(tag_id=self.tag_id, is_set=True)
            found &= Q(pk__in=carried.values("profile_id"))
        if self.account_id:
            followed = Touchpoint.objects.filter(account_id=self.account_id, is_followed=True)
            found &= Q(pk__in=followed.values("profile_id"))
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
            "tier": self.tier,
            "sales_from": _major(self.sales_from),
            "sales_to": _major(self.sales_to),
            "last_from": self.last_from.isoformat() if self.last_from else "",
            "last_to": self.last_to.isoformat() if self.last_to else "",
            "tag": str(self.tag_id or ""),
            "channel": str(self.account_id or ""),
            "sort": self.sort,
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
    if asked.tier:
        parts.append(_("tier: %(tier)s") % {"tier": asked.tier})
    if asked.sales_from is not None or asked.sales_to is not None:
        parts.append(
            _("sales: %(first)s to %(last)s")
            % {"first": money(asked.sales_from), "last": money(asked.sales_to)}
        )
    if asked.last_from or asked.last_to:
        parts.append(
            _("last order: %(first)s to %(last)s")
            % {"first": day(asked.last_from), "last": day(asked.last_to)}
        )
    if asked.tag_id:
        found = Tag.objects.filter(pk=asked.tag_id).values_list("name", flat=True).first()
        parts.append(_("tag: %(tag)s") % {"tag": found or "–"})
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


def saving(asked: dict[str, Any], *, visible: Visible, may_add: bool) -> Saving | None:
    """Return what keeps the list's cleaned filters; None where none is set or none may be kept.

    MAY_ADD: whether the person writes segments of those whom they write for.
    """
    found = Filter.asked(asked)
    if not found and not found.sort:
        return None
    possible = [(OWN, _("Me alone"))] if visible.viewer.grants else []
    # A filter by channel is kept for oneself alone, and so is an order without a filter.
    if found and found.account_id is None and may_add:
        possible += owners(visible)
    return Saving(found.parameters(), possible) if possible else None


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
