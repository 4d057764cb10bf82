"""A group's hierarchy, its channel accounts, its mode and its notices."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.modes import Mode

# What the app role may do with a table outside the wall; every such model says which.
READ_ONLY = "SELECT"
APPEND_ONLY = "SELECT, INSERT"
READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
# Walled rows name it without a constraint, so a deletion would leave them to nobody.
KEPT = "SELECT, INSERT, UPDATE"
OWNER_ONLY = ""

code_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
    _("Use letters, digits, - and _, beginning with a letter or digit."),
)


class BusinessUnit(models.Model):
    """Be a node between the group and its brands (品牌事业部)."""

    app_privileges = READ_WRITE

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


class ModeChange(models.Model):
    """Append one decision about the mode; the last effective one holds.

    Without a brand it sets the group's default. With a brand it overrides the default for that
    brand, and an empty mode takes the override away.
    """

    app_privileges = APPEND_ONLY

    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="mode_changes",
        verbose_name=_("brand"),
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices, blank=True)
    effective_at = models.DateTimeField(_("effective"), default=timezone.now)
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_by_name = models.CharField(_("decided by"), max_length=120)
    created_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta:
        verbose_name = _("change of mode")
        verbose_name_plural = _("changes of mode")
        ordering = ["-effective_at", "-id"]
        indexes = [models.Index(fields=["brand", "-effective_at", "-id"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(brand__isnull=False) | ~Q(mode=""),
                name="%(app_label)s_%(class)s_group_has_a_mode",
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand or _('Group')}: {self.get_mode_display() or _('as the group')}"


class Notice(models.Model):
    """Be a versioned notice: who receives which kinds of data for what (PIPL art. 17 and 23)."""

    app_privileges = READ_WRITE

    version = models.CharField(_("version"), max_length=20, unique=True)
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"))
    purposes = models.CharField(_("purposes"), max_length=400)
    names_group = models.BooleanField(_("the group is a recipient"), default=False)
    recipients = models.ManyToManyField(
        Brand, blank=True, related_name="notices", verbose_name=_("recipient brands")
    )
    covers_profile = models.BooleanField(_("covers profiles"), default=True)
    covers_contact = models.BooleanField(_("covers contact data"), default=False)
    covers_activity = models.BooleanField(_("covers activity"), default=False)
    effective_from = models.DateTimeField(_("effective from"), default=timezone.now)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-effective_from"]

    def __str__(self) -> str:
        return f"{self.version} – {self.title}"


class Generation(models.Model):
    """Count how often the group's roll-ups changed, so that no cached figure outlives them."""

    app_privileges = READ_ONLY

    # The one row's key.
    ONLY = 1

    number = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("generation of figures")
        verbose_name_plural = _("generations of figures")

    def __str__(self) -> str:
        return str(self.number)
