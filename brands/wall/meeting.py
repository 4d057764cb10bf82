"""What two viewers both see: the one whom HQ looks as, and HQ itself."""

from __future__ import annotations

from dataclasses import replace

from brands.wall.visibility import Cell, Kind, KindSets, Reason, Sight, Visible

_NO_SETS = KindSets()


def meet(role: Visible, hq: Visible) -> Visible:
    """Return what ROLE sees of what HQ sees as well, to be read and never written.

    A row is in it only if it is in both. Where the sets cannot say which rows those are, none of
    them is (docs/decisions/0011): rows of a store that HQ sees by consent, and a sibling's rows
    where the notices that open them are not the ones that open the own brand's.
    """
    cells: dict[tuple[int, Kind], Cell] = {}
    kinds: dict[Kind, KindSets] = {}
    for kind in Kind:
        met = {brand: _cell(role, hq, brand, kind) for brand in role.modes}
        _agree_on_stores(met, role)
        _agree_on_notices(met, role, kind)
        kinds[kind] = _sets(met, role.kinds[kind])
        cells |= {(brand, kind): cell for brand, cell in met.items()}
    metrics = hq.kinds[Kind.METRICS]
    is_both_hq = role.group_without is not None and hq.group_without is not None
    return Visible(
        viewer=replace(role.viewer, grants=frozenset(), is_read_only=True, is_looked_as=True),
        modes=role.modes,
        cells=cells,
        kinds=kinds,
        # HQ can average what it sees of each brand; of the others it learns no average either.
        averaged_brands=role.averaged_brands & metrics.all_brands,
        group_without=(
            role.group_without if is_both_hq and role.group_without == hq.group_without else None
        ),
        k=max(role.k, hq.k),
    )


def _cell(role: Visible, hq: Visible, brand: int, kind: Kind) -> Cell:
    """Return what both see of one brand, as if its sets were its own."""
    one, other = role.cell(brand, kind), hq.cell(brand, kind)
    if one.sight is Sight.NONE or other.sight is Sight.ALL:
        return one
    if one.sight is Sight.AVERAGES:
        # Either HQ sees all of it, or it is a brand of which nobody is shown an average.
        return Cell(Sight.NONE, other.reason)
    if other.sight is Sight.NONE or one.sight is Sight.ALL:
        return other
    if one.sight is Sight.CONSENTED and other.sight is Sight.CONSENTED:
        both = one.notices & other.notices
        return Cell(Sight.CONSENTED, one.reason, both) if both else Cell(Sight.NONE, other.reason)
    if one.sight is other.sight:
        return one
    # Rows of a store, of which HQ sees those who agreed, or whole-brand figures alone.
    reason = Reason.NOT_TOLD_APART if other.sight is Sight.CONSENTED else other.reason
    return Cell(Sight.NONE, reason)


def _agree_on_stores(met: dict[int, Cell], role: Visible) -> None:
    """Keep the stores of all their brands or of none: a policy knows one set of each."""
    brands = role.viewer.store_brands & met.keys()
    if any(met[brand].sight not in {Sight.OWN_STORES, Sight.ALL} for brand in brands):
        for brand in brands:
            if met[brand].sight is Sight.OWN_STORES:
                met[brand] = Cell(Sight.NONE, Reason.NOT_TOLD_APART)


def _agree_on_notices(met: dict[int, Cell], role: Visible, kind: Kind) -> None:
    """Keep one set of notices: a policy compares every brand's rows with the same one.

    The own brands come first. A sibling stays where the same notices open it.
    """
    consented = {brand for brand, cell in met.items() if cell.sight is Sight.CONSENTED}
    own = {brand for brand in consented if role.cell(brand, kind).sight is not Sight.CONSENTED}
    kept = [met[brand].notices for brand in sorted(own) or sorted(consented)]
    for brand in consented:
        if met[brand].notices != kept[0]:
            met[brand] = Cell(Sight.NONE, Reason.NOT_TOLD_APART)


def _sets(met: dict[int, Cell], role: KindSets) -> KindSets:
    """Return the sets that a policy compares with, made of cells that agree on their notices."""
    by_sight: dict[Sight, set[int]] = {sight: set() for sight in Sight}
    notices: frozenset[int] = frozenset()
    for brand, cell in met.items():
        by_sight[cell.sight].add(brand)
        notices |= cell.notices
    return replace(
        _NO_SETS,
        all_brands=frozenset(by_sight[Sight.ALL]),
        stores=role.stores if by_sight[Sight.OWN_STORES] else frozenset(),
        consented_brands=frozenset(by_sight[Sight.CONSENTED]),
        notices=notices,
        suppressed_brands=frozenset(by_sight[Sight.SUPPRESSED]),
    )
