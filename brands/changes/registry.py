"""What the apps above bring to a change of mode: what it affects, what it makes them recompute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise

from brands.modes import Mode
from brands.wall.models import Walled
from brands.wall.visibility import Kind
from tenants.models import Tenant

Modes = Mapping[int, Mode]
Words = str | Promise
# Steps done, steps in all.
Say = Callable[[int, int], None]


@dataclass(frozen=True)
class Affected:
    """Be what a change does to something of a brand, or of the group where there is no brand.

    `words` says what becomes of it; the preview keeps it in the language of who asked. `after` is
    what `count` will be, where both are known; a count of None is one that must not be told.
    """

    count: int | None
    words: str
    brand_id: int | None = None
    # Counts persons or their rows: cut like all such counts where the brand is in brand-max.
    is_people: bool = False
    after: int | None = None


CountAffected = Callable[[Modes, Modes], Iterable[Affected]]
# Brand → how many persons have agreed to exactly these notices, in the brand's own rows.
CountPersons = Callable[[], Iterable[tuple[int, frozenset[int], int]]]
# Masked fields of a few rows of a brand that the open scope shows.
Sample = Callable[[int, int], list[list[str]]]


@dataclass(frozen=True)
class AffectedCounter:
    """Be one kind of thing that a change of mode affects."""

    name: str
    label: Words
    count: CountAffected


@dataclass(frozen=True)
class Sampler:
    """Be how a few rows of one kind are shown, masked."""

    kind: Kind
    headings: tuple[Words, ...]
    rows: Sample


@dataclass(frozen=True)
class Recompute:
    """Be one step of what follows a change of mode; the panels named show old figures till then."""

    name: str
    label: Words
    act: Callable[[Tenant, Say], Any]
    panels: frozenset[str] = field(default_factory=frozenset)


affected_counters: dict[str, AffectedCounter] = {}
samplers: dict[Kind, Sampler] = {}
recomputes: dict[str, Recompute] = {}
counted_models: dict[Kind, tuple[type[Walled], ...]] = {}
_persons: list[CountPersons] = []


def register_affected(name: str, label: Words, count: CountAffected) -> None:
    """Let previews name what a change affects: COUNT gets brand → mode before and after it.

    It is called in a bulk scope inside the group's transaction.
    """
    affected_counters[name] = AffectedCounter(name, label, count)


def register_rows(kind: Kind, *models: type[Walled]) -> None:
    """Let previews count these tables' rows as what there is of a kind."""
    counted_models[kind] = models


def register_persons(count: CountPersons) -> None:
    """Let previews count persons by the notices they have agreed to."""
    _persons[:] = [count]


def register_samples(kind: Kind, headings: tuple[Words, ...], rows: Sample) -> None:
    """Let previews show rows of a kind as they look; ROWS reads in the viewer's own scope."""
    samplers[kind] = Sampler(kind, headings, rows)


def register_recompute(
    name: str,
    label: Words,
    act: Callable[[Tenant, Say], Any],
    *,
    panels: Iterable[str] = (),
) -> None:
    """Let ACT run after every change of mode, as a step of its follow-up.

    It runs as the owner role outside any transaction and opens its own. It may run twice, and
    again after it was killed halfway; it calls its second argument with (done, in all).
    """
    recomputes[name] = Recompute(name, label, act, frozenset(panels))


def persons_by_notices() -> list[tuple[int, frozenset[int], int]]:
    """Return (brand, notices agreed to, persons) from the app that knows persons."""
    return [row for count in _persons for row in count()]
