"""Read a chunk column by column, and set aside the rows that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from members.imports.cells import Problem, Reader
from members.imports.files import BadRow, Chunk


@dataclass
class Counts:
    """Count what became of rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    # Lines of the file that a later line of the same key replaced.
    repeated: list[int] = field(default_factory=list)


@dataclass
class Columns:
    """Hold the read values of a chunk by field, and what was set aside."""

    chunk: Chunk
    headings: Mapping[str, str]
    lines: list[int]
    values: dict[str, list[str]]
    bad: list[BadRow]
    # Position in the chunk of each row that is left.
    _positions: list[int]

    def __getitem__(self, name: str) -> list[str]:
        return self.values[name]

    def __len__(self) -> int:
        return len(self.lines)

    def drop(self, rows: set[int]) -> None:
        """Leave rows out, by their place among those that are left."""
        if not rows:
            return
        keep = [place for place in range(len(self.lines)) if place not in rows]
        self.lines = [self.lines[place] for place in keep]
        self._positions = [self._positions[place] for place in keep]
        self.values = {
            name: [column[place] for place in keep] for name, column in self.values.items()
        }

    def reject(self, reasons: Mapping[int, list[tuple[str, str]]]) -> None:
        """Set rows aside with their reasons: place → (field, reason) of each."""
        for place, found in reasons.items():
            self.bad.append(
                BadRow(
                    self.lines[place],
                    "; ".join(self.headings.get(name, name) for name, _reason in found),
                    "; ".join(reason for _name, reason in found),
                    self.chunk.rows[self._positions[place]],
                )
            )
        self.drop(set(reasons))

    def keep_last(self, *names: str) -> list[int]:
        """Leave out rows that a later row with the same key replaces; return their lines."""
        keys = list(zip(*(self.values[name] for name in names), strict=True))
        if len(set(keys)) == len(keys):
            return []
        last = {key: place for place, key in enumerate(keys)}
        dropped = {place for place, key in enumerate(keys) if last[key] != place}
        lines = [self.lines[place] for place in sorted(dropped)]
        self.drop(dropped)
        return lines


def read_columns(
    chunk: Chunk,
    columns: Mapping[str, int],
    headings: Mapping[str, str],
    readers: Mapping[str, Reader],
    defaults: Mapping[str, str],
) -> Columns:
    """Return the chunk's values; a field without a column has its default in every row."""
    values: dict[str, list[str]] = {}
    reasons: dict[int, list[tuple[str, str]]] = {}
    given = list(zip(*chunk.rows, strict=True))
    for name, reader in readers.items():
        position = columns.get(name)
        if position is None or not given:
            values[name] = [defaults[name]] * len(chunk.rows)
            continue
        column = list(map(reader.__getitem__, given[position]))
        values[name] = column
        if reader.has_problems:
            for place, value in enumerate(column):
                if type(value) is Problem:
                    reasons.setdefault(place, []).append((name, str(value)))
    read = Columns(
        chunk, headings, list(chunk.lines), values, list(chunk.bad), list(range(len(chunk.rows)))
    )
    read.reject(reasons)
    return read


def unknown_member(number: str) -> str:
    """Return the reason for an order of a member that the brand does not have."""
    return _("The brand has no member “%(number)s”. Import the member, then this row.") % {
        "number": number
    }
