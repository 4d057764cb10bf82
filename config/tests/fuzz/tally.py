"""Count what was read, by kind, way and what the oracle said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """Count the reads of a run."""

    reads: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    examples: int = 0

    @property
    def total(self) -> int:
        """Return how many reads were decided and compared."""
        return sum(self.reads.values())

    def add(self, kind: str, way: str, *, allowed: int, denied: int) -> None:
        """Count reads of one kind by one way."""
        self.reads[kind, way, True] += allowed
        self.reads[kind, way, False] += denied

    def one_sided(self, *ways: str) -> list[str]:
        """Name the kinds and ways (all where none are named) seen only allowed or only denied."""
        return [
            f"{kind} by {way}: allowed {self.reads[kind, way, True]}, "
            f"denied {self.reads[kind, way, False]}"
            for kind, way in self._pairs()
            if (not ways or way in ways)
            and not (self.reads[kind, way, True] and self.reads[kind, way, False])
        ]

    def _pairs(self) -> list[tuple[str, str]]:
        return sorted({(kind, way) for kind, way, _allowed in self.reads})

    def lines(self) -> Iterator[str]:
        """Say the counts as a table."""
        yield f"{'kind':<11}{'way':<8}{'allowed':>12}{'denied':>12}"
        for kind, way in self._pairs():
            allowed, denied = self.reads[kind, way, True], self.reads[kind, way, False]
            yield f"{kind:<11}{way:<8}{allowed:>12,}{denied:>12,}"
        steps = sum(self.steps.values())
        yield f"{self.total:,} reads in {steps:,} steps of {self.examples:,} runs"
        yield ", ".join(f"{name} {count:,}" for name, count in sorted(self.steps.items()))

    def keep(self, path: Path) -> None:
        """Write the counts down for whoever sums several processes'."""
        path.write_text(
            json.dumps(
                {
                    "reads": [[*key, count] for key, count in self.reads.items()],
                    "steps": self.steps,
                    "examples": self.examples,
                }
            )
        )

    @classmethod
    def summed(cls, paths: Iterable[Path]) -> Tally:
        """Return the sum of counts that were kept."""
        found = cls()
        for path in paths:
            kept = json.loads(path.read_text())
            for kind, way, is_allowed, count in kept["reads"]:
                found.reads[kind, way, is_allowed] += count
            found.steps.update(kept["steps"])
            found.examples += kept["examples"]
        return found
