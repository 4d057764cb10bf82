"""Persons by the set of brands they are in: the structure that is kept, and what is shown of it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models import OWNER_ONLY
from brands.wall.models import GroupWalled, Wall, Walled
from brands.wall.visibility import Kind


class Measure(models.TextChoices):
    """What a figure of several brands counts."""

    SHARED = "shared", _("persons in all of these brands")
    EXACTLY = "exactly", _("persons in these brands and in no other")
    # Brands in brand-max are left out, as if the group did not have them.
    EXACTLY_OPEN = "exactly_open", _("persons in these of the brands that are not in brand-max")


class OverlapCell(models.Model):
    """Count the persons who are in exactly these brands; all that is shown is derived from it.

    `shown` is the count when figures with brands in brand-max were last made: they are not made
    anew after each import, so that no two of them differ by a handful of persons.
    """

    app_privileges = OWNER_ONLY

    brands = ArrayField(models.BigIntegerField(), verbose_name=_("brands"), unique=True)
    persons = models.IntegerField(_("persons"))
    shown = models.IntegerField(_("persons when last shown"), default=0)

    class Meta:
        verbose_name = _("persons by set of brands")
        verbose_name_plural = _("persons by set of brands")

    def __str__(self) -> str:
        return f"{self.brands}: {self.persons}"


class GroupOverlap(GroupWalled):
    """Be one figure of several brands as HQ sees it; what is hidden has no row.

    Figures without a brand in brand-max are exact. Of the others only those are here that
    `members.overlap.suppression` lets out together.
    """

    measure = models.CharField(_("measure"), max_length=12, choices=Measure.choices)
    brands = ArrayField(models.BigIntegerField(), verbose_name=_("brands"))
    persons = models.IntegerField(_("persons"))
    counted_at = models.DateTimeField(_("counted"))

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("overlap of brands")
        verbose_name_plural = _("overlaps of brands")
        constraints = [
            models.UniqueConstraint(
                fields=["brand_set", "measure", "brands"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.brands}: {self.persons}"


class BrandOverlap(Walled):
    """Be one figure of several brands as those see it who see the figures of all of them.

    `within` are the brands that were looked at; `brand` is the first of `brands`. Who loses the
    sight of any brand in `within` loses the row in the same moment: "in these and in no other"
    would tell something about that brand.
    """

    wall = Wall(Kind.METRICS, within="within")

    within = ArrayField(models.BigIntegerField(), verbose_name=_("brands looked at"))
    measure = models.CharField(_("measure"), max_length=12, choices=Measure.choices)
    brands = ArrayField(models.BigIntegerField(), verbose_name=_("brands"))
    persons = models.IntegerField(_("persons"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("overlap of siblings")
        verbose_name_plural = _("overlaps of siblings")
        constraints = [
            models.UniqueConstraint(
                fields=["within", "measure", "brands"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.brands}: {self.persons}"
