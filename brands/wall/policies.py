"""Write the wall into PostgreSQL: row-level security and privileges for a group's schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from django.conf import settings
from django.db import models

from brands.models import HQ_OR_BRAND, OWNER_ONLY
from brands.wall.models import GrantWalled, GroupWalled, Walled, all_walled_models
from brands.wall.scope import LOOK_PREFIX
from brands.wall.visibility import Kind
from tenants.connection import app_roles, grant_sql
from tenants.provisioning import tenant_models

# Plain PostgreSQL evaluates a scalar sub-select once per query, a bare setting once per row.
# Citus refuses sub-selects in policies. Both renderings are one rule.
Rendering = Literal["postgresql", "citus"]


@dataclass(frozen=True)
class Policy:
    """Be one policy: its name, its command, its two expressions and the role it is for.

    A restrictive policy must hold beside the others; of the others one is enough. Without roles
    it is for every role.
    """

    name: str
    command: Literal["ALL", "SELECT", "INSERT", "UPDATE", "DELETE"]
    using: str = ""
    check: str = ""
    is_restrictive: bool = False
    roles: tuple[str, ...] = ()

    def sql(self, table: str) -> str:
        """Return the statements that put this policy in the place of an older one."""
        kind = "RESTRICTIVE" if self.is_restrictive else "PERMISSIVE"
        parts = [f"CREATE POLICY {self.name} ON {table} AS {kind} FOR {self.command}"]
        if self.roles:
            parts.append("TO " + ", ".join(f'"{role}"' for role in self.roles))
        if self.using:
            parts.append(f"USING ({self.using})")
        if self.check:
            parts.append(f"WITH CHECK ({self.check})")
        return f"DROP POLICY IF EXISTS {self.name} ON {table}; {' '.join(parts)};"


def _ids(name: str, rendering: Rendering) -> str:
    value = f"NULLIF(current_setting('sluice.{name}', true), '')::bigint[]"
    return f"((SELECT {value})::bigint[])" if rendering == "postgresql" else f"({value})"


def _number(name: str, rendering: Rendering) -> str:
    value = f"NULLIF(current_setting('sluice.{name}', true), '')::bigint"
    return f"(SELECT {value})" if rendering == "postgresql" else value


def schema_policy(schema: str, rendering: Rendering = "postgresql") -> Policy:
    """Return the policy that voids a scope of one group in every other group's schema.

    SCHEMA is written as it stands into the SQL: a quoted literal. Brand 1 of one group is not
    brand 1 of another, so rows are shown only under settings that were made for their schema.
    """
    rule = f"current_setting('sluice.schema', true) = {schema}"
    if rendering == "postgresql":
        # Compared inside the sub-select: outside, the planner takes it for true of one row in two
        # hundred, and picks its indexes for a table that small.
        rule = f"(SELECT {rule})"
    return Policy("sluice_group", "ALL", using=rule, is_restrictive=True)


def read_rule(model: type[Walled], rendering: Rendering = "postgresql") -> str:
    """Return the condition under which a row of MODEL is read."""
    kind = model.wall.kind
    rules = [
        _whole_brands(model, rendering),
        f"(store_id = ANY {_ids(f'{kind}_stores', rendering)}"
        f" AND brand_id = ANY {_ids('store_brands', rendering)})",
        f"(brand_id = ANY {_ids(f'{kind}_consented', rendering)}"
        f" AND notice_id = ANY {_ids(f'{kind}_notices', rendering)})",
    ]
    if model.wall.counted:
        rules.append(
            f"(brand_id = ANY {_ids(f'{Kind.METRICS}_suppressed', rendering)}"
            f" AND store_id IS NULL AND {model.wall.counted} >= {_number('k', rendering)})"
        )
    return _narrowed(model, " OR ".join(rules), rendering)


def whole_rule(model: type[Walled], rendering: Rendering = "postgresql") -> str:
    """Return `read_rule` for who sees brands whole or not at all."""
    return _narrowed(model, _whole_brands(model, rendering), rendering)


def _whole_brands(model: type[Walled], rendering: Rendering) -> str:
    return f"brand_id = ANY {_ids(f'{model.wall.kind}_all', rendering)}"


def _narrowed(model: type[Walled], rule: str, rendering: Rendering) -> str:
    """Return RULE and what else must hold.

    Of a row about several brands, that each of them is seen whole; of figures that are no sibling's
    to know, that the brand tells the viewer such.
    """
    extra = []
    if model.wall.within:
        whole = _ids(f"{model.wall.kind}_all", rendering)
        extra.append(f"{model.wall.within} <@ {whole}")
    if not model.wall.is_for_siblings:
        extra.append(f"brand_id = ANY {_ids('told_brands', rendering)}")
    return " AND ".join([f"({rule})", *extra]) if extra else rule


def write_rule(rendering: Rendering = "postgresql") -> str:
    """Return the condition under which a row may be written."""
    return (
        f"brand_id = ANY {_ids('write_brands', rendering)}"
        f" OR (store_id = ANY {_ids('write_stores', rendering)}"
        f" AND brand_id = ANY {_ids('store_brands', rendering)})"
    )


def group_rule(rendering: Rendering = "postgresql") -> str:
    """Return the condition under which figures of the group are read."""
    value = "NULLIF(current_setting('sluice.group_set', true), '')"
    value = f"(SELECT {value})" if rendering == "postgresql" else value
    return f"brand_set = {value}"


def group_write_rule(rendering: Rendering = "postgresql") -> str:
    """Return the condition under which HQ writes a row of the group's."""
    return group_rule(rendering).replace("sluice.group_set", "sluice.write_group")


def grant_rule(rendering: Rendering = "postgresql") -> str:
    """Return the condition under which what a grant asked for is read and written."""
    return f"grant_id = ANY {_ids('grants', rendering)}"


def look_rule(read: str) -> str:
    """Return a rule of reading under the settings of HQ's side of a look.

    None of them set, it shows nothing: an empty setting is null, and so is what compares with it.
    """
    return read.replace("'sluice.", f"'{LOOK_PREFIX}")


def readers() -> tuple[str, ...]:
    """Return the roles for which the whole rule of reading is: the app's, and that of looks."""
    return tuple(role for role in (settings.APP_ROLE, settings.LOOK_ROLE) if role)


def guard_rule(model: type[models.Model], rendering: Rendering = "postgresql") -> str:
    """Return the condition under which an open table that not everybody writes is written.

    Under settings made for the schema that comes first: there is no policy of the schema here,
    since these tables are read to find out what a scope shows.
    """
    here = "current_setting('sluice.schema', true) = current_schema()"
    hq = f"NULLIF(current_setting('sluice.write_group', true), '') IS NOT NULL AND {here}"
    hq = f"(SELECT {hq})" if rendering == "postgresql" else f"({hq})"
    if extra := getattr(model, "app_write_rule", ""):
        hq = f"{hq} AND ({extra})"
    if getattr(model, "app_writer", "") != HQ_OR_BRAND:
        return hq
    here = f"(SELECT {here})" if rendering == "postgresql" else here
    return f"{hq} OR (brand_id = ANY {_ids('write_brands', rendering)} AND {here})"


def guards(model: type[models.Model], rendering: Rendering = "postgresql") -> list[Policy]:
    """Return the policies of an open table: everybody reads, those it names write."""
    if not hasattr(model, "app_writer"):
        return []
    rule = guard_rule(model, rendering)
    checked = {
        "INSERT": Policy("sluice_insert", "INSERT", check=rule),
        "UPDATE": Policy("sluice_update", "UPDATE", using=rule, check=rule),
        "DELETE": Policy("sluice_delete", "DELETE", using=rule),
    }
    granted = privileges(model)
    found = [Policy("sluice_read", "SELECT", using="true")]
    return found + [policy for command, policy in checked.items() if command in granted]


def secured_models() -> list[type[models.Model]]:
    """Return every model of a group whose table has policies."""
    return [model for model in tenant_models() if policies(model)]


def policies(model: type[models.Model], rendering: Rendering = "postgresql") -> list[Policy]:
    """Return the policies of one model: none for one that all of the group may write."""
    if issubclass(model, GroupWalled):
        read, write = group_rule(rendering), group_write_rule(rendering)
    elif issubclass(model, Walled):
        read, write = read_rule(model, rendering), write_rule(rendering)
    elif issubclass(model, GrantWalled):
        read = write = grant_rule(rendering)
    else:
        return guards(model, rendering)
    found = [Policy("sluice_read", "SELECT", using=read)]
    if settings.WHOLE_ROLE and issubclass(model, Walled):
        # A query is planned with every part of the rule, needed or not: who sees whole brands is
        # spared the others. Neither has the other's policy.
        found = [
            Policy("sluice_read", "SELECT", using=read, roles=readers()),
            Policy(
                "sluice_read_whole",
                "SELECT",
                using=whole_rule(model, rendering),
                roles=(settings.WHOLE_ROLE,),
            ),
        ]
    if settings.LOOK_ROLE:
        # Beside the role's rule, HQ's own: whatever else is there, no row passes without it.
        found.append(
            Policy(
                "sluice_look",
                "SELECT",
                using=look_rule(read),
                is_restrictive=True,
                roles=(settings.LOOK_ROLE,),
            )
        )
    granted = privileges(model)
    if "INSERT" in granted:
        found.append(Policy("sluice_insert", "INSERT", check=write))
    if "UPDATE" in granted:
        found.append(Policy("sluice_update", "UPDATE", using=write, check=write))
    return found


def privileges(model: type[models.Model]) -> str:
    """Return what the app role may do with a model's table; "" for nothing."""
    if issubclass(model, Walled):
        return model.wall.privileges
    if issubclass(model, (GroupWalled, GrantWalled)):
        return model.privileges()
    if owner := model._meta.auto_created:
        # The rows of a many-to-many field are as open as those of the model that declares it.
        return getattr(owner, "app_privileges", OWNER_ONLY)
    return model.app_privileges  # type: ignore[attr-defined]


def model_statements(model: type[models.Model], rendering: Rendering = "postgresql") -> list[str]:
    """Return the statements that wall one table, safe to run again."""
    table = f'"{model._meta.db_table}"'
    roles = app_roles()
    lines = [f"REVOKE ALL ON {table} FROM {roles};"]
    if granted := privileges(model):
        lines += grant_sql(granted, table)
    if found := policies(model, rendering):
        lines.append(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;")
        # Where they are left from a time when the settings named their roles.
        lines.append(f"DROP POLICY IF EXISTS sluice_read_whole ON {table};")
        lines.append(f"DROP POLICY IF EXISTS sluice_look ON {table};")
        lines += [policy.sql(table) for policy in found]
    return lines


def schema_statement(rendering: Rendering = "postgresql") -> str:
    """Return the statement that lets the app role into the schema and writes `schema_policy`.

    The text is the same for every schema; the server fills in the name. A schema that is renamed
    shows nothing until this has run again.
    """
    tables = [model._meta.db_table for model in all_walled_models()]
    policy = schema_policy("%2$L", rendering).sql("%1$I").replace("'", "''")
    names = ", ".join(f"'{table}'" for table in tables)
    return (
        "DO $wall$ DECLARE walled text; BEGIN "
        f"EXECUTE format('GRANT USAGE ON SCHEMA %I TO {app_roles()}', current_schema()); "
        f"FOREACH walled IN ARRAY ARRAY[{names}] LOOP "
        f"EXECUTE format('{policy}', walled, current_schema()); END LOOP; END $wall$;"
    )


def rendering_set() -> Rendering:
    """Return the rendering that the settings name."""
    return cast(Rendering, settings.WALL_RENDERING)


def statements() -> list[str]:
    """Return every statement that walls a group's schema, for the current search path."""
    lines = grant_sql("SELECT", '"django_migrations"')
    for model in tenant_models():
        lines += model_statements(model, rendering_set())
    lines.append(schema_statement(rendering_set()))
    return lines
