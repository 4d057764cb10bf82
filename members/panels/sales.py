"""Key figures, sales by day, and stores."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext_lazy as _

from brands import dashboard
from brands.dashboard import Ask, Page, Period
from brands.wall.visibility import Kind, Sight
from members.models import DailyMetric, GroupMetric, PoolMetric
from members.panels.asked import (
    average_of,
    change,
    daily_asked,
    period_asked,
    share,
    suppressed_asked,
)

STORES_SHOWN = 20


@dataclass(frozen=True)
class Kpis:
    """Hold the figures at the top of a page: up to now, and of the period with its change."""

    members: int | None
    buyers: int | None
    repeat_rate: float | None
    # Persons across brands, HQ only; None where it is no question of this page.
    persons: int | None
    has_hidden_persons: bool
    hidden_pools: int
    period: Period
    # None where every day is left out.
    orders: int | None
    sales: int | None
    average: int | None
    orders_change: float | None
    sales_change: float | None
    average_change: float | None
    days_left_out: int
    k: int
    is_empty: bool
    # Whether the members behind the counts may be listed, as far as the wall goes.
    has_rows: bool


@dashboard.panel(
    title=_("Key figures"),
    pages={Page.GROUP, Page.BRAND, Page.STORE},
    template="members/panels/kpis.html",
    is_wide=True,
    position=10,
)
def kpis(ask: Ask) -> Kpis:
    """Return members, buyers, repeat rate up to now; orders, sales, average order of the period."""
    period, suppressed = period_asked(ask), suppressed_asked(ask)
    pools = PoolMetric.objects.filter(brand_id__in=ask.brand_ids, store_id=ask.store_id).aggregate(
        rows=Count("pk"),
        members=Sum("members"),
        buyers=Sum("buyers"),
        repeat_buyers=Sum("repeat_buyers"),
        suppressed_rows=Count("pk", filter=Q(brand_id__in=suppressed)),
    )
    now = Q(day__gte=period.first, day__lte=period.last)
    days = (
        daily_asked(ask)
        .filter(day__gte=period.before.first, day__lte=period.last)
        .aggregate(
            orders_now=Sum("orders", filter=now, default=0),
            sales_now=Sum("sales", filter=now, default=0),
            orders_before=Sum("orders", filter=~now, default=0),
            sales_before=Sum("sales", filter=~now, default=0),
            suppressed_days=Count("pk", filter=now & Q(brand_id__in=suppressed)),
        )
    )
    days_left_out = len(suppressed) * period.days - days["suppressed_days"]
    if days_left_out == len(ask.brand_ids) * period.days:
        days |= {"orders_now": None, "sales_now": None}
    persons = None
    if ask.page is Page.GROUP and ask.visible.viewer.is_hq:
        persons = GroupMetric.objects.aggregate(total=Sum("persons"))["total"]
    average = average_of(days["sales_now"], days["orders_now"])
    average_before = average_of(days["sales_before"], days["orders_before"])
    return Kpis(
        members=pools["members"],
        buyers=pools["buyers"],
        repeat_rate=share(pools["repeat_buyers"], pools["buyers"]),
        persons=persons,
        has_hidden_persons=bool(ask.visible.group_without),
        hidden_pools=len(suppressed) - pools["suppressed_rows"],
        period=period,
        orders=days["orders_now"],
        sales=days["sales_now"],
        average=average,
        orders_change=change(days["orders_now"], days["orders_before"]),
        sales_change=change(days["sales_now"], days["sales_before"]),
        average_change=change(average, average_before),
        days_left_out=days_left_out,
        k=ask.visible.k,
        is_empty=not pools["rows"] and not days["orders_now"] and not suppressed,
        has_rows=any(
            ask.visible.cell(brand_id, Kind.PROFILE).sight is not Sight.NONE
            for brand_id in ask.brand_ids
        ),
    )


@dataclass(frozen=True)
class Day:
    """Be one day's figures; None where the day is left out for counting too few persons."""

    day: dt.date
    sales: int | None
    orders: int | None


@dataclass(frozen=True)
class SalesByDay:
    """Hold every day of the period, in order."""

    period: Period
    days: tuple[Day, ...]
    days_left_out: int
    k: int

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to draw."""
        return not any(one.orders for one in self.days)

    @property
    def is_hidden(self) -> bool:
        """Tell whether every day is left out."""
        return all(one.orders is None for one in self.days)

    @property
    def latest_first(self) -> tuple[Day, ...]:
        """Return the days for the table."""
        return self.days[::-1]

    @property
    def chart(self) -> dict[str, object]:
        """Return what the chart draws."""
        return {
            "kind": "line",
            "unit": "money",
            "labels": [one.day.isoformat() for one in self.days],
            "series": [{"name": str(_("Sales")), "values": [one.sales for one in self.days]}],
        }


@dashboard.panel(
    title=_("Sales by day"),
    pages={Page.GROUP, Page.BRAND, Page.STORE},
    template="members/panels/sales_by_day.html",
    is_wide=True,
    position=20,
)
def sales_by_day(ask: Ask) -> SalesByDay:
    """Return sales and orders of each day of the period, over all the brands asked for."""
    period, suppressed = period_asked(ask), suppressed_asked(ask)
    rows = {
        row["day"]: row
        for row in daily_asked(ask)
        .filter(day__gte=period.first, day__lte=period.last)
        .values("day")
        .annotate(
            total_sales=Sum("sales"),
            total_orders=Sum("orders"),
            suppressed_rows=Count("pk", filter=Q(brand_id__in=suppressed)),
        )
    }
    # Where every brand hides its small days, a missing day is unknown; else it sold nothing.
    absent = None if suppressed and len(suppressed) == len(ask.brand_ids) else 0
    days = []
    for day in period:
        row = rows.get(day)
        days.append(
            Day(day, row["total_sales"], row["total_orders"]) if row else Day(day, absent, absent)
        )
    shown = sum(row["suppressed_rows"] for row in rows.values())
    return SalesByDay(
        period=period,
        days=tuple(days),
        days_left_out=len(suppressed) * period.days - shown,
        k=ask.visible.k,
    )


@dataclass(frozen=True)
class StoreRow:
    """Be one store of the brand in the period."""

    id: int
    name: str
    city: str
    orders: int
    sales: int
    average: int | None


@dataclass(frozen=True)
class BrandStores:
    """Hold the brand's stores that sold most in the period."""

    period: Period
    stores: tuple[StoreRow, ...]
    is_hidden: bool


@dashboard.panel(
    title=_("Stores by sales"),
    pages={Page.BRAND},
    template="members/panels/stores.html",
    is_wide=True,
    position=40,
)
def stores(ask: Ask) -> BrandStores:
    """Return the stores of the brand that sold most in the period."""
    period = period_asked(ask)
    rows = (
        DailyMetric.objects.filter(
            brand_id__in=ask.brand_ids,
            store_id__isnull=False,
            day__gte=period.first,
            day__lte=period.last,
        )
        .values("store_id", "store__name", "store__city")
        .annotate(total_orders=Sum("orders"), total_sales=Sum("sales"))
        .order_by("-total_sales", "store_id")[:STORES_SHOWN]
    )
    return BrandStores(
        period=period,
        stores=tuple(
            StoreRow(
                id=row["store_id"],
                name=row["store__name"],
                city=row["store__city"],
                orders=row["total_orders"],
                sales=row["total_sales"],
                average=average_of(row["total_sales"], row["total_orders"]),
            )
            for row in rows
        ),
        is_hidden=bool(suppressed_asked(ask)),
    )
