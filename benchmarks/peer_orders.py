"""The peer of `import_orders`: resources of django-import-export in bulk mode, one per table."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection
from import_export import resources
from tablib import Dataset

from brands.models import Store
from members.models import Order, OrderLine, Profile


class _Bulk:
    """Set every option that makes django-import-export fast."""

    use_bulk = True
    batch_size = 1000
    skip_diff = True
    skip_html_diff = True
    use_transactions = False
    # Every row is taken for a new one: the sample is imported once.
    force_init_instance = True
    import_id_fields = ()
    fields = ()


class OrderResource(resources.ModelResource):
    """Import orders, each with its sums."""

    class Meta(_Bulk):
        model = Order

    def __init__(self, brand_id: int, sums: dict[str, tuple[int, int]]) -> None:
        super().__init__()
        self.brand_id, self.sums = brand_id, sums
        self.profiles = {
            profile.member_no: profile for profile in Profile.objects.filter(brand_id=brand_id)
        }
        self.stores = dict(Store.objects.filter(brand_id=brand_id).values_list("code", "pk"))

    def before_save_instance(self, instance: Order, row: dict[str, Any], **kwargs: Any) -> None:
        """Find the order's member and store, and read its time."""
        profile = self.profiles[row["member_no"]]
        instance.brand_id, instance.order_no = self.brand_id, row["order_no"]
        instance.profile, instance.notice_id = profile, profile.notice_id
        instance.store_id = self.stores[row["store_code"]]
        instance.ordered_at = dt.datetime.fromisoformat(row["ordered_at"])
        instance.lines, instance.amount = self.sums[row["order_no"]]


class LineResource(resources.ModelResource):
    """Import the lines of orders."""

    class Meta(_Bulk):
        model = OrderLine

    def __init__(self, brand_id: int) -> None:
        super().__init__()
        self.orders = {order.order_no: order for order in Order.objects.filter(brand_id=brand_id)}

    def before_save_instance(self, instance: OrderLine, row: dict[str, Any], **kwargs: Any) -> None:
        """Hang the line on its order."""
        order = self.orders[row["order_no"]]
        instance.order, instance.line_no = order, int(row["line_no"])
        instance.brand_id, instance.store_id = order.brand_id, order.store_id
        instance.notice_id = order.notice_id
        instance.product_code, instance.product_name = row["product_code"], row["product_name"]
        instance.quantity = int(row["quantity"])
        instance.amount = _cents(row["amount"])


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


def import_order_file(path: Path, brand_id: int) -> None:
    """Import one brand's order lines into the current group, and bring its totals up to date."""
    lines = Dataset().load(path.read_text(encoding="utf-8"), format="csv")
    sums: dict[str, tuple[int, int]] = {}
    orders = Dataset(headers=lines.headers)
    for row in lines.dict:
        if row["order_no"] not in sums:
            orders.append(tuple(row.values()))
        count, amount = sums.get(row["order_no"], (0, 0))
        sums[row["order_no"]] = (count + 1, amount + _cents(row["amount"]))
    OrderResource(brand_id, sums).import_data(orders, raise_errors=True)
    LineResource(brand_id).import_data(lines, raise_errors=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE members_profile p SET orders = t.orders, sales = t.sales,
                first_order_at = t.first, last_order_at = t.last
            FROM (
                SELECT profile_id, count(*) AS orders, sum(amount) AS sales,
                    min(ordered_at) AS first, max(ordered_at) AS last
                FROM members_order WHERE brand_id = %s GROUP BY profile_id
            ) AS t WHERE t.profile_id = p.id
            """,
            [brand_id],
        )
