"""How long rows are kept for each purpose: the rules, and what they would take away today."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import APPEND_ONLY, HQ
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind


class Purpose(models.TextChoices):
    """What rows are kept for; the audit is not among it: it is kept for good."""

    UPLOADS = "uploads", _("Uploaded files that nobody went on with")
    REJECTED = "rejected", _("Rejected rows, for whoever mends them")
    EXPORTS = "exports", _("Exported files")
    EVENTS = "events", _("Events: what members did")
    ORDERS = "orders", _("Orders with their member; then they are kept without")
    INACTIVE = "inactive", _("Members without consent who did nothing for so long")
    EVIDENCE = "evidence", _("Answers of erased members, as proof")


class RetentionRule(models.Model):
    """Be a version of how long the rows of one purpose are kept; the newest is in force.

    Empty days switch the purpose off. One that takes rows of members runs only once a second admin
    of HQ has approved it, having seen what would go.
    """

    app_privileges = APPEND_ONLY
    app_writer = HQ

    purpose = models.CharField(_("purpose"), max_length=8, choices=Purpose.choices)
    days = models.PositiveIntegerField(
        _("kept for, in days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
    )
    # The version that this row approves; it says the same days again.
    approves: ClassVar[models.ForeignKey] = models.ForeignKey(
        "self", models.PROTECT, null=True, db_index=False, related_name="+"
    )
    decided_at = models.DateTimeField(_("decided"), default=timezone.now)
    decided_by_id = models.BigIntegerField(null=True)
    decided_by_name = models.CharField(_("decided by"), max_length=120)

    class Meta:
        verbose_name = _("rule of retention")
        verbose_name_plural = _("rules of retention")

    def __str__(self) -> str:
        return f"{self.purpose}: {self.days}"


class RetentionCount(Walled):
    """Count what rules would take away of a brand; HQ is told nothing of one in brand-max."""

    wall = Wall(Kind.METRICS, is_for_siblings=False)

    # A purpose, or "notice:" and the number of a notice whose months of keeping have passed.
    about = models.CharField(max_length=30)
    rows = models.IntegerField(_("rows"))
    counted_at = models.DateTimeField(_("counted"), default=timezone.now)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("count of retention")
        verbose_name_plural = _("counts of retention")
        constraints = [
            models.UniqueConstraint(fields=["brand", "about"], name="%(app_label)s_%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} {self.about}"


class RetentionCertificate(Walled):
    """Be the certificate of members that a run of retention erased in one brand; names nobody.

    The audit keeps its number and digest; what it says is kept here, to be shown and given out.
    """

    wall = Wall(Kind.METRICS, is_for_siblings=False)

    number = models.CharField(_("certificate"), max_length=120, unique=True)
    content = models.JSONField()
    made_at = models.DateTimeField(_("made"), default=timezone.now)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("certificate of retention")
        verbose_name_plural = _("certificates of retention")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.number
