"""The database connection, typed as the wrapper that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.db import connection as _connection

if TYPE_CHECKING:
    from tenants.postgresql.base import DatabaseWrapper

__all__ = ["app_roles", "connection"]

# Django's own proxy for the current thread's connection; only its type is narrower here.
connection = cast("DatabaseWrapper", _connection)


def app_roles() -> str:
    """Return, as SQL, the roles that web and scoped work is done as: both hold the same."""
    return ", ".join(f'"{role}"' for role in (settings.APP_ROLE, settings.WHOLE_ROLE) if role)
