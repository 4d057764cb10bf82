"""A group's units, brands, stores, guides and channel accounts."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models.privileges import HQ, HQ_OR_BRAND, KEPT, READ_WRITE

code_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
    _("Use letters, digits, - and _, beginning with a letter or digit."),
)


class BusinessUnit(models.Model):
    """Be a node between the group and its brands (品牌事业部)."""

    app_privileges = READ_WRITE
    app_writer = HQ

    code = models.CharField(_("code"), max_length=40, unique=True, validators=[code_validator])
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("business unit")
        verbose_name_plural = _("business units")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Brand(models.Model):
    """Be one brand of the group, the owner of one pool of fans and members."""

    app_privileges = KEPT
    app_writer = HQ

    code = models.CharField(_("code"), max_length=40, unique=True, validators=[code_validator])
    name = models.CharField(_("name"), max_length=120)
    business_unit = models.ForeignKey(
        BusinessUnit,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="brands",
        verbose_name=_("business unit"),
    )
    is_active = models.BooleanField(_("active"), default=True)
    # From this instant the brand is closed for good, and nobody's recipient (PIPL art. 22).
    left_at = models.DateTimeField(_("left"), null=True, blank=True)
    left_to = models.CharField(
        _("new owner"), max_length=200, blank=True, help_text=_("Empty: it left to nobody.")
    )
    left_contact = models.CharField(_("contact of the new owner"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("brand")
        verbose_name_plural = _("brands")
        ordering = ["code"]
        permissions = [("view_dashboard", "Can open dashboards")]

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    """Be one shop of a brand."""

    app_privileges = KEPT
    app_writer = HQ_OR_BRAND

    brand = models.ForeignKey(Brand, models.PROTECT, related_name="stores", verbose_name=_("brand"))
    code = models.CharField(_("code"), max_length=40, validators=[code_validator])
    name = models.CharField(_("name"), max_length=120)
    city = models.CharField(_("city"), max_length=60, blank=True)
    opened_on = models.DateField(_("opened"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["brand__code", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "code"],
                name="%(app_label)s_%(class)s_code_once_per_brand",
                violation_error_message=_("The brand already has a store with this code."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Guide(models.Model):
    """Be a person working for a store (导购)."""

    app_privileges = KEPT

    store = models.ForeignKey(Store, models.PROTECT, related_name="guides", verbose_name=_("store"))
    staff_no = models.CharField(_("staff number"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    # The login lives in the public schema, which no constraint of a group's schema may reach.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("login"),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("guide")
        verbose_name_plural = _("guides")
        ordering = ["staff_no"]
        constraints = [
            models.UniqueConstraint(
                fields=["store", "staff_no"],
                name="%(app_label)s_%(class)s_staff_no_once_per_store",
                violation_error_message=_("The store already has a guide with this number."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ChannelAccount(models.Model):
    """Be an account on a platform where a brand, or the group itself, meets its fans."""

    app_privileges = READ_WRITE
    app_writer = HQ_OR_BRAND

    class Kind(models.TextChoices):
        MINI_PROGRAM = "mini_program", _("WeChat mini-program")
        OFFICIAL_ACCOUNT = "official_account", _("WeChat official account")
        WECOM = "wecom", _("WeCom corp")
        VIDEO_ACCOUNT = "video_account", _("WeChat video account")
        DOUYIN = "douyin", _("Douyin account")
        OTHER = "other", _("Other platform")

    class Part(models.TextChoices):
        """The account's part in the mini-program matrix (1+N, or N)."""

        HUB = "hub", _("Hub")
        SATELLITE = "satellite", _("Satellite")
        STORE = "store", _("Store")

    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="channel_accounts",
        verbose_name=_("brand"),
        help_text=_("Empty: the account is the group's."),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    part = models.CharField(
        _("part in the matrix"), max_length=10, choices=Part.choices, default=Part.SATELLITE
    )
    name = models.CharField(_("name"), max_length=120)
    external_id = models.CharField(
        _("AppID or corp id"), max_length=64, help_text=_("As the platform writes it.")
    )
    open_platform_account = models.CharField(
        _("Open Platform account"),
        max_length=64,
        blank=True,
        help_text=_("A unionid counts only inside one Open Platform account."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("channel account")
        verbose_name_plural = _("channel accounts")
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "external_id"],
                name="%(app_label)s_%(class)s_registered_once",
                violation_error_message=_("This account is registered already."),
            )
        ]

    def __str__(self) -> str:
        return self.name
