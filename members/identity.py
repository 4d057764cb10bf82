"""OneID: persons are the connected components of profiles that share identities.

Resolution is set-based and incremental: it looks at the persons that changed profiles and
identities touch, finds their components anew, and writes only what differs. The partition depends
on the links alone, never on the order in which they came.

An identity that many profiles of a brand have (a shop's own phone) joins none of that brand's. It
goes on joining those of other brands: no brand parts its siblings' members by rows of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from members.staging import stage, stage_query

# An identity of more profiles of one brand than this is hot there and links none of them.
HOT_PROFILES = 50


# The links of nodes `n` that join.
_WARM_LINKS = """
    JOIN members_identitylink l ON l.profile_id = n.profile_id
    JOIN members_identity i ON i.id = l.identity_id AND (NOT i.is_hot OR NOT EXISTS (
        SELECT FROM hot_brand h
        WHERE h.identity_id = i.id AND h.brand_id = n.brand_id AND h.is_cold
    ))
"""


@dataclass(frozen=True)
class Resolved:
    """Count what a resolution changed."""

    persons_seen: int
    profiles_moved: int


def hot_profiles() -> int:
    """Return the number of a brand's profiles above which an identity is hot there."""
    return int(getattr(settings, "IDENTITY_HOT_PROFILES", HOT_PROFILES))


def begin_touching(cursor: CursorWrapper) -> None:
    """Make the empty tables in which a bulk writer notes what `resolve` must look at.

    touched_profile: profiles whose links changed. touched_identity: identities that gained or lost
    a profile. arriving_profile: profiles not yet inserted, each with a person of its own, not yet
    inserted either; `resolve` gives them their persons, so that each is written once.
    """
    stage(cursor, "touched_profile", "profile_id bigint NOT NULL")
    stage(cursor, "touched_identity", "identity_id bigint NOT NULL")
    stage(
        cursor,
        "arriving_profile",
        # A key: the planner takes an identity for one of few profiles, also where it is hot.
        "profile_id bigint PRIMARY KEY, person_id bigint NOT NULL, brand_id bigint NOT NULL",
    )
    stage(cursor, "arriving_identity", "identity_id bigint, known_person_id bigint, is_hot boolean")
    stage(cursor, "arriving_link", "profile_id bigint, person_id bigint, identity_id bigint")
    stage(cursor, "joint", "identity_id bigint, low bigint")
    stage(cursor, "person_label", "person_id bigint, label bigint")


def join_arriving(cursor: CursorWrapper) -> None:
    """Label what warm identities of arriving profiles join: person → the smallest it is joined to.

    Looks at no stored link: all warm profiles of a stored identity have the person it points to.
    Who is joined to nobody smaller has no row in person_label.
    """
    stage_query(
        cursor,
        "joint",
        """
        SELECT identity_id, min(person_id) AS low FROM (
            SELECT l.identity_id, l.person_id FROM arriving_link l
            JOIN arriving_identity i USING (identity_id)
            WHERE NOT i.is_hot AND l.person_id IS NOT NULL
            UNION ALL
            SELECT identity_id, known_person_id FROM arriving_identity
            WHERE NOT is_hot AND known_person_id IS NOT NULL
        ) AS tie GROUP BY identity_id HAVING min(person_id) <> max(person_id)
        """,
    )
    stage_query(
        cursor,
        "join_edge",
        """
        SELECT l.person_id, j.low FROM joint j JOIN arriving_link l USING (identity_id)
        WHERE l.person_id <> j.low
        UNION
        SELECT i.known_person_id, j.low FROM joint j JOIN arriving_identity i USING (identity_id)
        WHERE i.known_person_id <> j.low
        """,
    )
    hooked = stage_query(
        cursor,
        "person_label",
        "SELECT person_id, min(low) AS label FROM join_edge GROUP BY person_id",
    )
    while hooked:
        while True:
            cursor.execute(
                "UPDATE person_label l SET label = n.label FROM person_label n "
                "WHERE l.label = n.person_id"
            )
            if not cursor.rowcount:
                break
        cursor.execute(
            """
            INSERT INTO person_label
            SELECT greatest(a, b), min(least(a, b)) FROM (
                SELECT l.label AS a, COALESCE(n.label, e.low) AS b
                FROM join_edge e JOIN person_label l USING (person_id)
                LEFT JOIN person_label n ON n.person_id = e.low
            ) AS ends WHERE a <> b GROUP BY 1
            """
        )
        hooked = cursor.rowcount
    cursor.execute("ANALYZE pg_temp.person_label")


def resolve() -> Resolved:
    """Bring the persons of everything touched up to date.

    Runs in the caller's transaction, which holds the group's answers (members.locks). Leaves in
    arriving_profile the persons of profiles that the caller inserts now (their persons are there),
    and in affected_person (person_id) every person it looked at or made.
    """
    with connection.cursor() as cursor:
        seen = _stage_arrivals(cursor)
        slow = _resolve_touched(cursor)
        moved = _move_arrivals(cursor) if seen else 0
    return Resolved(seen + slow.persons_seen, moved + slow.profiles_moved)


def _stage_arrivals(cursor: CursorWrapper) -> int:
    """Stage arriving profiles and the stored ones they are joined to, by label.

    In `tainted` the labels about which only all of their links can tell.
    """
    stage_query(
        cursor,
        "seen_person",
        """
        SELECT k.person_id, COALESCE(l.label, k.person_id) AS label FROM (
            SELECT DISTINCT known_person_id AS person_id FROM arriving_identity
            WHERE NOT is_hot AND known_person_id IS NOT NULL
        ) AS k LEFT JOIN person_label l USING (person_id)
        """,
    )
    count = stage_query(
        cursor,
        "near",
        """
        SELECT p.id AS profile_id, p.person_id, p.brand_id, s.label, false AS is_arriving
        FROM seen_person s JOIN members_profile p USING (person_id)
        UNION ALL
        SELECT a.profile_id, a.person_id, a.brand_id, COALESCE(l.label, a.person_id), true
        FROM arriving_profile a LEFT JOIN person_label l USING (person_id)
        """,
    )
    stage(cursor, "tainted", "label bigint PRIMARY KEY")
    cursor.execute(
        """
        INSERT INTO tainted
        SELECT label FROM near GROUP BY label, brand_id HAVING count(*) > %s
        UNION
        SELECT n.label FROM arriving_link l JOIN near n USING (profile_id)
        WHERE l.identity_id IN (SELECT identity_id FROM touched_identity)
            OR l.identity_id IN (SELECT identity_id FROM arriving_identity WHERE is_hot)
        """,
        [hot_profiles()],
    )
    return count


def _resolve_touched(cursor: CursorWrapper) -> Resolved:
    """Resolve what touched links and tainted labels reach, by all of their links."""
    stage(cursor, "affected_person", "person_id bigint")
    cursor.execute(
        "SELECT EXISTS (SELECT FROM tainted) OR EXISTS (SELECT FROM touched_profile) "
        "OR EXISTS (SELECT FROM touched_identity)"
    )
    if not cursor.fetchone()[0]:
        return Resolved(0, 0)
    stage(cursor, "flipped", "identity_id bigint NOT NULL")
    cursor.execute(
        "ANALYZE pg_temp.touched_profile; ANALYZE pg_temp.touched_identity; "
        "ANALYZE pg_temp.arriving_profile"
    )
    _mend_statistics(cursor)
    while True:
        cursor.execute(
            """
            INSERT INTO touched_identity
            SELECT l.identity_id FROM tainted t JOIN near n USING (label)
            JOIN arriving_link l USING (profile_id)
            EXCEPT SELECT identity_id FROM touched_identity
            """
        )
        cursor.execute("ANALYZE pg_temp.touched_identity")
        stage_query(
            cursor,
            "slow_arrival",
            "SELECT a.* FROM arriving_profile a JOIN near n USING (profile_id) "
            "JOIN tainted t USING (label)",
        )
        _update_hot(cursor)
        persons = _find_affected(cursor)
        cursor.execute(
            """
            INSERT INTO tainted
            SELECT DISTINCT s.label FROM affected_person a JOIN seen_person s USING (person_id)
            WHERE s.label NOT IN (SELECT label FROM tainted)
            """
        )
        if not cursor.rowcount:
            break
    _find_nodes(cursor)
    moved = 0
    if persons:
        _label_components(cursor)
        _choose_persons(cursor)
        cursor.execute("SELECT count(*) FROM moved")
        moved = cursor.fetchone()[0]
        if moved:
            _move(cursor)
        _tidy(cursor)
    return Resolved(persons, moved)


def _move_arrivals(cursor: CursorWrapper) -> int:
    """Write the persons of labels that no hot identity and no changed link complicates."""
    moved = stage_query(
        cursor,
        "near_moved",
        """
        SELECT n.profile_id, n.person_id AS from_person_id, n.label AS to_person_id, n.is_arriving
        FROM near n WHERE n.person_id <> n.label AND n.label NOT IN (SELECT label FROM tainted)
        """,
    )
    cursor.execute(
        """
        INSERT INTO members_person (id, created_at)
        SELECT n.person_id, now() FROM near n
        WHERE n.is_arriving AND n.person_id = n.label
            AND n.label NOT IN (SELECT label FROM tainted)
        """
    )
    cursor.execute(
        "INSERT INTO affected_person "
        "SELECT DISTINCT label FROM near WHERE label NOT IN (SELECT label FROM tainted)"
    )
    if not moved:
        return 0
    cursor.execute(
        """
        INSERT INTO members_personmerge (profile_id, from_person_id, to_person_id, cause, at)
        SELECT m.profile_id, m.from_person_id, m.to_person_id, i.kind || ' ' || i.identity_id, now()
        FROM near_moved m
        JOIN (
            SELECT COALESCE(l.label, j.low) AS label, min(j.identity_id) AS identity_id
            FROM joint j LEFT JOIN person_label l ON l.person_id = j.low GROUP BY 1
        ) AS c ON c.label = m.to_person_id
        JOIN arriving_identity i USING (identity_id)
        """
    )
    cursor.execute(
        """
        UPDATE arriving_profile a SET person_id = m.to_person_id
        FROM near_moved m WHERE a.profile_id = m.profile_id AND m.is_arriving
        """
    )
    left = stage_query(
        cursor,
        "left_seen",
        """
        SELECT person_id, label FROM seen_person
        WHERE person_id <> label AND label NOT IN (SELECT label FROM tainted)
        """,
    )
    if not left:
        return moved
    for table in ("members_profile", "members_consent", "members_objection", "members_identity"):
        cursor.execute(
            f"UPDATE {table} x SET person_id = s.label "  # noqa: S608 - a table of the code
            "FROM left_seen s WHERE x.person_id = s.person_id"
        )
    cursor.execute("DELETE FROM members_person q USING left_seen s WHERE q.id = s.person_id")
    return moved


def _mend_statistics(cursor: CursorWrapper) -> None:
    """Analyse what the planner takes for empty though it has pages.

    So it is told of a table that was analysed while all its rows were undone ones. However many
    come in since, it then expects one, and scans the whole table for each link: as many times as
    an identity has profiles.
    """
    cursor.execute(
        "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class "
        "WHERE oid = ANY (%s::regclass[]) AND reltuples = 0 AND relpages > 0",
        [["members_profile", "members_identity", "members_identitylink"]],
    )
    if tables := cursor.fetchone()[0]:
        cursor.execute(f"ANALYZE {tables}")


def _update_hot(cursor: CursorWrapper) -> None:
    """Set is_hot where it changed, and note those identities in `flipped`.

    It is set where an identity is hot in some brand; `hot_brand` says in which.
    """
    cursor.execute(
        """
        WITH counted AS (
            SELECT t.identity_id, CASE WHEN (
                SELECT count(*) FROM (
                    SELECT 1 FROM members_identitylink l
                    WHERE l.identity_id = t.identity_id LIMIT %(most)s + 1
                ) AS capped
            ) > %(most)s THEN EXISTS (
                SELECT FROM members_identitylink l
                LEFT JOIN members_profile p ON p.id = l.profile_id
                LEFT JOIN arriving_profile a ON a.profile_id = l.profile_id
                WHERE l.identity_id = t.identity_id
                GROUP BY COALESCE(p.brand_id, a.brand_id) HAVING count(*) > %(most)s
            ) ELSE false END AS is_hot
            FROM (SELECT DISTINCT identity_id FROM touched_identity) AS t
        ), changed AS (
            UPDATE members_identity i SET is_hot = c.is_hot FROM counted c
            WHERE i.id = c.identity_id AND i.is_hot <> c.is_hot
            RETURNING i.id
        )
        INSERT INTO flipped SELECT id FROM changed
        """,
        {"most": hot_profiles()},
    )


def _stage_hot_brands(cursor: CursorWrapper, identities: str) -> None:
    """Stage the brands of hot identities, and whether their links there are cold."""
    stage_query(
        cursor,
        "hot_brand",
        f"""
        SELECT l.identity_id, COALESCE(p.brand_id, a.brand_id) AS brand_id,
            count(*) > %(most)s AS is_cold
        FROM ({identities}) AS t
        JOIN members_identity i ON i.id = t.identity_id AND i.is_hot
        JOIN members_identitylink l ON l.identity_id = i.id
        LEFT JOIN members_profile p ON p.id = l.profile_id
        LEFT JOIN arriving_profile a ON a.profile_id = l.profile_id
        GROUP BY 1, 2
        """,  # noqa: S608 - queries of the code
        {"most": hot_profiles()},
    )


def _find_affected(cursor: CursorWrapper) -> int:
    """Stage every person that may change.

    Persons were components before, and only touched links changed, so no edge leaves this set.
    """
    _stage_hot_brands(cursor, "SELECT identity_id FROM touched_identity GROUP BY 1")
    # Persons of arriving profiles are in no other table yet, so nobody else can have them. What a
    # hot identity joined before it went cold in a brand is the person that it points to.
    return stage_query(
        cursor,
        "affected_person",
        """
        SELECT p.person_id FROM touched_profile t JOIN members_profile p ON p.id = t.profile_id
        UNION
        SELECT p.person_id
        FROM touched_identity t
        JOIN members_identity i ON i.id = t.identity_id
        JOIN members_identitylink l ON l.identity_id = i.id
        JOIN members_profile p ON p.id = l.profile_id
        WHERE NOT i.is_hot OR i.id IN (SELECT identity_id FROM flipped) OR NOT EXISTS (
            SELECT FROM hot_brand h
            WHERE h.identity_id = i.id AND h.brand_id = p.brand_id AND h.is_cold
        )
        UNION
        SELECT p.person_id
        FROM touched_identity t
        JOIN members_identity i ON i.id = t.identity_id AND i.is_hot
        JOIN members_profile p ON p.person_id = i.person_id
        UNION ALL
        SELECT person_id FROM slow_arrival
        """,
    )


def _find_nodes(cursor: CursorWrapper) -> None:
    """Stage the profiles of the affected persons, and the edges between them."""
    stage_query(
        cursor,
        "node",
        """
        SELECT p.id AS profile_id, p.person_id, p.brand_id, p.id AS label, false AS is_arriving
        FROM affected_person a JOIN members_profile p ON p.person_id = a.person_id
        UNION ALL
        SELECT profile_id, person_id, brand_id, profile_id, true FROM slow_arrival
        """,
    )
    _stage_hot_brands(
        cursor,
        "SELECT identity_id FROM touched_identity UNION SELECT l.identity_id FROM node n "
        "JOIN members_identitylink l ON l.profile_id = n.profile_id "
        "JOIN members_identity i ON i.id = l.identity_id AND i.is_hot",
    )
    stage_query(
        cursor,
        "edge",
        f"""
        SELECT identity_id, profile_id FROM (
            SELECT l.identity_id, l.profile_id, count(*) OVER (PARTITION BY l.identity_id) AS ends
            FROM node n {_WARM_LINKS}
        ) AS linked WHERE ends > 1
        """,  # noqa: S608 - a constant of the code
    )


def _label_components(cursor: CursorWrapper) -> None:
    """Give the nodes of a component one label, the smallest profile id among them.

    Each round hooks every label to the smallest label that an identity joins it with, follows
    these hooks to their ends, and renames the nodes: a chain of any length falls in few rounds.
    """
    while stage_query(
        cursor,
        "hook",
        """
        SELECT label, low FROM (
            SELECT n.label, min(e.low) AS low
            FROM (
                SELECT e.profile_id, min(n.label) OVER (PARTITION BY e.identity_id) AS low
                FROM edge e JOIN node n USING (profile_id)
            ) AS e
            JOIN node n USING (profile_id)
            GROUP BY n.label
        ) AS lowest WHERE low < label
        """,
    ):
        while True:
            cursor.execute(
                "UPDATE hook h SET low = next.low FROM hook next WHERE h.low = next.label"
            )
            if not cursor.rowcount:
                break
        cursor.execute("UPDATE node n SET label = h.low FROM hook h WHERE n.label = h.label")


def _choose_persons(cursor: CursorWrapper) -> None:
    """Stage which profiles move to which person.

    A component keeps the smallest of its persons; a person whose profiles fell apart stays with
    the component of its smallest profile; a component left without one gets a new person.
    """
    stage_query(
        cursor,
        "target",
        """
        SELECT c.label, k.person_id AS kept_id,
            COALESCE(
                k.person_id,
                nextval((SELECT pg_get_serial_sequence('members_person', 'id'))::regclass)
            ) AS person_id
        FROM (SELECT DISTINCT label FROM node) AS c
        LEFT JOIN (
            SELECT label, min(person_id) AS person_id
            FROM (SELECT person_id, min(label) AS label FROM node GROUP BY person_id) AS won
            GROUP BY label
        ) AS k USING (label)
        """,
    )
    cursor.execute(
        """
        INSERT INTO members_person (id, created_at)
        SELECT person_id, now() FROM target WHERE kept_id IS NULL
        UNION ALL
        SELECT t.person_id, now() FROM target t JOIN arriving_profile a USING (person_id)
        """
    )
    cursor.execute("INSERT INTO affected_person SELECT person_id FROM target WHERE kept_id IS NULL")
    stage_query(
        cursor,
        "moved",
        """
        SELECT n.profile_id, n.person_id AS from_person_id, t.person_id AS to_person_id, n.label,
            n.is_arriving
        FROM node n JOIN target t USING (label) WHERE n.person_id <> t.person_id
        """,
    )


def _move(cursor: CursorWrapper) -> None:
    """Write the moves, with the identity that joined two persons as their cause."""
    cursor.execute(
        """
        INSERT INTO members_personmerge (profile_id, from_person_id, to_person_id, cause, at)
        SELECT m.profile_id, m.from_person_id, m.to_person_id,
            COALESCE(i.kind || ' ' || i.id, 'split'), now()
        FROM moved m
        LEFT JOIN (
            SELECT label, min(identity_id) AS identity_id FROM (
                SELECT n.label, e.identity_id FROM edge e JOIN node n USING (profile_id)
                GROUP BY n.label, e.identity_id HAVING min(n.person_id) <> max(n.person_id)
            ) AS joining GROUP BY label
        ) AS j USING (label)
        LEFT JOIN members_identity i ON i.id = j.identity_id
        """
    )
    cursor.execute(
        """
        UPDATE arriving_profile a SET person_id = m.to_person_id
        FROM moved m WHERE a.profile_id = m.profile_id AND m.is_arriving
        """
    )
    cursor.execute(
        """
        UPDATE members_profile p SET person_id = m.to_person_id
        FROM moved m WHERE p.id = m.profile_id AND NOT m.is_arriving
        """
    )
    cursor.execute(
        """
        UPDATE members_consent c SET person_id = m.to_person_id
        FROM moved m WHERE c.profile_id = m.profile_id AND NOT m.is_arriving
        """
    )
    cursor.execute(
        """
        UPDATE members_objection o SET person_id = m.to_person_id
        FROM moved m WHERE o.profile_id = m.profile_id AND NOT m.is_arriving
        """
    )


def _tidy(cursor: CursorWrapper) -> None:
    """Point identities to their profiles' person; drop persons and identities without profiles."""
    # Every profile of an affected person is a node, so what no node has, nobody has.
    stage_query(
        cursor,
        "left_person",
        """
        SELECT person_id FROM affected_person EXCEPT SELECT person_id FROM target
        """,
    )
    stage_query(
        cursor,
        "pointed",
        f"""
        SELECT i.id AS identity_id, i.person_id, min(t.person_id) AS right_id
        FROM node n
        JOIN target t USING (label)
        {_WARM_LINKS}
        GROUP BY i.id
        HAVING i.person_id <> min(t.person_id)
        UNION ALL
        SELECT i.id, i.person_id, COALESCE(p.person_id, a.person_id)
        -- Each by its index: an OR of these would scan all identities.
        FROM (
            SELECT o.id FROM left_person q JOIN members_identity o USING (person_id)
            UNION SELECT identity_id FROM touched_identity
            -- A hot one may have pointed to the person that its holder has left.
            UNION SELECT l.identity_id FROM moved m
            JOIN members_identitylink l ON l.profile_id = m.profile_id
        ) AS c JOIN members_identity i USING (id)
        LEFT JOIN LATERAL (
            SELECT l.profile_id FROM members_identitylink l WHERE l.identity_id = i.id LIMIT 1
        ) AS l ON true
        LEFT JOIN members_profile p ON p.id = l.profile_id
        LEFT JOIN arriving_profile a ON a.profile_id = l.profile_id
        WHERE l.profile_id IS NULL OR i.is_hot AND NOT EXISTS (
            SELECT FROM hot_brand h WHERE h.identity_id = i.id AND NOT h.is_cold
        )
        """,  # noqa: S608 - a constant of the code
    )
    cursor.execute(
        """
        UPDATE members_identity i SET person_id = d.right_id FROM pointed d
        WHERE i.id = d.identity_id AND d.right_id <> d.person_id
        """
    )
    cursor.execute(
        "DELETE FROM members_identity i USING pointed d "
        "WHERE i.id = d.identity_id AND d.right_id IS NULL"
    )
    cursor.execute("DELETE FROM members_person q USING left_person d WHERE q.id = d.person_id")
