"""The schema is set for one transaction at a time, and no connection carries it onward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from brands.models import Brand, BusinessUnit
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.tests.committed import two_groups

PATH = "SELECT current_schemas(false)"


@pytest.fixture(scope="module")
def groups(django_db_setup, django_db_blocker) -> Iterator[tuple[Tenant, Tenant]]:
    """Give two committed groups, outside any transaction of the tests' own."""
    with django_db_blocker.unblock(), two_groups("wrapper") as both:
        yield both


@pytest.fixture
def path():
    """Return a function that asks the server for the path of the current connection."""

    def read() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(PATH)
            return cursor.fetchone()[0]

    return read


def _codes() -> list[str]:
    return list(BusinessUnit.objects.order_by("code").values_list("code", flat=True))


def test_outside_a_transaction_a_groups_table_is_out_of_reach(groups, path):
    one, _two = groups
    connection.set_tenant(one)
    try:
        assert path() == ["public"]
        with pytest.raises(ProgrammingError, match="does not exist"):
            _codes()
    finally:
        connection.set_schema_to_public()
    with tenant_transaction(one):
        assert _codes() == ["wrapper_one"]


def test_after_a_commit_the_path_is_public_again(groups, path):
    one, _two = groups
    with tenant_transaction(one):
        assert path() == ["wrapper_one", "public"]
    assert path() == ["public"]
    assert connection.schema_name == "public"


def test_after_a_rollback_the_path_is_public_again_and_right_in_the_next(groups, path):
    one, two = groups
    with suppress(ZeroDivisionError), tenant_transaction(one):
        assert path() == ["wrapper_one", "public"]
        raise ZeroDivisionError
    assert path() == ["public"]
    with tenant_transaction(two):
        assert path() == ["wrapper_two", "public"]


def test_after_a_savepoint_is_rolled_back_the_path_is_right(groups, path):
    one, two = groups
    with tenant_transaction(one):
        # The path of the second group is set after the savepoint, and undone with it.
        with suppress(ZeroDivisionError), tenant_transaction(two):
            assert path() == ["wrapper_two", "public"]
            raise ZeroDivisionError
        assert path() == ["wrapper_one", "public"]
        # The path of the first group itself, when it was set after the savepoint.
        with suppress(ZeroDivisionError), transaction.atomic():
            with tenant_transaction(two):
                assert _codes() == ["wrapper_two"]
            assert _codes() == ["wrapper_one"]
            raise ZeroDivisionError
        assert path() == ["wrapper_one", "public"]
        assert _codes() == ["wrapper_one"]


def test_the_first_query_after_a_rolled_back_savepoint_finds_its_schema(groups, path):
    one, _two = groups
    with tenant_transaction(one):
        with suppress(ZeroDivisionError), transaction.atomic():
            # The path itself is set here for the first time, after the savepoint.
            assert _codes() == ["wrapper_one"]
            raise ZeroDivisionError
        assert _codes() == ["wrapper_one"]


def test_after_a_broken_statement_the_path_is_right(groups, path):
    one, two = groups
    with tenant_transaction(one):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        assert _codes() == ["wrapper_one"]
    with suppress(ProgrammingError), tenant_transaction(two), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert path() == ["public"]


def test_two_groups_alternating_in_one_connection_never_mix(groups, path):
    pid = connection.connection.info.backend_pid if connection.connection else None
    for turn in range(60):
        tenant = groups[turn % 2]
        try:
            with tenant_transaction(tenant):
                assert _codes() == [tenant.schema_name]
                if turn % 3 == 0:
                    with transaction.atomic():
                        assert _codes() == [tenant.schema_name]
                if turn % 5 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
        if turn % 7 == 0:
            assert path() == ["public"]
    assert pid in (None, connection.connection.info.backend_pid)


def test_nested_groups_give_the_outer_one_back(groups):
    one, two = groups
    with tenant_transaction(one):
        with tenant_transaction(two):
            assert _codes() == ["wrapper_two"]
            with tenant_transaction(one):
                assert _codes() == ["wrapper_one"]
            assert _codes() == ["wrapper_two"]
        assert _codes() == ["wrapper_one"]


def test_a_temporary_table_stands_in_for_no_table_of_a_group(groups):
    """Unless the path names them, temporary tables are found before all others."""
    one, _two = groups
    with suppress(ZeroDivisionError), tenant_transaction(one), connection.cursor() as cursor:
        for table in ("brands_businessunit", "tenants_tenant"):
            cursor.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT 'planted' AS code")
        assert _codes() == ["wrapper_one"]
        assert Tenant.objects.filter(pk=one.pk).exists()
        cursor.execute(f"SET LOCAL search_path = {one.schema_name}, public")
        cursor.execute("SELECT code FROM brands_businessunit")
        assert cursor.fetchall() == [("planted",)]
        raise ZeroDivisionError


def test_the_app_role_makes_no_temporary_table(groups):
    one, _two = groups
    with (
        pytest.raises(ProgrammingError, match="permission denied to create temporary tables"),
        tenant_transaction(one),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET LOCAL ROLE {settings.APP_ROLE}; CREATE TEMPORARY TABLE planted ()")


def test_a_servers_cursor_reads_in_the_right_schema(groups):
    one, two = groups
    for tenant in (one, two):
        with tenant_transaction(tenant):
            rows = BusinessUnit.objects.values_list("code", flat=True).iterator(chunk_size=1)
            assert list(rows) == [tenant.schema_name]


def test_a_new_connection_starts_in_the_public_schema(groups, path):
    one, two = groups
    with tenant_transaction(one):
        assert _codes() == ["wrapper_one"]
    connection.close()
    assert path() == ["public"]
    with tenant_transaction(two):
        assert _codes() == ["wrapper_two"]


def test_a_setting_of_the_session_is_never_made(groups):
    """Only SET LOCAL is sent: what belongs to a session would outlive the transaction."""
    one, _two = groups
    sent: list[str] = []

    def note(execute, sql, params, many, context):
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note), tenant_transaction(one):
        Brand.objects.count()
    raw = [sql for sql in sent if "search_path" in sql]
    assert all(sql.startswith("SET LOCAL") for sql in raw)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting, source FROM pg_settings WHERE name = 'search_path'")
        setting, source = cursor.fetchone()
    assert "wrapper_one" not in setting
    assert source != "session"
