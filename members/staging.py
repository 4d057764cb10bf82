"""Temporary tables of one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.utils import CursorWrapper


def economise(cursor: CursorWrapper) -> None:
    """Let this transaction's plans be made of small samples: its tables are many and short-lived.

    A tenth of the sample tells as well which of two of them is the larger.
    """
    cursor.execute("SET LOCAL default_statistics_target = 10")


def stage(cursor: CursorWrapper, name: str, columns: str) -> None:
    """Make an empty temporary table that ends with the transaction."""
    cursor.execute(
        f"DROP TABLE IF EXISTS pg_temp.{name}; "
        f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP"
    )


def stage_query(
    cursor: CursorWrapper,
    name: str,
    query: str,
    params: list[Any] | Mapping[str, Any] | None = None,
) -> int:
    """Make a temporary table of a query's rows; return how many there are."""
    # Without its statistics the planner takes a new table for a thousand rows, whatever it holds.
    cursor.execute(
        f"DROP TABLE IF EXISTS pg_temp.{name}; "
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}; "
        f"ANALYZE pg_temp.{name}",
        params,
    )
    cursor.nextset()
    return cursor.rowcount


def copy_into(cursor: CursorWrapper, name: str, columns: str, rows: str, *, joined_by: str) -> None:
    """Write rows in COPY's text format into a temporary table that is joined by some columns."""
    with cursor.copy(f"COPY pg_temp.{name} ({columns}) FROM STDIN") as copy:
        copy.write(rows)
    cursor.execute(f"ANALYZE pg_temp.{name} ({joined_by})")
