"""Compare what PostgreSQL's catalogue says of a group's schema with what the code declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from brands.wall.models import is_walled
from brands.wall.policies import (
    policies,
    privileges,
    rendering_set,
    schema_policy,
    secured_models,
)
from tenants.provisioning import tenant_models

# (name, PERMISSIVE or RESTRICTIVE, roles, command, USING, WITH CHECK), as pg_policies gives them.
PolicyRow = tuple[str, str, tuple[str, ...], str, str, str]

_SCRATCH = "declared_by_the_code"
_POLICIES = """
    SELECT schemaname, tablename, policyname, permissive, roles::text[], cmd,
           coalesce(qual, ''), coalesce(with_check, '')
    FROM pg_policies WHERE schemaname = ANY (%s)
"""
_RELATIONS = """
    SELECT n.nspname, c.relname, c.relkind::text, c.relrowsecurity, pg_get_userbyid(c.relowner),
           ARRAY(
               SELECT DISTINCT a.privilege_type
               FROM aclexplode(coalesce(
                   c.relacl, acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char",
                                        c.relowner))) a
               WHERE a.grantee IN (0, (SELECT oid FROM pg_roles WHERE rolname = %s))
           ),
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
           EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
           OR EXISTS (SELECT FROM pg_rewrite r
                      WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""
_SCHEMAS = """
    SELECT n.nspname, pg_get_userbyid(n.nspowner),
           ARRAY(
               SELECT DISTINCT a.privilege_type
               FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
               WHERE a.grantee IN (0, (SELECT oid FROM pg_roles WHERE rolname = %s))
           ),
           EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid)
    FROM pg_namespace n WHERE n.nspname = ANY (%s)
"""
_ROLE = """
    SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           has_database_privilege(r.oid, current_database(), 'TEMP'),
           ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                 WHERE m.member = r.oid)
    FROM pg_roles r WHERE rolname = %s
"""


def declared_policies(cursor: Any, schema_names: list[str]) -> dict[str, set[PolicyRow]]:
    """Return table → policies as the server writes down what the code declares.

    The server is asked by making them on empty temporary tables, which are dropped again. A table
    that none of the schemas has is left out.
    """
    models = []
    homes: dict[str, str] = {}
    for model in secured_models():
        cursor.execute(
            "SELECT min(schemaname) FROM pg_tables WHERE tablename = %s AND schemaname = ANY (%s)",
            [model._meta.db_table, schema_names],
        )
        if home := cursor.fetchone()[0]:
            models.append(model)
            homes[model._meta.db_table] = home
    for model in models:
        table = model._meta.db_table
        scratch = f'pg_temp."{table}"'
        cursor.execute(f'CREATE TEMPORARY TABLE "{table}" (LIKE "{homes[table]}"."{table}")')
        wanted = policies(model, rendering_set())
        if is_walled(model):
            wanted.append(schema_policy(f"'{_SCRATCH}'", rendering_set()))
        for policy in wanted:
            cursor.execute(policy.sql(scratch))
    cursor.execute("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
    temporary = cursor.fetchone()[0]
    found = _policies(cursor, [temporary])[temporary]
    for model in models:
        cursor.execute(f'DROP TABLE pg_temp."{model._meta.db_table}"')
    return found


def _policies(cursor: Any, schema_names: list[str]) -> dict[str, dict[str, set[PolicyRow]]]:
    cursor.execute(_POLICIES, [schema_names])
    found: dict[str, dict[str, set[PolicyRow]]] = defaultdict(lambda: defaultdict(set))
    for schema, table, name, kind, roles, command, using, check in cursor.fetchall():
        found[schema][table].add((name, kind, tuple(roles), command, using, check))
    return found


def declared_privileges() -> dict[str, set[str]]:
    """Return table → what the app role may do with it, for every table of a group's schema."""
    found = {
        model._meta.db_table: {word for word in privileges(model).split(", ") if word}
        for model in tenant_models()
    }
    found[MigrationRecorder.Migration._meta.db_table] = {"SELECT"}
    return found


def differences(
    cursor: Any,
    schema_names: Iterable[str],
    declared: dict[str, set[PolicyRow]] | None = None,
) -> list[str]:
    """Return, in words, everything by which the wall of these schemas is not what is declared.

    The cursor must be the owner role's, in a transaction. Who asks often passes what
    `declared_policies` returned.
    """
    schema_names = sorted(schema_names)
    if not schema_names:
        return role_differences(cursor)
    return [
        *role_differences(cursor),
        *_schema_differences(cursor, schema_names),
        *_relation_differences(cursor, schema_names),
        *_policy_differences(cursor, schema_names, declared),
    ]


def role_differences(cursor: Any) -> list[str]:
    """Return, in words, every way by which the app role could step around the wall.

    The roles for whole brands and for looks are held to the same, and are the only ones that the
    app role may be.
    """
    first, *narrower = _roles()
    found = _role_differences(cursor, first, set(narrower))
    for role in narrower:
        found += _role_differences(cursor, role, set())
    return found


def _role_differences(cursor: Any, role: str, allowed: set[str]) -> list[str]:
    cursor.execute(_ROLE, [role])
    row = cursor.fetchone()
    if row is None:
        return [f"The role {role} is missing."]
    found = [
        f"The role {role} {words}."
        for holds, words in zip(
            row,
            (
                "is a superuser",
                "has BYPASSRLS",
                "may create roles",
                "may create databases",
                "may replicate",
                "may make temporary tables",
            ),
            strict=False,
        )
        if holds
    ]
    # A member of an owner is an owner to row-level security.
    found += [f"The role {role} is a member of {name}." for name in row[-1] if name not in allowed]
    return found


def _roles() -> list[str]:
    return [role for role in (settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE) if role]


def _schema_differences(cursor: Any, schema_names: list[str]) -> list[str]:
    found: list[str] = []
    for role in _roles():
        cursor.execute(_SCHEMAS, [role, schema_names])
        rows = {schema: rest for schema, *rest in cursor.fetchall()}
        found += [f"The schema {name} is missing." for name in schema_names if name not in rows]
        for schema, (owner, granted, has_functions) in rows.items():
            if owner == role:
                found.append(f"The schema {schema} belongs to {role}.")
            if set(granted) != {"USAGE"}:
                found.append(f"The privileges of {role} on the schema {schema} are {granted}.")
            if has_functions:
                found.append(f"The schema {schema} holds functions, which nothing declares.")
    return list(dict.fromkeys(found))


def _relation_differences(cursor: Any, schema_names: list[str]) -> list[str]:
    declared = declared_privileges()
    walled = {model._meta.db_table for model in secured_models()}
    found: list[str] = []
    present: set[tuple[str, str]] = set()
    rows = []
    for role in _roles():
        cursor.execute(_RELATIONS, [role, schema_names])
        rows += [(role, *row) for row in cursor.fetchall()]
    for role, schema, table, kind, secured, owner, granted, by_column, acts in rows:
        name = f"{schema}.{table}"
        present.add((schema, table))
        if owner == role:
            found.append(f"{name} belongs to {role}.")
        expected = declared.get(table, set()) if kind in "rp" else set()
        if role == settings.LOOK_ROLE:
            expected = expected & {"SELECT"}
        if set(granted) != expected:
            found.append(f"{name}: {role} has {sorted(granted)}, declared is {sorted(expected)}.")
        if by_column:
            found.append(f"{name} has privileges by column, which nothing declares.")
        if acts:
            found.append(f"{name} has a trigger or a rule, which nothing declares.")
        if kind in "rp" and secured != (table in walled):
            found.append(f"{name}: row-level security is {'on' if secured else 'off'}.")
    found += [
        f"{schema}.{table} is missing."
        for schema in schema_names
        for table in sorted(declared)
        if (schema, table) not in present
    ]
    return list(dict.fromkeys(found))


def _policy_differences(
    cursor: Any, schema_names: list[str], declared: dict[str, set[PolicyRow]] | None
) -> list[str]:
    expected = declared_policies(cursor, schema_names) if declared is None else declared
    actual = _policies(cursor, schema_names)
    found: list[str] = []
    for schema in schema_names:
        tables = set(expected) | set(actual[schema])
        for table in sorted(tables):
            want = {
                (*row[:4], *(text.replace(f"'{_SCRATCH}'", f"'{schema}'") for text in row[4:]))
                for row in expected.get(table, set())
            }
            have = actual[schema].get(table, set())
            found += [
                f"{schema}.{table}: policy {row[0]} is not as declared." for row in have - want
            ]
            found += [
                f"{schema}.{table}: policy {row[0]} is missing or changed." for row in want - have
            ]
    return found


def read_differences(schema_names: Iterable[str]) -> list[str]:
    """Return the differences on Django's own connection, leaving nothing behind."""
    with transaction.atomic(), connection.cursor() as cursor:
        found = differences(cursor, schema_names)
        transaction.set_rollback(True)
    return found
