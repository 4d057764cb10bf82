"""Orders and their lines; money in minor units of the group's currency."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.profiles import Profile


class Order(Walled):
    """Be one order of a member at a brand's store."""

    wall = Wall(Kind.ACTIVITY)

    order_no = models.CharField(_("order number"), max_length=64)
    # Empty where the member was erased and the law has the order kept.
    profile = models.ForeignKey(
        Profile,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="order_set",
        verbose_name=_("member"),
    )
    ordered_at = models.DateTimeField(_("ordered"))
    amount = models.BigIntegerField(_("amount"), default=0)
    lines = models.IntegerField(_("lines"), default=0)
    # The import that created the order, for its undoing.
    import_id = models.BigIntegerField(null=True, blank=True, db_default=None)
    # Paid back, from events; figures count the amount less this, on the day of the order.
    refunded = models.BigIntegerField(_("paid back"), default=0, db_default=0)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "order_no"], name="%(app_label)s_%(class)s_number_once_per_brand"
            )
        ]
        indexes = [
            models.Index(fields=["profile", "-ordered_at"]),
            models.Index(fields=["brand", "ordered_at"]),
        ]

    def __str__(self) -> str:
        return self.order_no

    @property
    def net(self) -> int:
        """Return what is left of the amount after what was paid back, in minor units."""
        return self.amount - self.refunded


class OrderLine(Walled):
    """Be one product on an order."""

    wall = Wall(Kind.ACTIVITY)

    pk = models.CompositePrimaryKey("order_id", "line_no")
    order = models.ForeignKey(Order, models.CASCADE, db_index=False, related_name="line_set")
    line_no = models.IntegerField(_("line"))
    product_code = models.CharField(_("product code"), max_length=64, blank=True)
    product_name = models.CharField(_("product"), max_length=200, blank=True)
    quantity = models.BigIntegerField(_("quantity"), default=1)
    amount = models.BigIntegerField(_("amount"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")

    def __str__(self) -> str:
        return f"{self.order_id}/{self.line_no}"
