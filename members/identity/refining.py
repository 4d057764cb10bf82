"""Part a cluster whose links contradict: a pure function of links, trust and decisions.

A constrained form of Kruskal's algorithm. Every profile begins as a part of its own. Decisions,
the newest first, and then identities in the order of trust unite the parts they touch. What would
unite two parts that contradict (two keys of an exclusive kind in one space, two sides of a
separation) belongs to more than one person: it joins only those on the same side of what is
disputed, and leaves alone those of whom nothing is known there. So no guess is made, and nothing
depends on the order in which rows arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# What a part must not hold two of: an exclusive kind in a space, or a separation.
Dimension = tuple[str, str]


@dataclass(frozen=True)
class Decided:
    """Be a decision: of a join one side, of a separation two."""

    number: int
    is_join: bool
    sides: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Carried:
    """Be an identity that links: its kind, its number and who carries it."""

    kind: str
    number: int
    profiles: tuple[int, ...]


@dataclass
class Parts:
    """Hold the parts of a cluster: profile → smallest profile of its part, and what was refused."""

    label: dict[int, int]
    # Kinds of identifiers that did not join all whom they touch.
    refused: set[str] = field(default_factory=set)
    # Profile → decision that moved it, where one did.
    decided: dict[int, int] = field(default_factory=dict)


class _Union:
    def __init__(self, profiles: Iterable[int]) -> None:
        self.parent = {profile: profile for profile in profiles}
        self.held: dict[int, dict[Dimension, object]] = {one: {} for one in self.parent}
        # Two keys that somebody said are one person's count as one.
        self.alias: dict[tuple[Dimension, object], object] = {}

    def find(self, profile: int) -> int:
        root = profile
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[profile] != root:
            self.parent[profile], profile = root, self.parent[profile]
        return root

    def value(self, dimension: Dimension, value: object) -> object:
        while (dimension, value) in self.alias:
            value = self.alias[dimension, value]
        return value

    def merge(self, roots: Sequence[int]) -> None:
        first = min(roots)
        for root in roots:
            if root != first:
                self.parent[root] = first
                self.held[first].update(self.held.pop(root))

    def values(self, roots: Iterable[int]) -> dict[Dimension, set[object]]:
        found: dict[Dimension, set[object]] = defaultdict(set)
        for root in roots:
            for dimension, value in self.held[root].items():
                found[dimension].add(self.value(dimension, value))
        return found

    def unite(self, profiles: Iterable[int]) -> bool:
        """Unite the parts of profiles as far as they do not contradict; tell whether wholly."""
        roots = sorted({self.find(profile) for profile in profiles})
        if len(roots) < 2:
            return True
        disputed = {one for one, values in self.values(roots).items() if len(values) > 1}
        if not disputed:
            self.merge(roots)
            return True
        groups: dict[frozenset[tuple[Dimension, object]], list[int]] = defaultdict(list)
        for root in roots:
            sides = frozenset(
                (one, self.value(one, value))
                for one, value in self.held[root].items()
                if one in disputed
            )
            if sides:
                groups[sides].append(root)
        for same in groups.values():
            if len(same) > 1:
                self.merge(same)
        return False


def refine(
    profiles: Iterable[int],
    identities: Iterable[Carried],
    exclusive: Mapping[int, Mapping[Dimension, object]],
    decisions: Iterable[Decided],
) -> Parts:
    """Return the parts of a cluster.

    `identities` come in the order of trust, `decisions` the newest first; `exclusive` says which
    keys of exclusive kinds a profile carries.
    """
    union = _Union(profiles)
    for profile, keys in exclusive.items():
        union.held[profile].update(keys)
    parts = Parts({})
    for decision in decisions:
        sides = [[one for one in side if one in union.parent] for side in decision.sides]
        if decision.is_join:
            _join(union, sides[0], decision, parts)
        else:
            _part(union, sides, decision, parts)
    for identity in identities:
        if not union.unite(identity.profiles):
            parts.refused.add(identity.kind)
    parts.label = {profile: union.find(profile) for profile in union.parent}
    return parts


def _join(union: _Union, side: list[int], decision: Decided, parts: Parts) -> None:
    """Unite what somebody said is one person, unless a later separation says otherwise."""
    roots = sorted({union.find(profile) for profile in side})
    values = union.values(roots)
    if any(len(found) > 1 for one, found in values.items() if one[0] == "separation"):
        return
    for dimension, found in values.items():
        first, *others = sorted(found, key=repr)
        for other in others:
            union.alias[dimension, other] = first
    if len(roots) > 1:
        union.merge(roots)
    parts.decided.update(dict.fromkeys(side, decision.number))


def _part(union: _Union, sides: list[list[int]], decision: Decided, parts: Parts) -> None:
    """Keep the sides apart, unless later decisions joined two of them."""
    dimension: Dimension = ("separation", str(decision.number))
    roots = [{union.find(profile) for profile in side} for side in sides]
    if any(roots[a] & roots[b] for a in range(len(roots)) for b in range(a)):
        return
    for number, found in enumerate(roots):
        for root in found:
            union.held[root][dimension] = number
    for side in sides:
        for profile in side:
            parts.decided.setdefault(profile, decision.number)
