"""The database connection, typed as the wrapper that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.db import connection as _connection

if TYPE_CHECKING:
    from tenants.postgresql.base import DatabaseWrapper

__all__ = ["app_roles", "connection", "grant_sql"]

# Django's own proxy for the current thread's connection; only its type is narrower here.
connection = cast("DatabaseWrapper", _connection)


def app_roles() -> str:
    """Return, as SQL, the roles that web and scoped work is done as."""
    return _names(settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE)


def grant_sql(privileges: str, table: str) -> list[str]:
    """Return the statements that give those roles PRIVILEGES; the role that looks only reads."""
    lines = [f"GRANT {privileges} ON {table} TO {_names(settings.APP_ROLE, settings.WHOLE_ROLE)};"]
    if settings.LOOK_ROLE and "SELECT" in privileges.split(", "):
        lines.append(f"GRANT SELECT ON {table} TO {_names(settings.LOOK_ROLE)};")
    return lines


def _names(*roles: str) -> str:
    return ", ".join(f'"{role}"' for role in roles if role)
