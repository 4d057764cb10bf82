"""The API's description is true: a machine that goes by it meets no answer that it does not say.

`make api-fuzz` tries many more examples than the suite does (API_EXAMPLES).
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from members.api.description import description
from members.api.urls import urlpatterns
from members.intake.lines import KINDS
from members.tests.pools import fill
from members.tests.test_intake import TOLD
from members.tests.tokens import program

EXAMPLES = int(os.environ.get("API_EXAMPLES", "3"))
HOST = "http://acme.localhost"
SCHEMA = schemathesis.openapi.from_dict(description())
SCHEMA.config.update(base_url=HOST)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [one.ok() for one in SCHEMA.get_all_operations()]


@schemathesis.serializer("application/x-ndjson")
def _lines(context: Any, value: Any) -> bytes:
    """Pass a body of lines on: the test writes its own."""
    return b""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
FIELDS = sorted({"type", *(name for kind in KINDS.values() for name in kind.__struct_fields__)})
# Lines that are right, and lines with some fields of theirs, or of other kinds', anything at all.
LINES = st.lists(
    st.builds(
        lambda line, slips: {**line, **slips},
        st.sampled_from(TOLD),
        st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=2),
    ),
    max_size=4,
)


def test_every_address_is_described():
    assert len(OPERATIONS) == len(SCHEMA.raw_schema["paths"]) == len(urlpatterns) - 2


def test_the_page_of_the_api_speaks_the_language_of_its_reader(acme, monkeypatch):
    said = {"List the notices in force": "现行告知", "Taken.": "已受理。"}
    monkeypatch.setattr("members.api.description._", lambda text: said.get(text, text))
    page = Client(headers={"host": "acme.localhost"}).get("/api/v1/docs/").content.decode()
    assert "现行告知" in page
    assert "已受理。" in page
    assert "List the notices in force" not in page
    assert "<code>members:read</code>" in page


def send(client: Client, case: Any, body: bytes | None) -> Response:
    """Send a case through the site and return the answer as the checks take it."""
    said = case.as_transport_kwargs(base_url=HOST)
    if body is not None:
        said |= {"data": body}
    wanted = {name: said.get(name) for name in ("method", "url", "params", "headers", "json")}
    request = requests.Request(**wanted, data=said.get("data")).prepare()
    answer = client.generic(
        request.method or "",
        (request.url or "").removeprefix(HOST),
        request.body or b"",
        content_type=request.headers.get("Content-Type", ""),
        headers={
            name: str(value)
            for name, value in request.headers.items()
            if name.lower() not in ("content-type", "content-length", "authorization")
        },
    )
    return Response(
        status_code=answer.status_code,
        headers={name.lower(): [value] for name, value in answer.items()},
        content=answer.content,
        request=request,
        elapsed=0.0,
        verify=False,
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_no_answer_is_of_another_shape_than_described(acme, cast, operation):
    member, *_rest = fill(acme, "tea", members=2, orders=1)
    client = program(cast.brand_manager.acting_grant)
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(), lines=LINES, is_there=st.booleans())
    def run(case: Any, lines: list[Any], is_there: bool) -> None:
        if is_there and "profile_id" in (case.path_parameters or {}):
            case.path_parameters["profile_id"] = member
        case.headers = {
            name: value
            for name, value in (case.headers or {}).items()
            if name.lower() != "authorization"
        }
        body = None
        if case.media_type == "application/x-ndjson":
            body = b"\n".join(msgspec.json.encode(line) for line in lines)
        answer = send(client, case, body)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    run()
    assert statuses.total() >= EXAMPLES or statuses
