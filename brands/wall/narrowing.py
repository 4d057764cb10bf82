"""What a token shows of what its grant shows: the kinds of data that its actions need."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from brands.wall.visibility import Cell, Kind, KindSets, Reason, Sight, Visible
from tenants.models import TokenAction

_PROFILES = frozenset(
    {
        TokenAction.READ_MEMBERS,
        TokenAction.READ_ORDERS,
        TokenAction.READ_CONSENTS,
        TokenAction.WRITE_CONSENTS,
    }
)
# Which of these actions a kind of data is needed for. Figures are needed for none.
_NEEDED_FOR: dict[Kind, frozenset[TokenAction]] = {
    Kind.METRICS: frozenset(),
    Kind.PROFILE: _PROFILES,
    Kind.CONTACT: frozenset({TokenAction.READ_CONTACTS}),
    Kind.MASKED: frozenset({TokenAction.READ_CONTACTS}),
    # Answers that were handed in are of this kind, too.
    Kind.ACTIVITY: _PROFILES - {TokenAction.READ_MEMBERS},
}


def narrowed(visible: Visible, actions: Collection[str]) -> Visible:
    """Return what VISIBLE shows of the kinds that these actions need, and nothing beside them."""
    if visible.look is not None:
        raise ValueError("Nobody looks as another role by a token.")
    kept = {kind for kind in Kind if any(action in actions for action in _NEEDED_FOR[kind])}
    writes = TokenAction.WRITE_CONSENTS in actions
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
        writes_group=visible.writes_group and writes,
        group_without=visible.group_without if writes and visible.writes_group else None,
        _digest=[],
    )
