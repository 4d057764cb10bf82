"""Persons of a brand's own: joined by the brand's links alone, whatever siblings know of them.

What a brand is told of its number of persons counts these. So no row of a sibling moves it, and no
row of its own tells it, by that number, whom a sibling has.
"""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.identity import graph
from members.identity.contradictions import stage_parts
from members.identity.moves import show_conflicts
from members.identity.rules import Rules
from members.staging import stage_query


def keep_own_persons(
    cursor: CursorWrapper,
    rules: Rules,
    *,
    is_any_edge: bool,
    is_any_hot: bool,
    is_any_decided: bool,
    is_any_parted: bool,
) -> None:
    """Bring Profile.own_person_id of the nodes up to date: the smallest profile, null for one."""
    if is_any_edge and graph.stage_own_edges(cursor, "node"):
        if stage_own_labels(
            *(cursor, rules),
            nodes="node",
            is_any_hot=is_any_hot,
            is_any_decided=is_any_decided,
            is_any_parted=is_any_parted,
        ):
            show_conflicts(cursor, least_brands=1, sign=-1)
        cursor.execute(
            """
            UPDATE members_profile p SET own_person_id = r.label
            FROM (
                SELECT n.profile_id, o.label FROM node n LEFT JOIN own_person o USING (profile_id)
                WHERE NOT n.is_arriving AND n.own_was IS DISTINCT FROM o.label
                    AND (n.is_whole OR o.label IS NOT NULL)
            ) AS r
            WHERE p.id = r.profile_id
            """
        )
        cursor.execute(
            "UPDATE arriving_profile a SET own_person_id = o.label FROM own_person o "
            "WHERE o.profile_id = a.profile_id"
        )
        return
    cursor.execute(
        "UPDATE members_profile p SET own_person_id = NULL FROM node n "
        "WHERE p.id = n.profile_id AND n.own_was IS NOT NULL AND n.is_whole"
    )


def stage_own_labels(
    cursor: CursorWrapper,
    rules: Rules,
    *,
    nodes: str,
    is_any_hot: bool,
    is_any_decided: bool,
    is_any_parted: bool,
) -> int:
    """Stage, from `own_edge`, own_person (profile_id, label) of who is not alone.

    Returns how many profiles are of clusters that were parted, in `part`. Each cluster of a
    brand's own lies in one of the group's, so it contradicts only where that one was parted.
    """
    graph.label_components(cursor, "own_edge")
    parted = 0
    if is_any_parted:
        parted = stage_parts(
            cursor,
            rules,
            edge="own_edge",
            nodes=nodes,
            is_any_hot=is_any_hot,
            is_any_decided=is_any_decided,
            is_within_parts=True,
        )
    stage_query(
        cursor,
        "own_person",
        f"""
        SELECT profile_id, label FROM (
            SELECT profile_id, label, count(*) OVER (PARTITION BY label) AS members FROM (
                SELECT n.profile_id, {"COALESCE(p.label, e.label)" if parted else "e.label"}
                    AS label
                FROM {nodes} n
                JOIN (
                    SELECT DISTINCT b.own_label AS began, e.label
                    FROM own_edge e JOIN {nodes} b USING (profile_id)
                ) AS e ON e.began = n.own_label
                {"LEFT JOIN part p ON p.profile_id = n.profile_id" if parted else ""}
            ) AS labelled
        ) AS counted WHERE members > 1
        """,  # noqa: S608 - constants of the code
    )
    return parted
