"""Touchpoints: which channel accounts a member follows."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from brands.models import ChannelAccount
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.profiles import Profile


class Touchpoint(Walled):
    """Be the follow or contact relation of a member with a channel account.

    The latest word counts, in whatever order words arrive: `followed_at` is the last follow,
    `unfollowed_at` the last end of one; of both at one instant it has ended.
    """

    # Like what a member does, and unlike what they are: HQ in member-max does not read it.
    wall = Wall(Kind.ACTIVITY)

    profile = models.ForeignKey(
        Profile,
        models.CASCADE,
        db_index=False,
        related_name="touchpoints",
        verbose_name=_("member"),
    )
    account = models.ForeignKey(
        ChannelAccount,
        models.PROTECT,
        related_name="touchpoints",
        verbose_name=_("channel account"),
    )
    followed_at = models.DateTimeField(_("followed"), null=True)
    unfollowed_at = models.DateTimeField(_("unfollowed"), null=True)
    is_followed = models.GeneratedField(
        expression=Q(followed_at__isnull=False)  # type: ignore[arg-type]
        & (Q(unfollowed_at__isnull=True) | Q(followed_at__gt=F("unfollowed_at"))),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # Of the last follow: the platform's scene ("qr-code"), and who told of it ("import", "api").
    scene = models.CharField(_("scene"), max_length=80, blank=True, default="", db_default="")
    source = models.CharField(_("source"), max_length=40, blank=True, default="", db_default="")
    # The import that made the row, by which it is undone; negative once the API told of it too.
    import_id = models.BigIntegerField(null=True, blank=True, db_default=None)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("touchpoint")
        verbose_name_plural = _("touchpoints")
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "account"], name="%(app_label)s_%(class)s_once_per_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.account_id}"
