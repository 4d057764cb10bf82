"""Notices: what a group tells people before they answer."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models.hierarchy import Brand
from brands.models.privileges import READ_WRITE


class Notice(models.Model):
    """Be a versioned notice: who receives which kinds of data for what (PIPL art. 17 and 23)."""

    app_privileges = READ_WRITE

    version = models.CharField(_("version"), max_length=20, unique=True)
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"))
    purposes = models.CharField(_("purposes"), max_length=400)
    names_group = models.BooleanField(_("the group is a recipient"), default=False)
    recipients = models.ManyToManyField(
        Brand, blank=True, related_name="notices", verbose_name=_("recipient brands")
    )
    covers_profile = models.BooleanField(_("covers profiles"), default=True)
    covers_contact = models.BooleanField(_("covers contact data"), default=False)
    covers_activity = models.BooleanField(_("covers activity"), default=False)
    effective_from = models.DateTimeField(_("effective from"), default=timezone.now)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-effective_from"]

    def __str__(self) -> str:
        return f"{self.version} – {self.title}"
