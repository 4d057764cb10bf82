"""Roll-ups kept from the facts; money in minor units of the group's currency."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.wall.models import GroupWalled, Wall, Walled
from brands.wall.visibility import Kind


class DailyMetric(Walled):
    """Count one day of a store, or of a whole brand where there is no store.

    Days are those of the group's time zone. Buyers are distinct, so a brand's are not the sum of
    its stores'.
    """

    wall = Wall(Kind.METRICS, counted="buyers")

    day = models.DateField(_("day"))
    orders = models.IntegerField(_("orders"))
    lines = models.IntegerField(_("lines"))
    sales = models.BigIntegerField(_("sales"))
    buyers = models.IntegerField(_("buyers"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("daily figure")
        verbose_name_plural = _("daily figures")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "store", "day"],
                name="%(app_label)s_%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id}/{self.store_id} {self.day}"


class PoolMetric(Walled):
    """Count the people of a store, or of a whole brand where there is no store, up to now.

    No sales here: all sales less those of the days that HQ sees of a brand-max brand would be
    those of the days that it must not see.
    """

    wall = Wall(Kind.METRICS, counted="smallest_count")

    members = models.IntegerField(_("members"))
    persons = models.IntegerField(_("persons"))
    buyers = models.IntegerField(_("buyers"))
    # Buyers with two orders or more.
    repeat_buyers = models.IntegerField(_("repeat buyers"))
    # The smallest count of people that is not zero, of those above and of what is left when one
    # is taken from the next (members who never bought, buyers who came once).
    smallest_count = models.IntegerField()

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("pool figure")
        verbose_name_plural = _("pool figures")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "store"],
                name="%(app_label)s_%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id}/{self.store_id}"


class GroupMetric(GroupWalled):
    """Count the persons who are in exactly this many brands, brands in brand-max left out."""

    brands = models.PositiveSmallIntegerField(_("brands"))
    persons = models.IntegerField(_("persons"))

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("group figure")
        verbose_name_plural = _("group figures")
        constraints = [
            models.UniqueConstraint(
                fields=["brand_set", "brands"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brands}: {self.persons}"
