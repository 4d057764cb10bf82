"""Decisions about the mode."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models.hierarchy import Brand
from brands.models.privileges import APPEND_ONLY
from brands.modes import Mode


class ModeChange(models.Model):
    """Append one decision about the mode; the last effective one holds.

    Without a brand it sets the group's default. With a brand it overrides the default for that
    brand, and an empty mode takes the override away.
    """

    app_privileges = APPEND_ONLY

    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="mode_changes",
        verbose_name=_("brand"),
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices, blank=True)
    effective_at = models.DateTimeField(_("effective"), default=timezone.now)
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
        verbose_name = _("change of mode")
        verbose_name_plural = _("changes of mode")
        ordering = ["-effective_at", "-id"]
        indexes = [models.Index(fields=["brand", "-effective_at", "-id"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(brand__isnull=False) | ~Q(mode=""),
                name="%(app_label)s_%(class)s_group_has_a_mode",
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand or _('Group')}: {self.get_mode_display() or _('as the group')}"
