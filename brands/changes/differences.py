"""Compare two worlds of modes: which rows open and close for whom, from the wall's own table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brands.modes import Mode
from brands.wall.visibility import Cell, Kind, NoticeTerms, Sight, Viewer, decide

Modes = Mapping[int, Mode]
_ROWLESS = frozenset({Sight.NONE, Sight.AVERAGES})


@dataclass(frozen=True)
class Side:
    """Be a viewer of the comparison: HQ, or the people of one brand."""

    brand_id: int | None

    @property
    def viewer(self) -> Viewer:
        """Return the side as the wall sees it, at its widest: roles and contracts narrow it."""
        if self.brand_id is None:
            return Viewer(is_hq=True)
        return Viewer(brands=frozenset({self.brand_id}))


@dataclass(frozen=True)
class Difference:
    """Be one cell of the wall's table that is another before and after."""

    side: Side
    brand_id: int
    kind: Kind
    before: Cell
    after: Cell

    @property
    def opens(self) -> bool:
        """Tell whether the side may then see what it may not see before."""
        return not is_within(self.after, self.before)

    @property
    def closes(self) -> bool:
        """Tell whether the side may no longer see what it may see before."""
        return not is_within(self.before, self.after)

    @property
    def opens_rows(self) -> bool:
        """Tell whether what opens may hold rows: averages are none."""
        return self.opens and self.after.sight not in _ROWLESS

    @property
    def closes_rows(self) -> bool:
        """Tell whether what closes may hold rows."""
        return self.closes and self.before.sight not in _ROWLESS


@dataclass(frozen=True)
class Rows:
    """Count rows of one table that the wall treats alike.

    `is_large` is true of whole-brand figures of k people or more: the ones that are shown where
    small cells are suppressed.
    """

    brand_id: int
    kind: Kind
    notice_id: int | None
    is_large: bool
    count: int


def sides(brands: Iterable[int]) -> list[Side]:
    """Return HQ and every brand's own side."""
    return [Side(None), *(Side(brand) for brand in brands)]


def shows(cell: Cell, rows: Rows) -> bool:
    """Tell whether a cell of the table shows these rows one by one; averages show none."""
    if cell.sight is Sight.ALL:
        return True
    if cell.sight is Sight.CONSENTED:
        return rows.notice_id in cell.notices
    return cell.sight is Sight.SUPPRESSED and rows.is_large


def is_within(inner: Cell, outer: Cell) -> bool:
    """Tell whether everything that one cell shows, the other shows as well, whatever the rows."""
    if inner.sight is Sight.NONE or outer.sight is Sight.ALL:
        return True
    if inner.sight is Sight.CONSENTED and outer.sight is Sight.CONSENTED:
        return inner.notices <= outer.notices
    # Averages, figures without small cells and persons who agreed are not parts of each other.
    return inner.sight is outer.sight


def differences(
    before: Modes, after: Modes, notices: Iterable[NoticeTerms]
) -> Iterator[Difference]:
    """Yield every cell that is another in the second world, for every side, brand and kind."""
    notices = tuple(notices)
    for side in sides(after):
        viewer = side.viewer
        for brand_id in after:
            for kind in Kind:
                old = decide(viewer, brand_id, kind, before, notices)
                new = decide(viewer, brand_id, kind, after, notices)
                if (old.sight, old.notices) != (new.sight, new.notices):
                    yield Difference(side, brand_id, kind, old, new)


def opens(known: Sequence[Modes], after: Modes, notices: Iterable[NoticeTerms]) -> bool:
    """Tell whether anybody sees in a world what they see in none of the known ones."""
    notices = tuple(notices)
    return any(
        not any(is_within(new, decide(side.viewer, *cell, world, notices)) for world in known)
        for side in sides(after)
        for cell in ((brand_id, kind) for brand_id in after for kind in Kind)
        for new in [decide(side.viewer, *cell, after, notices)]
    )


def outline(found: Iterable[Difference]) -> str:
    """Return a digest of what opens and closes for whom, counts aside."""
    rows = sorted(
        [
            one.side.brand_id or 0,
            one.brand_id,
            str(one.kind),
            str(one.before.sight),
            sorted(one.before.notices),
            str(one.after.sight),
            sorted(one.after.notices),
        ]
        for one in found
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
