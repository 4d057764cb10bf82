"""The audit's chain: what the tables' owner changes behind our back is found and named."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from tenants import audit, audit_chain
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, AuditHead, Tenant
from tenants.tests.committed import committed_group

EVENTS = 12


def run(sql: str, params: list | None = None) -> None:
    """Do as the tables' owner can: past every grant, and past the index that stands in the way."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


@pytest.fixture
def chain(acme) -> int:
    """Return acme's chain, with twelve events of every shape in it."""
    AuditEvent.objects.filter(tenant=acme).delete()
    AuditHead.objects.filter(pk=acme.pk).delete()
    shapes = [
        {},
        {"sales": [1, 2.50], "big": [10**22, 1e22], "small": [-0.0, 1e-7]},
        {"name": ["张三 ‘x’", None], "list": [[1, "é"], {"b": True, "a": [0.1]}]},
    ]
    with tenant_transaction(acme):
        for number in range(EVENTS):
            audit.record(
                acting_user=None,
                action=f"test.{number}",
                target=acme,
                changes=shapes[number % len(shapes)],
            )
    run("ALTER TABLE tenants_auditevent DROP CONSTRAINT tenants_auditevent_number_once_per_chain")
    return acme.pk


def found(chain: int) -> tuple[str, int | None, int]:
    result = audit_chain.verify(chain)
    return result.fault, result.number, result.events


def test_a_chain_as_it_was_appended_is_whole(chain):
    assert found(chain) == ("", None, EVENTS)
    numbers = AuditEvent.objects.filter(tenant_id=chain).order_by("id").values_list("number")
    assert [number for (number,) in numbers] == list(range(1, EVENTS + 1))


COLUMNS = (
    "at = at + interval '1 microsecond'",
    "user_id = 1",
    "user_name = 'another'",
    "role = 'HQ admin'",
    "engagement_id = 1",
    "action = 'test.x'",
    "target_type = 'tenants.user'",
    "target_id = '0'",
    "target_name = 'another'",
    """changes = '{"name": ["a", "b"]}'""",
    "digest = decode(repeat('00', 32), 'hex')",
)


@pytest.mark.parametrize("change", COLUMNS)
def test_an_event_with_any_one_column_changed_is_named(chain, change):
    run(f"UPDATE tenants_auditevent SET {change} WHERE tenant_id = %s AND number = 5", [chain])
    assert found(chain) == ("changed", 5, 4)


def test_every_column_of_an_event_is_sealed_or_orders_the_chain():
    sealed = {*audit_chain._SEALED, "number", "tenant_id", "digest", "key_id", "id"}
    assert {field.attname for field in AuditEvent._meta.fields} == sealed


COPIED = "at, user_name, role, action, target_type, target_id, target_name, changes"
INSERT = (
    f"INSERT INTO tenants_auditevent (tenant_id, number, digest, key_id, {COPIED}) "
    f"SELECT tenant_id, {{number}}, digest, key_id, {COPIED} "
    "FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 3"
)
OF = "tenants_auditevent SET {} WHERE tenant_id = {{chain}} AND number"
# What the owner of the tables does → the fault, the first event named.
TAMPERINGS: dict[str, tuple[str, str, int]] = {
    "removes the first": ("DELETE FROM {t} AND number = 1", "removed", 1),
    "removes one": ("DELETE FROM {t} AND number = 7", "removed", 7),
    "removes one and closes the gap": (
        "DELETE FROM {t} AND number = 7; "
        "UPDATE tenants_auditevent SET number = number - 1 "
        "WHERE tenant_id = {chain} AND number > 7",
        "changed",
        7,
    ),
    "swaps two numbers": (
        f"UPDATE {OF.format('number = CASE number WHEN 4 THEN 9 ELSE 4 END')} IN (4, 9)",
        "reordered",
        4,
    ),
    "swaps what two say": (
        "UPDATE tenants_auditevent a SET action = b.action, target_id = b.target_id, "
        "changes = b.changes, at = b.at, digest = b.digest FROM tenants_auditevent b "
        "WHERE a.tenant_id = {chain} AND b.tenant_id = {chain} "
        "AND (a.number, b.number) IN ((4, 9), (9, 4))",
        "changed",
        4,
    ),
    "shows one later than it was": (
        f"UPDATE {OF.format('id = id + 1000000')} = 6",
        "reordered",
        7,
    ),
    "inserts one between, renumbering the rest": (
        "UPDATE tenants_auditevent SET number = number + 1 "
        "WHERE tenant_id = {chain} AND number > 5; " + INSERT.replace("{number}", "6"),
        "reordered",
        6,
    ),
    "inserts one in the place of an id left free": (
        "UPDATE tenants_auditevent SET number = number + 1, id = id + 1000 "
        "WHERE tenant_id = {chain} AND number > 5; "
        + INSERT.replace("{number}", "6")
        .replace("(tenant_id", "(id, tenant_id")
        .replace("SELECT tenant_id", "SELECT id + 500, tenant_id"),
        "inserted",
        6,
    ),
    "gives a number twice": (INSERT.replace("{number}", "3"), "inserted", 3),
    "adds one at the end": (INSERT.replace("{number}", "13"), "changed", 13),
    "cuts the last off": ("DELETE FROM {t} AND number = 12", "cut_off", 12),
    "cuts many off": ("DELETE FROM {t} AND number > 4", "cut_off", 5),
    "cuts all off": ("DELETE FROM {t}", "cut_off", 1),
    "cuts off and puts the end back to fit": (
        "DELETE FROM {t} AND number > 4; UPDATE tenants_audithead SET count = 4, digest = "
        "(SELECT digest FROM {t} AND number = 4) WHERE chain = {chain}",
        "head",
        4,
    ),
    "removes the end": ("DELETE FROM tenants_audithead WHERE chain = {chain}", "head", 12),
    "moves the end on": (
        "UPDATE tenants_audithead SET count = 13 WHERE chain = {chain}",
        "head",
        12,
    ),
    "moves one to another group": (f"UPDATE {OF.format('tenant_id = 0')} = 8", "removed", 8),
}


@pytest.mark.parametrize("act", TAMPERINGS)
def test_what_the_owner_of_the_tables_does_is_found_and_named(chain, act):
    sql, fault, number = TAMPERINGS[act]
    run(
        sql.format(t="tenants_auditevent WHERE tenant_id = {chain}", chain="{chain}").format(
            chain=chain
        )
    )
    assert found(chain)[:2] == (fault, number)


def test_an_event_taken_to_another_groups_chain_does_not_fit_there(chain, globex):
    audit_chain.append(tenant=globex, user_name="theirs", action="test")
    end = AuditHead.objects.get(pk=globex.pk).count
    assert audit_chain.verify(globex.pk).is_whole
    run(
        "UPDATE tenants_auditevent SET tenant_id = %s, number = %s WHERE tenant_id = %s "
        "AND number = 8",
        [globex.pk, end + 1, chain],
    )
    assert not audit_chain.verify(globex.pk).is_whole


def test_a_chain_put_back_to_an_old_copy_is_told_by_the_platforms_note_and_by_a_written_one(chain):
    """Head and events of yesterday fit each other; only what was noted elsewhere tells."""
    noted = audit_chain.verify(chain)
    head = AuditHead.objects.get(pk=chain)
    audit_chain.append(tenant_id=chain, user_name="x", action="later")
    later = audit_chain.verify(chain)
    note = audit_chain.anchor()

    def put_back() -> None:
        AuditEvent.objects.filter(tenant_id=chain, number__gt=noted.events).delete()
        head.save()

    assert audit_chain.verify(chain).is_whole
    put_back()
    assert found(chain)[:2] == ("cut_off", EVENTS + 1)
    note.delete()
    # Without the note this copy fits; a digest on paper still tells, and an older one does not.
    assert audit_chain.verify(chain).is_whole
    assert audit_chain.verify(chain, expected={noted.events: noted.digest}).is_whole
    told = audit_chain.verify(chain, expected={later.events: later.digest})
    assert (told.fault, told.number) == ("cut_off", EVENTS + 1)
    told = audit_chain.verify(chain, expected={3: later.digest})
    assert (told.fault, told.number) == ("expected", 3)


def test_what_a_rolled_back_transaction_appended_leaves_no_gap(chain):
    with transaction.atomic():
        audit_chain.append(tenant_id=chain, user_name="x", action="undone")
        assert found(chain) == ("", None, EVENTS + 1)
        transaction.set_rollback(True)
    event = audit_chain.append(tenant_id=chain, user_name="x", action="kept")
    assert event.number == EVENTS + 1
    assert found(chain) == ("", None, EVENTS + 1)


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def test_a_changed_master_key_still_checks_what_the_former_one_sealed(chain, settings):
    former, settings.MASTER_KEY = settings.MASTER_KEY, _key()
    result = audit_chain.verify(chain)
    assert (result.fault, result.number, result.events) == ("key", 1, 0)
    assert "FORMER_MASTER_KEYS" in result.words
    settings.FORMER_MASTER_KEYS = [former]
    assert found(chain) == ("", None, EVENTS)
    audit_chain.append(tenant_id=chain, user_name="x", action="under the new key")
    assert found(chain) == ("", None, EVENTS + 1)
    # Who holds the former key alone can seal nothing after the new one did.
    settings.MASTER_KEY, new = former, settings.MASTER_KEY
    audit_chain.append(tenant_id=chain, user_name="x", action="forged")
    settings.MASTER_KEY = new
    assert found(chain)[:2] == ("changed", EVENTS + 2)


def test_the_command_says_whole_and_ends_well(chain):
    out = StringIO()
    call_command("verify_audit", "acme", stdout=out)
    line = out.getvalue().strip()
    assert line.startswith(f"acme: {EVENTS} events, whole, end {EVENTS}:")
    noted = line.rpartition(" ")[2]
    call_command("verify_audit", "acme", f"--expect={noted}", stdout=StringIO())


def test_the_command_names_the_event_and_ends_with_one(chain):
    run("DELETE FROM tenants_auditevent WHERE tenant_id = %s AND number = 7", [chain])
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_audit", "acme", stdout=out)
    assert error.value.returncode == 1
    assert out.getvalue() == "acme: Event 7 was removed. 6 events before it fit.\n"


def test_the_command_checks_all_chains_and_names_the_broken_ones(chain, globex):
    # Whatever committed tests left on the platform's chain is none of this test's.
    AuditEvent.objects.exclude(tenant_id=chain).delete()
    AuditHead.objects.exclude(pk=chain).delete()
    audit_chain.append(user_name="operator", action="test")
    audit_chain.append(tenant_id=999_999, user_name="x", action="a group that is gone")
    out = StringIO()
    call_command("verify_audit", "--all", stdout=out)
    assert out.getvalue().count("whole") == out.getvalue().count("\n") >= 4
    assert "group 999999, which is gone: 1 events, whole" in out.getvalue()
    run("UPDATE tenants_auditevent SET role = 'x' WHERE tenant_id = %s", [chain])
    out = StringIO()
    with pytest.raises(CommandError, match="1 of"):
        call_command("verify_audit", "--all", stdout=out)
    assert "acme: Event 1 was changed" in out.getvalue()
    assert "platform: 1 events, whole" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name one group"),
        (["acme", "--all"], "Name one group"),
        (["nowhere"], "There is no group “nowhere”"),
        (["acme", "--expect=12"], "is not NUMBER:DIGEST"),
        (["--all", f"--expect=1:{'0' * 64}"], "name its group"),
    ],
)
def test_the_command_says_what_it_cannot_do(acme, words, said):
    with pytest.raises(CommandError, match=said):
        call_command("verify_audit", *words)


def test_the_app_role_seals_the_end_and_takes_nothing_away(cast, seeing, rows_of, acme):
    with seeing(cast.group_admin):
        audit.record(acting_user=cast.group_admin, action="test")
        assert rows_of("SELECT current_user <> session_user") == [(True,)]
        for table in ("tenants_audithead", "tenants_auditcheck", "tenants_auditevent"):
            for privilege, has in (("DELETE", False), ("TRUNCATE", False), ("INSERT", True)):
                asked = "SELECT has_table_privilege(%s, %s)"
                assert rows_of(asked, [f"public.{table}", privilege]) == [(has,)]
    assert audit_chain.verify(acme.pk).is_whole


WRITERS, EACH = 8, 12


def _side_by_side(work: Callable[[int], None]) -> None:
    failed: list[BaseException] = []
    start = threading.Barrier(WRITERS)

    def one(writer: int) -> None:
        try:
            start.wait(20)
            work(writer)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_eight_writers_at_once_make_one_chain_without_a_gap(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), committed_group("chained") as tenant:
        before = audit_chain.verify(tenant.pk).events

        def write(writer: int) -> None:
            for turn in range(EACH):
                try:
                    with tenant_transaction(tenant):
                        audit.record(acting_user=None, action=f"test.{writer}.{turn}")
                        if turn % 4 == 3:
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    continue

        _side_by_side(write)
        kept = WRITERS * EACH * 3 // 4
        result = audit_chain.verify(tenant.pk)
        assert (result.fault, result.events) == ("", before + kept)
        actions = AuditEvent.objects.filter(tenant=tenant, action__startswith="test.")
        assert len(set(actions.values_list("action", flat=True))) == kept
        assert Tenant.objects.filter(pk=tenant.pk).exists()
