"""Who may look at whose data in a group: the parties of "who sees what"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from brands import words
from brands.facts import Facts
from brands.models import Brand, BusinessUnit
from brands.wall.visibility import Cell, Kind, Sight, Viewer, decide

# Beyond these a group of viewers is counted, and listed when it is opened.
NAMES_SHOWN = 4


@dataclass(frozen=True)
class Party:
    """Be somebody who looks: the key in an address, a name, and the viewer the wall sees."""

    key: str
    name: str
    viewer: Viewer


def hq_parties() -> list[Party]:
    """Return HQ, with and without contact data."""
    return [
        Party("hq", _("HQ"), Viewer(is_hq=True)),
        Party("analyst", _("An analyst at HQ"), Viewer(is_hq=True, sees_contact=False)),
    ]


def brand_party(brand: Brand) -> Party:
    """Return a brand's own people."""
    return Party(f"brand:{brand.code}", brand.name, Viewer(brands=frozenset({brand.pk})))


def store_party(brand: Brand) -> Party:
    """Return the people of any one store of a brand."""
    return Party(
        f"store:{brand.code}",
        _("A store of %(brand)s") % {"brand": brand.name},
        Viewer(stores=frozenset({0}), store_brands=frozenset({brand.pk})),
    )


def unit_party(unit: BusinessUnit, brands: Iterable[Brand]) -> Party:
    """Return a business unit's people, who act for each of its brands."""
    own = frozenset(brand.pk for brand in brands if brand.business_unit_id == unit.pk)
    return Party(f"unit:{unit.code}", unit.name, Viewer(brands=own))


@dataclass(frozen=True)
class Seen:
    """Be one cell of a table in words."""

    kind: str
    sight: str
    tone: str


def seen(kind: Kind, cell: Cell) -> Seen:
    """Return a cell in words."""
    return Seen(str(words.KINDS[kind]), str(words.SIGHTS[cell.sight]), words.TONES[cell.sight])


@dataclass(frozen=True)
class Alike:
    """Be viewers, or brands, whose row of the table is the same."""

    names: tuple[str, ...]
    cells: tuple[Seen, ...]
    reasons: tuple[str, ...]
    note: str = ""

    @property
    def first(self) -> tuple[str, ...]:
        """Return the names that are shown; all of them where one more would fit as well."""
        return self.names if len(self.names) <= NAMES_SHOWN + 1 else self.names[:NAMES_SHOWN]

    @property
    def rest(self) -> tuple[str, ...]:
        """Return the names that are listed when asked for."""
        return self.names[len(self.first) :]


def alike(rows: Iterable[tuple[str, str, dict[Kind, Cell]]]) -> list[Alike]:
    """Put rows (name, note, cells) that say the same together, in the order of the first ones."""
    groups: dict[tuple, list[str]] = {}
    for name, note, cells in rows:
        groups.setdefault((note, tuple(cells.items())), []).append(name)
    return [
        Alike(
            tuple(names),
            tuple(seen(kind, cell) for kind, cell in cells),
            tuple(dict.fromkeys(str(words.REASONS[cell.reason]) for _kind, cell in cells)),
            note,
        )
        for (note, cells), names in groups.items()
    ]


def cells_of(viewer: Viewer, brand_id: int, facts: Facts) -> dict[Kind, Cell]:
    """Return what a viewer sees of a brand, kind by kind."""
    modes, terms = facts.modes(), facts.terms()
    return {kind: decide(viewer, brand_id, kind, modes, terms) for kind in Kind}


@dataclass(frozen=True)
class Share:
    """Be how many other brands see one kind of a brand's data in one way."""

    brands: int
    sight: str
    tone: str


@dataclass(frozen=True)
class Overview:
    """Be brands alike in the group's table: for each kind what HQ and how many siblings see."""

    brands: tuple[Brand, ...]
    mode: str
    kinds: tuple[tuple[Seen, tuple[Share, ...]], ...]

    @property
    def first(self) -> tuple[Brand, ...]:
        """Return the brands that are named at once."""
        return self.brands if len(self.brands) <= NAMES_SHOWN + 1 else self.brands[:NAMES_SHOWN]

    @property
    def rest(self) -> tuple[Brand, ...]:
        """Return the brands that are listed when asked for."""
        return self.brands[len(self.first) :]


def overview(brands: Iterable[Brand], facts: Facts) -> list[Overview]:
    """Return the table of the group, or of some brands of it: brands × viewers × kinds."""
    modes, terms = facts.modes(), facts.terms()
    hq = Viewer(is_hq=True)
    others = {pk: Viewer(brands=frozenset({pk})) for pk in facts.brands}
    found: dict[tuple, list[Brand]] = {}
    for brand in brands:
        kinds = []
        for kind in Kind:
            counted: dict[Sight, int] = {}
            for pk, viewer in others.items():
                if pk != brand.pk:
                    sight = decide(viewer, brand.pk, kind, modes, terms).sight
                    counted[sight] = counted.get(sight, 0) + 1
            shares = tuple(
                Share(number, str(words.SIGHTS[sight]), words.TONES[sight])
                for sight, number in sorted(
                    counted.items(), key=lambda one: words.RANKS[one[0]], reverse=True
                )
            )
            kinds.append((seen(kind, decide(hq, brand.pk, kind, modes, terms)), shares))
        found.setdefault((str(modes[brand.pk].label), tuple(kinds)), []).append(brand)
    return [Overview(tuple(same), mode, cells) for (mode, cells), same in found.items()]
