"""Columns of numbers, read from whole tables into arrays.

A row that crosses to Python by itself costs a microsecond and more. The server strings the numbers
of many rows together instead, as they are in its binary format, and numpy takes them as they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from django.db.backends.utils import CursorWrapper

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

# Pages that are read at once (64 MB of a table): what the server and we hold twice meanwhile.
PAGES_AT_ONCE = 8192


def read_columns(cursor: CursorWrapper, table: str, columns: Sequence[str]) -> list[Numbers]:
    """Return columns of a table, which are bigint and never null, row for row.

    Takes eight bytes for each number. Parts of a large table are read by statements of their own.
    """
    cursor.execute(
        "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint", [table]
    )
    pages = int(cursor.fetchone()[0])
    # Two numbers at once, as a point: exact below 2^53, and a third less work for the server.
    even = [*columns, "0"] if len(columns) % 2 else columns
    strung = ", ".join(
        f"string_agg(point_send(point({one}, {other})), NULL)"
        for one, other in zip(even[::2], even[1::2], strict=True)
    )
    found: list[list[Numbers]] = [[] for _ in even]
    for first in range(0, max(pages, 1), PAGES_AT_ONCE):
        where = ["true"]
        if first:
            where.append(f"ctid >= '({first},0)'")
        if first + PAGES_AT_ONCE < pages:
            where.append(f"ctid < '({first + PAGES_AT_ONCE},0)'")
        query = f"SELECT {strung} FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608
        for row in _rows(cursor, query):
            for number, points in enumerate(row):
                pairs = np.frombuffer(points or b"", ">f8").reshape(-1, 2)
                found[2 * number].append(pairs[:, 0].astype(np.int64))
                found[2 * number + 1].append(pairs[:, 1].astype(np.int64))
    return [
        parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in found[: len(columns)]
    ]


def read_identities(
    cursor: CursorWrapper, kinds: Sequence[str]
) -> list[tuple[tuple[str, str], Numbers]]:
    """Return the identities of kinds, by kind and space."""
    query = """
        SELECT kind, space, string_agg(int8send(id), NULL) FROM members_identity
        WHERE kind = ANY(%s) GROUP BY kind, space ORDER BY kind, space
    """
    return [
        ((kind, space), np.frombuffer(strung, ">i8").astype(np.int64))
        for kind, space, strung in _rows(cursor, query, [list(kinds)])
    ]


def _rows(cursor: CursorWrapper, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a query whose answer comes in binary, after CURSOR ran one in this transaction."""
    with psycopg.Cursor(cursor.connection) as raw:
        raw.execute(query, params, binary=True)
        return raw.fetchall()
