"""Changes of a group's own keys, and what the group asks of who reveals contact data."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import APPEND_ONLY, HQ
from members.models.people import GroupKey


class KeyRotation(models.Model):
    """Be one change of a group's key: asked for, carried out chunk by chunk, and how far it is.

    HQ asks for one; only the owner role makes keys and notes what became of it.
    """

    app_privileges = APPEND_ONLY
    app_writer = HQ

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    purpose = models.CharField(_("key"), max_length=5, choices=GroupKey.Purpose.choices)
    state = models.CharField(_("state"), max_length=7, choices=State.choices, default=State.WAITING)
    # The new key's; empty until it is made.
    version = models.PositiveSmallIntegerField(_("version"), null=True)
    # The checkpoint: the table being gone through, and the last row of it that is done.
    place = models.CharField(max_length=80, blank=True, default="", db_default="")
    after = models.CharField(max_length=40, blank=True, default="", db_default="")
    rows = models.BigIntegerField(_("rows"), default=0, db_default=0)
    # Rows that could not be opened: they stay as they are, and so does the key they need.
    unopened = models.BigIntegerField(_("not opened"), default=0, db_default=0)
    # Identities that no contact explains: they keep the old key's and are found by no one.
    unexplained = models.BigIntegerField(_("without contact"), default=0, db_default=0)
    # Former keys that are deleted.
    retired = models.BigIntegerField(_("keys deleted"), default=0, db_default=0)
    error = models.TextField(_("error"), blank=True, default="", db_default="")
    asked_at = models.DateTimeField(_("asked for"), default=timezone.now)
    asked_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    asked_by_name = models.CharField(_("by"), max_length=120)
    heard_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("change of a key")
        verbose_name_plural = _("changes of keys")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"],
                condition=Q(state__in=["waiting", "running"]),
                name="%(app_label)s_%(class)s_one_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version or ''}".strip()

    @property
    def is_open(self) -> bool:
        """Tell whether it is still to be carried out, or being so."""
        return self.state in {self.State.WAITING, self.State.RUNNING}


class RevealRule(models.Model):
    """Say what a group asks of who reveals contact data; the latest row counts."""

    app_privileges = APPEND_ONLY
    app_writer = HQ

    needs_reason = models.BooleanField(_("a reason is asked for"))
    set_at = models.DateTimeField(_("set"), default=timezone.now)
    set_by_name = models.CharField(_("by"), max_length=120)

    class Meta:
        verbose_name = _("rule of revealing")
        verbose_name_plural = _("rules of revealing")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.needs_reason)
