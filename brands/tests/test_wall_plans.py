"""What the wall costs a query: settings read once, indexes still used."""

from __future__ import annotations

import pytest
from django.db import connection

from brands.tests import oracle, wall_rows
from brands.wall import scope
from brands.wall.policies import model_statements, schema_statement
from members.models import Order, Profile


def _plan(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        # The tables of a test are so small that reading them whole is cheapest.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN (COSTS OFF) {sql}")
        return [line for (line,) in cursor.fetchall()]


@pytest.fixture
def tea_scope(walled_acme):
    """Return what a manager of tea sees in fan-max: own rows, and siblings' by consent."""
    with connection.cursor() as cursor:
        # What autovacuum found in between the rows of other tests is no guide to these.
        cursor.execute("ANALYZE members_profile, members_order, members_dailymetric")
    modes = dict.fromkeys(walled_acme.brands.values(), "fan_max")
    viewer = oracle.Viewer("tea", brands=frozenset({walled_acme.brands["tea"]}))
    notice = oracle.Notice(True, frozenset(modes), frozenset({"profile", "activity"}))
    return wall_rows.visible_of(oracle.World(modes, {901: notice}), viewer)


QUERIES = {
    "list by number": (
        "SELECT id FROM members_profile WHERE brand_id = 1 ORDER BY id DESC LIMIT 50",
        ("brand_id = 1",),
    ),
    "list by sales": (
        "SELECT id FROM members_profile WHERE brand_id = 1 ORDER BY sales DESC, id DESC LIMIT 50",
        ("brand_id = 1",),
    ),
    "orders of a member": (
        "SELECT id FROM members_order WHERE profile_id = 700000 ORDER BY ordered_at DESC LIMIT 20",
        ("profile_id = 700000",),
    ),
    "orders of a month": (
        "SELECT count(*) FROM members_order WHERE brand_id = 1 "
        "AND ordered_at >= '2026-01-01' AND ordered_at < '2026-02-01'",
        ("brand_id = 1", "ordered_at >="),
    ),
    "days of a brand": (
        "SELECT sum(sales) FROM members_dailymetric WHERE brand_id = 1 AND store_id IS NULL "
        "AND day >= '2026-01-01'",
        ("brand_id = 1", "store_id IS NULL", "day >="),
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_hot_query_uses_its_index_behind_the_wall(tea_scope, name):
    sql, conditions = QUERIES[name]
    with scope.open(tea_scope):
        plan = _plan(sql)
    indexed = [line for line in plan if "Index Cond" in line]
    assert indexed, plan
    assert all(any(condition in line for line in indexed) for condition in conditions), plan
    assert not any("Seq Scan" in line for line in plan), plan


@pytest.mark.parametrize("table", [model._meta.db_table for model in wall_rows.all_models()])
def test_every_setting_is_read_once_for_a_query_and_not_for_a_row(tea_scope, table):
    with scope.open(tea_scope):
        plan = _plan(f'SELECT count(*) FROM "{table}"')
    assert any("InitPlan" in line for line in plan), plan
    # A setting in a filter, or a sub-plan, would be read for every row.
    assert not any("current_setting" in line for line in plan), plan
    assert not any("SubPlan" in line for line in plan), plan


def test_the_control_a_setting_without_its_sub_select_is_read_for_every_row(tea_scope):
    with connection.cursor() as cursor:
        cursor.execute("\n".join([*model_statements(Profile, "citus"), schema_statement("citus")]))
    with scope.open(tea_scope):
        plan = _plan("SELECT count(*) FROM members_profile")
    assert any("current_setting" in line for line in plan), plan


def test_the_managers_filter_reaches_the_index_as_well(tea_scope):
    with scope.open(tea_scope):
        sql = str(Profile.objects.filter(brand_id=1).order_by("-pk")[:50].query)
        assert sql.count("brand_id") >= 2
        plan = _plan(sql)
        assert any("Index Cond" in line and "brand_id" in line for line in plan), plan
        assert Order.objects.filter(profile_id=700_000).explain()


def test_the_planner_knows_that_a_store_has_one_brand(walled_acme):
    ids = range(800_000, 800_600)
    tea, bakery = walled_acme.brands["tea"], walled_acme.brands["bakery"]
    with connection.cursor() as cursor:
        wall_rows.insert(cursor, "members_person", [{"id": pk} for pk in ids])
        # Ten stores, and sixty members of each.
        rows = [
            {
                "id": pk,
                "person_id": pk,
                "brand_id": (tea, bakery)[pk % 2],
                "store_id": 500 + pk % 10,
                "notice_id": None,
                "member_no": str(pk),
            }
            for pk in ids
        ]
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        wall_rows.insert(cursor, "members_profile", rows)

        def guessed() -> int:
            cursor.execute("ANALYZE members_profile")
            sql = f"SELECT FROM members_profile WHERE brand_id = {tea} AND store_id = 504"
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            return cursor.fetchone()[0][0]["Plan"]["Plan Rows"]

        assert 50 <= guessed() <= 70
        cursor.execute("DROP STATISTICS members_profile_place")
        assert guessed() <= 40
        cursor.execute("DELETE FROM members_profile WHERE id = ANY(%s)", [list(ids)])
