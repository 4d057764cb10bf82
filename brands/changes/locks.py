"""Let decisions of one group wait for each other, for the length of a transaction."""

from __future__ import annotations

from tenants.connection import connection


def hold_decisions() -> None:
    """Wait until no one else decides on the group's modes; then hold them off."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"sluice:{connection.schema_name}:mode"],
        )
