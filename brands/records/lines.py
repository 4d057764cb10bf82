"""From decisions to lines: who saw what of whom, from when to when, as the wall's table says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from brands.facts import Facts
from brands.wall.visibility import Cell, Kind, NoticeTerms, Sight, Viewer, decide

HQ = 0


@dataclass(frozen=True)
class Span:
    """Be a stretch of time in which one cell of the table was the same; END None: it goes on."""

    cell: Cell
    begin: datetime
    end: datetime | None


@dataclass
class Line:
    """Be what one brand shared with others who received the same, in the same time."""

    brand_id: int
    # Brands by number; HQ is 0.
    recipients: list[int]
    kinds: list[Kind]
    sight: Sight
    notices: frozenset[int]
    since: datetime
    until: datetime | None


@dataclass
class _Table:
    """Answer the table's cells at any instant, each question once."""

    facts: Facts
    _known: dict[tuple, Cell] = field(default_factory=dict)

    def cell(
        self,
        viewer: Viewer,
        brand_id: int,
        kind: Kind,
        at: datetime,
        terms: tuple[NoticeTerms, ...],
    ) -> Cell:
        """Return what a viewer saw of a brand at an instant."""
        modes = self.facts.modes(at=at)
        own = [modes.get(brand) for brand in viewer.brands]
        key = (viewer.is_hq, viewer.brands, brand_id, kind, modes[brand_id], *own, id(terms))
        if key not in self._known:
            self._known[key] = decide(viewer, brand_id, kind, modes, terms)
        return self._known[key]


def instants(facts: Facts, *, until: datetime) -> list[datetime]:
    """Return every instant up to UNTIL at which the table may have changed, in order."""
    found = {change.effective_at for change in facts.decisions}
    for one in facts.notices:
        found.add(one.notice.effective_from)
        found |= {one.ends_at} if one.ends_at else set()
    for brand in facts.brands.values():
        found.add(brand.created_at)
        found |= {brand.left_at} if brand.left_at else set()
    return sorted(at for at in found if at <= until)


def spans(facts: Facts, *, until: datetime) -> Iterator[tuple[int, int, Kind, Span]]:
    """Yield brand, recipient, kind and each span in which anything was shared."""
    moments = instants(facts, until=until)
    terms = {at: tuple(facts.terms(at=at)) for at in moments}
    table = _Table(facts)
    viewers = {HQ: Viewer(is_hq=True)}
    viewers |= {pk: Viewer(brands=frozenset({pk})) for pk in facts.brands}
    for brand_id, brand in facts.brands.items():
        for recipient, viewer in viewers.items():
            if recipient == brand_id:
                continue
            born = max(
                brand.created_at,
                facts.brands[recipient].created_at if recipient else brand.created_at,
            )
            lived = [at for at in moments if at >= born]
            for kind in Kind:
                cells = [(at, table.cell(viewer, brand_id, kind, at, terms[at])) for at in lived]
                for span in _joined(cells):
                    if span.cell.sight is not Sight.NONE:
                        yield brand_id, recipient, kind, span


def _joined(cells: list[tuple[datetime, Cell]]) -> Iterator[Span]:
    """Join neighbours that say the same."""
    begin: datetime | None = None
    held: Cell | None = None
    for at, cell in cells:
        if held is not None and (cell.sight, cell.notices) == (held.sight, held.notices):
            continue
        if held is not None and begin is not None:
            yield Span(held, begin, at)
        begin, held = at, cell
    if held is not None and begin is not None:
        yield Span(held, begin, None)


def lines(
    facts: Facts, *, begin: datetime, until: datetime, sides: Iterable[int] | None = None
) -> list[Line]:
    """Return who shared what with whom at any time between two instants.

    SIDES are the brands whose part is wanted: what they gave and what they received; None is the
    whole group. Kinds, and then recipients, of whom the same is true stand in one line.
    """
    own = None if sides is None else set(sides)
    by_pair: dict[tuple, list[Kind]] = {}
    for brand_id, recipient, kind, span in spans(facts, until=until):
        if span.end is not None and span.end <= begin:
            continue
        if own is not None and brand_id not in own and recipient not in own:
            continue
        key = (brand_id, recipient, span.cell.sight, span.cell.notices, span.begin, span.end)
        by_pair.setdefault(key, []).append(kind)
    found: dict[tuple, Line] = {}
    for (brand_id, recipient, sight, notices, since, end), kinds in by_pair.items():
        key = (brand_id, tuple(kinds), sight, notices, since, end)
        line = found.get(key)
        if line is None:
            found[key] = Line(brand_id, [recipient], kinds, sight, notices, since, end)
        else:
            line.recipients.append(recipient)
    order = list(facts.brands)
    return sorted(
        found.values(), key=lambda one: (order.index(one.brand_id), one.recipients[0], one.since)
    )
