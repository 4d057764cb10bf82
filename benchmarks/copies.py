"""Keep the rows of a group's tables in files, and load them into another group by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from benchmarks.synthetic import Group
from tenants.context import tenant_transaction

_BLOCK = 1 << 16


def save_tables(group: Group, folder: Path, tables: Sequence[str]) -> None:
    """Write each table's rows into a file in COPY's own binary format."""
    with tenant_transaction(group.tenant), connection.cursor() as cursor:
        for table in tables:
            with (
                (folder / f"{table}.copy").open("wb") as file,
                cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy,
            ):
                for block in copy:
                    file.write(block)


def load_tables(group: Group, folder: Path, tables: Sequence[str]) -> None:
    """Load the files into the group's tables, in one transaction, in this order."""
    with tenant_transaction(group.tenant), connection.cursor() as cursor:
        for table in tables:
            with (
                (folder / f"{table}.copy").open("rb") as file,
                cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy,
            ):
                while block := file.read(_BLOCK):
                    copy.write(block)
