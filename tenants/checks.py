"""System checks of the platform: who this process connects as."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

# Minors with the row-security fixes, by major version.
_FIXED_MINORS = {15: 14, 16: 10, 17: 6, 18: 0}


def _unbound(cursor: Any, role: str) -> list[CheckMessage]:
    cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s", [role])
    row = cursor.fetchone()
    if row is None:
        return [Error(f"The database has no role {role}.", id="sluice.E001")]
    found: list[CheckMessage] = []
    if any(row):
        found.append(
            Error(
                f"The role {role} is a superuser or has BYPASSRLS: "
                "the wall between brands would not bind it.",
                hint=f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS;",
                id="sluice.E002",
            )
        )
    # A member of an owner is an owner to row-level security, or can become it.
    cursor.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.rolname = %s "
        "WHERE c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'MEMBER') "
        "AND c.relnamespace <> ALL (ARRAY['pg_catalog', 'information_schema']::regnamespace[])",
        [role],
    )
    if cursor.fetchone()[0]:
        found.append(
            Error(
                f"The role {role} owns tables, or is a member of a role that "
                "does: an owner is not bound by policies.",
                id="sluice.E003",
            )
        )
    return found


@register(Tags.database)
def app_role_is_bound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to run when the app role could step over row-level security."""
    found: list[CheckMessage] = []
    with connection.cursor() as cursor:
        for role in filter(None, (settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE)):
            found += _unbound(cursor, role)
        cursor.execute("SELECT current_user")
        current = cursor.fetchone()[0]
        if settings.SLUICE_PROCESS != "bulk" and current != settings.APP_ROLE:
            found.append(
                Error(
                    f"This process connects as {current}; web and scoped processes must connect "
                    f"as {settings.APP_ROLE}.",
                    id="sluice.E004",
                )
            )
        version = connection.connection.info.server_version
    major, minor = version // 10000, version % 10000
    if major < 15 or minor < _FIXED_MINORS.get(major, 0):
        found.append(
            Error(
                f"PostgreSQL {major}.{minor} lacks fixes to row-level security.",
                hint="Use 15.14, 16.10, 17.6, 18 or later.",
                id="sluice.E005",
            )
        )
    return found


# What the server must be set to so that its own log quotes no row: setting → what will do.
_QUIET = {
    "log_min_messages": {"log", "fatal", "panic"},
    "log_statement": {"none", "ddl"},
    "log_min_duration_statement": {"-1"},
}


@register(Tags.database, deploy=True)
def server_logs_no_rows(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn where the server's log would hold statements, or errors that quote rows."""
    found: list[CheckMessage] = []
    with connection.cursor() as cursor:
        for name, quiet in _QUIET.items():
            cursor.execute("SELECT current_setting(%s)", [name])
            value = cursor.fetchone()[0]
            if value not in quiet:
                found.append(
                    Warning(
                        f"PostgreSQL's {name} is {value}: its log would hold members' data.",
                        hint=f"Set it to {' or '.join(sorted(quiet))}.",
                        id="sluice.W006",
                    )
                )
    return found


def refuse_unbound() -> None:
    """End a web process whose role the wall would not bind, before it answers anyone."""
    found = [message for message in app_role_is_bound(None) if message.is_serious()]
    connection.close()
    if found:
        reasons = " ".join(str(message.msg) for message in found)
        raise SystemExit(f"{reasons} No request was served. `manage.py check` says more.")
