"""Batches by API: read at once, kept sealed, applied by a worker, the same in every order."""

from __future__ import annotations

import gzip
import itertools
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from threading import Thread
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from brands.models import Brand, ChannelAccount
from brands.wall import scope
from members import contacts
from members.imports.services import import_create, import_run
from members.intake import applying
from members.intake.applying import intake_apply, lines_apply
from members.intake.lines import read
from members.keys import group_keys
from members.models import Event, IntakeBatch, IntakePart, PersonMerge, PoolMetric, Profile
from members.rollups import finish_pending
from members.tests.pools import fill, phone_of
from members.tests.tokens import program
from tenants.context import tenant_transaction

BATCH = "/api/v1/batch/"
AT = "2026-11-01T10:00:00+08:00"
LATER, LATEST = "2026-11-02T10:00:00+08:00", "2026-11-03T01:00:00Z"
APP = {"kind": "mini_program", "external_id": "wx-tea"}


def post(client: Client, lines: Iterable[dict | bytes], key: str = "one", **headers: str):
    """Hand lines in and return the response."""
    body = b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    return client.generic(
        "POST",
        BATCH,
        gzip.compress(body) if "content-encoding" in headers else body,
        content_type="application/x-ndjson",
        headers={"idempotency-key": key, **headers},
    )


def event(what: str, number: int | str, **more: Any) -> dict[str, Any]:
    """Return an event's line."""
    member = {} if "identity" in more else {"member_no": "TEA-1"}
    return {"type": "event", "event": what, "id": f"e{number}", "at": AT, **member, **more}


@pytest.fixture
def tea(acme, cast) -> Client:
    """Return a program of tea's, which has three members and a mini-program."""
    fill(acme, "tea", members=3, orders=0)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        brand = Brand.objects.get(code="tea")
        ChannelAccount.objects.create(brand=brand, name="Tea", **APP)
    return program(cast.brand_manager.acting_grant)


@pytest.fixture
def apply(acme) -> Callable[[], int]:
    """Return a function that applies what waits, as the worker does."""
    return lambda: intake_apply(tenant=acme)


def test_each_line_is_answered_at_once_and_applied_by_the_worker(acme, tea, apply):
    lines = [
        event("view", 1, subject="pages/home"),
        event("view", 1, subject="pages/home"),
        event("view", 2, colour="red"),
        b"no json",
        {"type": "member", "member_no": "NEW-1", "phone": "13900000001", "name": "An"},
        # As an input method leaves it: the same number as above.
        event("scan", 3, member_no="ＮＥＷ－１ "),
        event("visit", 4, member_no="NOBODY"),
        # Paid with a coupon.
        event("order", 5, order_no="T-0", amount=0),
        {"type": "member", "member_no": "NEW-2", "phone": "13900000001"},
    ]
    response = post(tea, lines)
    body = response.json()
    assert response.status_code == 202
    assert (body["accepted"], body["duplicate"], body["refused"]) == (6, 1, 2)
    told = {result["line"]: (result["state"], result.get("field")) for result in body["results"]}
    assert told == {2: ("duplicate", None), 3: ("refused", "colour"), 4: ("refused", None)}
    assert apply() == 6
    job = tea.get(body["url"]).json()
    assert (job["state"], job["applied"], job["failed"]) == ("applied", 5, 1)
    assert [(one["line"], one["field"]) for one in job["results"]] == [(7, "member_no")]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Event.objects.count() == 3
        assert Profile.objects.get(member_no="NEW-1").contact.phone_key
        assert set(PersonMerge.objects.values_list("by_name", flat=True)) == {"API"}
        assert IntakePart.objects.count() == 0


def test_a_number_is_settled_to_nothing_that_no_number_is():
    for number, settled in (
        (" ＡＢ－１", "AB-1"),
        ("＼ｎ", "＼ｎ"),
        ("\ufdfa" * 4, "\ufdfa" * 4),
    ):
        said = {"type": "order", "order_no": number, "member_no": number, "at": AT, "amount": 1}
        line = read(json.dumps(said).encode())
        assert (line.order_no, line.member_no) == (settled, settled)


def test_batches_are_applied_by_one_worker_at_a_time(acme, tea, apply, monkeypatch):
    post(tea, [event("view", 1)])
    taken, write = [], applying.lines_apply

    def try_to_take():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('sluice:acme:intake', 0))"
            )
            taken.append(cursor.fetchone()[0])
        connection.close()

    def lines_written(**told):
        other = Thread(target=try_to_take)
        other.start()
        other.join()
        return write(**told)

    monkeypatch.setattr(applying, "lines_apply", lines_written)
    assert (apply(), taken) == (1, [False])


def test_a_key_stands_for_one_body(acme, tea, apply):
    first = post(tea, [event("view", 1)], key="a")
    again = post(tea, [event("view", 1)], key="a")
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    other = post(tea, [event("view", 2)], key="a")
    assert (other.status_code, other["Content-Type"]) == (409, "application/problem+json")
    assert post(tea, [event("view", 1)], key="").status_code == 400
    # Under a key of its own it is taken, and told to be known once it is looked at.
    later = post(tea, [event("view", 1)], key="b").json()
    assert later["accepted"] == 1
    apply()
    job = tea.get(later["url"]).json()
    assert (job["applied"], job["duplicate"], job["results"]) == (
        0,
        1,
        [{"line": 1, "state": "duplicate"}],
    )
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Event.objects.count() == 1


def test_a_packed_body_is_unpacked_up_to_the_limit(tea, settings):
    lines = [event("view", number) for number in range(50)]
    assert post(tea, lines, **{"content-encoding": "gzip"}).json()["accepted"] == 50
    settings.INTAKE_BYTES = 1000
    refused = post(tea, lines, key="two", **{"content-encoding": "gzip"})
    assert refused.status_code == 413
    assert "1000 bytes" in refused.json()["detail"]
    settings.INTAKE_BYTES, settings.INTAKE_LINES = 100_000, 49
    assert post(tea, lines, key="three").status_code == 413
    broken = tea.generic(
        "POST",
        BATCH,
        gzip.compress(b"x" * 999)[:-9],
        content_type="application/x-ndjson",
        headers={"idempotency-key": "four", "content-encoding": "gzip"},
    )
    assert broken.status_code == 400


def test_nothing_of_a_waiting_batch_is_in_clear(acme, tea):
    secret = {"type": "member", "member_no": "SECRET-9", "phone": "13912345678", "name": "Mei"}
    assert post(tea, [secret, {**secret, "phone": "Mei13912345678"}]).json()["accepted"] == 1
    with tenant_transaction(acme), scope.bulk(reason="test"), connection.cursor() as cursor:
        for table in ("members_intakebatch", "members_intakepart"):
            cursor.execute(f"SELECT x::text, x.* FROM {table} x")
            held = b"".join(
                bytes(cell) if isinstance(cell, memoryview) else str(cell).encode()
                for row in cursor.fetchall()
                for cell in row
            )
            assert b"13912345678" not in held
            assert b"SECRET-9" not in held
            assert b"SECRET-9".hex().encode() not in held


def test_a_line_needs_the_action_and_the_brand_of_the_token(acme, tea, cast, apply):
    narrow = program(cast.brand_manager.acting_grant, actions=["events:write"])
    lines = [
        event("view", 1),
        event("refund", 2, order_no="O", amount=5),
        {"type": "tag", "member_no": "TEA-1", "tag": "VIP", "at": AT},
        event("view", 3, brand="bakery"),
    ]
    body = post(narrow, lines).json()
    assert [(one["line"], one["field"]) for one in body["results"]] == [
        (2, "type"),
        (3, "type"),
        (4, "brand"),
    ]
    reader = program(cast.brand_manager.acting_grant, actions=["members:read"])
    assert post(reader, lines).status_code == 403
    assert post(program(cast.group_admin.acting_grant), lines).status_code in (403, 422)
    # A sibling's program neither sees the batch nor hands in for tea.
    sibling = program(cast.sibling_manager.acting_grant)
    assert sibling.get(body["url"]).status_code == 404
    assert narrow.get(body["url"]).status_code == 200
    assert post(sibling, [event("view", 1, brand="tea")]).status_code == 422
    apply()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert [one.event_id for one in Event.objects.all()] == ["e1"]


def test_the_database_takes_parts_of_own_brands_alone(acme, tea, cast, seeing):
    with seeing(cast.brand_manager):
        own, theirs = (Brand.objects.get(code=code) for code in ("tea", "bakery"))
        batch = IntakeBatch(key="x", digest=b"", answer=b"", created_by=cast.brand_manager)
        IntakePart.objects.bulk_create([IntakePart(batch=batch, brand=own, sealed=b"")])
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            IntakePart.objects.bulk_create([IntakePart(batch=batch, brand=theirs, sealed=b"")])


def test_who_is_not_known_becomes_a_fan_where_that_is_asked_for(acme, tea, apply, tmp_path):
    unknown = {"kind": "unionid", "value": "union-1"}
    lines = [
        event("follow", 1, identity=unknown, account=APP, create=True, scene="poster"),
        event("scan", 2, identity={"kind": "phone", "value": "13700000000"}),
        event("scan", 3, identity=unknown),
        event("scan", 4, identity={"kind": "phone", "value": "139 1234 5678"}),
        {"type": "member", "member_no": "TEA-2", "phone": "13912345678"},
    ]
    url = post(tea, lines).json()["url"]
    apply()
    assert [(one["line"], one["field"]) for one in tea.get(url).json()["results"]] == [
        (2, "identity")
    ]
    finish_pending(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        fan = Profile.objects.get(is_member=False)
        assert (fan.events.count(), fan.touchpoints.get().scene) == (2, "poster")
        assert Event.objects.get(event_id="e4").profile.member_no == "TEA-2"
        # The fan registers: two memberships of one person, of which one counts as a member's.
        before = PoolMetric.objects.get(brand=fan.brand, store=None)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        path = tmp_path / "members.csv"
        path.write_text("member_no,unionid\nNEW-1,union-1\n")
        job = import_create(brand=fan.brand, kind="members", path=path, file_name="m.csv")
        assert import_run(tenant=acme, job_id=job.pk).rows_created == 1
        assert Profile.objects.get(member_no="NEW-1").person_id == fan.person_id
        after = PoolMetric.objects.get(brand=fan.brand, store=None)
        assert after.members - before.members == 1
        assert after.persons == before.persons


def order(number: str, version: int, *lines: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return an order's line, of lines (number, amount)."""
    return {
        "type": "order",
        "member_no": "TEA-2",
        "order_no": number,
        "version": version,
        "at": AT,
        "lines": [{"line_no": no, "amount": amount} for no, amount in lines],
        **more,
    }


TOLD = [
    order("O1", 1, (1, 1000), (2, 500), store="tea-1"),
    order("O1", 2, (1, 900), store="tea-2"),
    order("O1", 3, (1, 900), (3, 50), ordered_at="2026-10-30T10:00:00+08:00", member_no="TEA-3"),
    event("order", 10, member_no="TEA-2", order_no="O2", amount=700),
    event("refund", 11, member_no="TEA-2", order_no="O2", amount=200),
    event("refund", 12, member_no="TEA-2", order_no="O1", amount=100),
    event("refund", 13, member_no="TEA-2", order_no="O9", amount=100),
    event("follow", 20, account=APP, scene="a"),
    event("unfollow", 21, account=APP, at="2026-11-02T10:00:00+08:00"),
    event("follow", 22, account=APP, at="2026-11-03T10:00:00+08:00", scene="b"),
    {
        "type": "touchpoint",
        "member_no": "TEA-2",
        "account": APP,
        "state": "unfollowed",
        "at": AT,
    },
    event("follow", 23, member_no="TEA-2", account=APP, scene="c"),
    {"type": "tag", "member_no": "TEA-1", "tag": "VIP", "at": AT},
    {"type": "tag", "member_no": "TEA-1", "tag": "VIP", "at": AT, "remove": True},
    {"type": "tag", "member_no": "TEA-2", "tag": "VIP", "at": AT, "source": "till"},
    {"type": "member", "member_no": "TEA-1", "name": "An", "gender": "f", "as_of": AT},
    {"type": "member", "member_no": "TEA-1", "name": "Bo", "gender": None, "as_of": LATER},
    {"type": "member", "member_no": "TEA-1", "name": "Cy", "gender": "m", "as_of": LATEST},
]


def state(acme) -> dict[str, list[tuple]]:
    """Return everything that events decide."""
    finish_pending(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"), connection.cursor() as cursor:
        found = {}
        for name, query in {
            "orders": "SELECT o.order_no, p.member_no, o.store_id, o.ordered_at, o.amount, "
            "o.lines, o.refunded FROM members_order o JOIN members_profile p "
            "ON p.id = o.profile_id",
            "lines": "SELECT o.order_no, l.line_no, l.amount, l.store_id FROM members_orderline l "
            "JOIN members_order o ON o.id = l.order_id",
            "members": "SELECT member_no, orders, sales, first_order_at, gender, as_of, "
            "c.fingerprint FROM members_profile p LEFT JOIN members_contact c "
            "ON c.profile_id = p.id",
            "days": "SELECT brand_id, store_id, day, orders, lines, sales, buyers "
            "FROM members_dailymetric",
            "pools": "SELECT brand_id, store_id, members, buyers, repeat_buyers "
            "FROM members_poolmetric",
            "events": "SELECT what, source, event_id, profile_id, occurred_at, amount "
            "FROM members_event",
            "touchpoints": "SELECT profile_id, followed_at, unfollowed_at, is_followed, scene, "
            "source FROM members_touchpoint",
            "tags": "SELECT profile_id, set_at, removed_at, is_set, source FROM members_profiletag",
        }.items():
            cursor.execute(query)
            found[name] = sorted(cursor.fetchall(), key=repr)
        return found


@settings_of(
    max_examples=int(os.environ.get("INTAKE_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    told=st.permutations(TOLD),
    again=st.lists(st.tuples(st.sampled_from(TOLD), st.integers(0, len(TOLD))), max_size=5),
    cuts=st.sets(st.integers(1, len(TOLD) + 4), max_size=6),
)
def test_late_repeated_and_reordered_lines_end_in_the_same_state(acme, tea, told, again, cuts):
    """Told at once and in order; and in any order, repeated, in batches of any size."""
    lines = list(told)
    for line, place in again:
        lines.insert(place, line)
    ends = [*sorted(cuts), len(lines)]
    parts = [lines[start:end] for start, end in itertools.pairwise([0, *ends])]
    states = [_told(acme, one) for one in ([TOLD], parts)]
    assert states[0] == states[1]
    assert [row[:2] for row in states[0]["orders"]] == [("O1", "TEA-3"), ("O2", "TEA-2")]
    assert [(row[4], row[6]) for row in states[0]["orders"]] == [(950, 100), (700, 200)]
    assert [row[3] for row in states[0]["touchpoints"]] == [True, False]
    assert [row[3] for row in states[0]["tags"]] == [False, True]
    assert [row[4] for row in states[0]["members"] if row[0] == "TEA-1"] == ["m"]


def test_of_a_member_an_older_line_changes_nothing_and_fields_left_out_stay(acme, tea, apply):
    def line(**fields: Any) -> dict[str, Any]:
        return {"type": "member", "member_no": "TEA-1", **fields}

    def told() -> tuple[str, str, str]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            found = Profile.objects.select_related("contact").get(member_no="TEA-1")
            fields = contacts.unseal(group_keys(), found.contact)
            return fields["name"], fields.get("phone", ""), found.gender

    # Of one instant the end counts, also where the lines between say other fields.
    batch = [
        line(name="An", phone="13700000001"),
        line(name="Bo"),
        line(name="Cy", phone="13700000002", gender="f"),
        line(gender="m", as_of=AT),
    ]
    assert post(tea, batch).json()["accepted"] == 4
    apply()
    assert told() == ("Cy", "+8613700000002", "f")
    late = [line(name="Dy", as_of=AT), line(name="Ey", as_of="2999-01-01T00:00:00Z")]
    assert post(tea, late, "two").json()["results"][0]["field"] == "as_of"
    apply()
    assert told() == ("Cy", "+8613700000002", "f")


def test_who_is_shown_no_contact_data_names_nobody_by_it(acme, tea, cast, apply):
    """Whatever the token was made for: what is applied is read back, and tells whose it is."""
    phone = {"kind": "phone", "value": phone_of(1)}
    lines = [
        event("scan", 1, identity=phone),
        event("scan", 2, identity={"kind": "unionid", "value": "u"}, create=True),
        {"type": "consent", "answer": "no", "at": AT, "identity": phone},
        {"type": "member", "member_no": "TEA-2", "phone": phone_of(1)},
        {"type": "member", "member_no": "TEA-2", "gender": "f", "card_no": None},
        event("scan", 3, member_no="TEA-2"),
    ]
    engaged = cast.provider_operator.acting_grant
    provider = program(engaged, actions=["events:write", "consents:write", "members:write"])
    body = post(provider, lines).json()
    assert [(one["line"], one["field"]) for one in body["results"]] == [
        (1, "identity"),
        (2, "identity"),
        (3, "identity"),
        (4, "phone"),
    ]
    assert "leaves contact data out" in body["results"][0]["detail"]
    assert (body["accepted"], apply()) == (2, 2)
    answer = {"answers": [{"answer": "no", "identity": phone}]}
    send = partial(provider.post, "/api/v1/consents/", content_type="application/json")
    refused = send(answer)
    assert refused.status_code == 422
    assert "leaves contact data out" in refused.json()["answers"][0]["detail"]
    # A contract that names contact data lets them; so does a brand's own grant, by any token.
    engaged.engagement.includes_contact = True
    engaged.engagement.save()
    assert send(answer).status_code == 202
    assert post(provider, lines, "two").json()["accepted"] == 6
    own = program(cast.brand_manager.acting_grant, actions=["events:write"])
    assert post(own, lines[:2]).json()["accepted"] == 2


def _told(acme, parts: list[list[dict]]) -> dict[str, list[tuple]]:
    """Apply lines part by part; return the state they end in, undone again."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        brand = Brand.objects.get(code="tea").pk
        before = transaction.savepoint()
        for part in parts:
            parsed = [read(json.dumps(line).encode()) for line in part]
            assert lines_apply(tenant=acme, brand_id=brand, lines=parsed).refused == {}
        found = state(acme)
        transaction.savepoint_rollback(before)
    return found
