"""Panels of members and sales, from the roll-ups alone.

Each answer is a frozen dataclass; money is in minor units. Of a brand whose small cells are hidden
the database itself holds rows back: an answer says how many days are missing and never subtracts
its way to them.
"""

from members.panels import brands, people, sales, strata

__all__ = ["brands", "people", "sales", "strata"]
