"""Filters of the member list kept under a name: a brand's or the group's segments, or one's own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import HQ, KEPT, Brand, ChannelAccount, Store
from brands.wall.models import GrantWalled, Wall, Walled
from brands.wall.visibility import Kind
from members.models.rules import Stratum
from members.models.tags import Tag


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
    tier = models.CharField(_("tier"), max_length=40, blank=True, default="", db_default="")
    # In minor units; the days of the last order are the group's.
    sales_from = models.BigIntegerField(_("sales from"), null=True)
    sales_to = models.BigIntegerField(_("sales up to"), null=True)
    last_from = models.DateField(_("last order from"), null=True)
    last_to = models.DateField(_("last order up to"), null=True)
    of_tag = models.ForeignKey(
        Tag,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("tag"),
    )
    # How the member list is ordered when it opens; empty: as it is without being asked.
    sort = models.CharField(_("order by"), max_length=10, blank=True, default="", db_default="")
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


class OwnView(GrantWalled, SavedFilter):
    """Be a view of the member list that one person keeps for themselves, under the grant they act.

    What a brand or the group keeps is a segment. A filter by channel is kept here alone: who
    follows what is an activity, which readers of a segment may see of fewer members.
    """

    of_account = models.ForeignKey(
        ChannelAccount,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("channel account"),
    )
    # What the list opens with where its address asks for nothing.
    is_default = models.BooleanField(_("opens first"), default=False, db_default=False)

    class Meta(GrantWalled.Meta, SavedFilter.Meta):
        abstract = False
        verbose_name = _("view of one's own")
        verbose_name_plural = _("views of one's own")
        constraints = [
            _needs_brand(),
            models.UniqueConstraint(
                fields=["grant_id", "name"],
                condition=Q(removed_at=None),
                name="%(app_label)s_%(class)s_one_name",
            ),
            models.UniqueConstraint(
                fields=["grant_id"],
                condition=Q(removed_at=None, is_default=True),
                name="%(app_label)s_%(class)s_one_default",
            ),
        ]
