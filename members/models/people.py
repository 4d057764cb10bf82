"""Persons and their identities: the owner role's, never read across by the app role."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brands.models import HQ, KEPT, OWNER_ONLY, READ_ONLY


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
    """Be one human in one group (OneID); carries no personal data.

    `cluster_id` is set where a cluster, all that links join, was looked at closely because
    something in it contradicts or somebody decided about it: the same on each of its persons.
    """

    app_privileges = OWNER_ONLY

    created_at = models.DateTimeField(auto_now_add=True)
    cluster_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("persons")
        indexes = [
            models.Index(
                fields=["cluster_id"],
                condition=Q(cluster_id__isnull=False),
                name="members_person_cluster",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class IdentityKind(models.TextChoices):
    """What an identifier is."""

    PHONE = "phone", _("Phone")
    UNIONID = "unionid", _("WeChat unionid")
    OPENID = "openid", _("WeChat openid")
    EXTERNAL_USERID = "external_userid", _("WeCom external_userid")
    CARD = "card", _("Card number")
    EMAIL = "email", _("E-mail")
    DOUYIN = "douyin", _("Douyin open_id")


class Identity(models.Model):
    """Be a keyed identifier; whoever carries it is linked to it.

    `key` is HMAC-SHA-256 of the normalised identifier and its space with the group's index key,
    cut to 16 bytes. `space` is where it counts: an Open Platform account, an app, a WeCom corp, a
    brand; empty for all of the group. One that more profiles of a brand have than the group allows
    is hot, and joins none of that brand's: those of other brands it goes on joining.
    """

    app_privileges = OWNER_ONLY

    Kind = IdentityKind

    kind = models.CharField(max_length=16, choices=IdentityKind.choices)
    space = models.CharField(max_length=64, blank=True, default="", db_default="")
    key = models.BinaryField(max_length=16)
    is_hot = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="%(app_label)s_%(class)s_once")
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(is_hot=True), name="members_identity_hot")
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

    class Meta:
        verbose_name = _("identifier of a member")
        verbose_name_plural = _("identifiers of members")

    def __str__(self) -> str:
        return f"{self.profile_id} – {self.identity_id}"


class IdentityRule(models.Model):
    """Say what a kind of identifier does in this group; without a row the product's rule holds.

    Of two that contradict, the one of smaller `trust` is believed. Of an exclusive kind a person
    has one in a space. `most_profiles` of a brand share an identity that still names one person.
    """

    app_privileges = KEPT
    app_writer = HQ

    kind = models.CharField(_("kind"), max_length=16, choices=IdentityKind.choices, unique=True)
    is_linking = models.BooleanField(_("joins persons"))
    trust = models.PositiveSmallIntegerField(_("place in the order of trust"))
    most_profiles = models.PositiveIntegerField(_("most members of a brand who share one"))
    is_exclusive = models.BooleanField(_("a person has only one"))
    is_group_wide = models.BooleanField(_("counts across brands"), default=True)

    class Meta:
        verbose_name = _("rule of identifiers")
        verbose_name_plural = _("rules of identifiers")
        constraints = [
            models.CheckConstraint(
                condition=Q(most_profiles__gte=1, most_profiles__lte=10_000),
                name="%(app_label)s_%(class)s_sane_limit",
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
