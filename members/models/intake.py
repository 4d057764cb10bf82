"""The inbox of the API: batches as they were handed in, sealed, until a worker has applied them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.wall.models import GrantWalled, Wall, Walled
from brands.wall.visibility import Kind


class IntakeBatch(GrantWalled):
    """Be one batch under one idempotency key: what was answered at once, and what came of it.

    Read and appended to under the grant of the token alone. Words about lines may quote what was
    sent, so they are sealed with the group's key.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPLIED = "applied", _("Applied")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    key = models.CharField(max_length=120)
    # SHA-256 of the lines as they were sent.
    digest = models.BinaryField(max_length=32)
    language = models.CharField(max_length=10, blank=True)
    lines = models.IntegerField(_("lines"), default=0)
    accepted = models.IntegerField(_("accepted"), default=0)
    refused = models.IntegerField(_("refused"), default=0)
    repeated = models.IntegerField(_("repeated"), default=0)
    # What the request was answered with.
    answer = models.BinaryField()
    created_at = models.DateTimeField(_("handed in"), default=timezone.now)
    # Written by the owner role.
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    applied = models.IntegerField(_("applied"), default=0)
    known = models.IntegerField(_("known already"), default=0)
    failed = models.IntegerField(_("refused when applied"), default=0)
    results = models.BinaryField(default=b"")
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)

    class Meta(GrantWalled.Meta):
        abstract = False
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.UniqueConstraint(
                fields=["grant_id", "key"], name="%(app_label)s_%(class)s_handed_in_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(state="waiting"),
                name="members_intake_waiting",
            ),
            models.Index(fields=["grant_id", "-created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"

    @classmethod
    def privileges(cls) -> str:
        """Return what the app role may do with the table at all: a batch is never changed."""
        return "SELECT, INSERT"


class IntakePart(Walled):
    """Be the lines of a batch that are one brand's, sealed; gone once they are applied.

    The brand is the row's, which the database lets only that brand's own people append: whatever
    the sealed lines say, they are applied to this brand.
    """

    wall = Wall(Kind.ACTIVITY, is_appendable=True)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No database constraint: it would tell a stranger which batches there are.
    batch = models.ForeignKey(
        IntakeBatch, models.DO_NOTHING, db_constraint=False, related_name="parts"
    )
    sealed = models.BinaryField()

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("part of a batch")
        verbose_name_plural = _("parts of batches")

    def __str__(self) -> str:
        return f"{self.pk}"
