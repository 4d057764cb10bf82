"""Bring persons up to date with the links that changed, set by set.

Looks at the persons that changed profiles and identities touch, and at the whole clusters of those
that were looked at closely, finds their components anew, and writes only what differs. The
partition depends on links, rules and decisions alone, never on the order in which they came.

An identity that many profiles of a brand have (a shop's own phone) joins none of that brand's. It
goes on joining those of other brands: no brand parts its siblings' members by rows of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper

from members.identity import graph, moves
from members.identity.contradictions import stage_parts
from members.identity.own import keep_own_persons
from members.identity.rules import Rules, rules_now
from members.staging import stage, stage_query


@dataclass(frozen=True)
class Resolved:
    """Count what a resolution changed."""

    persons_seen: int
    profiles_moved: int


def begin_touching(cursor: CursorWrapper) -> None:
    """Make the empty tables in which a bulk writer notes what `resolve` must look at.

    touched_profile: profiles whose links changed. touched_identity: identities that gained or lost
    a profile. arriving_profile: profiles not yet inserted, each with a person of its own, not yet
    inserted either; `resolve` gives them their persons, so that each is written once, and the own
    person of the brand's (`Profile.own_person_id`).
    """
    stage(cursor, "touched_profile", "profile_id bigint NOT NULL")
    stage(cursor, "touched_identity", "identity_id bigint NOT NULL")
    stage(
        cursor,
        "arriving_profile",
        # A key: the planner takes an identity for one of few profiles, also where it is hot.
        "profile_id bigint PRIMARY KEY, person_id bigint NOT NULL, brand_id bigint NOT NULL, "
        "own_person_id bigint",
    )


def resolve(*, by_name: str = "") -> Resolved:
    """Bring the persons of everything touched up to date; BY_NAME is who the journal names.

    Runs in the caller's transaction, which holds the group's answers (members.locks). Leaves in
    arriving_profile the persons of profiles that the caller inserts now (their persons are there),
    and in affected_person (person_id) every person it looked at or made.
    """
    rules = rules_now()
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE pg_temp.touched_profile; ANALYZE pg_temp.touched_identity; "
            "ANALYZE pg_temp.arriving_profile"
        )
        _mend_statistics(cursor)
        cursor.execute("SELECT EXISTS (SELECT FROM touched_profile)")
        has_stored = cursor.fetchone()[0]
        is_hot_touched, is_any_hot = _update_hot(cursor, rules, has_stored=has_stored)
        is_any_decided = graph.has_decisions(cursor)
        was_parted = graph.has_parted(cursor)
        persons = _find_affected(cursor, is_hot_touched=is_hot_touched, was_parted=was_parted)
        edges = _find_edges(
            cursor,
            rules,
            is_hot_touched=is_hot_touched,
            is_any_hot=is_any_hot,
            is_any_decided=is_any_decided,
        )
        parted = 0
        if edges:
            graph.label_components(cursor)
            _label_nodes(cursor)
            parted = stage_parts(
                *(cursor, rules),
                nodes="node",
                is_any_hot=is_any_hot,
                is_any_decided=is_any_decided,
                carriers="SELECT profile_id, label FROM node "
                "WHERE label IN (SELECT label FROM edge)",
                complete=lambda clusters: _look_at_links(cursor, rules, clusters, is_any_hot),
            )
            if parted:
                cursor.execute(
                    "UPDATE node n SET label = p.label, cluster = p.cluster FROM part p "
                    "WHERE n.profile_id = p.profile_id"
                )
        moved = moves.choose_persons(cursor)
        if moved:
            if not edges:
                # Nothing was looked for: the last link went with those who are erased.
                graph.begin_edges(cursor)
            moves.write_moves(cursor, rules, by_name=by_name, is_any_parted=bool(parted))
        if parted or was_parted:
            moves.keep_clusters(cursor, is_any_parted=bool(parted))
        moves.forget_conflicts(cursor)
        if parted:
            moves.show_conflicts(cursor, least_brands=2, sign=1)
        if persons:
            keep_own_persons(
                cursor,
                rules,
                is_any_edge=bool(edges),
                is_any_hot=is_any_hot,
                is_any_decided=is_any_decided,
                is_any_parted=bool(parted),
            )
        if has_stored:
            # Where nobody lost a link, none is carried by nobody.
            cursor.execute(
                "DELETE FROM members_identity i USING (SELECT identity_id FROM touched_identity "
                "EXCEPT SELECT identity_id FROM touched_link) AS t WHERE i.id = t.identity_id "
                "AND NOT EXISTS (SELECT FROM members_identitylink l WHERE l.identity_id = i.id)"
            )
    return Resolved(persons, moved)


def _mend_statistics(cursor: CursorWrapper) -> None:
    """Analyse what the planner takes for empty though it has pages.

    So it is told of a table that was analysed while all its rows were undone ones. However many
    come in since, it then expects one, and scans the whole table for each link: as many times as
    an identity has profiles.
    """
    cursor.execute(
        "SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM pg_class "
        "WHERE oid = ANY (%s::regclass[]) AND reltuples = 0 AND relpages > 0",
        [["members_profile", "members_identity", "members_identitylink"]],
    )
    if tables := cursor.fetchone()[0]:
        cursor.execute(f"ANALYZE {tables}")


def _update_hot(cursor: CursorWrapper, rules: Rules, *, has_stored: bool) -> tuple[bool, bool]:
    """Count who carries what was touched, and set is_hot where it changed.

    It is set where an identity is hot in some brand; `hot_brand` says in which. Returns whether
    anything touched was or is hot, noted in hot_touched, and whether anything in the group is.
    """
    # Of arriving profiles only identities are touched that have several.
    holders = "count(*) OVER (PARTITION BY l.identity_id)" if has_stored else "2"
    # Every link of what is touched, read once; of what is hot already there may be far too many.
    stage_query(
        cursor,
        "touched_link",
        f"""
        SELECT identity_id, kind, profile_id, person_id, arriving_id FROM (
            SELECT l.identity_id, i.kind, l.profile_id, p.person_id, a.profile_id AS arriving_id,
                {holders} AS holders
            FROM (SELECT DISTINCT identity_id FROM touched_identity) AS t
            JOIN members_identity i ON i.id = t.identity_id AND NOT i.is_hot
            JOIN members_identitylink l ON l.identity_id = t.identity_id
            LEFT JOIN members_profile p ON p.id = l.profile_id
            LEFT JOIN arriving_profile a ON a.profile_id = l.profile_id
        ) AS held WHERE holders > 1
        """,  # noqa: S608 - constants of the code
    )
    limits = [rule.most_profiles for rule in rules.values()]
    hot_touched = """
        SELECT identity_id FROM touched_link GROUP BY identity_id HAVING count(*) > %s
        UNION
        SELECT i.id FROM members_identity i JOIN touched_identity t ON t.identity_id = i.id
        WHERE i.is_hot
    """
    cursor.execute(f"SELECT EXISTS ({hot_touched})", [min(limits)])
    is_touched = bool(cursor.fetchone()[0])
    if not is_touched:
        stage(cursor, "hot_touched", "identity_id bigint")
    else:
        stage_query(cursor, "hot_touched", hot_touched, [min(limits)])
        graph.stage_hot_brands(cursor, rules, "SELECT identity_id FROM hot_touched")
        stage_query(
            cursor,
            "flipped",
            """
            WITH changed AS (
                SELECT t.identity_id, COALESCE(bool_or(h.is_cold), false) AS is_hot
                FROM hot_touched t LEFT JOIN hot_brand h USING (identity_id)
                GROUP BY t.identity_id
            )
            SELECT c.identity_id FROM changed c JOIN members_identity i ON i.id = c.identity_id
            WHERE i.is_hot <> c.is_hot
            """,
        )
        cursor.execute(
            "UPDATE members_identity i SET is_hot = NOT i.is_hot FROM flipped f "
            "WHERE i.id = f.identity_id"
        )
    return is_touched, graph.has_hot(cursor)


_NOT_HOT = "AND t.identity_id NOT IN (SELECT identity_id FROM hot_touched)"
# The holders of a hot identity that it joins, or joined before.
_AFFECTED_BY_HOT = """
    UNION
    SELECT p.person_id
    FROM hot_touched t
    JOIN members_identitylink l ON l.identity_id = t.identity_id
    JOIN members_profile p ON p.id = l.profile_id
    LEFT JOIN hot_brand h ON h.identity_id = l.identity_id AND h.brand_id = p.brand_id
    WHERE h.is_cold IS NOT TRUE OR h.is_fresh
        OR t.identity_id IN (SELECT identity_id FROM flipped)
"""


def _find_affected(cursor: CursorWrapper, *, is_hot_touched: bool, was_parted: bool) -> int:
    """Stage the persons that may change, and their profiles as nodes.

    Clusters were components before, and only touched links changed, so no edge leaves this set: a
    person is its cluster, but where Person.cluster_id names further ones of it.

    Whoever only gained mates is still one person, and its profiles have one label from the start.
    `is_whole`: of these every link is looked at, for they may fall apart.
    """
    not_hot = _NOT_HOT if is_hot_touched else ""
    stage_query(
        cursor,
        "whole_person",
        f"""
        SELECT p.person_id FROM touched_profile t JOIN members_profile p ON p.id = t.profile_id
        {_AFFECTED_BY_HOT if is_hot_touched else ""}
        """,  # noqa: S608 - constants of the code
    )
    persons = stage_query(
        cursor,
        "affected_person",
        f"""
        SELECT person_id FROM whole_person
        UNION
        SELECT person_id FROM touched_link t WHERE person_id IS NOT NULL {not_hot}
        """,  # noqa: S608 - constants of the code
    )
    if was_parted:
        cursor.execute(
            """
            INSERT INTO affected_person
            SELECT q.id FROM members_person q WHERE q.cluster_id IN (
                SELECT m.cluster_id
                FROM affected_person a JOIN members_person m ON m.id = a.person_id
                WHERE m.cluster_id IS NOT NULL
            )
            EXCEPT SELECT person_id FROM affected_person
            """
        )
        persons += cursor.rowcount
        cursor.execute(
            "INSERT INTO whole_person SELECT m.id FROM affected_person a "
            "JOIN members_person m ON m.id = a.person_id WHERE m.cluster_id IS NOT NULL"
        )
    stage_query(
        cursor,
        "node",
        """
        SELECT profile_id, person_id, brand_id,
            CASE WHEN is_whole THEN profile_id ELSE first_id END AS label, own_was,
            CASE WHEN is_whole THEN profile_id ELSE COALESCE(own_was, profile_id) END AS own_label,
            NULL::bigint AS cluster, is_whole, false AS is_arriving
        FROM (
            SELECT p.id AS profile_id, p.person_id, p.brand_id, p.own_person_id AS own_was,
                min(p.id) OVER (PARTITION BY p.person_id) AS first_id,
                p.person_id IN (SELECT person_id FROM whole_person) AS is_whole
            FROM affected_person a JOIN members_profile p ON p.person_id = a.person_id
        ) AS stored
        """,
    )
    # Persons of arriving profiles are in no other table yet, so nobody else can have them.
    cursor.execute("INSERT INTO affected_person SELECT person_id FROM arriving_profile")
    if arriving := cursor.rowcount:
        cursor.execute("ANALYZE pg_temp.affected_person")
    return persons + arriving


def _find_edges(
    cursor: CursorWrapper,
    rules: Rules,
    *,
    is_hot_touched: bool,
    is_any_hot: bool,
    is_any_decided: bool,
) -> int:
    """Stage the edges between nodes; an arriving profile is a node where it shares an identity."""
    found = stage_query(
        cursor,
        "candidate",
        f"""
        (
            SELECT l.identity_id FROM node n
            JOIN members_identitylink l ON l.profile_id = n.profile_id
            WHERE n.is_whole
            GROUP BY l.identity_id HAVING count(*) > 1
            EXCEPT SELECT identity_id FROM touched_link
        )
        {"UNION SELECT identity_id FROM hot_touched" if is_hot_touched else ""}
        """,  # noqa: S608 - constants of the code
    )
    cursor.execute("SELECT EXISTS (SELECT FROM touched_link)")
    if not found and not is_any_decided and not cursor.fetchone()[0]:
        return 0
    hot_arriving = """
        UNION SELECT l.profile_id FROM hot_touched t
        JOIN members_identitylink l ON l.identity_id = t.identity_id
    """
    cursor.execute(
        f"""
        INSERT INTO node
        SELECT a.profile_id, a.person_id, a.brand_id, a.profile_id, NULL, a.profile_id, NULL,
            false, true
        FROM arriving_profile a WHERE a.profile_id IN (
            SELECT arriving_id FROM touched_link WHERE arriving_id IS NOT NULL
            {hot_arriving if is_hot_touched else ""}
        )
        """  # noqa: S608
    )
    if cursor.rowcount:
        cursor.execute("ANALYZE pg_temp.node")
    if is_any_hot:
        graph.stage_hot_brands(
            cursor,
            rules,
            "SELECT DISTINCT l.identity_id FROM node n "
            "JOIN members_identitylink l ON l.profile_id = n.profile_id "
            "JOIN members_identity i ON i.id = l.identity_id WHERE i.is_hot",
        )
    # Whoever has what was touched is a node.
    return graph.stage_edges(
        cursor,
        rules,
        candidates="candidate",
        nodes="node",
        label="n.label",
        is_any_hot=is_any_hot,
        read_already=f"""
            SELECT t.identity_id, t.profile_id, n.label
            FROM touched_link t JOIN node n USING (profile_id)
            WHERE t.kind = ANY(%s) {_NOT_HOT if is_hot_touched else ""}
        """,  # noqa: S608 - constants of the code
    )


def _label_nodes(cursor: CursorWrapper) -> None:
    """Write the labels that the edges ended with onto the nodes: all that began with one follow."""
    cursor.execute(
        """
        UPDATE node n SET label = e.label
        FROM (
            SELECT DISTINCT b.label AS began, e.label
            FROM edge e JOIN node b USING (profile_id) WHERE b.label <> e.label
        ) AS e
        WHERE n.label = e.began
        """
    )


def _look_at_links(
    cursor: CursorWrapper, rules: Rules, clusters: list[int], is_any_hot: bool
) -> None:
    """Add to the edges what else joins in these clusters: whom they part begins with every link."""
    cursor.execute(
        f"""
        INSERT INTO edge
        SELECT identity_id, 0, profile_id, label FROM (
            SELECT l.identity_id, l.profile_id, n.label,
                count(*) OVER (PARTITION BY l.identity_id) AS ends
            FROM node n
            JOIN members_identitylink l ON l.profile_id = n.profile_id
            JOIN members_identity i ON i.id = l.identity_id AND i.kind = ANY(%s)
            WHERE n.label = ANY(%s) AND l.identity_id NOT IN (SELECT identity_id FROM edge)
                {graph.warm_sql(is_any_hot)}
        ) AS inside WHERE ends > 1
        """,  # noqa: S608 - words of the code
        [graph.linking_kinds(rules), clusters],
    )
    cursor.execute(
        "UPDATE node SET own_label = profile_id, is_whole = true WHERE label = ANY(%s)", [clusters]
    )
