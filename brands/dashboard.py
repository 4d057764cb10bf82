"""Panels: what they are, which page shows them, and how their figures are kept a while.

An app's `panels.py` registers functions with `@panel(…)`. A page lists its panels and each one
loads by itself, so that no page waits for a slow one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from django.core.cache import cache
from django.http import QueryDict
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import get_language

from brands.models import Generation
from brands.wall import scope
from brands.wall.visibility import Visible
from tenants.roles import Level

CACHE_SECONDS = 300
DEFAULT_DAYS = 90
DAYS_OFFERED = (30, 90, 365)
LONGEST_DAYS = 3660
# Dates outside of these are slips of the keyboard.
EARLIEST, LATEST = dt.date(1990, 1, 1), dt.date(2100, 1, 1)

Result = TypeVar("Result")


class Page(StrEnum):
    """The pages that are made of panels."""

    GROUP = "group"
    BRAND = "brand"
    STORE = "store"


@dataclass(frozen=True)
class Period:
    """Be the days asked for: given by their ends, or the last DAYS that have figures."""

    first: dt.date | None = None
    last: dt.date | None = None
    days: int = DEFAULT_DAYS

    def resolved(self, latest: dt.date | None) -> Period:
        """Return the period with both ends, LATEST being the last day that has figures."""
        last = self.last or latest or dt.date.today()
        first = self.first or last - dt.timedelta(days=self.days - 1)
        last = min(max(first, last), first + dt.timedelta(days=LONGEST_DAYS - 1))
        return Period(first, last, (last - first).days + 1)

    def __iter__(self) -> Iterator[dt.date]:
        """Go through the days of a period that has both ends."""
        if self.first is not None:
            yield from (self.first + dt.timedelta(days=number) for number in range(self.days))

    @property
    def before(self) -> Period:
        """Return the period of the same length that ends the day before this one."""
        if self.first is None:
            raise ValueError("Only a period with both ends has one before it.")
        last = self.first - dt.timedelta(days=1)
        return Period(last - dt.timedelta(days=self.days - 1), last, self.days)


def period_asked(parameters: QueryDict) -> tuple[Period, bool]:
    """Return the period of ?from=&to= or ?days=, and whether it could be read."""
    from_text, to_text = parameters.get("from", ""), parameters.get("to", "")
    try:
        first, last = parse_date(from_text), parse_date(to_text)
        days = int(parameters.get("days", DEFAULT_DAYS))
    except ValueError:
        return Period(), False
    if bool(from_text) != bool(first) or bool(to_text) != bool(last):
        return Period(), False
    if any(end and not EARLIEST <= end <= LATEST for end in (first, last)):
        return Period(), False
    if not 1 <= days <= LONGEST_DAYS:
        return Period(), False
    if first and last and not 0 <= (last - first).days < LONGEST_DAYS:
        return Period(), False
    return Period(first, last, days), True


@dataclass(frozen=True)
class Ask:
    """Be what a panel is asked: the brands, the store where there is one, and the days."""

    page: Page
    brand_ids: tuple[int, ...]
    store_id: int | None
    period: Period
    visible: Visible

    @property
    def key(self) -> str:
        """Name the question, for the key of its cached answer."""
        parts = (self.page, self.brand_ids, self.store_id, self.period)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Panel:
    """Be one panel: a question, a template for the answer, and who may see it where."""

    name: str
    title: str | Promise
    pages: frozenset[Page]
    template: str
    select: Callable[[Ask], Any]
    permission: str
    levels: frozenset[Level]
    is_wide: bool
    position: int
    # False where the answer names persons: those are read anew each time.
    is_kept: bool


_panels: dict[str, Panel] = {}


def panel(
    *,
    title: str | Promise,
    pages: set[Page],
    template: str,
    permission: str = "brands.view_dashboard",
    levels: frozenset[Level] = frozenset(Level),
    is_wide: bool = False,
    position: int = 100,
    is_kept: bool = True,
) -> Callable[[Callable[[Ask], Result]], Callable[[Ask], Result]]:
    """Register a function that answers an Ask as a panel of these pages."""

    def register(select: Callable[[Ask], Result]) -> Callable[[Ask], Result]:
        _panels[select.__name__] = Panel(
            name=select.__name__,
            title=title,
            pages=frozenset(pages),
            template=template,
            select=select,
            permission=permission,
            levels=levels,
            is_wide=is_wide,
            position=position,
            is_kept=is_kept,
        )
        return select

    return register


def panels_of(page: Page, *, user: Any, level: str) -> list[Panel]:
    """Return the panels of a page that the person may see, in their order."""
    found = [
        one
        for one in _panels.values()
        if page in one.pages and Level(level) in one.levels and user.has_perm(one.permission)
    ]
    return sorted(found, key=lambda one: (one.position, one.name))


def generation() -> int:
    """Return the number of times the group's roll-ups have changed."""
    found = Generation.objects.filter(pk=Generation.ONLY).values_list("number", flat=True).first()
    return found or 0


def kept(name: str, key: str, make: Callable[[], Result]) -> Result:
    """Return what MAKE returns, kept for a while under this scope and these roll-ups alone."""
    address = f"figures:{scope.current().cache_key}:{generation()}:{get_language()}:{name}:{key}"
    answer = cache.get(address)
    if answer is None:
        answer = make()
        cache.set(address, answer, CACHE_SECONDS)
    return answer


def answer(one: Panel, ask: Ask) -> Any:
    """Return a panel's answer, from the cache where it may be and is there."""
    if not one.is_kept:
        return one.select(ask)
    return kept(one.name, ask.key, lambda: one.select(ask))
