"""Batches by API: read at once, kept sealed, applied by a worker, the same in every order."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from brands.models import Brand, ChannelAccount
from brands.wall import scope
from members.intake.applying import intake_apply
from members.models import (
    Event,
    IntakeBatch,
    IntakePart,
    Order,
    Profile,
    ProfileTag,
    Touchpoint,
)
from members.rollups import finish_pending
from members.tests.pools import fill, phone_of
from members.tests.tokens import program
from tenants.context import tenant_transaction

BATCH = "/api/v1/batch/"
AT = "2026-11-01T10:00:00+08:00"
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
        event("scan", 3, member_no="NEW-1"),
        event("visit", 4, member_no="NOBODY"),
    ]
    response = post(tea, lines)
    body = response.json()
    assert response.status_code == 202
    assert (body["accepted"], body["duplicate"], body["refused"]) == (4, 1, 2)
    told = {result["line"]: (result["state"], result.get("field")) for result in body["results"]}
    assert told == {2: ("duplicate", None), 3: ("refused", "colour"), 4: ("refused", None)}
    assert apply() == 4
    job = tea.get(body["url"]).json()
    assert (job["state"], job["applied"], job["failed"]) == ("applied", 3, 1)
    assert [(one["line"], one["field"]) for one in job["results"]] == [(7, "member_no")]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Event.objects.count() == 2
        assert Profile.objects.get(member_no="NEW-1").contact.phone_key
        assert IntakePart.objects.count() == 0
