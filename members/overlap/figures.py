"""Figures of several brands, and the worlds that they count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

Brands = frozenset[int]
# How many persons are in exactly these brands.
World = Mapping[Brands, int]


@dataclass(frozen=True)
class Figure:
    """Be a number of persons: in all of these brands, whatever else; or in exactly these.

    With `without`, only those are counted who are not in that brand.
    """

    brands: Brands
    is_exact: bool = False
    without: int | None = None

    def counts(self, brands: Brands) -> bool:
        """Tell whether a person who is in exactly BRANDS is counted."""
        if self.is_exact:
            return brands == self.brands
        return self.brands <= brands and self.without not in brands

    def of(self, world: World) -> int:
        """Return the number of persons in a world."""
        if self.is_exact:
            return world.get(self.brands, 0)
        return sum(persons for brands, persons in world.items() if self.counts(brands))

    @property
    def order(self) -> tuple[bool, list[int], int]:
        """Return what figures are sorted by, so that one group always gets one answer."""
        return (self.is_exact, sorted(self.brands), self.without or 0)


def open_parts(world: World, closed: Brands) -> dict[Brands, int]:
    """Return how many persons are in exactly these of the open brands: HQ counts its own rows."""
    return parts(world, frozenset().union(*world) - closed)


def parts(world: World, within: Brands) -> dict[Brands, int]:
    """Return persons by their set of brands as if there were no brands but WITHIN."""
    found: dict[Brands, int] = defaultdict(int)
    for brands, persons in world.items():
        if persons and brands & within:
            found[brands & within] += persons
    return dict(found)


def shared(world: World) -> dict[Brands, int]:
    """Return the persons of each brand, and of each two brands."""
    found: dict[Brands, int] = defaultdict(int)
    for brands, persons in world.items():
        for size in (1, 2):
            for some in combinations(sorted(brands), size):
                found[frozenset(some)] += persons
    return dict(found)


def largest(world: World, most: int, *, least: int = 1) -> dict[Brands, int]:
    """Return the sets of brands with the most persons in exactly these, in their order.

    Single brands fill up what sets of two and more leave.
    """
    ordered = sorted(world.items(), key=lambda one: (len(one[0]) == 1, -one[1], sorted(one[0])))
    return {brands: persons for brands, persons in ordered[:most] if persons >= max(least, 1)}
