"""What could be true, for all that a reader knows: worlds, and a search for one that differs.

A world says how many persons are in exactly each set of brands. A solver proposes worlds; none is
believed before `Equations.hold` has added it up again: exactly, in whole numbers, for groups of a
usual size; for those with very many sets of brands also in parts of a person, as is customary
where tables are audited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import highspy
import numpy as np

from members.overlap.figures import Brands, Figure, World, open_parts

Vector = np.ndarray

# A set of brands is a 64-bit number here.
MOST_BRANDS = 62
# Beyond so many sets of brands to choose from, only those are left in that a group really has:
# fewer worlds to choose from, so that more is hidden, never less.
_MOST_SETS = 20_000
# Up to so many, worlds are of whole persons: a search in whole numbers takes milliseconds then.
MOST_WHOLE_SETS = 128
# Nodes of such a search. One that ends early has found nothing, so more is hidden.
_MOST_NODES = 200
# A world nearly as good as the best will do: what one leaves open the next search takes up.
_GAP = 0.05
_PRIMAL_SIMPLEX = 4
# What a solver leaves of zero.
_NOUGHT = 1e-6


class Equations:
    """Hold what a reader knows to be true: open brands' rows, and figures by their value."""

    def __init__(self, truth: World, closed: Brands, known: Mapping[Figure, int]) -> None:
        self.closed = closed
        self.known = dict(known)
        self.open_parts = open_parts(truth, closed)
        self.sets = self._sets(truth)
        bits = {
            brand: np.int64(1) << number
            for number, brand in enumerate(sorted(closed | frozenset().union(*self.sets)))
        }
        self._bits = bits
        self._masks = np.array([self._mask(brands) for brands in self.sets], dtype=np.int64)
        self._columns: dict[Figure, Vector] = {}
        places = {part: number for number, part in enumerate(self.open_parts)}
        inside = [(places[part], column) for column, part in self._parts() if part]
        self._part_rows = np.array([row for row, _ in inside], dtype=np.int64)
        self._part_columns = np.array([column for _, column in inside], dtype=np.int64)
        self._part_sums = np.array(list(self.open_parts.values()), dtype=np.int64)
        self.truth = np.array([truth.get(brands, 0) for brands in self.sets], dtype=np.int64)
        self.is_whole = len(self.sets) <= MOST_WHOLE_SETS
        self._rows = {
            figure: len(self.open_parts) + number
            for number, figure in enumerate(sorted(self.known, key=lambda one: one.order))
        }
        self._solver = self._made_solver()

    def _parts(self) -> Iterable[tuple[int, Brands]]:
        return ((column, brands - self.closed) for column, brands in enumerate(self.sets))

    def _mask(self, brands: Iterable[int]) -> np.int64:
        return np.bitwise_or.reduce([self._bits[one] for one in brands], initial=np.int64(0))

    def _sets(self, truth: World) -> list[Brands]:
        """Return the sets of brands that persons are given to when a world is looked for."""
        seen: dict[Brands, set[Brands]] = {part: {frozenset()} for part in self.open_parts}
        seen[frozenset()] = set()
        for brands, persons in truth.items():
            if persons:
                seen[brands - self.closed].add(brands & self.closed)
        few = len(self.closed) <= 4
        for most in (len(self.closed), 1, 0) if few else (2, 1, 0):
            more = {
                frozenset(some)
                for size in range(1, most + 1)
                for some in combinations(sorted(self.closed), size)
            }
            if not most or len(seen) * len(more) <= _MOST_SETS:
                break
        return sorted(
            (part | some for part, parts in seen.items() for some in parts | more),
            key=lambda one: (len(one), sorted(one)),
        )

    def columns(self, figure: Figure) -> Vector:
        """Return the numbers of the sets of brands that a figure counts."""
        if figure not in self._columns:
            if not figure.brands <= self._bits.keys():
                found = np.zeros(len(self.sets), dtype=bool)
            else:
                mask = self._mask(figure.brands)
                found = self._masks == mask if figure.is_exact else self._masks & mask == mask
                if figure.without in self._bits:
                    found &= self._masks & self._bits[figure.without] == 0
            self._columns[figure] = np.flatnonzero(found)
        return self._columns[figure]

    def value(self, figure: Figure, world: Vector) -> float:
        """Return a figure in a world."""
        return float(world[self.columns(figure)].sum())

    def hold(self, world: Vector) -> bool:
        """Tell whether a world agrees with all that is known: in whole numbers, to the person."""
        leeway = 0 if world.dtype == np.int64 else _NOUGHT
        parts = np.zeros(len(self._part_sums), dtype=world.dtype)
        np.add.at(parts, self._part_rows, world[self._part_columns])
        return (
            bool((world >= -leeway).all())
            and bool((np.abs(parts - self._part_sums) <= leeway).all())
            and all(
                abs(self.value(figure, world) - count) <= leeway
                for figure, count in self.known.items()
            )
        )

    def forget(self, figure: Figure) -> None:
        """Take a figure from what is known."""
        del self.known[figure]
        infinity = highspy.kHighsInf
        self._solver.changeRowBounds(self._rows[figure], -infinity, infinity)

    def find(self, wished: Sequence[Figure], *, most: Sequence[int] | None = None) -> Vector | None:
        """Look for a world in which the wished figures are small; with MOST, up to it each, large.

        Figures of exactly one set are kept at MOST, so that one does not take all.
        """
        self._aim(wished, most)
        world = self._world()
        for figure in wished:
            self._bound(figure, highspy.kHighsInf)
        return world

    def pressing(self, figure: Figure, *, is_high: bool) -> list[Figure]:
        """Return the known figures that keep a figure from being smaller, or larger."""
        self._aim([figure], [0] if is_high else None, is_bound=False)
        if self.is_whole:
            self._set_whole(False)
        self._solver.run()
        duals = self._solver.getSolution().row_dual
        if self.is_whole:
            self._set_whole(True)
        return [one for one in self.known if abs(duals[self._rows[one]]) > _NOUGHT]

    def _aim(
        self, wished: Sequence[Figure], most: Sequence[int] | None, *, is_bound: bool = True
    ) -> None:
        cost = np.zeros(len(self.sets))
        for number, figure in enumerate(wished):
            cost[self.columns(figure)] += 1.0 if most is None else -1.0
            if most is not None and is_bound:
                self._bound(figure, most[number])
        self._solver.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)

    def _bound(self, figure: Figure, highest: float) -> None:
        if figure.is_exact:
            for column in self.columns(figure):
                self._solver.changeColBounds(int(column), 0.0, highest)

    def _world(self) -> Vector | None:
        self._solver.run()
        solution = self._solver.getSolution()
        if not solution.value_valid:
            return None
        world = np.asarray(solution.col_value)
        if self.is_whole:
            world = np.rint(world).astype(np.int64)
        return world if self.hold(world) else None

    def _set_whole(self, is_whole: bool) -> None:
        kind = highspy.HighsVarType
        wanted = kind.kInteger if is_whole else kind.kContinuous
        numbers = np.arange(len(self.sets), dtype=np.int32)
        kinds = np.full(len(self.sets), int(wanted), dtype=np.uint8)
        self._solver.changeColsIntegrality(len(self.sets), numbers, kinds)

    def _made_solver(self) -> highspy.Highs:
        """Return the solver with everything that is known as its rows."""
        known = list(self._rows)
        columns = [self._part_columns, *(self.columns(figure) for figure in known)]
        rows = [self._part_rows] + [
            np.full(len(self.columns(figure)), row) for figure, row in self._rows.items()
        ]
        sums = np.concatenate((self._part_sums, [self.known[one] for one in known])).astype(float)
        places = np.concatenate(columns)
        order = np.argsort(places, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(places, minlength=len(self.sets)))))
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.sets), len(sums)
        model.col_cost_, model.col_lower_ = np.zeros(len(self.sets)), np.zeros(len(self.sets))
        model.col_upper_ = np.full(len(self.sets), highspy.kHighsInf)
        model.row_lower_ = model.row_upper_ = sums
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = starts.astype(np.int32)
        model.a_matrix_.index_ = np.concatenate(rows)[order].astype(np.int32)
        model.a_matrix_.value_ = np.ones(len(order))
        if self.is_whole:
            model.integrality_ = [highspy.HighsVarType.kInteger] * len(self.sets)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_max_nodes", _MOST_NODES)
        solver.setOptionValue("mip_rel_gap", _GAP)
        if not self.is_whole:
            # Each search begins where the one before it ended.
            solver.setOptionValue("presolve", "off")
            solver.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)
        solver.passModel(model)
        return solver
