"""Write down counts so that a preview tells nothing that may not be counted today."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# A count as it is kept: exact, or {"from": n}, the lower end of its step.
Kept = int | dict[str, int]


@dataclass(frozen=True)
class Cutter:
    """Cut figures of the brands in brand-max, which HQ may not count finely, to steps of k.

    A step has k values, the lowest of which are the counts under k. So no figure, and no
    difference of two, whether of one preview or of two, names a cell smaller than k.
    """

    protected: frozenset[int]
    k: int

    def kept(self, count: int, *brand_ids: int | None) -> Kept:
        """Return a count of rows or persons of these brands as it may be kept."""
        if self.protected.isdisjoint(brand_ids):
            return count
        return {"from": count // self.k * self.k}


@dataclass(frozen=True)
class Figure:
    """Be a kept count, ready to be shown."""

    least: int
    is_exact: bool
    is_small: bool = False

    def __bool__(self) -> bool:
        return self.least > 0 or not self.is_exact


def figure(kept: Any) -> Figure:
    """Return a kept count, ready to be shown."""
    if isinstance(kept, dict):
        return Figure(kept["from"], is_exact=False, is_small=kept["from"] == 0)
    return Figure(int(kept or 0), is_exact=True)


def total(kept: Iterable[Any]) -> Figure:
    """Return the sum of kept counts: at least so many where one of them is cut."""
    figures = [figure(one) for one in kept]
    least = sum(one.least for one in figures)
    is_exact = all(one.is_exact for one in figures)
    return Figure(least, is_exact, is_small=not is_exact and least == 0)
