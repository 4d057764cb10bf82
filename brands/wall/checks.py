"""System checks of the wall: every table is declared, and the database says what the code says."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from brands.wall.models import GroupWalled, Walled
from tenants.provisioning import tenant_models


@register()
def every_table_is_declared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a group's model that is neither behind the wall nor says who may touch it."""
    found: list[CheckMessage] = []
    for model in tenant_models():
        if model._meta.auto_created:
            continue
        if issubclass(model, Walled):
            declared = hasattr(model, "wall")
        elif issubclass(model, GroupWalled):
            declared = hasattr(model, "counted")
        else:
            declared = hasattr(model, "app_privileges")
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
