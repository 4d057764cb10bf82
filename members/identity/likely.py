"""Look for members of one brand who are probably one person, by a model: an extra, off by default.

The model is Fellegi and Sunter's (A Theory for Record Linkage, JASA 1969) as Splink computes it on
DuckDB: how much more often two rows agree in name, birthday and phone where they are one human than
where they are not. It only suggests. Names and numbers are opened in the memory of the worker and
nowhere else; what is kept of a pair is its probability.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from brands.models import Brand
from brands.wall import scope
from members import contacts, locks
from members.identity.suggestions import PARTED_BY_HAND
from members.keys import group_keys
from members.staging import copy_into, stage, stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

logger = logging.getLogger(__name__)

# Below this a person would say no more often than yes; so many of a brand are a day's work.
LEAST_PROBABILITY = 0.9
MOST_PAIRS = 1_000

_BATCH_ROWS = 20_000
_MEMORY = "2GB"

# Digits of a phone that a slip in the others leaves alone, and name or birthday beside them: pairs
# that share none of these are not compared.
_BLOCKS = (
    ("name", "birthday"),
    ("name", "phone_start"),
    ("name", "phone_end"),
    ("birthday", "phone_start"),
    ("birthday", "phone_end"),
)


@register()
def the_extra_is_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Tell who switched likely suggestions on that their packages are missing."""
    if not settings.LIKELY_SUGGESTIONS or find_spec("splink"):
        return []
    return [
        Error(
            "LIKELY_SUGGESTIONS is on, but Splink is not installed.",
            hint="pip install -r requirements-likely.txt, or switch it off.",
            id="members.E010",
        )
    ]


def likely_refresh(*, tenant: Tenant) -> int:
    """Bring every brand's likely pairs up to date; return how many pairs there are."""
    with tenant_transaction(tenant):
        brands = list(Brand.objects.order_by("pk").values_list("pk", "code"))
    return sum(_look(tenant, pk, code) for pk, code in brands)


def likely_forget(*, tenant: Tenant) -> None:
    """Take away what was suggested before the extra was switched off."""
    with tenant_transaction(tenant), scope.bulk(reason="likely pairs"), connection.cursor() as cur:
        cur.execute("DELETE FROM members_personsuggestion WHERE probability IS NOT NULL")


def _look(tenant: Tenant, brand_id: int, code: str) -> int:
    import duckdb

    # In memory alone: contact data that spilled to a disk would lie there in clear.
    memory = duckdb.connect(config={"temp_directory": "", "memory_limit": _MEMORY, "threads": 1})
    try:
        members = _read(tenant, brand_id, memory)
        found = _predict(memory, members) if members > 1 else []
    except duckdb.OutOfMemoryException:
        logger.warning(
            "Brand %s has too many members to look for likely pairs. Its suggestions were kept.",
            code,
        )
        return 0
    finally:
        memory.close()
    return _keep(tenant, brand_id, found)


def _read(tenant: Tenant, brand_id: int, memory: Any) -> int:
    """Copy the brand's members with a name into DuckDB; return how many."""
    memory.execute(
        "CREATE TABLE opened (unique_id BIGINT, own BIGINT, name VARCHAR, birthday VARCHAR, "
        "phone VARCHAR)"
    )
    members = 0
    with tenant_transaction(tenant), scope.bulk(reason="likely pairs"):
        keys = group_keys()
        for rows in _sealed(brand_id):
            opened = []
            for profile_id, own, blob in rows:
                fields = contacts.open_sealed(keys, bytes(blob))
                if name := "".join(fields.get("name", "").split()).casefold():
                    birthday, phone = fields.get("birthday"), fields.get("phone")
                    opened.append((profile_id, own, name, birthday or None, phone or None))
            if opened:
                members += len(opened)
                _append(memory, opened)
    return members


def _append(memory: Any, rows: list[tuple[Any, ...]]) -> None:
    import numpy as np

    names = ("unique_id", "own", "name", "birthday", "phone")
    columns = {
        name: np.array(values, dtype=object if place > 1 else np.int64)
        for place, (name, values) in enumerate(zip(names, zip(*rows, strict=True), strict=True))
    }
    memory.register("batch", columns)
    memory.execute("INSERT INTO opened SELECT unique_id, own, name, birthday, phone FROM batch")
    memory.unregister("batch")


def _sealed(brand_id: int) -> Iterator[list[tuple[int, int, bytes]]]:
    """Yield batches of profile, the brand's own person, and what is sealed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DECLARE sealed_contact NO SCROLL CURSOR FOR "
            "SELECT p.id, COALESCE(p.own_person_id, p.id), k.sealed FROM members_contact k "
            "JOIN members_profile p ON p.id = k.profile_id "
            "WHERE k.brand_id = %s AND NOT p.is_restricted",
            [brand_id],
        )
        while True:
            cursor.execute(f"FETCH {_BATCH_ROWS} FROM sealed_contact")
            rows = cursor.fetchall()
            if not rows:
                break
            yield rows
        cursor.execute("CLOSE sealed_contact")


def _predict(memory: Any, members: int) -> list[tuple[int, int, float]]:
    """Return the likeliest pairs of different persons of the brand's own, with probabilities."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    memory.execute(
        "CREATE TABLE member AS SELECT *, left(phone, 10) AS phone_start, "
        "right(phone, 4) AS phone_end FROM opened"
    )
    model = SettingsCreator(
        link_type="dedupe_only",
        # One other row of the same human for each, by chance: the weakest thing one can suppose.
        probability_two_random_records_match=min(1 / members, 0.01),
        comparisons=_comparisons(),
        blocking_rules_to_generate_predictions=[block_on(*block) for block in _BLOCKS],
        additional_columns_to_retain=["own"],
    )
    linker = Linker(DuckDBAPI(connection=memory).register("member"), model, log_level=None)
    pairs = linker.inference.predict(threshold_match_probability=LEAST_PROBABILITY)
    rows = pairs.as_duckdbpyrelation().filter("own_l <> own_r")
    best = rows.order("match_probability DESC, unique_id_l, unique_id_r").limit(MOST_PAIRS)
    return [
        (min(one, other), max(one, other), float(probability))
        for one, other, probability in best.select(
            "unique_id_l, unique_id_r, match_probability"
        ).fetchall()
    ]


def _comparisons() -> list[Any]:
    """Return how columns are compared, and how often levels agree for one human (m) and two (u).

    m is how files are typed: one name in six is written another way, one birthday in ten, and a
    second phone is as frequent as a slip in the first. u of names comes from the brand's own
    (term frequencies: two 张伟 say less than two 欧阳菁菁).
    """
    import splink.comparison_level_library as levels
    from splink.comparison_library import CustomComparison

    def at(level: Any, m: float, u: float, **options: str) -> Any:
        return level.configure(m_probability=m, u_probability=u, **options)

    return [
        CustomComparison(
            output_column_name="name",
            comparison_levels=[
                levels.NullLevel("name"),
                at(levels.ExactMatchLevel("name"), 0.85, 0.002, tf_adjustment_column="name"),
                at(levels.JaroWinklerLevel("name", 0.88), 0.08, 0.004),
                at(levels.ElseLevel(), 0.07, 0.994),
            ],
        ),
        CustomComparison(
            output_column_name="birthday",
            comparison_levels=[
                levels.NullLevel("birthday"),
                at(levels.ExactMatchLevel("birthday"), 0.9, 0.00007),
                at(levels.DamerauLevenshteinLevel("birthday", 1), 0.06, 0.001),
                at(levels.ElseLevel(), 0.04, 0.99893),
            ],
        ),
        CustomComparison(
            output_column_name="phone",
            comparison_levels=[
                levels.NullLevel("phone"),
                at(levels.DamerauLevenshteinLevel("phone", 1), 0.3, 0.000001),
                at(levels.DamerauLevenshteinLevel("phone", 2), 0.05, 0.0001),
                at(levels.ElseLevel(), 0.65, 0.999899),
            ],
        ),
    ]


def _keep(tenant: Tenant, brand_id: int, found: list[tuple[int, int, float]]) -> int:
    """Set the brand's likely pairs to those found that are still two persons; return how many."""
    with tenant_transaction(tenant), scope.bulk(reason="likely pairs"), connection.cursor() as cur:
        locks.hold_answers(is_shared=True)
        columns = "first_id, second_id, probability"
        stage(cur, "guessed", "first_id bigint, second_id bigint, probability float8")
        text = "".join(f"{one}\t{other}\t{share!r}\n" for one, other, share in found)
        copy_into(cur, "guessed", columns, text, joined_by="first_id, second_id")
        stage_query(
            cur,
            "likely",
            f"""
            SELECT g.first_id, g.second_id, g.probability,
                CASE WHEN p.store_id = q.store_id THEN p.store_id END AS store_id
            FROM guessed g
            JOIN members_profile p ON p.id = g.first_id AND p.brand_id = %(brand)s
            JOIN members_profile q ON q.id = g.second_id AND q.brand_id = %(brand)s
            WHERE COALESCE(p.own_person_id, p.id) <> COALESCE(q.own_person_id, q.id)
                AND NOT p.is_restricted AND NOT q.is_restricted
                AND NOT {PARTED_BY_HAND}
            """,  # noqa: S608 - a constant of the code
            {"brand": brand_id},
        )
        cur.execute(
            "DELETE FROM members_personsuggestion s WHERE s.brand_id = %s "
            "AND s.probability IS NOT NULL AND NOT EXISTS (SELECT FROM likely l "
            "WHERE l.first_id = s.first_id AND l.second_id = s.second_id)",
            [brand_id],
        )
        # What is of one name, birthday and store stands already, and needs no probability.
        cur.execute(
            """
            INSERT INTO members_personsuggestion AS s
                (brand_id, store_id, first_id, second_id, probability, found_at)
            SELECT %s, store_id, first_id, second_id, probability, now() FROM likely
            ON CONFLICT (first_id, second_id) DO UPDATE SET probability = EXCLUDED.probability,
                store_id = EXCLUDED.store_id
            WHERE s.probability IS NOT NULL
            """,
            [brand_id],
        )
        cur.execute("SELECT count(*) FROM likely")
        return cur.fetchone()[0]
