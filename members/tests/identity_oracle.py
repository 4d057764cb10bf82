"""Who is one person, by the rules as they are written down: slow, plain, and blind to order.

Sets are compared with sets; nothing of members.identity is used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

# Kind, space and text of an identifier.
Key = tuple[str, str, str]
Part = frozenset[int]


@dataclass
class World:
    """Be everything that persons depend on."""

    brand: dict[int, str] = field(default_factory=dict)
    links: dict[int, set[Key]] = field(default_factory=dict)
    # What was decided, the latest last: sides, one of a join.
    decisions: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    linking: set[str] = field(default_factory=set)
    exclusive: set[str] = field(default_factory=set)
    # Kinds, the surest first.
    trust: list[str] = field(default_factory=list)
    most: int = 4

    def of(self, brand: str) -> World:
        """Return the world as if the group had this brand alone."""
        own = {member for member in self.links if self.brand[member] == brand}
        sides = [
            tuple(tuple(one for one in side if one in own) for side in decision)
            for decision in self.decisions
        ]
        return World(
            {member: brand for member in own},
            {member: self.links[member] for member in own},
            sides,
            self.linking,
            self.exclusive,
            self.trust,
            self.most,
        )

    def holders(self) -> dict[Key, set[int]]:
        """Return identifier → who carries it, without those of brands in which it is hot."""
        found: dict[Key, set[int]] = defaultdict(set)
        for member, keys in self.links.items():
            for key in keys:
                found[key].add(member)
        warm = {}
        for key, members in found.items():
            by_brand: dict[str, set[int]] = defaultdict(set)
            for member in members:
                by_brand[self.brand[member]].add(member)
            few = [some for some in by_brand.values() if len(some) <= self.most]
            warm[key] = set().union(*few)
        return warm


def components(members: set[int], edges: list[set[int]]) -> set[Part]:
    """Return the sets of members that edges join, directly or not."""
    found = [{member} for member in members]
    for edge in edges:
        touched = [one for one in found if one & edge]
        if touched:
            found = [one for one in found if not one & edge] + [set().union(*touched)]
    return {frozenset(one) for one in found}


def persons(world: World) -> set[Part]:
    """Return the partition."""
    holders = world.holders()
    edges = [some for key, some in holders.items() if key[0] in world.linking]
    edges += [set(sides[0]) for sides in world.decisions if len(sides) == 1]
    found: set[Part] = set()
    for cluster in components(set(world.links), edges):
        found |= _parts(world, holders, cluster)
    return found


def _parts(world: World, holders: dict[Key, set[int]], cluster: Part) -> set[Part]:
    parts: set[Part] = {frozenset({member}) for member in cluster}
    # Member → what it must not be joined with another of: dimension → value.
    held: dict[int, dict[object, object]] = {member: {} for member in cluster}
    for (kind, space, text), some in holders.items():
        if kind in world.exclusive:
            for member in some & cluster:
                held[member][kind, space] = text

    def of(part: Part, dimension: object) -> set[object]:
        return {held[one][dimension] for one in part if dimension in held[one]}

    def join(some: list[Part]) -> None:
        nonlocal parts
        parts = (parts - set(some)) | {frozenset().union(*some)}

    for number, sides in reversed(list(enumerate(world.decisions))):
        inside = [set(side) & cluster for side in sides]
        touched = [[part for part in parts if part & side] for side in inside]
        if len(sides) == 1:
            separations = {d for one in cluster for d in held[one] if isinstance(d, int)}
            if any(len(set().union(*(of(p, d) for p in touched[0]))) > 1 for d in separations):
                continue
            for dimension in {d for one in cluster for d in held[one]} - separations:
                values = set().union(*(of(part, dimension) for part in touched[0]))
                for one in cluster:
                    if held[one].get(dimension) in values:
                        held[one][dimension] = min(map(str, values))
            if touched[0]:
                join(touched[0])
        elif not set(touched[0]) & set(touched[1]):
            for side, some in enumerate(touched):
                for one in frozenset().union(*some):
                    held[one][number] = f"side {side}"
    order = sorted(
        (key for key in holders if key[0] in world.linking),
        key=lambda key: (world.trust.index(key[0]), key_bytes(key)),
    )
    for key in order:
        touched_now = [part for part in parts if part & holders[key]]
        dimensions = {d for part in touched_now for one in part for d in held[one]}
        disputed = {
            d for d in dimensions if len(set().union(*(of(part, d) for part in touched_now))) > 1
        }
        groups: dict[object, list[Part]] = defaultdict(list)
        for part in touched_now:
            side = frozenset((d, frozenset(of(part, d))) for d in disputed if of(part, d))
            if side or not disputed:
                groups[side].append(part)
        for some in groups.values():
            join(some)
    return parts


def key_bytes(key: Key) -> bytes:
    """Return what the tests write as an identifier's key."""
    return f"{key[1]}{key[2]}".encode()
