"""The audit's tables: events in a chain, the chain's end, and what checks of it found."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import audit_words


class AuditEvent(models.Model):
    """Record one write by a person: who, as which role, on what, and what changed.

    `number` counts the events of one group (of the platform where `tenant` is null) without a gap,
    and `digest` seals the event together with the one before it: see tenants/audit_chain.py.
    """

    number = models.BigIntegerField(_("number in the chain"))
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    tenant = models.ForeignKey(
        "tenants.Tenant", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    user_name = models.CharField(_("who"), max_length=120)
    role = models.CharField(_("as"), max_length=200, blank=True)
    engagement = models.ForeignKey(
        "tenants.Engagement",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("engagement"),
    )
    action = models.CharField(_("act"), max_length=60)
    target_type = models.CharField(_("kind"), max_length=60, blank=True)
    target_id = models.CharField(_("number"), max_length=60, blank=True)
    target_name = models.CharField(_("what"), max_length=200, blank=True)
    # Whose affairs it tells of, by number; empty of what is the group's. See tenants/audit_telling.
    brands = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    changes = models.JSONField(_("changes"), default=dict)
    digest = models.BinaryField(_("seal"), max_length=32)
    # Which master key the seal was made under, so that keys may be changed.
    key_id = models.CharField(max_length=8)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"]),
            models.Index(fields=["tenant", "target_type", "target_id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "number"],
                nulls_distinct=False,
                name="%(app_label)s_%(class)s_number_once_per_chain",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_name}: {self.action} {self.target_name}"

    @property
    def act(self) -> str:
        """Return what was done, in the reader's language."""
        return audit_words.act(self.action)

    @property
    def kind(self) -> str:
        """Return what kind of row it was done to, in the reader's language."""
        return audit_words.kind(self.target_type)

    @property
    def change_rows(self) -> list[tuple[str, Any, Any]]:
        """Return field, before and after, in the reader's language."""
        return audit_words.changes(self.target_type, self.changes)


class AuditHead(models.Model):
    """Be the end of one chain: how many events it has and the last one's digest.

    Whoever appends holds this row until their transaction ends. `seal` covers the count, so that
    a chain cut off at its end and a head put back to fit are told apart from a shorter chain.
    """

    # A group's number; 0 for the platform's own chain.
    chain = models.BigIntegerField(primary_key=True)
    count = models.BigIntegerField(default=0)
    digest = models.BinaryField(max_length=32, default=b"")
    seal = models.BinaryField(max_length=32, default=b"")
    key_id = models.CharField(max_length=8, default="")

    def __str__(self) -> str:
        return f"{self.chain}: {self.count}"


class AuditCheck(models.Model):
    """Be one check of a chain: who asked, how many events fit, and the first that does not."""

    class State(models.TextChoices):
        ASKED = "asked", _("Being checked")
        WHOLE = "whole", _("Whole")
        BROKEN = "broken", _("Does not fit")

    tenant = models.ForeignKey(
        "tenants.Tenant", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    asked_by_name = models.CharField(_("asked by"), max_length=120, blank=True)
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)
    state = models.CharField(_("result"), max_length=8, choices=State.choices, default=State.ASKED)
    events = models.BigIntegerField(_("events that fit"), default=0)
    fault = models.CharField(_("fault"), max_length=20, blank=True)
    fault_number = models.BigIntegerField(_("first event that does not fit"), null=True)

    class Meta:
        verbose_name = _("check of the audit")
        verbose_name_plural = _("checks of the audit")
        indexes = [models.Index(fields=["tenant", "-id"], name="tenants_aud_tenant__check_idx")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="asked") | Q(finished_at__isnull=False),
                name="%(app_label)s_%(class)s_finished_has_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id or 0}: {self.state}"
