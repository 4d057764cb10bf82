"""Rules of strata: what makes somebody a passerby, favourable or true-love."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import APPEND_ONLY, HQ, OWNER_ONLY, READ_ONLY
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind


class Stratum(models.IntegerChoices):
    """How close somebody is to a brand; none without a rule, or where the person objects."""

    NONE = 0, _("None")
    PASSERBY = 1, _("Passerby")
    FAVOURABLE = 2, _("Favourable")
    TRUE_LOVE = 3, _("True-love")


def _ordered() -> list[models.BaseConstraint]:
    """Return what makes every true-love favourable as well."""
    return [
        models.CheckConstraint(
            condition=Q(
                true_love_orders__gte=F("favourable_orders"),
                true_love_sales__gte=F("favourable_sales"),
            ),
            name="%(app_label)s_%(class)s_true_love_needs_more",
        ),
        models.CheckConstraint(
            condition=Q(favourable_days__isnull=True)
            | Q(true_love_days__isnull=False, true_love_days__lte=F("favourable_days")),
            name="%(app_label)s_%(class)s_true_love_is_as_recent",
        ),
    ]


class StratumThresholds(models.Model):
    """Be one version of a rule, appended; the newest is in force. Sales are in minor units.

    Who has so many orders, so much in sales, and a last order within so many days (null: ever) is
    of the stratum; everybody else is a passerby.
    """

    favourable_orders = models.PositiveIntegerField(_("favourable from orders"))
    favourable_sales = models.PositiveBigIntegerField(_("favourable from sales"), default=0)
    favourable_days = models.PositiveIntegerField(
        _("favourable: last order within days"), null=True, blank=True
    )
    true_love_orders = models.PositiveIntegerField(_("true-love from orders"))
    true_love_sales = models.PositiveBigIntegerField(_("true-love from sales"), default=0)
    true_love_days = models.PositiveIntegerField(
        _("true-love: last order within days"), null=True, blank=True
    )
    decided_at = models.DateTimeField(_("decided"), default=timezone.now)
    # People live in the public schema, which no constraint of a group's schema may reach.
    decided_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_by_name = models.CharField(_("decided by"), max_length=120)

    class Meta:
        abstract = True
        ordering = ["-id"]


class GroupStratumRule(StratumThresholds):
    """Be a version of the group's rule, which says nothing of any brand or member.

    In force in every brand that is fan-max or member-max.
    """

    app_privileges = APPEND_ONLY
    app_writer = HQ

    class Meta(StratumThresholds.Meta):
        abstract = False
        verbose_name = _("stratification rule of the group")
        verbose_name_plural = _("stratification rules of the group")
        constraints = _ordered()

    def __str__(self) -> str:
        return str(_("the group's rule"))


class BrandStratumRule(Walled, StratumThresholds):
    """Be a version of a brand's own rule, in force while the brand is in brand-max.

    Only rows of the whole brand count, never one of a store.
    """

    wall = Wall(Kind.PROFILE, is_appendable=True)

    class Meta(Walled.Meta, StratumThresholds.Meta):
        abstract = False
        verbose_name = _("stratification rule of a brand")
        verbose_name_plural = _("stratification rules of brands")
        constraints = _ordered()
        indexes = [models.Index(fields=["brand", "-id"])]

    def __str__(self) -> str:
        return str(_("%(brand)s's own rule") % {"brand": self.brand})


class StrataState(models.Model):
    """Say by what all strata were worked out last, and how far the run under way is."""

    app_privileges = READ_ONLY

    # The one row's key.
    ONLY = 1

    # Digest of the rules in force and of who may be counted for whom.
    basis = models.CharField(max_length=64, blank=True)
    # Digest of what of it everybody may know: brands that look at the whole person, and notices.
    terms = models.CharField(max_length=64, blank=True)
    # Recency moves with the days.
    day = models.DateField(null=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    heard_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("worked out"), null=True)

    class Meta:
        verbose_name = _("state of the strata")
        verbose_name_plural = _("states of the strata")

    def __str__(self) -> str:
        return f"{self.done}/{self.total}"


class StratumMetric(Walled):
    """Count the members and fans of a brand by stratum, up to now."""

    wall = Wall(Kind.METRICS, is_for_siblings=False)

    without = models.IntegerField(_("without a stratum"))
    passerby = models.IntegerField(_("passerby"))
    favourable = models.IntegerField(_("favourable"))
    true_love = models.IntegerField(_("true-love"))
    # What gave these strata; "?" where not all of them are by one version of one rule.
    source = models.CharField(max_length=24, blank=True)
    # The number of answers that it was counted after.
    answers = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(_("counted"), default=timezone.now)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("figure of strata")
        verbose_name_plural = _("figures of strata")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "store"],
                name="%(app_label)s_%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id}/{self.store_id}"


class PendingStratum(models.Model):
    """Note a profile whose totals changed, until its stratum is worked out."""

    app_privileges = OWNER_ONLY

    profile_id = models.BigIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("pending stratum")
        verbose_name_plural = _("pending strata")

    def __str__(self) -> str:
        return str(self.profile_id)
