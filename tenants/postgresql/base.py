"""django-tenants' database wrapper, with the schema set for one transaction at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.utils import DatabaseError
from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantsDatabaseWrapper
from django_tenants.utils import get_public_schema_name, quote_schema_name

if TYPE_CHECKING:
    from django_tenants.postgresql_backend.base import FakeTenant

    from tenants.models import Tenant

_UNKNOWN = ["?"]


class PreparingCursor(ServerBindingCursor):
    """Let the server keep the plans of statements that come again with other parameters.

    Text without parameters is never prepared: those are SET and SAVEPOINT, often several in one.
    """

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """Run a statement, prepared once it has come often enough."""
        if params is None:
            kwargs["prepare"] = False
        return super().execute(query, params, **kwargs)  # type: ignore[misc]


class DatabaseWrapper(TenantsDatabaseWrapper):
    """Set the search path with SET LOCAL, so no pooled connection carries a group's path onward.

    Outside a transaction only the public schema (the server's default path) is reachable: a query
    for a group's table there fails instead of reading another group's rows.
    """

    schema_name: str
    tenant: Tenant | FakeTenant
    _setting_search_path: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._local_path: list[str] | None = None
        super().__init__(*args, **kwargs)

    def get_connection_params(self) -> dict[str, Any]:
        """Return what to connect with; statements are prepared where the settings say so."""
        found = super().get_connection_params()
        if found["prepare_threshold"] is not None:
            found["cursor_factory"] = PreparingCursor
        return found

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, and prepare nothing where a pooler might hand the statements to others.

        An older pooler would run another client's statement of the same name. Its mark: the
        server's own number is not the one that was told at the start.
        """
        connection = super().get_new_connection(conn_params)
        if conn_params["prepare_threshold"] is not None and settings.PREPARE != "always":
            pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
            connection.rollback()
            if pid != connection.info.backend_pid:
                connection.prepare_threshold = None
        return connection

    def _handle_search_path(self, cursor: Any = None) -> None:
        if self._setting_search_path or self.autocommit or self.connection is None:
            return
        wanted = self._get_cursor_search_paths()
        if self._local_path == wanted:
            return
        if self._local_path is None and wanted == [get_public_schema_name()]:
            return
        self._setting_search_path = True
        path_cursor = self.connection.cursor() if cursor is None else cursor
        try:
            path = ", ".join(quote_schema_name(schema) for schema in wanted)
            # Unnamed, temporary tables would come first: somebody's of before could stand in for
            # a table of ours on a pooled connection.
            path_cursor.execute(f"SET LOCAL search_path = {path}, pg_temp")
        except DatabaseError:
            # The transaction is already broken; only a rollback can follow.
            self._local_path = _UNKNOWN
        else:
            self._local_path = wanted
        finally:
            self._setting_search_path = False
            if cursor is None:
                path_cursor.close()

    def close(self) -> None:
        """Forget the path with the connection."""
        self._local_path = None
        super().close()

    def commit(self) -> None:
        """Forget the path: the server does at the same moment."""
        super().commit()
        self._local_path = None

    def rollback(self) -> None:
        """Forget the path: the server does at the same moment."""
        super().rollback()
        self._local_path = None

    def savepoint_rollback(self, sid: str) -> None:
        """Set the path anew: what was set after the savepoint is undone."""
        try:
            super().savepoint_rollback(sid)
        finally:
            self._local_path = _UNKNOWN

    def set_autocommit(self, autocommit: bool, **kwargs: Any) -> None:
        """Start every transaction with the server's own path."""
        super().set_autocommit(autocommit, **kwargs)
        self._local_path = None
