"""Persons and their identities: the owner role's, never read across by the app role."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models import OWNER_ONLY, READ_ONLY


class GroupKey(models.Model):
    """Hold one of the group's own keys, wrapped by the master key.

    The newest of each purpose is in use. Former data keys stay until nothing is sealed with them.
    """

    app_privileges = READ_ONLY

    class Purpose(models.TextChoices):
        DATA = "data", _("Encrypts contact data")
        INDEX = "index", _("Keys identifiers")
        # Never rotated: what it digested is known to nobody any more.
        ERASED = "gone", _("Knows again who was erased")

    purpose = models.CharField(max_length=5, choices=Purpose.choices)
    version = models.PositiveSmallIntegerField(default=1)
    # As MASTER_KEY_PROVIDER wrapped it.
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "version"], name="%(app_label)s_%(class)s_once_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"


class Person(models.Model):
    """Be one human in one group (OneID); carries no personal data."""

    app_privileges = OWNER_ONLY

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("persons")

    def __str__(self) -> str:
        return f"#{self.pk}"


class Identity(models.Model):
    """Point a keyed identifier to a person.

    `key` is HMAC-SHA-256 of the normalised identifier with the group's index key, cut to 16 bytes.
    One that more profiles of a brand have than the group allows is hot, and joins none of that
    brand's: those of other brands it goes on joining.
    """

    app_privileges = OWNER_ONLY

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone")
        UNIONID = "unionid", _("WeChat unionid")
        CARD = "card", _("Card number")
        EMAIL = "email", _("E-mail")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    key = models.BinaryField(max_length=16)
    person = models.ForeignKey(Person, models.CASCADE, related_name="identities")
    is_hot = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="%(app_label)s_%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {bytes(self.key).hex()}"


class IdentityLink(models.Model):
    """Tell that a profile carries an identity."""

    app_privileges = OWNER_ONLY

    pk = models.CompositePrimaryKey("profile_id", "identity_id")
    profile = models.ForeignKey(
        "members.Profile", models.CASCADE, db_index=False, related_name="identity_links"
    )
    identity = models.ForeignKey(Identity, models.CASCADE, related_name="links")

    def __str__(self) -> str:
        return f"{self.profile_id} – {self.identity_id}"


class PersonMerge(models.Model):
    """Record that resolution moved a profile to another person, and which identity caused it."""

    app_privileges = OWNER_ONLY

    profile = models.ForeignKey("members.Profile", models.CASCADE, related_name="+")
    # Plain numbers: a person without profiles is deleted, its history stays.
    from_person_id = models.BigIntegerField()
    to_person_id = models.BigIntegerField()
    cause = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.from_person_id} → {self.to_person_id}"
