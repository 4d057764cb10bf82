"""Choose which figures with brands in brand-max may be shown together.

A small number of persons is shown nowhere, and what is shown does not give one away: for each
there is a world that agrees with all that is shown in which it is as small as it could be, and one
in which it is k, or as large as it could be (docs/decisions/0012-small-cells-in-overlaps.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from members.overlap.figures import Brands, Figure, World, largest, open_parts

if TYPE_CHECKING:
    from members.overlap.worlds import Vector

# How many sets of brands are shown with the persons who are in exactly these.
MOST_EXACT = 24
# A group with more different sets of brands shows no figure with a brand in brand-max: finding out
# which may be shown would take minutes.
MOST_CELLS = 4_000
_MOST_SEARCHES = 5_000
_WORTH_IT = 20
_NOUGHT = 1e-6


@dataclass(frozen=True)
class Secret:
    """Be a small number of persons, and the bounds that all shown figures must leave it."""

    figure: Figure
    persons: int
    least: int
    most: int


@dataclass(frozen=True)
class Chosen:
    """Be the figures to show, by their value, and how many were hidden for the others' sake."""

    shown: Mapping[Figure, int]
    hidden_with: int = 0


def _brands(world: World) -> Brands:
    return frozenset().union(*(brands for brands, persons in world.items() if persons))


def _sizes(world: World, closed: Brands, sized: Brands) -> dict[int, int]:
    """Return the persons of each brand whose number a reader knows: the open, and SIZED."""
    return {
        brand: Figure(frozenset({brand})).of(world)
        for brand in _brands(world) | closed
        if brand not in closed or brand in sized
    }


def secrets(world: World, closed: Brands, sized: Brands, k: int) -> list[Secret]:
    """Return every small number of persons that concerns a brand in brand-max.

    SIZED are the closed brands whose number of persons is shown elsewhere. The bounds are those
    that follow from the sizes alone: nobody can hide what is known without any overlap.
    """
    sizes, parts = _sizes(world, closed, sized), open_parts(world, closed)
    everyone = sum(parts.values())
    closed_sizes = [sizes.get(brand) for brand in closed]
    # The persons who could be in any closed brand at all; None: any number.
    closed_persons = None if None in closed_sizes else sum(size or 0 for size in closed_sizes)
    found = []
    for brands, persons in sorted(world.items(), key=lambda one: sorted(one[0])):
        if not 0 < persons < k:
            continue
        part, others = brands - closed, brands & closed
        tops = [sizes[brand] for brand in others if brand in sizes]
        least = 0
        if part:
            tops.append(parts[part])
        if not others:
            least = 0 if closed_persons is None else max(0, parts[part] - closed_persons)
        elif not part and len(others) == 1 and closed_persons is not None:
            (alone,) = others
            least = max(0, 2 * sizes[alone] - everyone - closed_persons)
        found.append(Secret(Figure(brands, is_exact=True), persons, least, min([k, *tops])))
    for pair in pairs(world, closed):
        found += _secrets_of_pair(world, pair, sizes, k)
    for brand in sorted(closed - sized):
        figure = Figure(frozenset({brand}))
        persons = figure.of(world)
        if 0 < persons < k:
            found.append(Secret(figure, persons, 0, k))
    return found


def pairs(world: World, closed: Brands) -> list[Brands]:
    """Return every two brands of which at least one is in brand-max."""
    brands = sorted(_brands(world) | closed)
    return [frozenset(pair) for pair in combinations(brands, 2) if closed & set(pair)]


def _secrets_of_pair(world: World, pair: Brands, sizes: Mapping[int, int], k: int) -> list[Secret]:
    shared = Figure(pair)
    found = [Secret(shared, shared.of(world), 0, min([k, *(sizes.get(one, k) for one in pair)]))]
    for one in sorted(pair):
        (other,) = pair - {one}
        rest = Figure(frozenset({one}), without=other)
        known = one in sizes and other in sizes
        least = max(0, sizes[one] - sizes[other]) if known else 0
        found.append(Secret(rest, rest.of(world), least, min(k, sizes.get(one, k))))
    return [secret for secret in found if secret.persons < k]


def candidates(world: World, closed: Brands, k: int) -> dict[Figure, int]:
    """Return the figures that are large enough to be shown, if the others let them."""
    found: dict[Figure, int] = {}
    for pair in pairs(world, closed):
        shared = Figure(pair)
        sides = [Figure(frozenset({one}), without=other) for one in pair for other in pair - {one}]
        if all(figure.of(world) >= k for figure in (shared, *sides)):
            found[shared] = shared.of(world)
    return found | exact(world, k)


def exact(world: World, least: int = 1) -> dict[Figure, int]:
    """Return the figures of the largest sets of brands: persons who are in exactly these."""
    found = largest(world, MOST_EXACT, least=least)
    return {Figure(brands, is_exact=True): persons for brands, persons in found.items()}


def choose(world: World, closed: Brands, sized: Brands, k: int) -> Chosen:
    """Return which figures with brands in brand-max are shown.

    With k below 2 nothing is small, so all of them are.
    """
    if k < 2:
        everything = [Figure(pair) for pair in pairs(world, closed)]
        return Chosen({figure: figure.of(world) for figure in everything} | exact(world))
    if len(world) > MOST_CELLS:
        return Chosen({}, len(candidates(world, closed, k)))
    wanted = candidates(world, closed, k)
    audit = Audit(world, closed, sized, k, wanted)
    while (failed := audit.first_unsafe()) is not None:
        if not audit.hide_one(*failed):
            return Chosen({}, len(wanted))
    return Chosen(audit.shown, len(wanted) - len(audit.shown))


class Audit:
    """Find the small numbers that a set of shown figures does not protect.

    A world that was found stays one when figures are hidden: so each secret is settled once.
    """

    def __init__(
        self, world: World, closed: Brands, sized: Brands, k: int, shown: Mapping[Figure, int]
    ) -> None:
        # The solver takes tens of megabytes, which the web's processes never need.
        from members.overlap.worlds import Equations

        self.shown = dict(shown)
        sizes = {
            Figure(frozenset({brand})): persons
            for brand, persons in _sizes(world, closed, sized).items()
            if brand in closed
        }
        self._equations = Equations(world, closed, sizes | self.shown)
        self._low = secrets(world, closed, sized, k)
        self._high = list(self._low)
        self._searches = 0
        self._pressing: list[Figure] = []
        self._settle(self._equations.truth)

    def _settle(self, world: Vector) -> int:
        """Take from the open questions what a world answers; return how many it answered."""
        value = self._equations.value
        low = [one for one in self._low if value(one.figure, world) > one.least + _NOUGHT]
        high = [one for one in self._high if value(one.figure, world) < one.most - _NOUGHT]
        settled = len(self._low) + len(self._high) - len(low) - len(high)
        self._low, self._high = low, high
        return settled

    def first_unsafe(self) -> tuple[Secret, bool] | None:
        """Return a small number that what is shown gives away, wholly or nearly; None for none.

        With it whether it is the upper bound that is missed.
        """
        for is_high in (False, True):
            # Many at once while that settles many; then one by one.
            while self._search(self._open(is_high), is_high) >= _WORTH_IT:
                pass
            while open_ := self._open(is_high):
                first = open_[0]
                self._search([first], is_high)
                if self._open(is_high)[:1] == [first]:
                    return first, is_high
        return None

    def _open(self, is_high: bool) -> list[Secret]:
        return self._high if is_high else self._low

    def _search(self, asked: Sequence[Secret], is_high: bool) -> int:
        if not asked:
            return 0
        self._searches += 1
        world = self._equations.find(
            [one.figure for one in asked], most=[one.most for one in asked] if is_high else None
        )
        return 0 if world is None else self._settle(world)

    def hide_one(self, secret: Secret, is_high: bool) -> bool:
        """Hide one more figure for the sake of a secret; False when searching became too long.

        The smallest of those that press on it, sets of brands before pairs. With nothing shown the
        bounds of a secret are reached, so it is settled then.
        """
        if self._searches > _MOST_SEARCHES:
            return False
        if not self.shown:
            self._low = [one for one in self._low if one is not secret]
            self._high = [one for one in self._high if one is not secret]
            return True
        pressing = self._equations.pressing(secret.figure, is_high=is_high)
        choice = [one for one in pressing if one in self.shown] or self._near(secret)
        hidden = min(choice, key=lambda one: (not one.is_exact, self.shown[one], one.order))
        del self.shown[hidden]
        self._equations.forget(hidden)
        return True

    def _near(self, secret: Secret) -> Iterable[Figure]:
        columns = set(self._equations.columns(secret.figure).tolist())
        near = [
            one
            for one in self.shown
            if not columns.isdisjoint(self._equations.columns(one).tolist())
        ]
        return near or list(self.shown)
