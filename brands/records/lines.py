"""From decisions to lines: who saw what of whom, from when to when, as the wall's table says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product

from brands.facts import Facts
from brands.modes import Mode
from brands.notices import has_left
from brands.wall.visibility import Cell, Kind, NoticeTerms, Sight, Viewer, decide

HQ = 0


@dataclass(frozen=True)
class Span:
    """Be a stretch of time in which one cell and its basis were the same; END None: it goes on."""

    cell: Cell
    decision: int | None
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
    # The number of the decision that set the mode; None before any, and once the brand has left.
    decision: int | None
    since: datetime
    until: datetime | None


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


@dataclass(frozen=True)
class _Moment:
    """Be what held from one instant to the next: modes, decisions by number, and the notices."""

    at: datetime
    modes: Mapping[int, Mode]
    decisions: Mapping[int, int | None]
    notices: int


@dataclass
class _Past:
    """Hold every moment of a group, and the table's answers, each asked once."""

    facts: Facts
    moments: list[_Moment] = field(default_factory=list)
    _terms: list[list[NoticeTerms]] = field(default_factory=list)
    _known: dict[tuple, dict[Kind, Cell]] = field(default_factory=dict)

    @classmethod
    def read(cls, facts: Facts, *, until: datetime) -> _Past:
        """Go through the instants at which anything changed."""
        past = cls(facts)
        for at in instants(facts, until=until):
            terms = facts.terms(at=at)
            if terms not in past._terms:
                past._terms.append(terms)
            decided = {
                pk: None if has_left(brand, at=at) else facts.decision(pk, at=at)
                for pk, brand in facts.brands.items()
            }
            numbers = {pk: change.pk if change else None for pk, change in decided.items()}
            moment = _Moment(at, facts.modes(at=at), numbers, past._terms.index(terms))
            past.moments.append(moment)
        return past

    def cells(self, brand_id: int, recipient: int, moment: _Moment) -> dict[Kind, Cell]:
        """Return what a recipient saw of a brand, kind by kind.

        Of a sibling the table knows nothing but both modes and the notices that name it.
        """
        mode, own = moment.modes[brand_id], moment.modes.get(recipient)
        key = (recipient, mode, own, moment.notices)
        if key not in self._known:
            viewer = Viewer(brands=frozenset({recipient})) if recipient else Viewer(is_hq=True)
            modes = {brand_id: mode} | ({recipient: own} if own else {})
            terms = self._terms[moment.notices]
            self._known[key] = {kind: decide(viewer, brand_id, kind, modes, terms) for kind in Kind}
        return self._known[key]

    def spans(self, brand_id: int, recipient: int) -> Iterator[tuple[Kind, Span]]:
        """Yield each kind and each span in which a recipient saw anything of a brand."""
        born = self.facts.brands[brand_id].created_at
        if recipient:
            born = max(born, self.facts.brands[recipient].created_at)
        held: dict[Kind, Span] = {}
        state: tuple | None = None
        for moment in self.moments:
            if moment.at < born:
                continue
            decision = moment.decisions[brand_id]
            before, state = (
                state,
                (moment.modes[brand_id], moment.modes.get(recipient), moment.notices, decision),
            )
            if state == before:
                continue
            for kind, cell in self.cells(brand_id, recipient, moment).items():
                span = held.get(kind)
                if span is not None:
                    same = (span.cell.sight, span.cell.notices, span.decision)
                    if same == (cell.sight, cell.notices, decision):
                        continue
                    yield kind, replace(span, end=moment.at)
                held[kind] = Span(cell, decision, moment.at, None)
        yield from held.items()


def lines(
    facts: Facts, *, begin: datetime, until: datetime, sides: Iterable[int] | None = None
) -> list[Line]:
    """Return who shared what with whom at any time between two instants.

    SIDES are the brands whose part is wanted: what they gave and what they received; None is the
    whole group. Kinds, and then recipients, of whom the same is true stand in one line.
    """
    own = None if sides is None else set(sides)
    past = _Past.read(facts, until=until)
    by_pair: dict[tuple, list[Kind]] = {}
    for brand_id, recipient in product(facts.brands, [HQ, *facts.brands]):
        if brand_id == recipient:
            continue
        if own is not None and brand_id not in own and recipient not in own:
            continue
        for kind, span in past.spans(brand_id, recipient):
            cell = span.cell
            if cell.sight is Sight.NONE or (span.end is not None and span.end <= begin):
                continue
            said = (cell.sight, cell.notices, span.decision, span.begin, span.end)
            by_pair.setdefault((brand_id, recipient, *said), []).append(kind)
    found: dict[tuple, Line] = {}
    for (brand_id, recipient, sight, notices, decision, since, end), kinds in by_pair.items():
        key = (brand_id, tuple(kinds), sight, notices, decision, since, end)
        line = found.get(key)
        if line is None:
            found[key] = Line(brand_id, [recipient], kinds, sight, notices, decision, since, end)
        else:
            line.recipients.append(recipient)
    order = {pk: place for place, pk in enumerate(facts.brands)}
    in_order = [Kind(kind) for kind in Kind]
    for line in found.values():
        line.kinds.sort(key=in_order.index)
    return sorted(
        found.values(), key=lambda one: (order[one.brand_id], one.recipients[0], one.since)
    )
