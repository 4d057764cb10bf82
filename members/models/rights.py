"""What people ask of their own data (PIPL art. 44–48), and what is kept of whoever was erased."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import APPEND_ONLY, HQ, OWNER_ONLY
from brands.wall.models import GroupWalled, Wall, Walled
from brands.wall.visibility import Kind

# PIPL art. 50 asks for a "timely" answer and names no number; a group may promise less, not more.
LATEST_DAYS = 15


class Request(models.Model):
    """Be what a person asked, as it was handed in; the owner role does it and writes what came.

    It names its member by the number of record alone. What is to be corrected is sealed until it
    is done. A row is a record of three years and more, so nothing in it tells who the person is
    once the member is gone.
    """

    class What(models.TextChoices):
        EXPORT = "export", _("A copy of everything")
        CORRECTION = "correction", _("Correction")
        ERASURE = "erasure", _("Erasure")
        RESTRICTION = "restriction", _("Restriction")
        LIFTING = "lifting", _("End of the restriction")

    class Through(models.TextChoices):
        STORE = "store", _("In a store")
        PHONE = "phone", _("By phone")
        CHAT = "chat", _("By chat")
        MAIL = "mail", _("By e-mail or letter")
        PROGRAM = "program", _("In a mini-program or app")
        PASSED_ON = "passed_on", _("Passed on inside the group")

    class Checked(models.TextChoices):
        DOCUMENT = "document", _("An identity document was shown")
        CODE = "code", _("A code sent to the number on file was said back")
        LOGIN = "login", _("Asked while logged in")
        CARD = "card", _("The member card was shown, and questions answered")
        AGENT = "agent", _("Asked by a guardian or agent who showed that they are")

    class State(models.TextChoices):
        RECEIVED = "received", _("Identity to check")
        QUEUED = "queued", _("Waiting for the worker")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")

    what = models.CharField(_("asks for"), max_length=11, choices=What.choices)
    # No constraint: it would tell a stranger which numbers exist, and outlives the member.
    profile_id = models.BigIntegerField(_("member"))
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    received_through = models.CharField(_("through"), max_length=9, choices=Through.choices)
    due_at = models.DateTimeField(_("to be answered by"))
    # Empty until somebody has checked that it is this person who asks.
    checked = models.CharField(
        _("identity checked"), max_length=8, choices=Checked.choices, blank=True
    )
    # Field → right value, sealed with the group's data key; emptied when it is done.
    sealed = models.BinaryField(null=True)
    language = models.CharField(max_length=10, blank=True)
    # Handed in twice under one key is handed in once.
    request_key = models.UUIDField(default=uuid.uuid4, editable=False)
    entered_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    entered_by_name = models.CharField(_("by"), max_length=120, blank=True)
    # The grant under which it is done, in the public schema: only it fetches the copy.
    grant_id = models.BigIntegerField(null=True)
    entered_at = models.DateTimeField(_("entered"), auto_now_add=True)
    # What came of it, written by the owner role.
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.RECEIVED
    )
    outcome = models.TextField(_("outcome"), blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    certificate_no = models.CharField(_("certificate"), max_length=40, blank=True)
    certificate = models.JSONField(null=True)
    # The copy, relative to MEDIA_ROOT; empty while there is none.
    path = models.CharField(max_length=200, blank=True)
    deletes_at = models.DateTimeField(_("kept until"), null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.what} {self.pk}"

    @property
    def is_open(self) -> bool:
        """Tell whether the person still waits."""
        return self.state not in {self.State.DONE, self.State.REFUSED}

    @property
    def is_late(self) -> bool:
        """Tell whether the person waits longer than promised."""
        return self.is_open and self.due_at < timezone.now()

    @property
    def days_left(self) -> int:
        """Return the whole days until it must be answered; 0 on the last one, then less."""
        return (timezone.localtime(self.due_at).date() - timezone.localtime().date()).days


class PersonRequest(Request, Walled):
    """Be what somebody asked a brand about one membership of its own."""

    # Of all kinds this is the one that no HQ and no sibling ever reads without a notice.
    wall = Wall(Kind.ACTIVITY, is_appendable=True)

    # The person asks the whole group: the worker hands it to HQ as well.
    is_for_group = models.BooleanField(_("for the whole group"), default=False)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("request of a person")
        verbose_name_plural = _("requests of persons")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            )
        ]
        indexes = [
            models.Index(fields=["brand", "-id"], name="members_personrequest_recent"),
            models.Index(fields=["profile_id"], name="members_personrequest_of"),
        ]


class GroupPersonRequest(Request, GroupWalled):
    """Be what somebody asked the group about all memberships that the wall shows its HQ.

    The owner role keeps `brand_set` as it is today, so that a change of mode hides no deadline.
    """

    is_appendable = True

    # The request of a brand that handed it on, by number.
    passed_on_from = models.BigIntegerField(null=True)

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("request of a person to the group")
        verbose_name_plural = _("requests of persons to the group")
        constraints = [
            models.UniqueConstraint(
                fields=["request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            )
        ]


class RequestStep(models.Model):
    """Be what somebody did about a request after it was handed in: one of each, appended."""

    class What(models.TextChoices):
        CHECKED = "checked", _("Identity checked")
        REFUSED = "refused", _("Refused")
        FETCHED = "fetched", _("Copy fetched")

    # A plain number: the owner role looks whether request and step are of one brand.
    request_id = models.BigIntegerField()
    what = models.CharField(_("step"), max_length=7, choices=What.choices)
    checked = models.CharField(max_length=8, choices=Request.Checked.choices, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    made_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    made_by_name = models.CharField(_("by"), max_length=120, blank=True)
    grant_id = models.BigIntegerField(null=True)
    made_at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.request_id}: {self.what}"


class PersonRequestStep(RequestStep, Walled):
    """Be a step of a brand's request."""

    wall = Wall(Kind.ACTIVITY, is_appendable=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("step of a request")
        verbose_name_plural = _("steps of requests")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "request_id", "what"], name="%(app_label)s_%(class)s_once"
            )
        ]


class GroupPersonRequestStep(RequestStep, GroupWalled):
    """Be a step of a request to the group."""

    is_appendable = True

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("step of a request to the group")
        verbose_name_plural = _("steps of requests to the group")
        constraints = [
            models.UniqueConstraint(
                fields=["request_id", "what"], name="%(app_label)s_%(class)s_once"
            )
        ]


class RightsRule(models.Model):
    """Be a version of what the group promises and the law makes it keep; the newest is in force."""

    app_privileges = APPEND_ONLY
    app_writer = HQ

    deadline_days = models.PositiveSmallIntegerField(
        _("requests are answered within, in days"),
        default=LATEST_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(LATEST_DAYS)],
    )
    # E-commerce law art. 31: three years at least; books of account are kept for longer.
    orders_months = models.PositiveSmallIntegerField(
        _("orders of erased members are kept without the person for, in months"),
        default=120,
        help_text=_("Older ones are deleted with the member. 0: none is kept."),
    )
    decided_at = models.DateTimeField(_("decided"), default=timezone.now)
    decided_by_name = models.CharField(_("decided by"), max_length=120)

    class Meta:
        verbose_name = _("rule of persons' rights")
        verbose_name_plural = _("rules of persons' rights")

    def __str__(self) -> str:
        return f"{self.deadline_days} / {self.orders_months}"

    def due(self, received_at: dt.datetime) -> dt.datetime:
        """Return until when what came in at an instant is to be answered."""
        return received_at + dt.timedelta(days=self.deadline_days)


class ErasedIdentifier(models.Model):
    """Remember that whoever has an identifier was erased from a brand; never which it is.

    `digest` is HMAC-SHA-256 of kind and normalised identifier under a key that serves for nothing
    else, cut to 16 bytes: an old file does not bring the person back.
    """

    app_privileges = OWNER_ONLY

    brand_id = models.BigIntegerField()
    digest = models.BinaryField(max_length=16)
    erased_on = models.DateField(_("erased"))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["brand_id", "digest"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id}: {self.erased_on}"


class ConsentEvidence(models.Model):
    """Keep an answer of somebody who was erased, for the proof that it was given, without them.

    `subject` is a digest of the certificate's number: whoever shows the certificate finds the
    answers, and nobody finds the person. PIPL art. 55–56 and the network data regulation art. 12
    ask for records of three years.
    """

    app_privileges = OWNER_ONLY

    subject = models.BinaryField(max_length=16, db_index=True)
    brand_id = models.BigIntegerField()
    answered_notice_id = models.BigIntegerField(null=True)
    is_given = models.BooleanField()
    answered_at = models.DateTimeField()
    is_to_group = models.BooleanField()
    is_by_guardian = models.BooleanField()
    expires_at = models.DateTimeField(null=True)
    channel = models.CharField(max_length=40, blank=True)
    erased_on = models.DateField()

    class Meta:
        verbose_name = _("proof of an answer")
        verbose_name_plural = _("proofs of answers")

    def __str__(self) -> str:
        return f"{self.answered_notice_id}: {self.is_given}"
