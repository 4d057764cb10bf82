"""Clusters: the connected components of profiles over identities and decisions, set by set.

Works on a temporary table of edges (identity_id, brand_id, profile_id, label): profiles with one
identity are joined. `brand_id` is 0 in the edges of the group; in those of the brands' own it says
whose, so that no brand's members are joined by another's.
"""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.identity.rules import Rules
from members.staging import stage, stage_query

_COLUMNS = (
    "identity_id bigint NOT NULL, brand_id bigint NOT NULL, profile_id bigint NOT NULL, "
    "label bigint NOT NULL"
)


def linking_kinds(rules: Rules) -> list[str]:
    """Return the kinds of identifiers that join persons."""
    return [rule.kind for rule in rules.values() if rule.is_linking]


def limits_sql(rules: Rules) -> str:
    """Return the limits of hot identities as rows (kind, most)."""
    rows = ", ".join(f"('{rule.kind}', {int(rule.most_profiles)})" for rule in rules.values())
    return f"(VALUES {rows}) AS m(kind, most)"


def has_hot(cursor: CursorWrapper) -> bool:
    """Tell whether any identity of the group is hot."""
    cursor.execute("SELECT EXISTS (SELECT FROM members_identity WHERE is_hot)")
    return bool(cursor.fetchone()[0])


def has_decisions(cursor: CursorWrapper) -> bool:
    """Tell whether anybody in the group decided about persons by hand."""
    cursor.execute("SELECT EXISTS (SELECT FROM members_persondecision)")
    return bool(cursor.fetchone()[0])


def has_parted(cursor: CursorWrapper) -> bool:
    """Tell whether any cluster of the group was looked at closely."""
    cursor.execute("SELECT EXISTS (SELECT FROM members_person WHERE cluster_id IS NOT NULL)")
    return bool(cursor.fetchone()[0])


def stage_hot_brands(cursor: CursorWrapper, rules: Rules, identities: str) -> int:
    """Stage, for hot identities, their brands and whether their links there are cold.

    `is_fresh`: they were not before this transaction's new links.
    """
    return stage_query(
        cursor,
        "hot_brand",
        f"""
        SELECT identity_id, brand_id, holders > most AS is_cold,
            holders > most AND holders - newly <= most AS is_fresh
        FROM (
            SELECT l.identity_id, COALESCE(p.brand_id, a.brand_id) AS brand_id, m.most,
                count(*) AS holders, count(COALESCE(t.profile_id, a.profile_id)) AS newly
            FROM ({identities}) AS i
            JOIN members_identity x ON x.id = i.identity_id
            JOIN {limits_sql(rules)} ON m.kind = x.kind
            JOIN members_identitylink l ON l.identity_id = i.identity_id
            LEFT JOIN members_profile p ON p.id = l.profile_id
            LEFT JOIN arriving_profile a ON a.profile_id = l.profile_id
            LEFT JOIN (SELECT DISTINCT profile_id FROM touched_profile) AS t
                ON t.profile_id = l.profile_id
            GROUP BY 1, 2, 3
        ) AS counted
        """,  # noqa: S608 - queries and numbers of the code
    )


def warm_sql(is_any_hot: bool) -> str:
    """Return the condition that an identity `i` is not hot in the brand of a profile `n`."""
    if not is_any_hot:
        return ""
    return """
        AND (NOT i.is_hot OR NOT EXISTS (
            SELECT FROM hot_brand h
            WHERE h.identity_id = i.id AND h.brand_id = n.brand_id AND h.is_cold
        ))
    """


def begin_edges(cursor: CursorWrapper) -> None:
    """Make the empty table of edges."""
    stage(cursor, "edge", _COLUMNS)


def stage_edges(
    cursor: CursorWrapper,
    rules: Rules,
    *,
    candidates: str,
    nodes: str,
    is_any_hot: bool,
    label: str = "n.profile_id",
    read_already: str = "",
) -> int:
    """Stage the edges of the group: the links of candidate identities that join; return how many.

    CANDIDATES and NODES name what has identity_id, and profile_id and brand_id. LABEL is what a
    node `n` begins with. READ_ALREADY is a query of further edges, identity_id, profile_id and
    label, of the kinds in its parameter.
    """
    begin_edges(cursor)
    cursor.execute(
        f"""
        INSERT INTO edge
        SELECT l.identity_id, 0, l.profile_id, {label}
        FROM {candidates} c
        JOIN members_identity i ON i.id = c.identity_id AND i.kind = ANY(%s)
        JOIN members_identitylink l ON l.identity_id = i.id
        JOIN {nodes} n ON n.profile_id = l.profile_id {warm_sql(is_any_hot)}
        """,  # noqa: S608 - names of the code
        [linking_kinds(rules)],
    )
    count = cursor.rowcount
    if read_already:
        cursor.execute(
            "INSERT INTO edge SELECT identity_id, 0, profile_id, label "  # noqa: S608
            f"FROM ({read_already}) AS l",
            [linking_kinds(rules)],
        )
        count += cursor.rowcount
    # Whom somebody said to be one person; numbered below nought, where no identity is.
    cursor.execute(
        f"""
        INSERT INTO edge
        SELECT -d.id, 0, s.profile_id, {label}
        FROM members_persondecision d
        JOIN members_persondecisionside s ON s.decision_id = d.id
        JOIN {nodes} n ON n.profile_id = s.profile_id
        WHERE d.what = 'join'
        """  # noqa: S608
    )
    count += cursor.rowcount
    if count:
        cursor.execute("ANALYZE pg_temp.edge")
    return count


def stage_own_edges(cursor: CursorWrapper, nodes: str) -> int:
    """Stage, from the edges of the group, those that brands make by their own links alone.

    NODES have brand_id and own_label, with which they begin.
    """
    return stage_query(
        cursor,
        "own_edge",
        f"""
        SELECT identity_id, brand_id, profile_id, label FROM (
            SELECT e.identity_id, n.brand_id, e.profile_id, n.own_label AS label,
                count(*) OVER (PARTITION BY e.identity_id, n.brand_id) AS ends
            FROM edge e JOIN {nodes} n USING (profile_id)
        ) AS own WHERE ends > 1
        """,  # noqa: S608 - a name of the code
    )


# The labels that an identity joins, of some rows with identity_id, brand_id and label.
_TIES = """
    SELECT identity_id, brand_id, label, low FROM (
        SELECT identity_id, brand_id, label, min(label) OVER same AS low,
            max(label) OVER same AS high
        FROM ({rows}) AS r WINDOW same AS (PARTITION BY identity_id, brand_id)
    ) AS found WHERE low < high
"""


def label_components(cursor: CursorWrapper, edge: str = "edge") -> None:
    """Give the profiles of a component one label, the smallest among those they begin with.

    Each round hooks every label to the smallest label that an identity joins it with, follows
    these hooks to their ends, and goes on with the identities that join several labels even then: a
    chain of any length falls in few rounds.
    """
    ties = stage_query(cursor, "tie", _TIES.format(rows=f"TABLE {edge}"))
    if not ties:
        return
    stage(cursor, "root", "label bigint NOT NULL, low bigint NOT NULL")
    while ties:
        stage_query(
            cursor,
            "hook",
            "SELECT label, min(low) AS low FROM tie WHERE label > low GROUP BY label",
        )
        while True:
            cursor.execute(
                "UPDATE hook h SET low = next.low FROM hook next WHERE h.low = next.label"
            )
            if not cursor.rowcount:
                break
        cursor.execute(
            "UPDATE root r SET low = h.low FROM hook h WHERE r.low = h.label; "
            "INSERT INTO root SELECT label, low FROM hook"
        )
        rows = (
            "SELECT DISTINCT t.identity_id, t.brand_id, COALESCE(h.low, t.label) AS label "
            "FROM tie t LEFT JOIN hook h USING (label)"
        )
        ties = stage_query(cursor, "next_tie", _TIES.format(rows=rows))
        cursor.execute("DROP TABLE pg_temp.tie; ALTER TABLE pg_temp.next_tie RENAME TO tie")
    cursor.execute(
        f"ANALYZE pg_temp.root; UPDATE {edge} e SET label = r.low FROM root r "  # noqa: S608
        "WHERE e.label = r.label"
    )
