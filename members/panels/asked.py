"""What a panel is asked, read: its rows, its days, its brands with hidden cells; and ratios."""

from __future__ import annotations

from django.db.models import Max, QuerySet

from brands.dashboard import Ask, Period
from brands.wall.visibility import Kind, Sight
from members.models import DailyMetric


def share(part: int | None, whole: int | None) -> float | None:
    """Return part ÷ whole; None where there is no whole."""
    return part / whole if part is not None and whole else None


def change(now: float | None, before: float | None) -> float | None:
    """Return the relative change from before to now; None where there was nothing before."""
    return now / before - 1 if now is not None and before else None


def average_of(sales: int | None, orders: int | None) -> int | None:
    """Return the average order value in minor units; None without orders."""
    return round(sales / orders) if sales is not None and orders else None


def daily_asked(ask: Ask) -> QuerySet[DailyMetric]:
    """Return the daily figures of the brands, or of the one store."""
    return DailyMetric.objects.filter(brand_id__in=ask.brand_ids, store_id=ask.store_id)


def period_asked(ask: Ask) -> Period:
    """Return the days asked for, the last of them being the last one with figures."""
    if ask.period.last:
        return ask.period.resolved(None)
    return ask.period.resolved(daily_asked(ask).aggregate(latest=Max("day"))["latest"])


def suppressed_asked(ask: Ask) -> list[int]:
    """Return the brands whose small cells are hidden from the viewer."""
    return [
        brand_id
        for brand_id in ask.brand_ids
        if ask.visible.cell(brand_id, Kind.METRICS).sight is Sight.SUPPRESSED
    ]
