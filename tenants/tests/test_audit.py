"""The audit is appended to, and nothing else."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils.translation import override

from tenants import audit
from tenants.models import AuditEvent


@pytest.fixture
def as_app_role(seeing, cast):
    with seeing(cast.group_admin):
        yield


def run(sql):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


def test_the_app_role_adds_and_reads_events(cast, as_app_role, rows_of):
    audit.record(acting_user=cast.group_admin, action="test")
    assert rows_of(
        "SELECT current_user <> session_user, action "
        "FROM tenants_auditevent ORDER BY id DESC LIMIT 1"
    ) == [(True, "test")]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tenants_auditevent SET action = 'other'",
        "DELETE FROM tenants_auditevent",
        "TRUNCATE tenants_auditevent",
        "ALTER TABLE tenants_auditevent DISABLE TRIGGER ALL",
    ],
)
def test_the_app_role_neither_changes_nor_removes_an_event(cast, as_app_role, sql):
    event = audit.record(acting_user=cast.group_admin, action="test")
    with pytest.raises(DatabaseError, match="permission denied|must be owner"):
        run(sql)
    assert AuditEvent.objects.get(pk=event.pk).action == "test"


def test_an_event_names_the_person_the_role_the_group_and_the_engagement(cast, seeing, acme):
    user = cast.provider_operator
    user.acting_grant = user.grants.get(tenant=acme)
    with seeing(user):
        event = audit.record(acting_user=user, action="test", target=acme)
    assert (event.user, event.tenant, event.user_name) == (user, acme, "provider_operator")
    assert event.role == "Brand manager · Tea House"
    assert event.engagement == user.acting_grant.engagement
    assert (event.target_type, event.target_name) == ("tenants.tenant", "Acme Group")


def test_changes_are_read_in_the_readers_language() -> None:
    event = AuditEvent(
        target_type="tenants.grant",
        changes={
            "role": ["hq_analyst", "hq_admin"],
            "valid_until": [None, "2026-11-21"],
            "is_active": [True, False],
            "left_over": [1, 0],
        },
    )
    with override("zh-hans"):
        assert event.change_rows == [
            ("角色", "总部分析师", "总部管理员"),
            ("截止", None, "2026年11月21日"),
            ("is active", "是", "否"),
            ("left over", 1, 0),
        ]


def test_changes_of_a_model_that_is_gone_are_read_as_written() -> None:
    event = AuditEvent(target_type="gone.model", changes={"some_field": ["a", "b"]})
    assert event.change_rows == [("some field", "a", "b")]


@pytest.mark.parametrize(
    ("label", "name"), [("tenants.grant", "授权"), ("gone.model", "gone.model"), ("", "")]
)
def test_the_kind_of_a_row_is_read_in_the_readers_language(label: str, name: str) -> None:
    with override("zh-hans"):
        assert AuditEvent(target_type=label).kind == name


def test_an_act_is_read_in_the_readers_language_and_an_unknown_one_by_its_code() -> None:
    with override("zh-hans"):
        assert [AuditEvent(action=one).act for one in ("grant.end", "gone.odd")] == [
            "终止",
            "gone.odd",
        ]
