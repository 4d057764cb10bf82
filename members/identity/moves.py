"""Give components their persons, write who moved, and keep the journal of it."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.identity.rules import Rules
from members.staging import stage_query


def choose_persons(cursor: CursorWrapper) -> int:
    """Stage which profiles move to which person, and make the new persons; return how many move.

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
        ORDER BY label
        """,
    )
    moved = stage_query(
        cursor,
        "moved",
        """
        SELECT n.profile_id, n.person_id AS from_person_id, t.person_id AS to_person_id, n.label,
            n.brand_id, n.is_arriving
        FROM node n JOIN target t USING (label) WHERE n.person_id <> t.person_id
        """,
    )
    cursor.execute(
        """
        INSERT INTO members_person (id, created_at)
        SELECT person_id, now() FROM target WHERE kept_id IS NULL
        UNION ALL
        SELECT a.person_id, now() FROM arriving_profile a
        WHERE NOT EXISTS (SELECT FROM moved m WHERE m.profile_id = a.profile_id)
        """
    )
    if moved:
        cursor.execute(
            "INSERT INTO affected_person SELECT person_id FROM target WHERE kept_id IS NULL"
        )
    return moved


def write_moves(cursor: CursorWrapper, rules: Rules, *, by_name: str, is_any_parted: bool) -> None:
    """Write the moves onto every row of the profiles, and into the journal."""
    _journal(cursor, rules, by_name=by_name, is_any_parted=is_any_parted)
    cursor.execute(
        """
        UPDATE arriving_profile a SET person_id = m.to_person_id
        FROM moved m WHERE a.profile_id = m.profile_id AND m.is_arriving
        """
    )
    for table, column in (
        ("members_profile", "id"),
        ("members_consent", "profile_id"),
        ("members_objection", "profile_id"),
    ):
        cursor.execute(
            f"""
            UPDATE {table} x SET person_id = m.to_person_id
            FROM moved m WHERE x.{column} = m.profile_id AND NOT m.is_arriving
            """  # noqa: S608 - names of the code
        )
    # Every profile of an affected person is a node, so whom no component kept nobody has.
    cursor.execute(
        """
        DELETE FROM members_person q USING (
            SELECT from_person_id FROM moved WHERE NOT is_arriving
            EXCEPT SELECT person_id FROM target
        ) AS gone WHERE q.id = gone.from_person_id
        """
    )


def _journal(cursor: CursorWrapper, rules: Rules, *, by_name: str, is_any_parted: bool) -> None:
    """Append each move, with the surest link that joined its two persons, or what parted them.

    A decision links below nought (see members.identity.graph), and is surer than any identity.
    """
    # Who carries what joins there: each person once for each brand.
    stage_query(
        cursor,
        "side",
        """
        SELECT DISTINCT e.identity_id, n.label, n.person_id, n.brand_id
        FROM (SELECT DISTINCT label FROM moved) AS m
        JOIN node n USING (label) JOIN edge e USING (profile_id)
        """,
    )
    # Identities that join there.
    trust = " ".join(f"WHEN '{rule.kind}' THEN {int(rule.trust)}" for rule in rules.values())
    stage_query(
        cursor,
        "joint",
        f"""
        SELECT s.identity_id, s.label, i.kind, i.key, CASE i.kind {trust} ELSE 0 END AS trust
        FROM (
            SELECT identity_id, label FROM side
            GROUP BY identity_id, label HAVING min(person_id) < max(person_id)
        ) AS s
        LEFT JOIN members_identity i ON i.id = s.identity_id
        """,  # noqa: S608 - words and numbers of the code
    )
    stage_query(
        cursor,
        "joining",
        """
        SELECT DISTINCT ON (j.from_person_id, j.label) j.from_person_id, j.label, j.identity_id,
            j.kind, n.brand_id AS one_brand, o.brand_id AS other_brand
        FROM (
            SELECT DISTINCT ON (m.from_person_id, m.label) m.from_person_id, m.label,
                j.identity_id, j.kind
            FROM (SELECT DISTINCT from_person_id, label FROM moved) AS m
            JOIN side n ON n.label = m.label AND n.person_id = m.from_person_id
            JOIN joint j ON j.identity_id = n.identity_id AND j.label = n.label
            ORDER BY m.from_person_id, m.label, j.trust, j.kind COLLATE "C", j.key, j.identity_id
        ) AS j
        JOIN side n ON n.identity_id = j.identity_id AND n.label = j.label
            AND n.person_id = j.from_person_id
        JOIN (
            -- As many rows as brands, however many persons an identity joins there.
            SELECT identity_id, label, brand_id, min(person_id) AS low, max(person_id) AS high
            FROM side GROUP BY identity_id, label, brand_id
        ) AS o ON o.identity_id = j.identity_id AND o.label = j.label
            AND (o.low <> n.person_id OR o.high <> n.person_id)
        ORDER BY j.from_person_id, j.label, o.brand_id <> n.brand_id, o.brand_id, n.brand_id
        """,
    )
    decided = "LEFT JOIN part w ON w.profile_id = m.profile_id" if is_any_parted else ""
    decision = "CASE WHEN j.identity_id < 0 THEN -j.identity_id END"
    if is_any_parted:
        decision = (
            "CASE WHEN j.identity_id < 0 THEN -j.identity_id "
            "WHEN j.identity_id IS NULL THEN w.decision_id END"
        )
    cursor.execute(
        f"""
        INSERT INTO members_personmerge (brand_id, brands, profile_id, from_person_id,
            to_person_id, cause, cause_id, by_name, at)
        SELECT brand_id,
            ARRAY(
                SELECT DISTINCT b FROM unnest(
                    ARRAY[brand_id, one_brand, other_brand, left_brand]
                ) AS b WHERE b IS NOT NULL ORDER BY b
            ),
            profile_id, from_person_id, to_person_id,
            CASE WHEN decision IS NOT NULL THEN 'decision' ELSE COALESCE(kind, 'split') END,
            COALESCE(decision, identity_id),
            COALESCE((SELECT d.by_name FROM members_persondecision d WHERE d.id = decision), %s),
            now()
        FROM (
            SELECT m.*, j.identity_id, j.kind, j.one_brand, j.other_brand,
                {decision} AS decision, b.left_brand
            FROM moved m
            LEFT JOIN joining j USING (from_person_id, label)
            LEFT JOIN (
                SELECT s.from_person_id, s.label, min(n.brand_id) AS left_brand
                FROM (
                    SELECT from_person_id, label FROM moved
                    EXCEPT SELECT from_person_id, label FROM joining
                ) AS s
                JOIN node n ON n.person_id = s.from_person_id AND n.label <> s.label
                GROUP BY 1, 2
            ) AS b USING (from_person_id, label)
            {decided}
        ) AS moves ORDER BY profile_id
        """,  # noqa: S608
        [by_name[:120]],
    )


def keep_clusters(cursor: CursorWrapper, *, is_any_parted: bool) -> None:
    """Keep on persons which cluster they are of, where it was looked at closely."""
    if is_any_parted:
        right = """
            SELECT t.person_id, min(n.cluster) AS cluster
            FROM target t JOIN node n USING (label) GROUP BY t.person_id
        """
    else:
        right = "SELECT person_id, NULL::bigint AS cluster FROM target"
    cursor.execute(
        f"""
        UPDATE members_person q SET cluster_id = r.cluster FROM ({right}) AS r
        WHERE q.id = r.person_id AND q.cluster_id IS DISTINCT FROM r.cluster
        """  # noqa: S608
    )


def forget_conflicts(cursor: CursorWrapper) -> None:
    """Take away the conflicts of clusters that are looked at anew."""
    cursor.execute("SELECT EXISTS (SELECT FROM members_personconflict)")
    if cursor.fetchone()[0]:
        # Both those of the group and, below nought, those of the brands' own links.
        cursor.execute(
            "DELETE FROM members_personconflict c USING node n "
            "WHERE c.cluster_id IN (n.profile_id, -n.profile_id)"
        )


def show_conflicts(cursor: CursorWrapper, *, least_brands: int, sign: int) -> None:
    """Show the clusters in `part` in which an identifier joined not all whom it could."""
    cursor.execute(
        """
        INSERT INTO members_personconflict (brand_id, cluster_id, kind, brands, profiles, members,
            persons, is_too_large)
        SELECT brands[1], %s * cluster, kind, brands, profiles[1:10], members, persons,
            is_too_large
        FROM (
            SELECT p.cluster, array_agg(DISTINCT n.brand_id ORDER BY n.brand_id) AS brands,
                array_agg(DISTINCT p.label ORDER BY p.label) AS profiles, count(*) AS members,
                count(DISTINCT p.label) AS persons, bool_or(p.is_too_large) AS is_too_large,
                max(p.kinds) AS kinds
            FROM part p JOIN node n USING (profile_id)
            WHERE p.kinds IS NOT NULL
            GROUP BY p.cluster
        ) AS shown
        CROSS JOIN LATERAL unnest(string_to_array(kinds, ',')) AS kind
        WHERE persons > 1 AND cardinality(brands) >= %s
        """,
        [sign, least_brands],
    )
