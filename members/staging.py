"""Temporary tables of one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.utils import CursorWrapper


def stage(cursor: CursorWrapper, name: str, columns: str) -> None:
    """Make an empty temporary table that ends with the transaction."""
    cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
    cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")


def stage_query(
    cursor: CursorWrapper,
    name: str,
    query: str,
    params: list[Any] | Mapping[str, Any] | None = None,
) -> int:
    """Make a temporary table of a query's rows; return how many there are."""
    cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
    cursor.execute(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}", params)
    count = cursor.rowcount
    # Without it the planner takes a new table for a thousand rows, whatever it holds.
    cursor.execute(f"ANALYZE pg_temp.{name}")
    return count


def copy_into(cursor: CursorWrapper, name: str, columns: str, rows: str, *, joined_by: str) -> None:
    """Write rows in COPY's text format into a temporary table that is joined by some columns."""
    with cursor.copy(f"COPY pg_temp.{name} ({columns}) FROM STDIN") as copy:
        copy.write(rows)
    cursor.execute(f"ANALYZE pg_temp.{name} ({joined_by})")
