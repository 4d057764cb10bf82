"""Bring the public schema and every group's schema to today's models, policies and privileges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from tenants.connection import app_roles, grant_sql
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.provisioning import schema_parts, tenant_models

# What the app role may do with a public table beyond reading it; a table not named here it reads.
_ALL = "SELECT, INSERT, UPDATE, DELETE"
# Grants, contracts and people end; nobody takes them away. Old hand-offs go in a job.
_KEPT = "SELECT, INSERT, UPDATE"
_PUBLIC = {
    "account_emailaddress": _ALL,
    "account_emailconfirmation": _ALL,
    "django_session": _ALL,
    "mfa_authenticator": _ALL,
    "tenants_domain": _ALL,
    "tenants_auditevent": "SELECT, INSERT",
    "tenants_audithead": _KEPT,
    "tenants_auditcheck": _KEPT,
    "tenants_apitoken": _KEPT,
    "tenants_engagement": _KEPT,
    "tenants_grant": _KEPT,
    "tenants_handoff": _KEPT,
    "tenants_serviceprovider": _KEPT,
    "tenants_tenant": _KEPT,
    "tenants_user": _KEPT,
}
# Who writes a schedule has the owner's workers do it.
_OWNERS = "django_celery_beat_"


def public_privileges() -> list[str]:
    """Return the statements that give the app role what it needs in the public schema."""
    role = app_roles()
    tenant_tables = {model._meta.db_table for model in tenant_models()}
    tables = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and model._meta.db_table not in tenant_tables
    }
    tables.add(MigrationRecorder.Migration._meta.db_table)
    lines = [f"GRANT USAGE ON SCHEMA public TO {role};"]
    for table in sorted(tables):
        lines.append(f'REVOKE ALL ON public."{table}" FROM {role};')
        if not table.startswith(_OWNERS):
            granted = _PUBLIC.get(table, "SELECT")
            lines += grant_sql(granted, f'public."{table}"')
    return lines


def migrate_public(*, verbosity: int = 0) -> None:
    """Migrate the public schema and set the app role's privileges there."""
    if is_public_behind():
        _migrate_shared_tables()
    # Which then has nothing to migrate: it writes content types and permissions.
    call_command("migrate_schemas", shared=True, interactive=False, verbosity=verbosity)
    public_grant()


def public_grant() -> None:
    """Set the app role's privileges in the public schema."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("\n".join(public_privileges()))
        _keep_temporary_tables_from_all(cursor)


def is_public_behind() -> bool:
    """Tell whether migrations wait for the public schema."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrate_shared_tables() -> None:
    """Migrate the tables of all groups, and note the groups' own migrations as done.

    Those make nothing in the public schema. To run them there all the same, as the command would,
    takes most of its time: the state of every model after every single step.
    """
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    of_groups = {apps.get_app_config(name).label for name in settings.TENANT_APPS}
    shared = [leaf for leaf in leaves if leaf[0] not in of_groups]
    executor.migrate(shared)
    executor = MigrationExecutor(connection)
    executor.migrate(leaves, fake=True)


def _keep_temporary_tables_from_all(cursor: Any) -> None:
    """Let the owner alone make temporary tables: one of another's could stand in for a table.

    PostgreSQL gives every new database's to everybody. Where somebody else owns the database, they
    have to do it (docs/operating.md); the check of the database tells.
    """
    cursor.execute(
        "SELECT current_database() FROM pg_database "
        "WHERE datname = current_database() AND pg_has_role(datdba, 'USAGE')"
    )
    for (name,) in cursor.fetchall():
        database = connection.ops.quote_name(name)
        cursor.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {app_roles()}")


def migrate_group(tenant: Tenant) -> int:
    """Migrate one group's schema in one transaction; return how many migrations ran."""
    with tenant_transaction(tenant):
        executor = MigrationExecutor(connection)
        targets = executor.loader.graph.leaf_nodes()
        plan = executor.migration_plan(targets)
        if plan:
            executor.migrate(targets, plan=plan)
        with connection.cursor() as cursor:
            cursor.execute("\n".join(schema_parts()))
    return len(plan)


def migrate_groups(*, say: Callable[[str], None] = lambda line: None) -> None:
    """Migrate every group's schema, one transaction each; safe to run again after a stop."""
    tenants = list(
        Tenant.objects.filter(status__in=[Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED])
    )
    for number, tenant in enumerate(tenants, start=1):
        ran = migrate_group(tenant)
        say(f"{number}/{len(tenants)} {tenant.schema_name}: {ran} migrations")
