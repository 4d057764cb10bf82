"""What two viewers both see: the one whom HQ looks as, and HQ itself."""

from __future__ import annotations

from dataclasses import replace

from brands.wall.visibility import Cell, Kind, Look, Reason, Sight, Visible, sets_of


def meet(role: Visible, hq: Visible) -> Visible:
    """Return what ROLE sees of what HQ sees as well, to be read and never written.

    Rows are shown that pass both answers, each row asked by itself (`Visible.sides`). The cells,
    and the sets made of them, are for what pages decide and say: the narrower of both.
    """
    cells = {
        (brand, kind): _cell(role.cell(brand, kind), hq.cell(brand, kind))
        for brand in role.modes
        for kind in Kind
    }
    is_both_hq = role.group_without is not None and hq.group_without is not None
    return Visible(
        viewer=replace(role.viewer, grants=frozenset(), is_read_only=True, is_looked_as=True),
        modes=role.modes,
        cells=cells,
        kinds={kind: sets_of(kind, role.viewer, cells) for kind in Kind},
        # HQ can average what it sees of each brand; of the others it learns no average either.
        averaged_brands=role.averaged_brands & hq.kinds[Kind.METRICS].all_brands,
        group_without=(
            role.group_without if is_both_hq and role.group_without == hq.group_without else None
        ),
        told_brands=role.told_brands & hq.told_brands,
        k=max(role.k, hq.k),
        look=Look(role, hq),
    )


def _cell(role: Cell, hq: Cell) -> Cell:
    """Return the narrower of both answers for one brand and kind."""
    if role.sight is Sight.NONE or hq.sight is Sight.ALL:
        return role
    if role.sight is Sight.AVERAGES:
        # It is a brand of which nobody is shown an average, or HQ would see all of it.
        return Cell(Sight.NONE, hq.reason)
    if hq.sight is Sight.NONE or role.sight is Sight.ALL:
        return hq
    if role.sight is Sight.CONSENTED and hq.sight is Sight.CONSENTED:
        both = role.notices & hq.notices
        if not both:
            return Cell(Sight.NONE, Reason.NO_NOTICE)
        return Cell(Sight.CONSENTED, role.reason, both)
    if role.sight is Sight.OWN_STORES and hq.sight is Sight.CONSENTED:
        # Of the store's people, those who agreed.
        return hq
    # Figures of a store, where HQ sees those of whole brands alone.
    return role if role.sight is hq.sight else Cell(Sight.NONE, hq.reason)
