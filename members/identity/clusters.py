"""Find the clusters of profiles beyond whom no link leads, and part those that contradict."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.identity import graph
from members.identity.contradictions import stage_parts
from members.identity.rules import Rules
from members.staging import stage_query


def stage_clusters(
    cursor: CursorWrapper, rules: Rules, *, is_any_hot: bool, is_any_decided: bool
) -> tuple[int, int]:
    """Stage edges and parts of the profiles in `node` by the links among them alone.

    Returns how many edges there are, labelled, and how many profiles stand in `part`. Needs the
    tables of `begin_touching`.
    """
    stage_query(
        cursor,
        "shared_identity",
        "SELECT l.identity_id FROM node n JOIN members_identitylink l USING (profile_id) "
        "GROUP BY l.identity_id HAVING count(*) > 1",
    )
    if is_any_hot:
        graph.stage_hot_brands(
            cursor,
            rules,
            "SELECT DISTINCT l.identity_id FROM node n JOIN members_identitylink l "
            "USING (profile_id) JOIN members_identity i ON i.id = l.identity_id WHERE i.is_hot",
        )
    edges = graph.stage_edges(
        cursor, rules, candidates="shared_identity", nodes="node", is_any_hot=is_any_hot
    )
    if not edges:
        return 0, 0
    graph.label_components(cursor)
    parted = stage_parts(
        cursor, rules, nodes="node", is_any_hot=is_any_hot, is_any_decided=is_any_decided
    )
    return edges, parted
