"""Tell the planner that a store has one brand: it multiplies the two otherwise.

The wall's conditions name both. Taken for independent, a store of forty members is guessed at
seven, and a kept plan reads the whole brand's index to find them.
"""

from __future__ import annotations

from brands.wall.models import walled_models


def statements() -> list[str]:
    """Return what declares a walled table's store and brand as dependent, safe to run again."""
    tables = [model._meta.db_table for model in walled_models()]
    return [
        f'CREATE STATISTICS IF NOT EXISTS "{table}_place" (dependencies) '
        f'ON brand_id, store_id FROM "{table}";'
        for table in tables
    ]
