"""Tokens by which programs use the API."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TokenAction(models.TextChoices):
    """What a token may be used for; each needs a permission of its grant's role as well."""

    READ_MEMBERS = "members:read", _("Read members")
    READ_CONTACTS = "contacts:read", _("Read contact data")
    READ_ORDERS = "orders:read", _("Read orders")
    READ_CONSENTS = "consents:read", _("Read consents")
    WRITE_CONSENTS = "consents:write", _("Record consents")
    READ_RULES = "rules:read", _("Read notices and who sees what")
    READ_EVENTS = "events:read", _("Read events and touchpoints")
    READ_TAGS = "tags:read", _("Read tags")
    READ_SEGMENTS = "segments:read", _("Read segments and who is in them")
    READ_JOBS = "jobs:read", _("Read how imports and exports stand")
    WRITE_MEMBERS = "members:write", _("Hand in members")
    WRITE_ORDERS = "orders:write", _("Hand in orders and refunds")
    WRITE_EVENTS = "events:write", _("Hand in events and touchpoints")
    WRITE_TAGS = "tags:write", _("Hand in tags of members")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Filter tokens."""

    def alive(self) -> ApiTokenQuerySet:
        """Keep the tokens that were not revoked and have not expired; grants are not looked at."""
        return self.filter(expires_at__gt=timezone.now(), revoked_at=None)


class ApiToken(models.Model):
    """Let a program act under one grant, for some of what the grant allows, until a day.

    Only the digest of the token is kept. It ends with its grant.
    """

    grant = models.ForeignKey(
        "tenants.Grant", models.CASCADE, related_name="tokens", verbose_name=_("grant")
    )
    name = models.CharField(_("name"), max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    # How the token begins: enough to tell it from others, too little to use it.
    prefix = models.CharField(_("begins with"), max_length=12)
    actions = ArrayField(
        models.CharField(max_length=20, choices=TokenAction.choices), verbose_name=_("actions")
    )
    # Number → name of the brands it is for, where those are not all that the grant shows. They live
    # in the group's schema; names are kept beside the numbers so that lists need not enter it.
    brands = models.JSONField(_("brands"), default=dict, blank=True)
    # The first of the tokens that took each other's place, where this is a later one.
    begun_as = models.BigIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("until"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    # To the hour: a write at every request would cost more than it tells.
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")),
                name="%(app_label)s_%(class)s_ends_after_start",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def action_words(self) -> list[str]:
        """Return what it may be used for, in the reader's language; a code that is gone stays."""
        words = dict(TokenAction.choices)
        return [str(words.get(action, action)) for action in self.actions]

    @property
    def brand_ids(self) -> frozenset[int]:
        """Return the brands it is for; none where it is for all that its grant shows."""
        return frozenset(int(number) for number in self.brands)

    @property
    def brand_names(self) -> list[str]:
        """Return the names of the brands it is for, as they were when it was made."""
        return sorted(self.brands.values())

    @property
    def keeps_under(self) -> int:
        """Return the number under which its batches are kept, as a grant's are under the grant.

        One that is for some brands has a number of its own, which is no grant's: neither it nor
        another token of the grant reads what the other handed in.
        """
        return -(self.begun_as or self.pk) if self.brands else self.grant_id

    @property
    def is_alive(self) -> bool:
        """Tell whether the token itself still opens anything; its grant may have ended."""
        return self.revoked_at is None and self.expires_at > timezone.now()
