"""The consent ledger, objections, and the inboxes through which pages and the API fill them."""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import Notice
from brands.wall.models import GroupWalled, Wall, Walled
from brands.wall.visibility import Kind
from members.models.people import Identity, Person
from members.models.profiles import Profile

# An answer of another time is a slip, or one that Python cannot read back; no year before 1900
# and after 2100 in any time zone, as in files.
ANSWER_TIMES = (
    dt.datetime(1899, 12, 31, tzinfo=dt.UTC),
    dt.datetime(2101, 1, 2, tzinfo=dt.UTC),
)


class Consent(Walled):
    """Append one answer of a person to one notice (PIPL art. 13–15, 29, 31).

    A yes opens the profile it was collected from, or, where it was given to the group, every brand
    that the notice names. A no closes every profile of the person until it is taken back where it
    was given, or by a later answer to the group.
    """

    wall = Wall(Kind.PROFILE)

    person = models.ForeignKey(Person, models.PROTECT, related_name="consents")
    # The unique constraint's index begins with it.
    profile = models.ForeignKey(
        Profile,
        models.PROTECT,
        related_name="consents",
        db_index=False,
        verbose_name=_("collected from"),
    )
    # Empty where a person said no before anything was put to them.
    answered_notice = models.ForeignKey(
        Notice, models.PROTECT, null=True, related_name="+", verbose_name=_("notice")
    )
    is_given = models.BooleanField(_("given"))
    answered_at = models.DateTimeField(_("at"))
    # The answer was given to the group itself: in its hub, or to its HQ.
    is_to_group = models.BooleanField(_("to the group"), default=False)
    is_by_guardian = models.BooleanField(_("by a guardian"), default=False)
    # Fixed when the answer is recorded, from the notice's months; empty: until withdrawn.
    expires_at = models.DateTimeField(_("holds until"), null=True, blank=True)
    channel = models.CharField(_("channel"), max_length=40, blank=True)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "answered_notice", "is_given", "answered_at", "is_to_group"],
                name="%(app_label)s_%(class)s_answer_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(is_given=False) | Q(answered_notice__isnull=False),
                name="%(app_label)s_%(class)s_yes_to_a_notice",
            ),
            models.CheckConstraint(
                condition=Q(answered_at__range=ANSWER_TIMES),
                name="%(app_label)s_%(class)s_in_our_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(expires_at__isnull=False),
                name="members_consent_expires",
            ),
            models.Index(fields=["brand", "-answered_at", "-id"], name="members_consent_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.answered_notice_id}: {self.is_given}"


class Objection(Walled):
    """Append a person's no to automated decisions, or its end (PIPL art. 24).

    It stands until it is taken back where it was made, or by a later word to the group, and holds
    for every profile of the person: each carries it as `no_automation`.
    """

    wall = Wall(Kind.PROFILE)

    person = models.ForeignKey(Person, models.PROTECT, related_name="objections")
    # The unique constraint's index begins with it.
    profile = models.ForeignKey(
        Profile,
        models.PROTECT,
        related_name="objections",
        db_index=False,
        verbose_name=_("made in"),
    )
    is_objecting = models.BooleanField(_("objects"))
    made_at = models.DateTimeField(_("at"))
    is_to_group = models.BooleanField(_("to the group"), default=False)
    channel = models.CharField(_("channel"), max_length=40, blank=True)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("objection to automated decisions")
        verbose_name_plural = _("objections to automated decisions")
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "is_objecting", "made_at", "is_to_group"],
                name="%(app_label)s_%(class)s_once",
            ),
            models.CheckConstraint(
                condition=Q(made_at__range=ANSWER_TIMES), name="%(app_label)s_%(class)s_in_our_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.is_objecting}"


class Entry(models.Model):
    """Be an answer as it was handed in: the owner role records it and writes down what came of it.

    Who hands it in cannot reach the person's other profiles, so the ledger is the owner's. Member:
    a profile's number of record, a member number, or a keyed identifier.
    """

    class What(models.TextChoices):
        YES = "yes", _("Agrees")
        NO = "no", _("Does not agree, or withdraws")
        OBJECTS = "objects", _("Objects to automated decisions")
        ALLOWS = "allows", _("Takes the objection back")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RECORDED = "recorded", _("Recorded")
        REFUSED = "refused", _("Refused")

    what = models.CharField(_("answer"), max_length=7, choices=What.choices)
    # No database constraint: it would tell a stranger which numbers exist.
    profile = models.ForeignKey(
        Profile,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("member"),
    )
    member_no = models.CharField(_("member number"), max_length=64, blank=True)
    identity_kind = models.CharField(max_length=16, choices=Identity.Kind.choices, blank=True)
    identity_key = models.BinaryField(max_length=16, null=True, blank=True)
    answered_notice = models.ForeignKey(
        Notice,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("notice"),
    )
    answered_at = models.DateTimeField(_("at"), default=timezone.now)
    is_by_guardian = models.BooleanField(_("by a guardian"), default=False)
    # The day of the 14th birthday, where whoever took the answer learnt it.
    minor_until = models.DateField(_("fourteen on"), null=True, blank=True)
    channel = models.CharField(_("channel"), max_length=40, blank=True)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True)
    # Handed in twice under one key is handed in once.
    request_key = models.UUIDField(default=uuid.uuid4, editable=False)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    entered_by_name = models.CharField(_("by"), max_length=120, blank=True)
    entered_at = models.DateTimeField(_("handed in"), auto_now_add=True)
    # What came of it, written by the owner role.
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    outcome = models.TextField(_("outcome"), blank=True)
    recorded_at = models.DateTimeField(_("recorded"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.what} {self.state}"

    @property
    def is_waiting(self) -> bool:
        """Tell whether nobody has looked at the entry yet."""
        return self.state == self.State.WAITING


class ConsentEntry(Entry, Walled):
    """Be an answer handed in by a brand or a store, about a member of its own."""

    # Of all kinds this is the one that no HQ and no sibling ever reads without a notice.
    wall = Wall(Kind.ACTIVITY, is_appendable=True)

    # Whether the member's own rows were opened or closed by it.
    has_opened = models.BooleanField(default=False)
    has_closed = models.BooleanField(default=False)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("answer handed in")
        verbose_name_plural = _("answers handed in")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            ),
            models.CheckConstraint(
                condition=Q(answered_at__range=ANSWER_TIMES),
                name="%(app_label)s_%(class)s_in_our_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state="waiting"), name="members_consententry_waiting"
            ),
            models.Index(fields=["brand", "-id"], name="members_consententry_recent"),
        ]


class GroupConsentEntry(Entry, GroupWalled):
    """Be an answer given to the group itself, handed in by its HQ or its hub."""

    is_appendable = True

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("answer to the group")
        verbose_name_plural = _("answers to the group")
        constraints = [
            models.UniqueConstraint(
                fields=["request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            ),
            models.CheckConstraint(
                condition=Q(answered_at__range=ANSWER_TIMES),
                name="%(app_label)s_%(class)s_in_our_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state="waiting"), name="members_groupentry_waiting"
            )
        ]
