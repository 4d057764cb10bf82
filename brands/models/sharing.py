"""Sharing records as they were issued."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models.privileges import APPEND_ONLY


class SharingRecord(models.Model):
    """Be an issued document: who shared what with whom, on which basis, in a period.

    It holds decisions and no figure of any person: how many people are concerned is counted when
    it is read, as far as the wall then lets the reader count.
    """

    app_privileges = APPEND_ONLY

    number = models.PositiveIntegerField(_("number"), unique=True)
    # Codes of the brands whose part it is; empty for the whole group.
    sides = models.JSONField(_("brands"), default=list)
    first_on = models.DateField(_("from"))
    last_on = models.DateField(_("until"))
    content = models.JSONField(default=dict)
    # SHA-256 over number, period, maker, instant and content.
    digest = models.CharField(_("digest"), max_length=64)
    made_at = models.DateTimeField(_("issued"), default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("issued by"),
    )
    made_by_name = models.CharField(_("issued by"), max_length=120)

    class Meta:
        verbose_name = _("sharing record")
        verbose_name_plural = _("sharing records")
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"SR-{self.made_at:%Y}-{self.number:04}"
