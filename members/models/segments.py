"""Segments: filters of the member list that are kept under a name, a brand's own or the group's."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import HQ, KEPT, Brand, Store
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.rules import Stratum


def _needs_brand() -> models.BaseConstraint:
    return models.CheckConstraint(
        condition=Q(of_store=None) | Q(of_brand__isnull=False),
        name="%(app_label)s_%(class)s_store_needs_brand",
    )


class SavedFilter(models.Model):
    """Be a filter with a name; what is null asks nothing.

    It holds no search text: who looks for one person by phone does not keep that as a segment.
    """

    name = models.CharField(_("name"), max_length=80)
    of_brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("of the brand"),
    )
    of_store = models.ForeignKey(
        Store,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("of the store"),
    )
    since = models.DateField(_("member since"), null=True)
    has_orders = models.BooleanField(_("has orders"), null=True)
    stratum = models.PositiveSmallIntegerField(_("stratum"), choices=Stratum.choices, null=True)
    made_at = models.DateTimeField(_("made"), default=timezone.now)
    # People live in the public schema, which no constraint of a group's schema may reach.
    made_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_by_name = models.CharField(_("made by"), max_length=120)
    # The web deletes no row: what is removed stays, and is shown to nobody.
    removed_at = models.DateTimeField(_("removed"), null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class BrandSegment(Walled, SavedFilter):
    """Be a segment of a brand's own, written by its people in every mode.

    Read as the wall's table says of rules, which is as of figures: HQ and siblings in fan-max, HQ
    in member-max, nobody else in brand-max. Only rows of the whole brand count, never one of a
    store.
    """

    wall = Wall(Kind.METRICS, is_writable=True)

    class Meta(Walled.Meta, SavedFilter.Meta):
        abstract = False
        verbose_name = _("segment of a brand")
        verbose_name_plural = _("segments of brands")
        constraints = [
            _needs_brand(),
            models.UniqueConstraint(
                fields=["brand", "name"],
                condition=Q(removed_at=None, store=None, notice=None),
                name="%(app_label)s_%(class)s_one_name",
            ),
        ]


class GroupSegment(SavedFilter):
    """Be a segment of the group, which HQ writes and reads; it holds nothing of any member."""

    app_privileges = KEPT
    app_writer = HQ

    class Meta(SavedFilter.Meta):
        abstract = False
        verbose_name = _("segment of the group")
        verbose_name_plural = _("segments of the group")
        constraints = [
            _needs_brand(),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(removed_at=None),
                name="%(app_label)s_%(class)s_one_name",
            ),
        ]
