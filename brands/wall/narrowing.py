"""What a token shows of what its grant shows: the kinds of data that its actions need."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from brands.wall.visibility import Cell, Kind, KindSets, Reason, Sight, Visible
from tenants.models import TokenAction

# Whoever reads what members did names the member, whom the wall has to show.
_ACTIVITY = frozenset(
    {
        TokenAction.READ_ORDERS,
        TokenAction.READ_EVENTS,
        TokenAction.READ_CONSENTS,
        # Answers that were handed in are of this kind, too.
        TokenAction.WRITE_CONSENTS,
    }
)
# Which actions a kind of data is needed for. Batches need none: what they hold is applied by a
# worker, and never read back.
_NEEDED_FOR: dict[Kind, frozenset[TokenAction]] = {
    # Dictionaries, segments and jobs are read as figures are.
    Kind.METRICS: frozenset(
        {TokenAction.READ_TAGS, TokenAction.READ_SEGMENTS, TokenAction.READ_JOBS}
    ),
    Kind.PROFILE: _ACTIVITY
    | {TokenAction.READ_MEMBERS, TokenAction.READ_TAGS, TokenAction.READ_SEGMENTS},
    Kind.CONTACT: frozenset({TokenAction.READ_CONTACTS}),
    Kind.MASKED: frozenset({TokenAction.READ_CONTACTS}),
    Kind.ACTIVITY: _ACTIVITY,
}
_WRITING = frozenset(
    {
        TokenAction.WRITE_CONSENTS,
        TokenAction.WRITE_MEMBERS,
        TokenAction.WRITE_ORDERS,
        TokenAction.WRITE_EVENTS,
        TokenAction.WRITE_TAGS,
    }
)


def narrowed(visible: Visible, actions: Collection[str]) -> Visible:
    """Return what VISIBLE shows of the kinds that these actions need, and nothing beside them."""
    if visible.look is not None:
        raise ValueError("Nobody looks as another role by a token.")
    kept = {kind for kind in Kind if any(action in actions for action in _NEEDED_FOR[kind])}
    writes = any(action in actions for action in _WRITING)
    # What is said to the group itself are answers alone.
    writes_group = visible.writes_group and TokenAction.WRITE_CONSENTS in actions
    closed = Cell(Sight.NONE, Reason.NOT_IN_TOKEN)
    return replace(
        visible,
        cells={
            (brand, kind): cell if kind in kept or cell.sight is Sight.NONE else closed
            for (brand, kind), cell in visible.cells.items()
        },
        kinds={kind: visible.kinds[kind] if kind in kept else KindSets() for kind in Kind},
        averaged_brands=frozenset(),
        told_brands=visible.told_brands if Kind.METRICS in kept else frozenset(),
        write_brands=visible.write_brands if writes else frozenset(),
        write_stores=visible.write_stores if writes else frozenset(),
        writes_group=writes_group,
        group_without=visible.group_without if writes_group else None,
        _digest=[],
    )


def within(visible: Visible, brands: frozenset[int], *, kept_under: int) -> Visible:
    """Return what VISIBLE shows of some brands alone: the grant's answer met with these brands.

    It is nobody who answers for the group. What its grant asked for may be about other brands, so
    it has KEPT_UNDER in the grant's place.
    """
    if visible.look is not None:
        raise ValueError("Nobody looks as another role by a token.")
    viewer = visible.viewer
    # A grant has stores of one brand.
    has_stores = viewer.store_brands <= brands
    return replace(
        visible,
        viewer=replace(
            viewer,
            brands=viewer.brands & brands,
            stores=viewer.stores if has_stores else frozenset(),
            store_brands=viewer.store_brands & brands,
            grants=frozenset({kept_under}),
        ),
        modes={pk: mode for pk, mode in visible.modes.items() if pk in brands},
        cells={at: cell for at, cell in visible.cells.items() if at[0] in brands},
        kinds={
            kind: KindSets(
                all_brands=sets.all_brands & brands,
                stores=sets.stores if has_stores else frozenset(),
                consented_brands=sets.consented_brands & brands,
                notices=sets.notices,
                suppressed_brands=sets.suppressed_brands & brands,
            )
            for kind, sets in visible.kinds.items()
        },
        averaged_brands=frozenset(),
        told_brands=visible.told_brands & brands,
        write_brands=visible.write_brands & brands,
        write_stores=visible.write_stores if has_stores else frozenset(),
        writes_group=False,
        group_without=None,
        _digest=[],
    )
