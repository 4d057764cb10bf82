"""Events: what members did, as the senders told it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from brands.models import ChannelAccount
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.profiles import Profile


class Event(Walled):
    """Be one thing that a member did; appended once per sender's id, never changed.

    What follows from events (a touchpoint, an order and what was paid back of it) is worked out
    from all of them, so it is the same in whatever order, and however often, they arrive. Nothing
    here holds contact data: no field takes free text of a message.
    """

    wall = Wall(Kind.ACTIVITY)

    class What(models.TextChoices):
        FOLLOW = "follow", _("Followed")
        UNFOLLOW = "unfollow", _("Unfollowed")
        VIEW = "view", _("Viewed")
        VISIT = "visit", _("Visited a store")
        MESSAGE = "message", _("Sent a message")
        JOIN_GROUP = "join_group", _("Joined a group chat")
        SCAN = "scan", _("Scanned a code")
        ATTEND_LIVE = "attend_live", _("Attended a live stream")
        REDEEM = "redeem", _("Redeemed a coupon")
        ORDER = "order", _("Ordered")
        REFUND = "refund", _("Was paid back")

    what = models.CharField(_("event"), max_length=12, choices=What.choices)
    # The sender and the number it gave: what is handed in twice is kept once.
    source = models.CharField(_("source"), max_length=40)
    event_id = models.CharField(_("number at the source"), max_length=120)
    profile = models.ForeignKey(
        Profile, models.CASCADE, db_index=False, related_name="events", verbose_name=_("member")
    )
    occurred_at = models.DateTimeField(_("at"))
    received_at = models.DateTimeField(_("received"), db_default=Now())
    # No constraint: an account is looked up before, and kept for good.
    account = models.ForeignKey(
        ChannelAccount,
        models.PROTECT,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("channel account"),
    )
    # What it was about: a page, a code, a group chat, a live stream, a coupon.
    subject = models.CharField(_("about"), max_length=120, blank=True, default="", db_default="")
    scene = models.CharField(_("scene"), max_length=80, blank=True, default="", db_default="")
    order_no = models.CharField(
        _("order number"), max_length=64, blank=True, default="", db_default=""
    )
    # Which of several tellings of one order is the later one.
    version = models.BigIntegerField(default=0, db_default=0)
    # In minor units of the group's currency: of the order, or paid back.
    amount = models.BigIntegerField(_("amount"), null=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "source", "event_id"], name="%(app_label)s_%(class)s_told_once"
            )
        ]
        indexes = [
            models.Index(fields=["profile", "-occurred_at"]),
            models.Index(
                fields=["brand", "order_no"],
                condition=Q(what__in=["order", "refund"]),
                name="members_event_of_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.source}/{self.event_id}"
