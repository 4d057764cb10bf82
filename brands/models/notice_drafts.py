"""Notices before they are in force, and the end of those that are."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models.notices import Notice
from brands.models.privileges import APPEND_ONLY, HQ, READ_WRITE


class NoticeDraft(models.Model):
    """Hold a notice while it is being written: whatever was typed, complete or not.

    What people answer never changes, so the web cannot write notices at all: it asks, and a job
    of the owner role checks the draft again and makes the notice.
    """

    app_privileges = READ_WRITE
    app_writer = HQ

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        QUEUED = "queued", _("Being published")
        PUBLISHED = "published", _("Published")

    state = models.CharField(_("state"), max_length=9, choices=State.choices, default=State.DRAFT)
    # Of brands.services.notices.Content, as JSON.
    content = models.JSONField(default=dict)
    based_on = models.ForeignKey(
        Notice, models.PROTECT, null=True, related_name="+", verbose_name=_("new version of")
    )
    notice = models.OneToOneField(
        Notice, models.PROTECT, null=True, related_name="draft", verbose_name=_("notice")
    )
    # Why the job did not publish it.
    problem = models.TextField(_("problem"), blank=True)
    created_by_name = models.CharField(_("written by"), max_length=120)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("published by"),
    )
    # The grant under which it was asked, which must still hold when the job comes to it.
    asked_under = models.BigIntegerField(null=True)
    asked_at = models.DateTimeField(_("asked"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("draft of a notice")
        verbose_name_plural = _("drafts of notices")
        ordering = ["-updated_at", "-id"]

    def __str__(self) -> str:
        return str(self.content.get("version") or self.pk)


class NoticeEnding(models.Model):
    """Append that a notice ends earlier than it said; the earliest end holds.

    It can only close, so the web may write it; nothing takes it back but a new notice.
    """

    app_privileges = APPEND_ONLY
    app_writer = HQ

    notice = models.ForeignKey(
        Notice, models.PROTECT, related_name="endings", verbose_name=_("notice")
    )
    ends_at = models.DateTimeField(_("ends"))
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_by_name = models.CharField(_("decided by"), max_length=120)
    created_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta:
        verbose_name = _("end of a notice")
        verbose_name_plural = _("ends of notices")
        ordering = ["ends_at", "id"]

    def __str__(self) -> str:
        return f"{self.notice_id}: {self.ends_at:%Y-%m-%d}"
