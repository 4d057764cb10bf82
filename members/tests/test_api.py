"""The API of members: pages by key, answers handed in, refusals in words."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client

from brands.models import Brand
from brands.services import mode_change
from brands.wall import scope
from members.api import shapes
from members.consents.entries import answers_record
from members.models import (
    Consent,
    ConsentEntry,
    Event,
    GroupConsentEntry,
    ImportJob,
    Profile,
    Tag,
)
from members.tests.pools import fill, phone_of
from members.tests.tokens import program
from tenants.context import tenant_transaction

API = "/api/v1"
UNKNOWN = "There is no such member"


def send(client: Client, *answers: dict, **more: object):
    """Hand answers in and return the response."""
    body = {"answers": list(answers), **more}
    return client.post(f"{API}/consents/", body, content_type="application/json")


@pytest.fixture
def pools(acme) -> dict[str, list[int]]:
    """Give tea and bakery three members each: the same three persons."""
    return {code: fill(acme, code, members=3, orders=2) for code in ("tea", "bakery")}


@pytest.fixture
def tea(cast, pools) -> Client:
    """Return a program of tea's."""
    return program(cast.brand_manager.acting_grant)


@pytest.fixture
def hq(cast, pools) -> Client:
    """Return a program of HQ's."""
    return program(cast.group_admin.acting_grant)


def notices_of(acme, pk: int) -> int | None:
    """Return the notice that a member agrees to now."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return Profile.objects.get(pk=pk).notice_id


def test_a_list_comes_in_pages_that_hold_each_member_once(tea, pools):
    seen, address = [], f"{API}/members/?limit=2"
    while address:
        page = tea.get(address).json()
        seen += [row["id"] for row in page["members"]]
        address = page["next"] and page["next"].removeprefix("http://acme.localhost")
    assert seen == sorted(pools["tea"], reverse=True)
    one = tea.get(f"{API}/members/?brand=tea&member_no=TEA-2").json()["members"]
    assert [row["member_no"] for row in one] == ["TEA-2"]
    assert tea.get(f"{API}/members/?brand=bakery").json()["members"] == []


def test_orders_come_with_their_lines(tea, pools):
    page = tea.get(f"{API}/members/{pools['tea'][0]}/orders/?limit=1").json()
    assert len(page["orders"]) == 1
    assert "after=" in page["next"]
    assert [line["amount"] for line in page["orders"][0]["lines"]] == [1250, 1250]
    assert page["why"]["sight"] == "all"


def test_no_list_tells_by_its_numbers_how_much_a_sibling_brings_in(tea):
    """Rows of all brands are numbered together, and a gap between two of one's own is theirs."""
    (row,) = tea.get(f"{API}/orders/?limit=1").json()["orders"]
    shaped = (shapes.ORDER, shapes.EVENT, shapes.TOUCHPOINT, shapes.CARRIED)
    assert not any("id" in one for one in (row, *(shape["properties"] for shape in shaped)))
    # The twin: what is asked for by its number has one; those of members are drawn with gaps.
    assert "id" in tea.get(f"{API}/members/?limit=1").json()["members"][0]
    # Where a list goes on is said to this list alone, and differently each time.
    first, second = (tea.get(f"{API}/orders/?limit=1").json()["next"] for _time in range(2))
    assert first != second
    following = [tea.get(one).json()["orders"][0]["order_no"] for one in (first, second)]
    assert following[0] == following[1]
    assert tea.get(first.replace("/orders/", "/members/")).status_code == 400


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("members/?branch=tea", "branch"),
        ("members/?limit=100000", "limit"),
        ("members/?after=x", "after"),
        ("members/?after=é", "after"),
        ("members/?after=12", "after"),
        ("members/?since=yesterday", "since"),
        ("members/?store=tea-1", "store"),
        ("members/?brand=%00", "brand"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused_by_name(tea, address, field):
    answer = tea.get(f"{API}/{address}")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]


def test_what_is_not_the_tokens_is_not_there(tea, pools):
    """Guessed numbers: a sibling's members are absent as if they had never been."""
    absent = [tea.get(f"{API}/members/{pk}/") for pk in (pools["bakery"][0], 2**40)]
    assert {one.status_code for one in absent} == {404}
    assert absent[0].content == absent[1].content
    for part in ("orders", "consents"):
        assert tea.get(f"{API}/members/{pools['bakery'][0]}/{part}/").status_code == 404
        assert tea.get(f"{API}/members/{pools['tea'][0]}/{part}/").status_code == 200
    assert tea.get(f"{API}/members/{2**70}/").status_code in (400, 404)


def test_contact_data_needs_its_action(cast, pools):
    address = f"{API}/members/{pools['tea'][0]}/"
    whole = program(cast.brand_manager.acting_grant).get(address).json()
    assert whole["contact"]["phone"] == phone_of(1)
    assert whole["masked"]["phone"]
    narrow = program(cast.brand_manager.acting_grant, actions=["members:read"]).get(address).json()
    assert (narrow["contact"], narrow["masked"]) == (None, None)
    assert narrow["why"]["contact"]["reason"] == "not_in_token"
    engaged = program(cast.provider_operator.acting_grant).get(address).json()
    assert engaged["contact"] is None
    assert engaged["why"]["contact"]["reason"] == "contact_not_engaged"


def test_answers_are_handed_in_recorded_and_told(acme, tea, pools):
    """By number of record, by member number and by phone; the entry says what came of it."""
    answers = [
        {"profile": pools["tea"][0]},
        {"member_no": "TEA-2"},
        {"identity": {"kind": "phone", "value": phone_of(3)}},
    ]
    given = [{**one, "answer": "yes", "notice": "1", "evidence": "till 7"} for one in answers]
    response = send(tea, *given)
    assert response.status_code == 202
    assert (response.json()["taken"], response.json()["refused"]) == (3, 0)
    entries = [
        line["url"].removeprefix("http://acme.localhost") for line in response.json()["answers"]
    ]
    assert {tea.get(one).json()["state"] for one in entries} == {"waiting"}
    answers_record(tenant=acme)
    told = [tea.get(one).json() for one in entries]
    # The pool's members have no identities: who is found by phone alone is nobody.
    assert [one["state"] for one in told] == ["recorded", "recorded", "refused"]
    assert told[2]["outcome"]
    assert notices_of(acme, pools["tea"][0]) is not None
    # A brand's yes opens nothing of a sibling's.
    assert notices_of(acme, pools["bakery"][0]) is None
    listed = tea.get(f"{API}/members/{pools['tea'][0]}/consents/").json()["consents"]
    assert [(one["answer"], one["notice"], one["channel"]) for one in listed] == [
        ("yes", "1", "api")
    ]
    assert send(tea, {"member_no": "TEA-1", "answer": "no"}).status_code == 202
    answers_record(tenant=acme)
    assert notices_of(acme, pools["tea"][0]) is None


def test_each_line_of_a_batch_stands_for_itself(acme, tea, pools):
    good = {"profile": pools["tea"][0], "answer": "yes", "notice": "1"}
    lines = {
        "good": good,
        "unknown field": {**good, "colour": "red"},
        "no notice": {**good, "notice": "77"},
        "a sibling's": {**good, "profile": pools["bakery"][0]},
        "nobody's": {**good, "profile": 2**40},
        "another brand": {"brand": "bakery", "member_no": "BAKERY-1", "answer": "no"},
        "two names": {**good, "member_no": "TEA-1"},
        "no name": {"answer": "no"},
        "the future": {**good, "answered_at": "2100-01-01T00:00:00+08:00"},
        "no date": {**good, "answered_at": "yesterday"},
        "no phone": {"identity": {"kind": "phone", "value": "xx"}, "answer": "no"},
        "for the group": {
            "identity": {"kind": "card", "value": "C1"},
            "answer": "no",
            "to_group": True,
        },
        "no object": "yes",
    }
    response = send(tea, *lines.values())
    assert response.status_code == 202
    told = dict(zip(lines, response.json()["answers"], strict=True))
    assert [name for name, line in told.items() if line["state"] == "waiting"] == ["good"]
    assert [line["line"] for line in told.values()] == list(range(len(lines)))
    assert "colour" in told["unknown field"]["errors"]
    assert UNKNOWN in told["a sibling's"]["detail"]
    assert told["a sibling's"]["detail"] == told["nobody's"]["detail"]
    assert "future" in told["the future"]["detail"]
    assert "HQ" in told["for the group"]["detail"]
    assert "own brand" in told["another brand"]["detail"]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert ConsentEntry.objects.count() == 1
        assert not GroupConsentEntry.objects.exists()
    none = send(tea, lines["nobody's"])
    assert (none.status_code, none.json()["taken"]) == (422, 0)


def test_a_batch_that_is_none_is_refused_whole(tea, acme):
    one = {"member_no": "TEA-1", "answer": "no"}
    for answer in (
        send(tea),
        send(tea, *[one] * 501),
        send(tea, one, dry_run=True),
        tea.post(f"{API}/consents/", "{", content_type="application/json"),
        tea.post(f"{API}/consents/", [one], content_type="application/json"),
    ):
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
    assert tea.post(f"{API}/consents/", {"answers": "x"}).status_code == 415
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not ConsentEntry.objects.exists()


def test_a_batch_tells_the_worker_once(tea, pools, monkeypatch, django_capture_on_commit_callbacks):
    told = []
    monkeypatch.setattr(
        "members.tasks.record_answers.apply_async",
        lambda *args, headers, **kwargs: told.append(headers["_schema_name"]),
    )
    with django_capture_on_commit_callbacks(execute=True):
        send(tea, *({"profile": pk, "answer": "no"} for pk in pools["tea"]))
    assert told == ["acme"]


def test_the_same_batch_twice_is_recorded_once(acme, tea, pools):
    answers = [{"profile": pk, "answer": "no", "key": str(uuid.uuid4())} for pk in pools["tea"]]
    first, second = send(tea, *answers).json(), send(tea, *answers).json()
    assert [line["entry"] for line in first["answers"]] == [
        line["entry"] for line in second["answers"]
    ]
    answers_record(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Consent.objects.filter(is_given=False).count() == len(pools["tea"])


def test_a_key_that_stands_on_an_answer_out_of_sight_is_refused_in_words(acme, hq, pools):
    given = {"identity": {"kind": "phone", "value": phone_of(1)}, "answer": "yes", "notice": "1"}
    given |= {"to_group": True, "key": str(uuid.uuid4())}
    assert send(hq, given).status_code == send(hq, given).status_code == 202
    with tenant_transaction(acme):
        # What HQ handed in under other modes it does not see under these.
        mode_change(mode="brand_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    refused = send(hq, given)
    assert refused.status_code == 422
    assert "a key of its own" in refused.json()["answers"][0]["detail"]
    assert send(hq, {**given, "key": str(uuid.uuid4())}).status_code == 202


def test_hq_records_answers_to_the_group_and_none_for_a_brand(acme, hq, tea, pools):
    given = {"identity": {"kind": "phone", "value": phone_of(1)}, "answer": "yes", "notice": "1"}
    refused = send(hq, given)
    assert refused.status_code == 422
    assert "own brand" in refused.json()["answers"][0]["detail"]
    response = send(hq, {**given, "to_group": True})
    assert response.status_code == 202
    address = response.json()["answers"][0]["url"].removeprefix("http://acme.localhost")
    assert hq.get(address).json()["state"] == "waiting"
    # Another table's number: a brand's program finds none of HQ's entries.
    assert tea.get(address).status_code == 404


def test_a_siblings_entry_is_not_there(cast, tea, pools):
    bakery = program(cast.sibling_manager.acting_grant)
    url = send(bakery, {"member_no": "BAKERY-1", "answer": "no"}).json()["answers"][0]["url"]
    address = url.removeprefix("http://acme.localhost")
    assert bakery.get(address).status_code == 200
    assert tea.get(address).status_code == 404


def test_reading_is_no_right_to_write(cast, pools, acme):
    client = program(cast.brand_manager.acting_grant, actions=["members:read", "consents:read"])
    assert send(client, {"member_no": "TEA-1", "answer": "no"}).status_code == 403
    analyst = program(cast.analyst.acting_grant)
    assert send(analyst, {"member_no": "TEA-1", "answer": "no"}).status_code == 403
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not ConsentEntry.objects.exists()


def test_a_token_for_one_brand_sees_nothing_of_another_although_its_grant_does(acme, cast, pools):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ids = dict(Brand.objects.values_list("code", "pk"))
        for code in pools:
            fields = {"brand_id": ids[code], "profile_id": pools[code][0]}
            Event.objects.create(
                what="view", source="t", event_id=code, occurred_at="2026-11-01T00:00Z", **fields
            )
            ImportJob.objects.create(brand_id=ids[code], kind="members", file_name=code)
            Tag.objects.create(brand_id=ids[code], name=code)
    grant = cast.unit_manager.acting_grant
    clients = {
        "tea": program(grant, brands=[ids["tea"]]),
        # Chosen or not, what the grant does not show stays closed.
        "spa": program(grant, brands=[ids["spa"]]),
        "": program(grant),
    }
    batches = {}
    for code, client in clients.items():
        own = {code} & set(pools) if code else set(pools)
        for name in ("members", "orders", "events", "tags", "jobs/imports"):
            rows = client.get(f"{API}/{name}/").json()[name.rpartition("/")[2]]
            assert {row["brand"] for row in rows} == own, (code, name)
        told = client.get(f"{API}/visibility/").json()["brands"]
        assert {one["brand"] for one in told} == ({code} if code else set(ids)), code
        assert client.get(f"{API}/").json()["token"]["brands"] == ([code] if code else None)
        for brand, members in pools.items():
            status = 200 if brand in own else 404
            for path in ("", "consents/"):
                answer = client.get(f"{API}/members/{members[0]}/{path}")
                assert answer.status_code == status, (code, brand, path)
            line = {"type": "member", "brand": brand, "member_no": "NEW", "gender": "f"}
            # One key, of one grant: each token has its own batches.
            answer = client.post(
                f"{API}/batch/",
                json.dumps(line),
                content_type="application/x-ndjson",
                headers={"idempotency-key": f"one-{brand}"},
            )
            assert answer.status_code == (202 if brand in own else 422), (code, brand)
            assert "Idempotency-Replayed" not in answer
            batches.setdefault(code, set()).add(answer.json()["batch"])
            handed = send(
                client, {"brand": brand, "member_no": f"{brand.upper()}-1", "answer": "no"}
            )
            assert handed.status_code == (202 if brand in own else 422), (code, brand)
    for code, client in clients.items():
        listed = client.get(f"{API}/jobs/batches/").json()["batches"]
        assert {one["id"] for one in listed} == batches[code]
        for other in set(clients) - {code}:
            (batch, *_more) = batches[other]
            assert client.get(f"{API}/jobs/batches/{batch}/").status_code == 404


def test_a_token_of_hqs_for_one_brand_says_nothing_for_the_group(acme, cast, pools, hq):
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
    narrow = program(cast.group_admin.acting_grant, brands=[tea])
    answer = {"answer": "no", "identity": {"kind": "phone", "value": phone_of(1)}, "to_group": True}
    entry = send(hq, answer)
    assert entry.status_code == 202
    assert send(narrow, answer).status_code == 422
    url = entry.json()["answers"][0]["url"]
    assert (hq.get(url).status_code, narrow.get(url).status_code) == (200, 404)
    assert {row["brand"] for row in narrow.get(f"{API}/members/").json()["members"]} == {"tea"}
    assert len(hq.get(f"{API}/members/").json()["members"]) == 6


def test_rules_are_told(acme, tea, hq):
    (notice,) = tea.get(f"{API}/notices/").json()["notices"]
    assert (notice["version"], notice["recipients"]) == ("1", ["bakery", "spa", "tea"])
    assert notice["kinds"] == ["profile", "contact", "activity"]
    assert notice["texts"]
    brands = {row["brand"]: row for row in tea.get(f"{API}/visibility/").json()["brands"]}
    assert brands["tea"]["kinds"]["contact"]["sight"] == "all"
    assert brands["bakery"]["kinds"]["profile"] == {
        "sight": "none",
        "reason": "sibling_member_max",
        "words": brands["bakery"]["kinds"]["profile"]["words"],
    }
    with tenant_transaction(acme):
        codes = set(Brand.objects.values_list("code", flat=True))
    assert set(brands) == codes


def test_addresses_take_the_methods_they_know_and_no_form(tea):
    for method in ("post", "put", "patch", "delete", "options"):
        answer = getattr(tea, method)(f"{API}/members/")
        assert answer.status_code == 405
        assert answer["Content-Type"] == "application/problem+json"
    html = tea.get(f"{API}/members/", headers={"accept": "text/html"})
    assert html["Content-Type"].startswith("application/json") or html.status_code == 406
