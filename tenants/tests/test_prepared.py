"""A plan that the server keeps shows each group and each viewer their own rows, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connections

from brands.models import Brand, BusinessUnit
from brands.modes import Mode
from brands.wall import scope
from brands.wall.visibility import NoticeTerms, Viewer, Visible, visibility
from members.models import Person, Profile
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.tests.committed import two_groups

KEPT = "SELECT coalesce(sum(generic_plans), 0) FROM pg_prepared_statements WHERE statement LIKE %s"
# Without the managers' filter: what is left is what the policies do.
MEMBERS = "SELECT member_no FROM members_profile WHERE orders >= %s ORDER BY member_no"


@pytest.fixture(scope="module")
def groups(django_db_setup, django_db_blocker) -> Iterator[tuple[Tenant, Tenant]]:
    """Give two committed groups with two brands each, and a member in each brand."""
    with django_db_blocker.unblock(), two_groups("kept") as both:
        for tenant in both:
            with tenant_transaction(tenant), scope.bulk(reason="test"):
                for code in ("a", "b"):
                    brand = Brand.objects.create(code=code, name=code)
                    Profile.objects.create(
                        brand=brand,
                        person=Person.objects.create(),
                        member_no=f"{tenant.schema_name} {code}",
                    )
        yield both


@pytest.fixture
def prepares(groups, monkeypatch) -> Iterator[None]:
    """Let this thread's connection prepare statements, as those of web processes do."""
    own = connections["default"]
    own.close()
    options = {**own.settings_dict["OPTIONS"], "server_side_binding": True, "prepare_threshold": 2}
    monkeypatch.setitem(own.settings_dict, "OPTIONS", options)
    monkeypatch.setattr(own.features, "uses_server_side_binding", True)
    yield
    own.close()


def _kept_plans(words: str) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(KEPT, [f"%{words}%"])
        return cursor.fetchone()[0]


def _members() -> list[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(MEMBERS, [0])
        return [number for (number,) in cursor.fetchall()]


def test_a_kept_plan_reads_in_the_schema_of_each_transaction(groups, prepares):
    for turn in range(30):
        # Some turns in a row, so that plans are used again, then the other group.
        tenant = groups[turn // 10 % 2]
        with tenant_transaction(tenant):
            found = BusinessUnit.objects.filter(name__gt="").values_list("code", flat=True)
            assert list(found) == [tenant.schema_name]
    assert _kept_plans("brands_businessunit") > 0, "nothing was kept, so nothing is shown"


def test_a_kept_plan_shows_each_viewer_their_own_rows(groups, prepares):
    def looks(tenant: Tenant) -> dict[str, tuple[Visible, list[str]]]:
        with tenant_transaction(tenant):
            one, two = Brand.objects.order_by("code").values_list("pk", flat=True)
        a, b = f"{tenant.schema_name} a", f"{tenant.schema_name} b"
        modes = {one: Mode.MEMBER_MAX, two: Mode.FAN_MAX}
        # Nobody agreed to this notice, so that HQ sees the first brand only.
        notice = NoticeTerms(1, names_group=True, kinds=frozenset({"profile"}))
        return {
            "first": (visibility(Viewer(brands=frozenset({one})), modes, []), [a]),
            "second": (visibility(Viewer(brands=frozenset({two})), modes, []), [b]),
            "both": (visibility(Viewer(brands=frozenset({one, two})), modes, []), [a, b]),
            "HQ": (visibility(Viewer(is_hq=True), modes, [notice]), [a]),
            "nobody": (visibility(Viewer(), modes, []), []),
        }

    by_group = {tenant: looks(tenant) for tenant in groups}
    roles = {visible.is_whole for visible, _members in by_group[groups[0]].values()}
    assert roles == {True, False}, "both roles must take their turn on the connection"
    for turn in range(40):
        tenant = groups[turn // 20 % 2]
        for name, (visible, expected) in by_group[tenant].items():
            with tenant_transaction(tenant):
                for _ in range(3):
                    with scope.open(visible):
                        assert _members() == expected, name
                # Once it is closed, the owner sees all, by the same statement on the same plan.
                assert len(_members()) == 2
    assert _kept_plans("members_profile WHERE orders") > 0


def test_statements_without_parameters_are_not_kept(groups, prepares):
    for _ in range(10):
        with tenant_transaction(groups[0]), connections["default"].cursor() as cursor:
            cursor.execute("SET LOCAL sluice.k = '1'; SET LOCAL sluice.k = '2'")
            cursor.execute("SELECT 1 AS unprepared")
    assert connections["default"].connection.prepare_threshold == 2
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%unprep%'"
        )
        assert cursor.fetchone() == (0,)


def test_bulk_processes_keep_no_plans():
    assert settings.SLUICE_PROCESS == "bulk"
    assert "prepare_threshold" not in connections["default"].settings_dict["OPTIONS"]
