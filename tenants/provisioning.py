"""Create a group's schema whole or not at all, straight from the models' own DDL.

Running every migration for every new group costs seconds; cloning a schema keeps policies that
point at the source. So the DDL of today's models runs for the new schema itself, in one
transaction, and the migrations are recorded as applied. A test compares the result with what the
migrations make.

A few spare schemas may be kept ready: taking one into use is a change of its name. A spare carries
the digest of the DDL it was made with as its comment; one of other DDL is never taken.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from functools import lru_cache

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_tenants.utils import quote_schema_name

from tenants import audit
from tenants.connection import app_roles
from tenants.context import tenant_transaction
from tenants.models import Domain, Tenant, User, validate_schema_name

# Statements to run in a new or migrated schema after its tables exist (policies, privileges).
_schema_parts: list[Callable[[], list[str]]] = []
# What to write into a new group's schema (its default mode, its keys).
_seeds: list[Callable[[Tenant], None]] = []
# How the comment of a spare schema begins.
_SPARE = "sluice spare "


class ProvisioningError(Exception):
    """Say why a group could not be set up; nothing of it was kept."""


def register_schema_part(part: Callable[[], list[str]]) -> None:
    """Let an app add statements to every group's schema."""
    _schema_parts.append(part)


def register_seed(seed: Callable[[Tenant], None]) -> None:
    """Let an app write what a new group starts with."""
    _seeds.append(seed)


def tenant_models() -> list[type[models.Model]]:
    """Return every model that lives in a group's schema, many-to-many tables included."""
    return [
        model
        for label in settings.TENANT_APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]


def schema_parts() -> list[str]:
    """Return the statements that the apps add to a schema, safe to run again."""
    return [statement for part in _schema_parts for statement in part()]


@lru_cache(maxsize=1)
def _table_ddl() -> str:
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        tables: list[type[models.Model]] = [MigrationRecorder.Migration, *tenant_models()]
        for model in tables:
            if not model._meta.auto_created:
                editor.create_model(model)
    return "\n".join(editor.collected_sql)


def _recorded_migrations() -> str:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    rows = ", ".join(f"('{app}', '{name}', now())" for app, name in sorted(loader.disk_migrations))
    return f"INSERT INTO django_migrations (app, name, applied) VALUES {rows};"  # noqa: S608


@lru_cache(maxsize=1)
def schema_ddl() -> str:
    """Return every statement that makes an empty group schema, for the current search path."""
    return "\n".join([_table_ddl(), _recorded_migrations(), *schema_parts()])


def create_schema(schema_name: str) -> None:
    """Create the schema and all its tables in the current transaction."""
    validate_schema_name(schema_name)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {quote_schema_name(schema_name)}")
        cursor.execute(f"GRANT USAGE ON SCHEMA {quote_schema_name(schema_name)} TO {app_roles()}")


def _spare_mark() -> str:
    return f"{_SPARE}{hashlib.sha256(schema_ddl().encode()).hexdigest()}"


def _lock_spare(name: str, mark: str) -> bool:
    """Keep others off a spare until the transaction ends; tell whether it is still there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [_SPARE + name])
        if not cursor.fetchone()[0]:
            return False
        # Whoever held the lock before may have taken it.
        cursor.execute(
            "SELECT FROM pg_namespace WHERE nspname = %s"
            " AND obj_description(oid, 'pg_namespace') = %s",
            [name, mark],
        )
        return cursor.fetchone() is not None


def _spares() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
            " WHERE starts_with(obj_description(oid, 'pg_namespace'), %s) ORDER BY nspname",
            [_SPARE],
        )
        return cursor.fetchall()


def spares_refill(*, wanted: int | None = None) -> int:
    """Make spare schemas until as many stand ready as are WANTED; return how many were made.

    Spares of older DDL are dropped. Safe to run at any time, and twice at once.
    """
    wanted = settings.SPARE_SCHEMAS if wanted is None else wanted
    mark, ready = _spare_mark(), 0
    for name, found in _spares():
        with transaction.atomic():
            if found == mark and ready < wanted:
                ready += 1
            elif _lock_spare(name, found):
                with connection.cursor() as cursor:
                    cursor.execute(f"DROP SCHEMA {quote_schema_name(name)} CASCADE")
    for _number in range(missing := wanted - ready):
        name = f"spare_{secrets.token_hex(8)}"
        with transaction.atomic():
            create_schema(name)
            with tenant_transaction(Tenant(schema_name=name)), connection.cursor() as cursor:
                cursor.execute(schema_ddl())
                cursor.execute(f"COMMENT ON SCHEMA {quote_schema_name(name)} IS '{mark}'")
    return max(missing, 0)


def _spare_take(schema_name: str) -> bool:
    """Give a spare this name in the current transaction; False where none stands ready."""
    validate_schema_name(schema_name)
    mark = _spare_mark()
    for name, found in _spares():
        if found == mark and _lock_spare(name, mark):
            spare, taken = quote_schema_name(name), quote_schema_name(schema_name)
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER SCHEMA {spare} RENAME TO {taken}")
                cursor.execute(f"COMMENT ON SCHEMA {taken} IS NULL")
            return True
    return False


def tenant_request(
    *, schema_name: str, name: str, acting_user: User | None, **fields: object
) -> Tenant:
    """Write down the wish for a group; `tenant_provision` fulfils it."""
    tenant = Tenant(schema_name=schema_name, name=name, **fields)
    tenant.full_clean()
    with transaction.atomic():
        tenant.save()
        audit.record(acting_user=acting_user, action="tenant.request", target=tenant)
    return tenant


def tenant_provision(*, tenant: Tenant, acting_user: User | None = None) -> Tenant:
    """Give TENANT its schema, tables, policies, first rows and host: all of it or none.

    Safe to repeat: an active group is left as it is. Raises ProvisioningError.
    """
    Tenant.objects.filter(pk=tenant.pk).exclude(status=Tenant.Status.ACTIVE).update(
        status=Tenant.Status.PROVISIONING, status_note=""
    )
    try:
        with transaction.atomic():
            locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
            if locked.is_active:
                return locked
            # Policies may name their schema, so a spare's are written anew under its new name.
            if _spare_take(locked.schema_name):
                ddl = "\n".join(schema_parts())
            else:
                create_schema(locked.schema_name)
                ddl = schema_ddl()
            with tenant_transaction(locked):
                with connection.cursor() as cursor:
                    cursor.execute(ddl)
                for seed in _seeds:
                    seed(locked)
            Domain.objects.get_or_create(
                domain=locked.host.split(":")[0], defaults={"tenant": locked, "is_primary": True}
            )
            locked.status = Tenant.Status.ACTIVE
            locked.status_note = ""
            locked.save(update_fields=["status", "status_note"])
            audit.record(acting_user=acting_user, action="tenant.provision", target=locked)
    except Exception as error:
        note = f"Nothing was created: {str(error).strip().splitlines()[0]}"
        Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.FAILED, status_note=note)
        raise ProvisioningError(note) from error
    return locked
