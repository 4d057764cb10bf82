"""What a measure found: as a table for people, as one JSON object for machines."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from django.db import connection

from benchmarks.rounds import Seconds

_PACKAGES = ("Django", "django-tenants", "psycopg", "django-import-export")


@dataclass
class Part:
    """Be one line of a measure: ours beside the peer's and the limit's, where it has them.

    `per` turns seconds into a rate of that many things; without it less is better.
    """

    name: str
    ours: Seconds
    limit: Seconds | None = None
    peer: Seconds | None = None
    per: int = 0
    # The peer may have worked on a sample of this many things.
    peer_per: int = 0
    note: str = ""

    @property
    def unit(self) -> str:
        """Return "s" (less is better) or "/s" (more is better)."""
        return "/s" if self.per else "s"

    def _figure(self, seconds: Seconds | None, per: int) -> float | None:
        if seconds is None:
            return None
        return per / seconds.median if per else seconds.median

    def _range(self, seconds: Seconds | None, per: int) -> list[float] | None:
        if seconds is None:
            return None
        if per:
            return [per / seconds.most, per / seconds.least]
        return [seconds.least, seconds.most]

    def json(self) -> dict[str, Any]:
        """Return the part with its ratios."""
        ours = self._figure(self.ours, self.per)
        limit = self._figure(self.limit, self.per)
        peer = self._figure(self.peer, self.peer_per or self.per)
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": ours,
            "peer": peer,
            "limit": limit,
            "ours_range": self._range(self.ours, self.per),
            "peer_range": self._range(self.peer, self.peer_per or self.per),
            "limit_range": self._range(self.limit, self.per),
            "ratio_to_limit": ours / limit if limit else None,
            "ratio_to_peer": None if not peer else ours / peer if self.per else peer / ours,
            "note": self.note,
        }


@dataclass
class Target:
    """Be one figure to reach, and whether it was."""

    name: str
    figure: float
    # "at_most" or "at_least".
    sense: str
    wanted: float

    @property
    def is_reached(self) -> bool:
        """Tell whether the figure is on the right side."""
        if self.sense == "at_most":
            return self.figure <= self.wanted
        return self.figure >= self.wanted

    def json(self) -> dict[str, Any]:
        """Return the target with its verdict."""
        return {
            "name": self.name,
            "figure": self.figure,
            self.sense: self.wanted,
            "is_reached": self.is_reached,
        }


@dataclass
class Report:
    """Be a whole measure: its main line, its parts, its targets, and what to know about it."""

    name: str
    rows: int
    main: Part
    parts: list[Part] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return one JSON object."""
        main = self.main.json()
        return {
            "name": self.name,
            "rows": self.rows,
            **{
                key: main[key]
                for key in (
                    "ours",
                    "peer",
                    "limit",
                    "unit",
                    "ratio_to_limit",
                    "ratio_to_peer",
                    "ours_range",
                    "peer_range",
                    "limit_range",
                )
            },
            "targets": [target.json() for target in self.targets],
            "parts": [part.json() for part in self.parts],
            "details": self.details,
            "notes": self.notes,
            "versions": versions(),
        }

    def text(self) -> str:
        """Return a table for people."""
        heading = f"{self.name}  ({self.rows:,} rows)"
        lines = [heading, "=" * len(heading)]
        lines.append(
            f"{'':38}{'ours':>12}{'limit':>12}{'peer':>12}{'ours/limit':>12}{'× peer':>10}"
            "   ours min … max"
        )
        for part in [*self.parts, self.main]:
            found = part.json()
            unit = found["unit"]
            low, high = found["ours_range"]
            lines.append(
                f"{part.name:38.38}"
                + "".join(f"{_figure(found[key], unit):>12}" for key in ("ours", "limit", "peer"))
                + f"{_ratio(found['ratio_to_limit']):>12}{_ratio(found['ratio_to_peer']):>10}"
                + f"   {_figure(low, unit)} … {_figure(high, unit)}"
                + (f"   {part.note}" if part.note else "")
            )
        lines += [f"  {key}: {value}" for key, value in self.details.items()]
        for target in self.targets:
            sign = "≤" if target.sense == "at_most" else "≥"
            lines.append(
                f"  {'reached' if target.is_reached else 'MISSED '}  {target.name}: "
                f"{target.figure:.3g} {sign} {target.wanted:g}"
            )
        lines += [f"  note: {note}" for note in self.notes]
        lines.append("  " + ", ".join(f"{name} {found}" for name, found in versions().items()))
        return "\n".join(lines)


def versions() -> dict[str, str]:
    """Return what ran: Python, PostgreSQL and the packages compared."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0].split()[0]
    return {
        "Python": platform.python_version(),
        "PostgreSQL": server,
        **{package: version(package) for package in _PACKAGES},
    }


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "/s":
        return f"{value:,.0f} /s"
    if value < 0.0995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
