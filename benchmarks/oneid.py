"""Who is one person: our full resolution beside Splink, and beside DuckDB with scipy.

All are given the same links and answer with labels in memory. Ours reads the links from the group's
tables, which is most of its time; the limit has them in DuckDB's memory, the peer in an array.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
from django.db import connection
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.peer_oneid import splink_clusters
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, rounds_for, stopwatch
from benchmarks.synthetic import Group, drop_group, fill_links, make_group
from brands.wall import scope
from members.identity.partition import partition
from tenants.context import tenant_transaction

DEFAULT_ROWS = 200_000
LEAST_ROWS = 2_000
ROUNDS = 3
PEER_ROWS = 200_000


def run(rows: int) -> Report:
    """Resolve a group of ROWS identities whole, and compare the partition with union-find's."""
    group = make_group("bench_oneid")
    identities = fill_links(group, rows)
    links = _links(group)
    rounds = rounds_for(rows, usual=ROUNDS, large=2_000_000)
    wanted = union_find(links)
    memory = duckdb.connect(config={"threads": 2})
    memory.register("given", {"profile": links[:, 0], "identity": links[:, 1]})
    memory.execute("CREATE TABLE link AS SELECT * FROM given")
    answers: dict[str, dict[int, int]] = {}
    few = min(rows, PEER_ROWS)
    sample = links if few == rows else links[links[:, 0] <= np.quantile(links[:, 0], few / rows)]
    found = alternate(
        {
            "ours": lambda: _ours(group, answers),
            "limit": lambda: _limit(memory, answers),
            "peer": lambda: _peer(sample, answers),
        },
        rounds=rounds,
        least={"peer": 1},
    )
    assert partition_of(answers["ours"]) == partition_of(wanted), "ours is another partition"
    assert partition_of(answers["limit"]) == partition_of(wanted), "the limit's is another"
    of_sample = wanted if few == rows else union_find(sample)
    assert partition_of(answers["peer"]) == partition_of(of_sample), "the peer's is another"
    drop_group(group)
    main = Part(
        "identities resolved",
        found["ours"],
        limit=found["limit"],
        peer=found["peer"],
        per=identities,
        peer_per=round(identities * len(sample) / len(links)),
    )
    ratios = main.json()
    return Report(
        name="oneid",
        rows=rows,
        main=main,
        targets=[
            Target("ours ÷ limit", ratios["ratio_to_limit"], "at_least", 0.5),
            Target("× faster than the peer", ratios["ratio_to_peer"], "at_least", 10),
            Target("profiles with other people than union-find says", 0, "at_most", 0),
        ],
        details={
            "identities": identities,
            "links": len(links),
            "profiles": len(np.unique(links[:, 0])),
            "persons": len(set(wanted.values())),
            "rounds": rounds,
        },
        notes=[
            "Ours: members.identity.partition, from the group's own tables, by its rules and "
            "decisions; nothing is written.",
            "Limit: star edges by DuckDB (2 threads, links in its memory), components by scipy; "
            "nothing is written.",
            f"Peer: Splink 5, exact links on each kind of identifier and clusters, on DuckDB, on "
            f"the links of {few:,} identities.",
            "Partitions of all three are compared with a union-find's, profile by profile.",
        ],
    )


def _links(group: Group) -> np.ndarray:
    """Return every link as (profile, identity, kind)."""
    with (
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark"),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT l.profile_id, l.identity_id, (i.kind = 'phone')::int + 2 * (i.kind = 'email')::"
            "int FROM members_identitylink l JOIN members_identity i ON i.id = l.identity_id"
        )
        return np.array(cursor.fetchall(), dtype=np.int64)


def _ours(group: Group, answers: dict[str, dict[int, int]]) -> float:
    with (
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark"),
        connection.cursor() as cursor,
    ):
        with stopwatch() as watch:
            found = partition(cursor).persons
        answers["ours"] = dict(zip(found.profiles.tolist(), found.labels.tolist(), strict=True))
    return watch.seconds


def _limit(memory: duckdb.DuckDBPyConnection, answers: dict[str, dict[int, int]]) -> float:
    with stopwatch() as watch:
        edges = memory.execute(
            "SELECT profile, hub FROM ("
            " SELECT profile, min(profile) OVER (PARTITION BY identity) AS hub FROM link"
            ") WHERE profile <> hub"
        ).fetchnumpy()
        ids, ends = np.unique(np.concatenate([edges["profile"], edges["hub"]]), return_inverse=True)
        half = len(edges["profile"])
        graph = coo_array(
            (np.ones(half, dtype=np.int8), (ends[:half], ends[half:])), shape=(len(ids), len(ids))
        )
        _count, labels = connected_components(graph, directed=False)
    answers["limit"] = dict(zip(ids.tolist(), labels.tolist(), strict=True))
    return watch.seconds


def _peer(links: np.ndarray, answers: dict[str, dict[int, int]]) -> float:
    with stopwatch() as watch:
        profiles, clusters = splink_clusters(links)
    answers["peer"] = dict(zip(profiles.tolist(), clusters.tolist(), strict=True))
    return watch.seconds


def union_find(links: np.ndarray) -> dict[int, int]:
    """Return profile → the smallest profile that identities join it with, link by link."""
    parent: dict[int, int] = {}
    holder: dict[int, int] = {}

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for profile, identity in links[:, :2].tolist():
        parent.setdefault(profile, profile)
        one, other = root(profile), root(holder.setdefault(identity, profile))
        parent[max(one, other)] = min(one, other)
    return {profile: root(profile) for profile in parent}


def partition_of(labels: dict[int, int]) -> frozenset[Sequence[int]]:
    """Return the parts of more than one profile: who is alone needs no word."""
    parts: dict[int, list[int]] = {}
    for profile, label in labels.items():
        parts.setdefault(label, []).append(profile)
    return frozenset(tuple(sorted(part)) for part in parts.values() if len(part) > 1)
