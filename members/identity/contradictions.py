"""Find the clusters in which something contradicts or was decided, and part them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.db.backends.utils import CursorWrapper

from members.identity import graph
from members.identity.refining import Carried, Decided, Dimension, Parts, refine
from members.identity.rules import Rules
from members.staging import copy_into, stage

# A cluster of more profiles is not looked at closely.
MOST_REFINED = 10_000
# Profiles whose clusters are read at once.
_AT_ONCE = 20_000


def stage_parts(
    cursor: CursorWrapper,
    rules: Rules,
    *,
    edge: str = "edge",
    nodes: str,
    is_any_hot: bool,
    is_any_decided: bool,
    is_within_parts: bool = False,
    carriers: str = "",
    complete: Callable[[list[int]], None] | None = None,
) -> int:
    """Stage in `part` the profiles of contradicting clusters; return how many, or make no table.

    IS_WITHIN_PARTS: only profiles that stand in `part` now can be of such a cluster. CARRIERS is a
    query of profiles and labels, where the edges are not of all of them; COMPLETE is then called
    with the labels of contradicting clusters, to stage the other edges of these.

    Its columns: profile_id, cluster (the label it had), label (the smallest profile of its part),
    decision_id (of whoever parted or joined it), kinds (that were refused in the cluster),
    is_too_large.
    """
    warm = graph.warm_sql(is_any_hot)
    if not carriers:
        carriers = f"SELECT DISTINCT profile_id, label FROM {edge}"  # noqa: S608 - a name of ours
    found = _contradicting(
        *(cursor, rules, carriers, nodes, warm),
        is_any_decided=is_any_decided,
        is_within_parts=is_within_parts,
    )
    if not found:
        return 0
    if complete:
        complete([cluster for cluster, _size in found])
    stage(
        cursor,
        "part",
        "profile_id bigint NOT NULL, cluster bigint NOT NULL, label bigint NOT NULL, "
        "decision_id bigint, kinds varchar, is_too_large boolean NOT NULL",
    )
    count = 0
    for some in _batches((cluster, size) for cluster, size in found if size <= MOST_REFINED):
        refined = _refined(
            *(cursor, rules, edge, nodes, warm, some), linking=None, is_any_decided=is_any_decided
        )
        count += _write(cursor, refined, is_large=False)
    large = [cluster for cluster, size in found if size > MOST_REFINED]
    if large:
        # Only what a person has one of joins anybody there.
        surest = {rule.kind for rule in rules.values() if rule.is_linking and rule.is_exclusive}
        for cluster in large:
            refined = _refined(
                *(cursor, rules, edge, nodes, warm, [cluster]),
                linking=surest,
                is_any_decided=is_any_decided,
            )
            count += _write(cursor, refined, is_large=True)
    if count:
        cursor.execute("ANALYZE pg_temp.part")
    return count


def _batches(clusters: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield labels of clusters, given with their sizes, as many as are read at once."""
    some: list[int] = []
    profiles = 0
    for cluster, size in clusters:
        if some and profiles + size > _AT_ONCE:
            yield some
            some, profiles = [], 0
        some.append(cluster)
        profiles += size
    if some:
        yield some


def _contradicting(
    cursor: CursorWrapper,
    rules: Rules,
    carriers: str,
    nodes: str,
    warm: str,
    *,
    is_any_decided: bool,
    is_within_parts: bool,
) -> list[tuple[int, int]]:
    """Return the label and size of each cluster with two keys of a kind or with a decision."""
    exclusive = [rule.kind for rule in rules.values() if rule.is_exclusive]
    decided = """
        UNION
        SELECT c.label FROM carrier c
        JOIN members_persondecisionside s USING (profile_id)
        JOIN members_persondecision d ON d.id = s.decision_id
        GROUP BY c.label, d.id, d.what
        HAVING d.what = 'join' OR count(DISTINCT s.side) > 1
    """
    cursor.execute(
        f"""
        WITH carrier AS MATERIALIZED (
            SELECT profile_id, label FROM ({carriers}) AS c
            {"WHERE profile_id IN (SELECT profile_id FROM part)" if is_within_parts else ""}
        ),
        wanted AS (
            SELECT label FROM (
                SELECT c.label FROM carrier c
                JOIN members_identitylink l ON l.profile_id = c.profile_id
                JOIN members_identity i ON i.id = l.identity_id
                {f"JOIN {nodes} n ON n.profile_id = c.profile_id" if warm else ""}
                WHERE i.kind = ANY(%s) {warm}
                GROUP BY c.label, i.kind, i.space HAVING min(i.id) < max(i.id)
            ) AS x {decided if is_any_decided else ""}
        )
        SELECT label, count(*) FROM carrier WHERE label IN (SELECT label FROM wanted)
        GROUP BY label ORDER BY label
        """,  # noqa: S608 - names of the code
        [exclusive],
    )
    return cursor.fetchall()


def _refined(
    cursor: CursorWrapper,
    rules: Rules,
    edge: str,
    nodes: str,
    warm: str,
    clusters: list[int],
    *,
    linking: Iterable[str] | None,
    is_any_decided: bool,
) -> list[tuple[int, Parts]]:
    profiles: dict[int, set[int]] = defaultdict(set)
    if is_any_decided or linking is not None:
        cursor.execute(
            f"SELECT DISTINCT label, profile_id FROM {edge} WHERE label = ANY(%s)",  # noqa: S608
            [clusters],
        )
        for cluster, profile in cursor.fetchall():
            profiles[cluster].add(profile)
    wanted = set(graph.linking_kinds(rules) if linking is None else linking)
    cursor.execute(
        f"""
        SELECT e.label, i.kind, i.id, i.key, array_agg(e.profile_id)
        FROM {edge} e JOIN members_identity i ON i.id = e.identity_id
        WHERE e.label = ANY(%s) AND i.kind = ANY(%s)
        GROUP BY e.label, e.brand_id, i.id
        """,  # noqa: S608
        [clusters, list(wanted)],
    )
    carried: dict[int, list[tuple[tuple[int, str, bytes], Carried]]] = defaultdict(list)
    for cluster, kind, number, key, holders in cursor.fetchall():
        order = (rules[kind].trust, kind, bytes(key))
        carried[cluster].append((order, Carried(kind, number, tuple(holders))))
        profiles[cluster].update(holders)
    everybody = [profile for found in profiles.values() for profile in found]
    exclusive = _exclusive(cursor, rules, everybody, nodes, warm)
    decisions = _decisions(cursor, everybody) if is_any_decided else []
    found = []
    for cluster in sorted(profiles):
        inside = profiles[cluster]
        carried[cluster].sort(key=lambda one: one[0])
        parts = refine(
            inside,
            (one for _order, one in carried[cluster]),
            {profile: exclusive[profile] for profile in inside if profile in exclusive},
            [one for one in decisions if any(inside.intersection(side) for side in one.sides)],
        )
        found.append((cluster, parts))
    return found


def _exclusive(
    cursor: CursorWrapper, rules: Rules, profiles: list[int], nodes: str, warm: str
) -> dict[int, dict[Dimension, object]]:
    """Return profile → the key that it carries of each exclusive kind, in each space."""
    cursor.execute(
        f"""
        SELECT l.profile_id, i.kind, i.space, i.id
        FROM members_identitylink l JOIN members_identity i ON i.id = l.identity_id
        {f"JOIN {nodes} n ON n.profile_id = l.profile_id" if warm else ""}
        WHERE l.profile_id = ANY(%s) AND i.kind = ANY(%s) {warm}
        ORDER BY l.profile_id, i.key DESC
        """,  # noqa: S608 - constants of the code
        [profiles, [rule.kind for rule in rules.values() if rule.is_exclusive]],
    )
    found: dict[int, dict[Dimension, object]] = defaultdict(dict)
    for profile, kind, space, number in cursor.fetchall():
        found[profile][kind, space] = number
    return found


def _decisions(cursor: CursorWrapper, profiles: list[int]) -> list[Decided]:
    """Return the decisions about any of these profiles, the newest first."""
    cursor.execute(
        """
        SELECT d.id, d.what, s.side, array_agg(s.profile_id ORDER BY s.profile_id)
        FROM members_persondecision d
        JOIN members_persondecisionside s ON s.decision_id = d.id
        WHERE d.id IN (
            SELECT decision_id FROM members_persondecisionside WHERE profile_id = ANY(%s)
        )
        GROUP BY d.id, d.what, s.side ORDER BY d.id DESC, s.side
        """,
        [profiles],
    )
    sides: dict[tuple[int, str], list[tuple[int, ...]]] = {}
    for number, what, _side, holders in cursor.fetchall():
        sides.setdefault((number, what), []).append(tuple(holders))
    return [
        Decided(number, what == "join", tuple(found)) for (number, what), found in sides.items()
    ]


def _write(cursor: CursorWrapper, refined: list[tuple[int, Parts]], *, is_large: bool) -> int:
    rows = []
    for cluster, parts in refined:
        kinds = ",".join(sorted(parts.refused)) or "\\N"
        rows += [
            f"{profile}\t{cluster}\t{label}\t{parts.decided.get(profile, chr(92) + 'N')}\t{kinds}\t"
            f"{'t' if is_large else 'f'}\n"
            for profile, label in parts.label.items()
        ]
    columns = "profile_id, cluster, label, decision_id, kinds, is_too_large"
    copy_into(cursor, "part", columns, "".join(rows), joined_by="profile_id")
    return len(rows)
