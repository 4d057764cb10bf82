"""Brands beside each other, as far as the wall shows them one by one or as an average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Sum
from django.utils.translation import gettext_lazy as _

from brands import dashboard
from brands.dashboard import Ask, Page, Period
from brands.models import Brand
from brands.wall import scope
from brands.wall.visibility import FEWEST_AVERAGED, Kind, Sight
from members.models import DailyMetric, PoolMetric
from members.panels.asked import average_of, period_asked, share


@dataclass(frozen=True)
class BrandRow:
    """Be one brand beside the others, or the average of those that are shown as average only."""

    name: str
    code: str
    is_here: bool
    is_open: bool
    members: int | None
    buyers: int | None
    repeat_rate: float | None
    orders: int | None
    sales: int | None
    average: int | None
    days_left_out: int = 0
    is_hidden: bool = False


@dataclass(frozen=True)
class SideBySide:
    """Hold the brands that the viewer sees one by one, the average of others, and who is hidden."""

    period: Period
    brands: tuple[BrandRow, ...]
    average: BrandRow | None
    averaged: int
    unseen: int
    k: int

    @property
    def chart(self) -> dict[str, object]:
        """Return what the chart draws."""
        rows = [*self.brands, *([self.average] if self.average else [])]
        return {
            "kind": "bar",
            "unit": "money",
            "labels": [row.name for row in rows],
            "series": [{"name": str(_("Sales")), "values": [row.sales for row in rows]}],
        }

    @property
    def days_left_out(self) -> int:
        """Return how many days of brands with hidden small cells are missing."""
        return sum(row.days_left_out for row in self.brands)


@dashboard.panel(
    title=_("Brands side by side"),
    pages={Page.GROUP, Page.BRAND},
    template="members/panels/brands_side_by_side.html",
    is_wide=True,
    position=30,
)
def brands_side_by_side(ask: Ask) -> SideBySide:
    """Return each brand that is seen by itself, and one average over those that are not."""
    sights = {pk: ask.visible.cell(pk, Kind.METRICS).sight for pk in ask.visible.modes}
    seen = [pk for pk, sight in sights.items() if sight in (Sight.ALL, Sight.SUPPRESSED)]
    averaged = [pk for pk, sight in sights.items() if sight is Sight.AVERAGES]
    period = period_asked(ask)
    pools, days = _pools_and_days(seen, period)
    viewer = ask.visible.viewer
    rows = []
    for brand in Brand.objects.filter(pk__in=seen).order_by("code"):
        pool, sold = pools.get(brand.pk), days.get(brand.pk)
        is_suppressed = sights[brand.pk] is Sight.SUPPRESSED
        rows.append(
            BrandRow(
                name=brand.name,
                code=brand.code,
                is_here=ask.page is Page.BRAND and brand.pk in ask.brand_ids,
                is_open=viewer.is_hq or brand.pk in viewer.brands,
                days_left_out=period.days - (sold["rows"] if sold else 0) if is_suppressed else 0,
                is_hidden=is_suppressed and pool is None,
                **_figures(pool, sold, absent=None if is_suppressed else 0),
            )
        )
    average, count = None, 0
    if len(averaged) >= FEWEST_AVERAGED:
        average, count = _averages(averaged, period)
    return SideBySide(
        period=period,
        brands=tuple(sorted(rows, key=lambda row: -(row.sales or 0))),
        average=average,
        averaged=count,
        unseen=len(sights) - len(seen) - (len(averaged) if average else 0),
        k=ask.visible.k,
    )


def _pools_and_days(brand_ids: list[int], period: Period) -> tuple[dict, dict]:
    pools = {
        row["brand_id"]: row
        for row in PoolMetric.objects.filter(brand_id__in=brand_ids, store_id=None).values(
            "brand_id", "members", "buyers", "repeat_buyers"
        )
    }
    days = {
        row["brand_id"]: row
        for row in DailyMetric.objects.filter(
            brand_id__in=brand_ids, store_id=None, day__gte=period.first, day__lte=period.last
        )
        .values("brand_id")
        .annotate(rows=Count("pk"), total_orders=Sum("orders"), total_sales=Sum("sales"))
    }
    return pools, days


def _figures(pool: dict | None, sold: dict | None, *, absent: int | None) -> dict[str, Any]:
    orders = sold["total_orders"] if sold else absent
    sales = sold["total_sales"] if sold else absent
    return {
        "members": pool["members"] if pool else absent,
        "buyers": pool["buyers"] if pool else absent,
        "repeat_rate": share(pool["repeat_buyers"], pool["buyers"]) if pool else None,
        "orders": orders,
        "sales": sales,
        "average": average_of(sales, orders),
    }


def _averages(brand_ids: list[int], period: Period) -> tuple[BrandRow | None, int]:
    """Return the average over the brands that have members: three of them at least, or none.

    The brands do not depend on the period, and a day counts only when three of them sold on it:
    so no two periods differ by one brand's own figure.
    """
    with scope.averaging():
        pools = PoolMetric.objects.filter(
            brand_id__in=brand_ids, store_id=None, members__gt=0
        ).aggregate(
            brands=ArrayAgg("brand_id", default=[]),
            all_members=Sum("members"),
            all_buyers=Sum("buyers"),
            all_repeat_buyers=Sum("repeat_buyers"),
        )
        count = len(pools["brands"])
        if count < FEWEST_AVERAGED:
            return None, 0
        days = (
            DailyMetric.objects.filter(
                brand_id__in=pools["brands"],
                store_id=None,
                day__gte=period.first,
                day__lte=period.last,
            )
            .values("day")
            .annotate(selling=Count("pk"), day_orders=Sum("orders"), day_sales=Sum("sales"))
            .filter(selling__gte=FEWEST_AVERAGED)
            .aggregate(orders=Sum("day_orders"), sales=Sum("day_sales"))
        )
    orders, sales = days["orders"], days["sales"]
    row = BrandRow(
        name=str(_("Average of %(count)s brands") % {"count": count}),
        code="",
        is_here=False,
        is_open=False,
        members=round(pools["all_members"] / count),
        buyers=round(pools["all_buyers"] / count),
        repeat_rate=share(pools["all_repeat_buyers"], pools["all_buyers"]),
        orders=None if orders is None else round(orders / count),
        sales=None if sales is None else round(sales / count),
        average=average_of(sales, orders),
    )
    return row, count
