"""Two groups, a cast of people, and the wall's scopes, for every test."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import management
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.test import Client
from django.test.utils import override_settings, setup_databases
from django.utils import timezone

from brands.models import Brand, BusinessUnit, ModeFollowUp, Notice, Store
from brands.modes import Mode
from brands.selectors import visible_for_grant
from brands.services import mode_change
from brands.wall import scope
from tenants.context import tenant_transaction
from tenants.migration import is_public_behind, migrate_public, public_grant
from tenants.models import Engagement, Grant, ServiceProvider, Tenant, User
from tenants.provisioning import schema_parts, tenant_provision
from tenants.roles import Level, Role

PASSWORD = "a long enough passphrase"


@pytest.fixture(scope="session", autouse=True)
def _settings_of_tests() -> None:
    """Set what is the same for every test, once: each override is one more to look through."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Looked up when asked for: every client would otherwise read all files first.
    settings.WHITENOISE_AUTOREFRESH = True
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.CELERY_TASK_ALWAYS_EAGER = True
    settings.SECURE_SSL_REDIRECT = False
    settings.REQUIRE_SECOND_FACTOR = False
    settings.SPARE_SCHEMAS = 0


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path) -> Iterator[None]:
    """Keep tests off the network and out of the media folder."""
    caches = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            # What one test kept is nothing to the next.
            "LOCATION": str(tmp_path),
        }
    }
    with override_settings(MEDIA_ROOT=str(tmp_path / "media"), CACHES=caches):
        yield


def _migrate(command: str, **options: object) -> None:
    """Stand in for Django's migrating of a new or kept database: what it needs, and no more."""
    if command != "migrate":
        call_command(command, **options)
    elif is_public_behind():
        migrate_public()
    else:
        public_grant()


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[pytest.MonkeyPatch]:
    """Migrate the tests' database as an operator migrates a real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(management, "call_command", _migrate)
        yield patch


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_modify_db_settings, django_db_blocker):
    """Add the app role's privileges and two provisioned groups, once per run."""
    with django_db_blocker.unblock():
        if not connection.settings_dict["NAME"].startswith("test_"):
            # pytest-django makes its database only where a test asks for a transaction; those
            # that commit for themselves must not meet the real one.
            setup_databases(verbosity=0, interactive=False, keepdb=True, aliases={"default"})
        django_db_modify_db_settings.undo()
        for schema_name, name in (("acme", "Acme Group"), ("globex", "Globex Group")):
            tenant = Tenant.objects.filter(schema_name=schema_name).first()
            if tenant is None:
                _build_group(schema_name, name)
                continue
            # A database kept from an earlier run gets today's policies and privileges; for new
            # tables it is made anew with --create-db.
            with (
                suppress(ProgrammingError),
                tenant_transaction(tenant),
                connection.cursor() as cursor,
            ):
                cursor.execute("\n".join(schema_parts()))


def _build_group(schema_name: str, name: str) -> None:
    tenant = Tenant.objects.create(
        schema_name=schema_name, name=name, currency="CNY", time_zone="Asia/Shanghai"
    )
    tenant = tenant_provision(tenant=tenant)
    with tenant_transaction(tenant):
        food = BusinessUnit.objects.create(code="food", name="Food")
        brands = [
            Brand.objects.create(code="tea", name="Tea House", business_unit=food),
            Brand.objects.create(code="bakery", name="Bakery", business_unit=food),
            Brand.objects.create(code="spa", name="Spa"),
        ]
        for brand in brands:
            for number in (1, 2):
                Store.objects.create(
                    brand=brand, code=f"{brand.code}-{number}", name=f"{brand.name} {number}"
                )
        notice = Notice.objects.create(
            version="1",
            title="Group notice",
            purposes="Service",
            names_group=True,
            covers_profile=True,
            covers_contact=True,
            covers_activity=True,
            effective_from=timezone.now() - dt.timedelta(days=1),
        )
        notice.recipients.set(brands)
        notice.texts.create(language="zh-hans", title="Group notice", text="…")
        mode_change(mode=Mode.MEMBER_MAX, acting_user=None)
        # There is nothing to count anew in a group without members.
        ModeFollowUp.objects.update(state=ModeFollowUp.State.DONE)


@pytest.fixture
def acme(db) -> Tenant:
    """Return the group most tests look at: brands tea, bakery (unit food) and spa."""
    return Tenant.objects.get(schema_name="acme")


@pytest.fixture
def globex(db) -> Tenant:
    """Return the other group, of the same shape, to whom acme's data means nothing."""
    return Tenant.objects.get(schema_name="globex")


@pytest.fixture
def in_acme(acme) -> Iterator[Tenant]:
    """Run the test inside acme's schema, as the owner role and with no scope open."""
    with tenant_transaction(acme):
        yield acme


@dataclass(frozen=True)
class Cast:
    """Hold one person per role in acme, and an outsider."""

    group_admin: User
    second_admin: User
    analyst: User
    unit_manager: User
    brand_manager: User
    sibling_manager: User
    store_manager: User
    guide: User
    provider_operator: User
    platform_operator: User
    outsider: User

    def members(self) -> dict[str, User]:
        """Return name → person."""
        return dict(vars(self))


@functools.cache
def _hashed() -> str:
    return make_password(PASSWORD)


def _person(name: str) -> User:
    return User(email=f"{name}@example.com", password=_hashed(), name=name)


@pytest.fixture
def cast(acme, globex) -> Cast:
    """Return the cast: HQ, unit food, brands tea and bakery, store tea-1, a provider, an outsider.

    The provider operator acts as tea's brand manager under an engagement without contact data.
    The outsider is globex's HQ admin.
    """
    with tenant_transaction(acme):
        food = BusinessUnit.objects.get(code="food")
        tea, bakery = Brand.objects.get(code="tea"), Brand.objects.get(code="bakery")
        store = Store.objects.get(code="tea-1")
    provider = ServiceProvider.objects.create(name="Provider")
    today = timezone.now().date()
    engagement = Engagement.objects.create(
        provider=provider,
        tenant=acme,
        purpose="Operate",
        starts_on=today - dt.timedelta(days=1),
        ends_on=today + dt.timedelta(days=30),
    )
    # In one statement each, and in the order of the fields: most tests begin with this.
    people = dict(
        zip(
            Cast.__dataclass_fields__,
            User.objects.bulk_create(_person(name) for name in Cast.__dataclass_fields__),
            strict=True,
        )
    )
    given: list[Grant] = []

    def grant(name: str, role: Role, level: Level, place: object = None, **fields: object) -> None:
        given.append(
            Grant(
                user=people[name],
                role=role,
                level=level,
                tenant=fields.pop("tenant", acme),
                place_id=place.pk if place else None,
                place_name=str(place) if place else "",
                **fields,
            )
        )

    grant("group_admin", Role.HQ_ADMIN, Level.GROUP)
    grant("second_admin", Role.HQ_ADMIN, Level.GROUP)
    grant("analyst", Role.HQ_ANALYST, Level.GROUP)
    grant("unit_manager", Role.UNIT_MANAGER, Level.UNIT, food)
    grant("brand_manager", Role.BRAND_MANAGER, Level.BRAND, tea)
    grant("sibling_manager", Role.BRAND_MANAGER, Level.BRAND, bakery)
    grant("store_manager", Role.STORE_MANAGER, Level.STORE, store)
    grant("guide", Role.GUIDE, Level.STORE, store)
    grant("provider_operator", Role.BRAND_MANAGER, Level.BRAND, tea, engagement=engagement)
    grant(
        "provider_operator", Role.PROVIDER_OPERATOR, Level.PROVIDER, tenant=None, provider=provider
    )
    grant("platform_operator", Role.PLATFORM_OPERATOR, Level.PLATFORM, tenant=None)
    grant("outsider", Role.HQ_ADMIN, Level.GROUP, tenant=globex)
    for made in Grant.objects.bulk_create(given):
        # Of somebody's two the one in a group, else the first.
        if made.tenant_id or made.user.acting_grant is None:
            made.user.acting_grant = made
    return Cast(**people)


Seeing = Callable[[User], AbstractContextManager[scope.Scope]]


@pytest.fixture
def seeing(acme) -> Seeing:
    """Return a context manager: acme through a person's scope, as the app role."""

    @contextmanager
    def as_person(user: User) -> Iterator[scope.Scope]:
        with tenant_transaction(acme):
            visible = visible_for_grant(user.acting_grant, k=acme.k)
            with scope.open(visible) as opened:
                yield opened

    return as_person


@pytest.fixture
def visit() -> Callable[..., Client]:
    """Return a function that logs a person in on a group's host and returns the client."""

    def log_in(user: User | None, host: str = "acme.localhost") -> Client:
        client = Client(headers={"host": host})
        if user is not None:
            client.force_login(user, backend="tenants.backends.GrantBackend")
        return client

    return log_in


@pytest.fixture
def rows_of() -> Callable[[str], list[tuple]]:
    """Return a function that reads by raw SQL on the current connection."""

    def read(sql: str, params: list | None = None) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()

    return read
