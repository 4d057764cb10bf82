"""Profiles with their contact data, masked and encrypted."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models import Guide
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.people import Person
from members.models.rules import Stratum


class Profile(Walled):
    """Be the relation of a person to a brand: a member who registered, or a fan who follows."""

    wall = Wall(Kind.PROFILE)

    class Gender(models.TextChoices):
        FEMALE = "f", _("Female")
        MALE = "m", _("Male")
        UNKNOWN = "", _("Not known")

    person = models.ForeignKey(
        Person, models.PROTECT, related_name="profiles", verbose_name=_("person")
    )
    # The person as the brand's own links alone join it: the smallest of these profiles, null for
    # one alone. What a brand is told of persons counts these, so that no sibling's row moves it.
    own_person_id = models.BigIntegerField(null=True, blank=True)
    member_no = models.CharField(_("member number"), max_length=64)
    is_member = models.BooleanField(
        _("member"), default=True, help_text=_("A fan who only follows is not a member.")
    )
    gender = models.CharField(_("gender"), max_length=1, choices=Gender.choices, blank=True)
    guide = models.ForeignKey(
        Guide,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("guide"),
    )
    registered_on = models.DateField(_("member since"), null=True, blank=True)
    # The level as the brand's own system calls it.
    tier = models.CharField(_("tier"), max_length=40, blank=True, default="", db_default="")
    # The balance as the brand's own system counts it.
    points = models.BigIntegerField(_("points"), null=True, blank=True, db_default=None)
    # Totals over the profile's orders, kept by the importer; money in minor units.
    orders = models.IntegerField(_("orders"), default=0)
    sales = models.BigIntegerField(_("sales"), default=0)
    first_order_at = models.DateTimeField(_("first order"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order"), null=True, blank=True)
    # The person objects to automated decisions, in this brand or in another (PIPL art. 24).
    no_automation = models.BooleanField(_("no automated decisions"), default=False)
    # The person asked that the data be kept and used for nothing.
    is_restricted = models.BooleanField(_("restricted"), default=False, db_default=False)
    # Kept by members.stratify; written for every brand by rows of SQL that need not know of it.
    stratum = models.PositiveSmallIntegerField(
        _("stratum"), choices=Stratum.choices, default=Stratum.NONE, db_default=Stratum.NONE
    )
    # Whose rule gave it and which version: members.strata.Source.
    stratum_source = models.CharField(max_length=16, blank=True, default="", db_default="")
    # Of what instant the row's data are, and the rank of the source that said them last: which
    # file wins where two say different things (members.imports.rules).
    as_of = models.DateTimeField(_("as of"), null=True, blank=True, db_default=None)
    source_rank = models.SmallIntegerField(default=0, db_default=0)
    # The import that created the row, for its undoing.
    import_id = models.BigIntegerField(null=True, blank=True, db_default=None)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "member_no"], name="%(app_label)s_%(class)s_number_once_per_brand"
            )
        ]
        indexes = [
            models.Index(fields=["brand", "id"]),
            models.Index(fields=["store", "id"]),
            models.Index(fields=["brand", "-sales", "-id"]),
            models.Index(fields=["brand", "stratum", "-id"]),
            models.Index(
                fields=["brand", "-last_order_at", "-id"],
                condition=models.Q(last_order_at__isnull=False),
                name="members_profile_last_order",
            ),
            # The few of a level, and who came lately, are found without reading the whole brand.
            models.Index(
                fields=["brand", "tier", "-id"],
                condition=~models.Q(tier=""),
                name="members_profile_tier",
            ),
            models.Index(fields=["brand", "registered_on"], name="members_profile_since"),
            models.Index(
                fields=["own_person_id"],
                condition=models.Q(own_person_id__isnull=False),
                name="members_profile_own_person",
            ),
        ]

    def __str__(self) -> str:
        return self.member_no

    @property
    def minor_until(self) -> dt.date | None:
        """Return the day of the 14th birthday; None where unknown, or behind the wall.

        A birthday is contact data, so the day is kept with the contact and not in the profile.
        """
        rows = Contact.objects.filter(profile_id=self.pk)
        return rows.values_list("minor_until", flat=True).first()


class Contact(Walled):
    """Hold a profile's contact data, encrypted, and the keys it is found by."""

    wall = Wall(Kind.CONTACT)

    profile = models.OneToOneField(
        Profile, models.CASCADE, primary_key=True, related_name="contact"
    )
    # The JSON of the fields as members.contacts seals it; the blob says its key's version itself.
    sealed = models.BinaryField()
    # A copy of that version for SQL.
    key_version = models.PositiveSmallIntegerField(default=1)
    # HMAC over the normalised fields, so that the same data is not sealed and written again.
    fingerprint = models.BinaryField(max_length=16)
    phone_key = models.BinaryField(max_length=16, null=True)
    email_key = models.BinaryField(max_length=16, null=True)
    card_key = models.BinaryField(max_length=16, null=True)
    unionid_key = models.BinaryField(max_length=16, null=True)
    # Keyed digest of name and birthday; null where one of them is not known.
    likeness = models.BinaryField(max_length=16, null=True)
    is_generated = models.BooleanField(_("invented"), default=False)
    # The 14th birthday: before it a guardian answers (PIPL art. 31).
    minor_until = models.DateField(_("fourteen on"), null=True, blank=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("contact data")
        verbose_name_plural = _("contact data")
        indexes = [
            models.Index(
                fields=["phone_key"],
                condition=models.Q(phone_key__isnull=False),
                name="members_contact_phone",
            ),
            models.Index(
                fields=["card_key"],
                condition=models.Q(card_key__isnull=False),
                name="members_contact_card",
            ),
            models.Index(
                fields=["email_key"],
                condition=models.Q(email_key__isnull=False),
                name="members_contact_email",
            ),
            models.Index(
                fields=["unionid_key"],
                condition=models.Q(unionid_key__isnull=False),
                name="members_contact_unionid",
            ),
            models.Index(
                fields=["store", "likeness"],
                condition=models.Q(likeness__isnull=False),
                name="members_contact_likeness",
            ),
            models.Index(
                fields=["brand", "minor_until"],
                condition=models.Q(minor_until__isnull=False),
                name="members_contact_minor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}"


class MaskedContact(Walled):
    """Hold what may be shown of a profile's contact data where its middle is hidden."""

    wall = Wall(Kind.MASKED)

    profile = models.OneToOneField(Profile, models.CASCADE, primary_key=True, related_name="masked")
    name = models.CharField(_("name"), max_length=80, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    email = models.CharField(_("e-mail"), max_length=120, blank=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("masked contact data")
        verbose_name_plural = _("masked contact data")

    def __str__(self) -> str:
        return self.name or f"{self.profile_id}"


class PlatformKey(Walled):
    """Let a member be found by an identifier of which no text is kept: openid, external_userid.

    It is contact data, and a copy of the member's identity of that kind and space, which nobody but
    the owner of the tables reads.
    """

    wall = Wall(Kind.CONTACT)

    profile = models.ForeignKey(
        Profile, models.CASCADE, db_index=False, related_name="platform_keys"
    )
    kind = models.CharField(max_length=16)
    space = models.CharField(max_length=64)
    key = models.BinaryField(max_length=16)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("platform identifier")
        verbose_name_plural = _("platform identifiers")
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "kind", "space"], name="%(app_label)s_%(class)s_once"
            )
        ]
        indexes = [models.Index(fields=["key"], name="members_platformkey_key")]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.kind}"
