"""Where a brand's files come from: each source with its rank, its columns and its rules."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind


class ImportSource(Walled):
    """Be a system that a brand's files come from, and how its files are read."""

    wall = Wall(Kind.METRICS, is_writable=True)

    name = models.CharField(_("name"), max_length=80)
    # Where two sources say different things of one member, the higher rank wins.
    rank = models.SmallIntegerField(
        _("rank"),
        default=0,
        db_default=0,
        validators=[MinValueValidator(-100), MaxValueValidator(100)],
    )
    # Kind of file → field → heading, as it was chosen last.
    mappings = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    # Kind of file → the rules by which its rows change what is stored.
    rules = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    # A source is never deleted, since imports name it; removed, it is offered no more.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    created_by_name = models.CharField(_("by"), max_length=120, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("source of imports")
        verbose_name_plural = _("sources of imports")
        ordering = ["-rank", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "name"],
                condition=Q(removed_at=None),
                name="%(app_label)s_%(class)s_named_once_per_brand",
                violation_error_message=_("The brand already has a source of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name
