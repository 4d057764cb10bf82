"""The public schema: groups and their hosts, people, grants, providers, hand-offs, audit."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from tenants.audit_models import AuditCheck as AuditCheck
from tenants.audit_models import AuditEvent as AuditEvent
from tenants.audit_models import AuditHead as AuditHead
from tenants.roles import LEVELS, PERMISSIONS, Level, Role, is_reading
from tenants.token_models import ApiToken as ApiToken
from tenants.token_models import TokenAction as TokenAction

SCHEMA_NAME = re.compile(r"^[a-z][a-z0-9_]{2,40}\Z")
RESERVED_SCHEMAS = frozenset({"public", "platform", "information_schema", "www", "api"})


def validate_schema_name(value: str) -> None:
    """Refuse a schema name that is not a plain lower-case word or that the server reserves."""
    if not SCHEMA_NAME.match(value):
        raise ValidationError(
            _("Use 3 to 41 lower-case letters, digits or _, beginning with a letter.")
        )
    if value in RESERVED_SCHEMAS or value.startswith("pg_"):
        raise ValidationError(_("“%(name)s” is reserved. Choose another."), params={"name": value})


def validate_time_zone(value: str) -> None:
    """Refuse a name that is not an IANA time zone."""
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValidationError(
            _("“%(name)s” is not a time zone."), params={"name": value}
        ) from error


class Tenant(TenantMixin):
    """Hold one group enterprise: its schema, its state and how its figures are written."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        PROVISIONING = "provisioning", _("Being set up")
        ACTIVE = "active", _("Active")
        FAILED = "failed", _("Failed")
        SUSPENDED = "suspended", _("Suspended")

    auto_create_schema = False
    auto_drop_schema = False

    schema_name = models.CharField(
        _("short name"), max_length=41, unique=True, validators=[validate_schema_name]
    )
    name = models.CharField(_("name"), max_length=120)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.REQUESTED
    )
    status_note = models.TextField(_("status note"), blank=True)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default="CNY",
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Use a three-letter ISO 4217 code."))],
    )
    locale = models.CharField(_("language"), max_length=10, default="zh-hans")
    time_zone = models.CharField(
        _("time zone"), max_length=40, default="Asia/Shanghai", validators=[validate_time_zone]
    )
    k = models.PositiveSmallIntegerField(
        _("smallest cell shown"),
        default=10,
        help_text=_("Figures of fewer people than this are suppressed for HQ in brand-max."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        ordering = ["name"]
        permissions = [("provision_tenant", "Can provision a group")]
        constraints = [
            models.CheckConstraint(
                condition=Q(k__gte=2), name="%(app_label)s_%(class)s_k_hides_single_people"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Tell whether the group's site answers."""
        return self.status == self.Status.ACTIVE

    @property
    def host(self) -> str:
        """Return the group's host, with its port where the platform has one."""
        # A host name has no underscore, a schema name no hyphen: no two groups meet.
        return f"{self.schema_name.replace('_', '-')}{settings.GROUP_HOST_SUFFIX}"


class Domain(DomainMixin):
    """Bind a host to a group and, where set, to one of its brands."""

    # The first three are the mixin's, with names that can be translated.
    domain = models.CharField(_("host"), max_length=253, unique=True, db_index=True)
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, db_index=True, related_name="domains", verbose_name=_("group")
    )
    is_primary = models.BooleanField(_("primary"), default=True, db_index=True)
    # The brand lives in the group's schema, so this is its number and no foreign key.
    brand_id = models.BigIntegerField(_("brand"), null=True, blank=True)

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")

    def __str__(self) -> str:
        return self.domain


class UserManager(BaseUserManager["User"]):
    """Make people who log in with their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person; without a password they cannot log in."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a person by e-mail, whatever its case."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """Be one person with one login, whichever groups and roles they hold."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(
        _("language"), max_length=10, blank=True, choices=settings.LANGUAGES
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    # Set by the grant middleware, or by whoever acts for a person in a job: the grant acted under.
    acting_grant: Grant | None = None
    # A group and the person's grants there, when both were found together (tenants.door).
    grants_found: tuple[int, list[Grant]] | None = None

    class Meta:
        verbose_name = _("person with a login")
        verbose_name_plural = _("people with a login")
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Tell the admin that access is decided by grants, not by a flag."""
        return self.acting_grant is not None

    is_superuser = False

    def get_full_name(self) -> str:
        """Return the name to greet the person with."""
        return str(self)

    def get_short_name(self) -> str:
        """Return the name to greet the person with."""
        return str(self)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the grant acted under permits it now: where HQ looks on, reading alone."""
        is_looking = self.acting_grant is not None and self.acting_grant.pk is None
        return self.holds(perm) and not (is_looking and not is_reading(perm))

    def holds(self, perm: str) -> bool:
        """Tell whether the role acted in has the permission, also where HQ only looks as it."""
        return self.is_active and perm in self.get_all_permissions()

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        """Tell whether the grant acted under has every permission."""
        return all(self.has_perm(perm) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the grant acted under has any permission of the app."""
        return any(perm.startswith(f"{app_label}.") for perm in self.get_all_permissions())

    def get_all_permissions(self, obj: object = None) -> frozenset[str]:
        """Return what the grant acted under permits; nothing without one."""
        if self.acting_grant is None:
            return frozenset()
        return PERMISSIONS[Role(self.acting_grant.role)]


class ServiceProvider(models.Model):
    """Be a company that onboards and operates groups for them."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("service provider")
        verbose_name_plural = _("service providers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Engagement(models.Model):
    """Be a provider's contract with a group (PIPL art. 21: purpose, term, kinds, supervision)."""

    provider = models.ForeignKey(
        ServiceProvider, models.PROTECT, related_name="engagements", verbose_name=_("provider")
    )
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="engagements", verbose_name=_("group")
    )
    purpose = models.CharField(_("purpose"), max_length=200)
    includes_contact = models.BooleanField(_("contact data included"), default=False)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))

    class Meta:
        verbose_name = _("engagement")
        verbose_name_plural = _("engagements")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=models.F("starts_on")),
                name="%(app_label)s_%(class)s_ends_after_start",
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} – {self.tenant}"


class GrantQuerySet(models.QuerySet["Grant"]):
    """Filter grants."""

    def current(self) -> GrantQuerySet:
        """Keep the grants that hold now, engagement and provider included.

        tenants.door has the same rule written out, for every request.
        """
        now = timezone.now()
        today = now.date()
        return self.filter(
            Q(valid_until=None) | Q(valid_until__gt=now),
            Q(engagement=None)
            | Q(
                engagement__starts_on__lte=today,
                engagement__ends_on__gte=today,
                engagement__provider__is_active=True,
            ),
            valid_from__lte=now,
            user__is_active=True,
        )


class Grant(models.Model):
    """Let one person act in one role at one place of the hierarchy, from and until."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants", verbose_name=_("person")
    )
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    level = models.CharField(_("level"), max_length=10, choices=Level.choices)
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("group"),
    )
    provider = models.ForeignKey(
        ServiceProvider,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("provider"),
    )
    # Unit, brand or store: its number in the group's schema, by level; null at other levels.
    place_id = models.BigIntegerField(_("place"), null=True, blank=True)
    # Kept beside the number so that lists need not enter the group's schema.
    place_name = models.CharField(_("place"), max_length=120, blank=True)
    engagement = models.ForeignKey(
        Engagement,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("engagement"),
    )
    valid_from = models.DateTimeField(_("from"), default=timezone.now)
    valid_until = models.DateTimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    # Who let the person in: one of the two never approves what the other asked for.
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="grants_given",
        verbose_name=_("by"),
    )
    given_at = models.DateTimeField(auto_now_add=True, null=True, verbose_name=_("at"))

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(level=Level.PLATFORM, tenant=None, provider=None, place_id=None)
                    | Q(level=Level.PROVIDER, tenant=None, provider__isnull=False, place_id=None)
                    | Q(level=Level.GROUP, tenant__isnull=False, place_id=None)
                    | Q(
                        level__in=[Level.UNIT, Level.BRAND, Level.STORE],
                        tenant__isnull=False,
                        place_id__isnull=False,
                    )
                ),
                name="%(app_label)s_%(class)s_place_fits_level",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gt=models.F("valid_from")),
                name="%(app_label)s_%(class)s_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["user", "tenant"])]

    def __str__(self) -> str:
        place = self.place_name or (self.tenant.name if self.tenant else "")
        return f"{self.get_role_display()} · {place}" if place else self.get_role_display()

    def clean(self) -> None:
        """Refuse a role at a level it does not have, and an engagement of another group."""
        if self.role and self.level and self.level not in LEVELS[Role(self.role)]:
            raise ValidationError({"level": _("This role cannot be granted at this level.")})
        if self.engagement and self.engagement.tenant_id != self.tenant_id:
            raise ValidationError({"engagement": _("The engagement is with another group.")})

    @property
    def includes_contact(self) -> bool:
        """Tell whether contact data is part of what the holder came for."""
        return self.engagement is None or self.engagement.includes_contact


class Handoff(models.Model):
    """Carry a login from the platform's host to a group's, once, within 30 seconds."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    tenant = models.ForeignKey(Tenant, models.CASCADE)
    grant = models.ForeignKey(Grant, models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.user} → {self.tenant}"
