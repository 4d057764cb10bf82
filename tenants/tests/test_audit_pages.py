"""HQ asks for a check of the audit's chain, reads the result, and takes the chain home."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import connection

from tenants import audit_chain, audit_checks
from tenants.models import AuditCheck, AuditEvent, AuditHead
from tenants.tasks import check_all_audits

LIST = "/admin/tenants/auditevent/"


@pytest.fixture
def chain(acme, globex) -> int:
    """Return acme's chain with three events of its own, beside one of globex."""
    AuditEvent.objects.all().delete()
    AuditHead.objects.all().delete()
    for number in range(3):
        audit_chain.append(
            tenant=acme, user_name="=SUM(A1)", action=f"test.{number}", changes={"a": [1, "x"]}
        )
    audit_chain.append(tenant=globex, user_name="theirs", action="test")
    return acme.pk


def _asked(client, capture) -> str:
    with capture(execute=True):
        assert client.post(f"{LIST}verify/").status_code == 302
    return client.get(LIST).content.decode()


def test_hq_asks_for_a_check_and_reads_that_all_events_fit(
    chain, cast, visit, django_capture_on_commit_callbacks
):
    client = visit(cast.group_admin)
    assert "not checked yet" in client.get(LIST).content.decode()
    page = _asked(client, django_capture_on_commit_callbacks)
    # The asking is an event too.
    assert "4 events, none changed" in page
    check = AuditCheck.objects.get(tenant_id=chain)
    assert (check.state, check.events, check.asked_by_name) == ("whole", 4, "group_admin")
    assert AuditEvent.objects.filter(tenant_id=chain, action="audit.verify").count() == 1


def test_hq_reads_which_event_does_not_fit(chain, cast, visit, django_capture_on_commit_callbacks):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_auditevent SET role = 'x' WHERE number = 2")
    page = _asked(visit(cast.group_admin), django_capture_on_commit_callbacks)
    assert "The chain does not fit" in page
    assert "Event 2 was changed" in page


def test_a_check_under_way_is_not_asked_for_twice(chain, cast, acme):
    first = audit_checks.check_ask(tenant=acme, acting_user=cast.group_admin)
    assert audit_checks.check_ask(tenant=acme, acting_user=cast.second_admin) == first
    audit_checks.check_run(first)
    assert audit_checks.check_ask(tenant=acme, acting_user=cast.second_admin) != first


def _rows(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_file_holds_the_own_chain_with_numbers_and_seals_and_no_formula(
    chain, cast, visit, acme
):
    client = visit(cast.group_admin)
    rows = _rows(client.get(f"{LIST}export/?part=1"))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["action"] for row in rows] == ["test.0", "test.1", "test.2", "audit.export"]
    assert rows[0]["user_name"] == "'=SUM(A1)"
    assert json.loads(rows[0]["changes"]) == {"a": [1, "x"]}
    seals = AuditEvent.objects.filter(tenant=acme).order_by("number").values_list("digest")
    assert [row["digest"] for row in rows] == [bytes(seal).hex() for (seal,) in seals]


@pytest.mark.parametrize("part", ["0", "2", "x", "-1"])
def test_a_part_that_there_is_not_is_not_found(chain, cast, visit, part):
    assert visit(cast.group_admin).get(f"{LIST}export/?part={part}").status_code == 404


def test_a_long_chain_comes_in_parts(chain, cast, visit, acme, monkeypatch):
    monkeypatch.setattr(audit_checks, "PART", 2)
    monkeypatch.setattr(audit_checks, "_CHUNK", 1)
    client = visit(cast.group_admin)
    assert "Export part 2" in client.get(LIST).content.decode()
    assert [row["number"] for row in _rows(client.get(f"{LIST}export/?part=2"))] == ["3", "4"]
    assert [row["number"] for row in _rows(client.get(f"{LIST}export/?part=1"))] == ["1", "2"]


def test_each_night_all_chains_are_checked_and_their_ends_noted(chain, acme, caplog):
    caplog.set_level("INFO")
    assert check_all_audits() == 0
    note = AuditEvent.objects.get(action="audit.anchor")
    end = AuditHead.objects.get(pk=acme.pk)
    assert note.tenant is None
    assert note.changes[f"group_{acme.pk}"] == [end.count, bytes(end.digest).hex()]
    assert f"the platform's chain ends with 1:{bytes(note.digest).hex()}" in caplog.text
    AuditEvent.objects.filter(tenant=acme, number=3).delete()
    assert check_all_audits() == 1
    assert "event 3 and all after it are gone" in caplog.text
    assert AuditCheck.objects.filter(tenant=acme).latest("id").fault == "cut_off"
