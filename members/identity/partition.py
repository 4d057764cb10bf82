"""Who is one person in a whole group, worked out anew from links, rules and decisions alone.

All links are read into arrays and their components found there. Only clusters in which something
contradicts or was decided are parted as an import parts them, in SQL and profile by profile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.db.backends.utils import CursorWrapper

from members.identity import graph
from members.identity.clusters import stage_clusters
from members.identity.columns import Numbers, read_columns, read_identities
from members.identity.components import (
    Flags,
    Labels,
    found_at,
    label_components,
    one_of_each,
    places,
)
from members.identity.open_persons import open_persons_differing
from members.identity.own import stage_own_labels
from members.identity.resolution import begin_touching
from members.identity.rules import Rules, rules_now
from members.staging import copy_into, stage, stage_query

# Kind and space, and the identities of those.
_Watched = tuple[tuple[str, str], Numbers]


@dataclass(frozen=True)
class Partition:
    """Hold who is with whom in a group: persons, and where it was asked for the brands' own."""

    persons: Labels
    own: Labels | None


@dataclass(frozen=True)
class _Links:
    """Hold links, row for row; what joins by decision is numbered below nought."""

    profile: Numbers
    identity: Numbers

    def only(self, those: Flags) -> _Links:
        return _Links(self.profile[those], self.identity[those])


@dataclass(frozen=True)
class _Decision:
    number: int
    is_join: bool
    side_of: Mapping[int, int]


class _Brands:
    """Tell the brand of every profile of the group."""

    def __init__(self, cursor: CursorWrapper) -> None:
        profiles, brands = read_columns(cursor, "members_profile", ("id", "brand_id"))
        order = np.argsort(profiles)
        self._profiles = profiles[order]
        self._ids, place = np.unique(brands, return_inverse=True)
        self._brands = place[order]

    def pairs(self, links: _Links) -> Numbers:
        """Return a number for identity and brand of each link, the same for the same two."""
        place, _is_there = found_at(self._profiles, links.profile)
        return links.identity * len(self._ids) + self._brands[place]

    def pairs_of(self, identities: Numbers, brands: Numbers) -> Numbers:
        """Return such numbers of identities and brands by their ids."""
        return identities * len(self._ids) + np.searchsorted(self._ids, brands)


def partition(cursor: CursorWrapper, *, with_own: bool = False) -> Partition:
    """Work out who is one person, for everybody who shares anything; keep nothing.

    WITH_OWN also by the brands' own links. The cursor is of a bulk scope.
    """
    rules = rules_now()
    is_any_hot = graph.has_hot(cursor)
    links = _Links(*read_columns(cursor, "members_identitylink", ("profile_id", "identity_id")))
    brands = _Brands(cursor) if with_own or is_any_hot else None
    if is_any_hot and brands is not None:
        links = _warm(cursor, rules, links, brands)
    watched = _watched(cursor, rules)
    decisions = _decisions(cursor)
    found = _components(_joining(rules, links, watched, decisions), brands if with_own else None)
    closely = _contradicting(rules, links, watched, decisions, found.persons)
    if not len(closely):
        return found
    return _parted(
        *(cursor, rules, found, closely),
        is_any_hot=is_any_hot,
        is_any_decided=bool(decisions),
    )


def _warm(cursor: CursorWrapper, rules: Rules, links: _Links, brands: _Brands) -> _Links:
    """Leave out the links of hot identities in the brands that have too many of them."""
    begin_touching(cursor)
    graph.stage_hot_brands(
        cursor, rules, "SELECT id AS identity_id FROM members_identity WHERE is_hot"
    )
    cursor.execute("SELECT identity_id, brand_id FROM hot_brand WHERE is_cold")
    cold = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    is_warm = ~np.isin(links.identity, cold[:, 0])
    doubtful = links.only(~is_warm)
    is_warm[~is_warm] = ~np.isin(brands.pairs(doubtful), brands.pairs_of(cold[:, 0], cold[:, 1]))
    return links.only(is_warm)


def _watched(cursor: CursorWrapper, rules: Rules) -> list[_Watched]:
    """Return, by kind and space, the identities that join nobody or that a person has one of."""
    kinds = [rule.kind for rule in rules.values() if rule.is_exclusive or not rule.is_linking]
    return read_identities(cursor, kinds)


def _decisions(cursor: CursorWrapper) -> list[_Decision]:
    cursor.execute(
        "SELECT d.id, d.what = 'join', s.profile_id, s.side FROM members_persondecision d "
        "JOIN members_persondecisionside s ON s.decision_id = d.id"
    )
    sides: dict[tuple[int, bool], dict[int, int]] = defaultdict(dict)
    for number, is_join, profile, side in cursor.fetchall():
        sides[number, is_join][profile] = side
    return [_Decision(number, is_join, side_of) for (number, is_join), side_of in sides.items()]


def _joining(
    rules: Rules, links: _Links, watched: list[_Watched], decisions: list[_Decision]
) -> _Links:
    """Return the links that join, and those that somebody made by hand."""
    for (kind, _space), identities in watched:
        if not rules[kind].is_linking:
            links = links.only(~np.isin(links.identity, identities))
    made = [(profile, -one.number) for one in decisions if one.is_join for profile in one.side_of]
    if not made:
        return links
    by_hand = np.array(made, dtype=np.int64)
    return _Links(
        np.concatenate([links.profile, by_hand[:, 0]]),
        np.concatenate([links.identity, by_hand[:, 1]]),
    )


def _components(links: _Links, brands: _Brands | None) -> Partition:
    """Join the profiles that share anything, and those that do in one of these brands."""
    persons = label_components(*_edges(links.profile, links.identity))
    if brands is None:
        return Partition(persons, None)
    # Whoever shares an identity in a brand shares it in the group.
    shared = links.only(found_at(persons.profiles, links.profile)[1])
    own = label_components(*_edges(shared.profile, brands.pairs(shared)))
    return Partition(persons, own)


def _edges(profiles: Numbers, shared: Numbers) -> tuple[Numbers, Numbers]:
    """Return edges from one of those who share something to each of the others."""
    hubs = one_of_each(profiles, shared)
    is_edge = hubs != profiles
    return profiles[is_edge], hubs[is_edge]


def _contradicting(
    rules: Rules,
    links: _Links,
    watched: list[_Watched],
    decisions: list[_Decision],
    persons: Labels,
) -> Numbers:
    """Return the profiles of clusters with two keys of a kind, or about which somebody decided."""
    labels = [_decided(decisions, persons)]
    exclusive = [identities for (kind, _), identities in watched if rules[kind].is_exclusive]
    if exclusive:
        # Two kinds, or two spaces of one, do not contradict: each is numbered.
        numbers = np.repeat(np.arange(1, len(exclusive) + 1), [len(one) for one in exclusive])
        place, count = places(np.concatenate([links.identity, *exclusive]))
        number_at = np.zeros(count, dtype=np.int64)
        number_at[place[len(links.identity) :]] = numbers
        number = number_at[place[: len(links.identity)]]
        is_held = number > 0
        held, number = links.only(is_held), number[is_held]
        at, is_there = found_at(persons.profiles, held.profile)
        held, number, label = held.only(is_there), number[is_there], persons.labels[at[is_there]]
        one = one_of_each(held.identity, label * (len(exclusive) + 1) + number)
        labels.append(label[one != held.identity])
    return persons.profiles[np.isin(persons.labels, np.concatenate(labels))]


def _decided(decisions: list[_Decision], persons: Labels) -> Numbers:
    """Return the labels of clusters that decisions joined, or that have profiles of two sides."""
    found: set[int] = set()
    for decision in decisions:
        profiles = np.fromiter(decision.side_of, dtype=np.int64)
        at, is_there = found_at(persons.profiles, profiles)
        sides: dict[int, set[int]] = defaultdict(set)
        for profile, label in zip(
            profiles[is_there].tolist(), persons.labels[at[is_there]].tolist(), strict=True
        ):
            sides[label].add(decision.side_of[profile])
        found.update(label for label, some in sides.items() if decision.is_join or len(some) > 1)
    return np.fromiter(found, dtype=np.int64)


def _parted(
    cursor: CursorWrapper,
    rules: Rules,
    found: Partition,
    closely: Numbers,
    *,
    is_any_hot: bool,
    is_any_decided: bool,
) -> Partition:
    """Part the clusters of some profiles, all of theirs, as an import does."""
    begin_touching(cursor)
    stage(cursor, "closely", "profile_id bigint NOT NULL")
    copy_into(
        *(cursor, "closely", "profile_id"),
        "".join(f"{profile}\n" for profile in closely.tolist()),
        joined_by="profile_id",
    )
    stage_query(
        cursor,
        "node",
        "SELECT p.id AS profile_id, p.brand_id, p.id AS own_label FROM closely c "
        "JOIN members_profile p ON p.id = c.profile_id",
    )
    _edges, parted = stage_clusters(
        cursor, rules, is_any_hot=is_any_hot, is_any_decided=is_any_decided
    )
    persons = found.persons.changed(*_pairs(cursor, "SELECT profile_id, label FROM part"))
    own = found.own
    if own is not None:
        # Whom the brand's own links join with nobody is with nobody.
        own = own.changed(closely, closely)
        if graph.stage_own_edges(cursor, "node"):
            stage_own_labels(
                *(cursor, rules),
                nodes="node",
                is_any_hot=is_any_hot,
                is_any_decided=is_any_decided,
                is_any_parted=bool(parted),
            )
            own = own.changed(*_pairs(cursor, "SELECT profile_id, label FROM own_person"))
    return Partition(persons, own)


def _pairs(cursor: CursorWrapper, query: str) -> tuple[Numbers, Numbers]:
    cursor.execute(query)
    found = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def persons_differing(cursor: CursorWrapper) -> dict[str, int]:
    """Return how many profiles are with other people than links, rules and decisions say.

    Of the persons of the group, and of those of the brands' own.
    """
    found = partition(cursor, with_own=True)
    profiles, persons, own_persons = read_columns(
        cursor, "members_profile", ("id", "person_id", "COALESCE(own_person_id, 0)")
    )
    place, count = places(persons)
    smallest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(smallest, place, profiles)
    differing = {"persons": int(np.count_nonzero(smallest[place] != found.persons.of(profiles)))}
    if found.own is not None:
        right = found.own.of(profiles)
        place, count = places(right)
        right[np.bincount(place, minlength=count)[place] < 2] = 0
        differing["persons of brands' own"] = int(np.count_nonzero(own_persons != right))
    differing["persons of open brands"] = open_persons_differing()
    return differing
