"""Import jobs, and what an import still has to bring up to date."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import OWNER_ONLY
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind


class ImportJob(Walled):
    """Be one file on its way in: state, progress, checkpoint, result. Holds counts, no contact."""

    wall = Wall(Kind.METRICS, is_writable=True)

    class Kind(models.TextChoices):
        MEMBERS = "members", _("Members")
        ORDERS = "orders", _("Orders")
        CONSENTS = "consents", _("Answers to notices")
        CONTACTS = "contacts", _("Contact data of known members")
        TOUCHPOINTS = "touchpoints", _("Followers of channel accounts")
        TAGS = "tags", _("Tags of members")
        STORES = "stores", _("Stores")
        STAFF = "staff", _("Store staff")

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting for its columns")
        CHECKING = "checking", _("Being checked")
        CHECKED = "checked", _("Checked")
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    source = models.ForeignKey(
        "members.ImportSource",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="imports",
        verbose_name=_("source"),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.UPLOADED
    )
    file_name = models.CharField(_("file"), max_length=200)
    # Where the file is kept until it is imported, relative to MEDIA_ROOT (see members.folders).
    path = models.CharField(max_length=500)
    file_digest = models.CharField(max_length=64, blank=True)
    encoding = models.CharField(_("encoding"), max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    # The sheets or packed files that the upload holds, while a person has to choose one of them.
    parts = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    # Of the file that came, where the rows were taken out of a workbook or an archive.
    given_digest = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    # Field name → column heading of the file.
    mapping = models.JSONField(_("columns"), default=dict, blank=True)
    bytes_total = models.BigIntegerField(default=0)
    # Everything before this byte of the file is committed; the next run starts here.
    checkpoint = models.BigIntegerField(default=0)
    # Line of the file at the checkpoint, the header being line 1. An undoing counts rows in both.
    checkpoint_line = models.BigIntegerField(default=0)
    # The checkpoint and rows at which the current run began: what its rate is measured from.
    resumed_from = models.BigIntegerField(default=0)
    resumed_rows = models.BigIntegerField(default=0, db_default=0)
    rows_read = models.BigIntegerField(_("rows read"), default=0)
    rows_created = models.BigIntegerField(_("created"), default=0)
    rows_updated = models.BigIntegerField(_("changed"), default=0)
    rows_unchanged = models.BigIntegerField(_("unchanged"), default=0)
    rows_rejected = models.BigIntegerField(_("rejected"), default=0)
    # The most memory that the worker has held until the last chunk, in bytes.
    peak_memory = models.BigIntegerField(default=0, db_default=0)
    # Rows that a later row of the same file replaced.
    rows_repeated = models.BigIntegerField(_("repeated in the file"), default=0)
    # The lines of the first of them, for whoever looks for them in the file.
    repeated_lines = models.JSONField(default=list, editable=False)
    # Where the rejected rows are, relative to MEDIA_ROOT; followed where it is what it must be.
    rejected_path = models.CharField(max_length=500, blank=True)
    # What of that file is committed; a killed run's rest is cut off before the next one writes.
    rejected_bytes = models.BigIntegerField(default=0)
    phase = models.CharField(_("phase"), max_length=40, blank=True)
    is_cancel_asked = models.BooleanField(default=False)
    is_pause_asked = models.BooleanField(default=False, db_default=False)
    # How its rows change what is stored: members.imports.rules.
    rules = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    # What a check found, or an undoing did: counts, reasons and numbers of lines, never a cell.
    report = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    # The import that this one takes back, and the one whose rejected rows it brings mended.
    undoes = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, db_constraint=False, related_name="undoings"
    )
    mends = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, db_constraint=False, related_name="mendings"
    )
    # Rows that it created have numbers of record above the first and up to the second.
    ids_after = models.BigIntegerField(null=True, blank=True, editable=False)
    ids_to = models.BigIntegerField(null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    created_by_name = models.CharField(_("by"), max_length=120, blank=True)
    # The grant it was uploaded under, in the public schema; null for commands.
    grant_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]
        indexes = [models.Index(fields=["brand", "-id"])]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen to the job by itself."""
        return self.state in {self.State.DONE, self.State.FAILED, self.State.CANCELLED}

    @property
    def is_at_work(self) -> bool:
        """Tell whether a worker has the job, or will have it as soon as one is free."""
        return self.state in {self.State.CHECKING, self.State.QUEUED, self.State.RUNNING}

    @property
    def _done(self) -> tuple[int, int]:
        """Return the bytes and rows that are behind; a check commits neither."""
        if self.state == self.State.CHECKING:
            return self.report.get("at", 0), self.report.get("read", 0)
        return self.checkpoint, self.rows_read

    @property
    def progress(self) -> float:
        """Return the part of the file that is behind, from 0 to 1."""
        if self.state == self.State.DONE:
            return 1.0
        return min(self._done[0] / self.bytes_total, 1.0) if self.bytes_total else 0.0

    @property
    def rows_left(self) -> int | None:
        """Return how many rows are left, by the length of those read; None while unknown."""
        place, rows = self._done
        if not place or not self.bytes_total or self.is_finished:
            return None
        return round(rows / place * max(self.bytes_total - place, 0))

    @property
    def rows_per_second(self) -> float | None:
        """Return the rate of the current run; None before its first chunk."""
        done = self._done[1] - (0 if self.state == self.State.CHECKING else self.resumed_rows)
        if self.started_at is None or done <= 0:
            return None
        spent = ((self.finished_at or timezone.now()) - self.started_at).total_seconds()
        return done / max(spent, 0.001)

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest of the file takes at the rate so far; None while unknown."""
        rate, left = self.rows_per_second, self.rows_left
        if self.state not in {self.State.RUNNING, self.State.CHECKING} or not rate or left is None:
            return None
        return left / rate


class PendingRollup(models.Model):
    """Mark a store's day whose roll-ups are older than its facts."""

    app_privileges = OWNER_ONLY

    brand_id = models.BigIntegerField()
    # Zero where the order names no store, or the whole day is meant: it is counted whole anyway.
    store_id = models.BigIntegerField()
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["brand_id", "store_id", "day"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id}/{self.store_id} {self.day}"


class PendingTotal(models.Model):
    """Mark a profile whose totals are older than its orders."""

    app_privileges = OWNER_ONLY

    profile_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.profile_id)
