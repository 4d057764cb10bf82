"""Notices: what a group tells people before they answer."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models.hierarchy import Brand
from brands.models.privileges import READ_ONLY


class Notice(models.Model):
    """Be a versioned notice: who receives which kinds of data for what (PIPL art. 17 and 23).

    What people answer never changes: the app role reads notices, and a job of the owner role
    makes them of drafts (brands.services.notices).
    """

    app_privileges = READ_ONLY

    version = models.CharField(_("version"), max_length=20, unique=True)
    title = models.CharField(_("working title"), max_length=200)
    purposes = models.CharField(_("purposes"), max_length=400)
    names_group = models.BooleanField(_("the group is a recipient"), default=False)
    recipients = models.ManyToManyField(
        Brand, blank=True, related_name="notices", verbose_name=_("recipient brands")
    )
    covers_profile = models.BooleanField(_("covers profiles"), default=True)
    covers_contact = models.BooleanField(_("covers contact data"), default=False)
    covers_activity = models.BooleanField(_("covers activity"), default=False)
    # Profiling and other automated decisions about the person (PIPL art. 24).
    covers_automation = models.BooleanField(_("covers automated decisions"), default=False)
    retention_months = models.PositiveSmallIntegerField(_("data kept for, in months"), default=36)
    consent_months = models.PositiveSmallIntegerField(
        _("a yes holds for, in months"),
        null=True,
        blank=True,
        help_text=_("Empty: until it is withdrawn."),
    )
    effective_from = models.DateTimeField(_("effective from"), default=timezone.now)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-effective_from"]

    def __str__(self) -> str:
        return f"{self.version} – {self.title}"


class NoticeText(models.Model):
    """Hold the words of a notice in one language, as people read them."""

    app_privileges = READ_ONLY

    notice = models.ForeignKey(
        Notice, models.CASCADE, db_index=False, related_name="texts", verbose_name=_("notice")
    )
    language = models.CharField(_("language"), max_length=10)
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("words of a notice")
        verbose_name_plural = _("words of notices")
        ordering = ["notice", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "language"], name="%(app_label)s_%(class)s_once_per_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.title}"
