"""The peer of `oneid`: Splink's deterministic links and its clustering, on DuckDB."""

from __future__ import annotations

import duckdb
import numpy as np
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

KINDS = ("card", "phone", "email")


def splink_clusters(links: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return profiles and their clusters for links (profile, identity, kind).

    A profile has at most one identifier of each kind here, as a table that is linked has columns.
    """
    memory = duckdb.connect()
    memory.register("link", {"profile": links[:, 0], "identity": links[:, 1], "kind": links[:, 2]})
    columns = ", ".join(
        f"max(identity) FILTER (WHERE kind = {number}) AS {kind}"
        for number, kind in enumerate(KINDS)
    )
    memory.execute(
        f"CREATE TABLE member AS SELECT profile AS unique_id, {columns} FROM link GROUP BY profile"
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(kind) for kind in KINDS],
    )
    api = DuckDBAPI(connection=memory)
    linker = Linker(api.register("member"), settings)
    found = linker.inference.deterministic_link()
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        found, threshold_match_probability=None
    )
    rows = clusters.as_duckdbpyrelation().select("unique_id, cluster_id").fetchnumpy()
    return rows["unique_id"], rows["cluster_id"]
