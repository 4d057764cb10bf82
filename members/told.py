"""Say how many members each brand has, as far as the open scope lets the reader count."""

from __future__ import annotations

from members.models import PoolMetric


def members_told() -> dict[int, int]:
    """Return brand → members, for the brands whose total is shown."""
    totals = PoolMetric.objects.filter(store_id=None).values_list("brand_id", "members")
    return dict(totals)
