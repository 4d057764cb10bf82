"""The database connection, typed as the wrapper that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import connection as _connection

if TYPE_CHECKING:
    from tenants.postgresql.base import DatabaseWrapper

__all__ = ["connection"]

# Django's own proxy for the current thread's connection; only its type is narrower here.
connection = cast("DatabaseWrapper", _connection)
