"""System checks of the wall: every table is declared, and the database says what the code says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from brands.wall import catalogue
from brands.wall.models import Walled, WalledQuerySet, is_walled
from tenants.models import Tenant
from tenants.provisioning import tenant_models


@register()
def every_table_is_declared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a group's model that is neither behind the wall nor says who may touch it."""
    found: list[CheckMessage] = []
    for model in tenant_models():
        # Django keeps here the model whose field made this one.
        owner: Any = model._meta.auto_created
        if owner:
            if is_walled(owner):
                found.append(
                    Error(
                        f"{model._meta.label} would join walled rows in a table without a wall.",
                        hint="Give the many-to-many field a `through` model that is walled.",
                        obj=owner,
                        id="sluice.E011",
                    )
                )
            continue
        if issubclass(model, Walled):
            declared = hasattr(model, "wall")
        else:
            declared = is_walled(model) or hasattr(model, "app_privileges")
        if not declared:
            found.append(
                Error(
                    f"{model._meta.label} lives in a group's schema but is neither walled nor "
                    "declares app_privileges.",
                    hint="Subclass Walled and set `wall`, or set `app_privileges`.",
                    obj=model,
                    id="sluice.E010",
                )
            )
    return found


@register()
def every_manager_fails_closed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a walled model that has a manager which reads without a scope."""
    found: list[CheckMessage] = []
    for model in tenant_models():
        if not is_walled(model):
            continue
        managers: list[Any] = [
            *model._meta.managers,
            model._meta.base_manager,
            model._meta.default_manager,
        ]
        for manager in managers:
            if not issubclass(getattr(manager, "_queryset_class", object), WalledQuerySet):
                found.append(
                    Error(
                        f"{model._meta.label}.{manager.name} reads without a scope.",
                        hint="Build managers on WalledManager and let Meta extend Walled.Meta.",
                        obj=model,
                        id="sluice.E012",
                    )
                )
    return found


@register(Tags.database)
def the_database_is_as_declared(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Compare every group's schema with the wall that the code declares (`--database default`)."""
    # Only the owner role may ask the server to write the declared policies down.
    if not databases or "default" not in databases or settings.SLUICE_PROCESS != "bulk":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"public.{Tenant._meta.db_table}"])
        if cursor.fetchone()[0] is None:
            # Before the first migration there is no group whose wall could be wrong.
            return []
    schemas = list(
        Tenant.objects.filter(
            status__in=[Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED]
        ).values_list("schema_name", flat=True)
    )
    return [
        Error(
            difference,
            hint="`manage.py migrate_groups` writes policies and privileges anew.",
            id="sluice.E013",
        )
        for difference in catalogue.read_differences(schemas)
    ]
