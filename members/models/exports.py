"""Exports: files of member rows that a person asked for."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.wall.models import GrantWalled, GrantWalledManager


class ExportJobManager(GrantWalledManager):
    """Hand out exports to the grant that asked for them."""

    def of(self, *, grant: Any, user: Any) -> models.QuerySet[ExportJob]:
        """Return what a person asked for under a grant; an unsaved grant has asked for nothing."""
        if grant.pk is None:
            return self.none()
        return self.filter(grant_id=grant.pk, created_by_id=user.pk)


class ExportJob(GrantWalled):
    """Be one file of members on its way out: what was asked, how far it is, until when it stays.

    Nobody but the asker is shown it, under the same grant: the wall sees to it. What it was asked
    with is sealed (a search holds a phone), its number cannot be guessed, and what it counts are
    rows that the asker saw. The rows are in the file alone, which is checked at each download.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        OUTDATED = "outdated", _("Outdated")
        DELETED = "deleted", _("Deleted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    # The filters of the list, sealed with the group's data key.
    filters = models.BinaryField()
    language = models.CharField(max_length=10)
    # What the asker could see when it was asked for: the file holds that and nothing else.
    visible_digest = models.CharField(max_length=64)
    # Generation.answers when the rows of others were last known to be open.
    answers = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(_("rows asked for"), default=0)
    rows = models.BigIntegerField(_("rows"), default=0)
    # Rows of brands that are not the asker's own.
    rows_of_others = models.BigIntegerField(_("rows of other brands"), default=0)
    # Brand id → rows.
    brands = models.JSONField(_("rows by brand"), default=dict)
    # Relative to MEDIA_ROOT; empty while there is no file.
    path = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    is_cancel_asked = models.BooleanField(default=False)
    error = models.TextField(_("error"), blank=True)
    downloads = models.IntegerField(_("downloads"), default=0)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    deletes_at = models.DateTimeField(_("kept until"), null=True, blank=True)

    objects: ClassVar[ExportJobManager] = ExportJobManager()

    class Meta(GrantWalled.Meta):
        abstract = False
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["grant_id", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def is_waiting(self) -> bool:
        """Tell whether the file is still being made."""
        return self.state in {self.State.QUEUED, self.State.RUNNING}

    @property
    def progress(self) -> float:
        """Return the part of the rows that is written, from 0 to 1."""
        if self.state == self.State.DONE:
            return 1.0
        return min(self.rows / self.rows_total, 1.0) if self.rows_total else 0.0
