"""Time variants of one piece of work in alternating rounds, so that a noisy machine hits all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Seconds:
    """Hold the rounds of one variant."""

    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Return the median round."""
        return statistics.median(self.rounds)

    @property
    def least(self) -> float:
        """Return the shortest round."""
        return min(self.rounds)

    @property
    def most(self) -> float:
        """Return the longest round."""
        return max(self.rounds)


class Stopwatch:
    """Hold the seconds that a `with stopwatch()` block took."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time the block, without the garbage collector's pauses."""
    watch = Stopwatch()
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - start
        gc.enable()


def rounds_for(rows: int, *, usual: int, large: int = 500_000) -> int:
    """Return how many rounds to run: one where a round takes minutes, which the report says."""
    return 1 if rows >= large else usual


def alternate(
    variants: Mapping[str, Callable[[], float]],
    *,
    rounds: int,
    least: Mapping[str, int] | None = None,
) -> dict[str, Seconds]:
    """Run A B … B A; each variant returns the seconds of one round, set-up left out.

    `least` gives a variant fewer rounds, where one of them is too slow to repeat as often.
    """
    found = {name: Seconds() for name in variants}
    for number in range(rounds):
        names = list(variants)
        if number % 2:
            names.reverse()
        for name in names:
            if number < (least or {}).get(name, rounds):
                found[name].rounds.append(variants[name]())
    return found
