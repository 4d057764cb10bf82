"""The guide to the API: every command in it is run, and answers as the guide says."""

from __future__ import annotations

import io
import re
import shlex
import urllib.request
from pathlib import Path
from typing import Any

from django.test import Client

from members.tests.pools import fill
from members.tests.tokens import program

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"# (\d{3})[^\n]*\n(curl .*?)(?=\n\n|\n?\Z)", re.DOTALL)
_OPTIONS = {"-H": "header", "-X": "method", "-d": "data"}


def run(client: Client, command: str):
    """Send what a curl command would send."""
    words = shlex.split(command.replace("\\\n", " "))[1:]
    said: dict[str, list[str]] = {"header": [], "method": [], "data": [], "address": []}
    while words:
        word = words.pop(0)
        said[_OPTIONS.get(word, "address")].append(words.pop(0) if word in _OPTIONS else word)
    headers = dict(line.split(": ", 1) for line in said["header"])
    method = said["method"][0] if said["method"] else "GET"
    (address,) = said["address"]
    data = said["data"][0] if said["data"] else ""
    return client.generic(
        method, address, data, content_type=headers.pop("Content-Type", ""), headers=headers
    )


def test_every_command_of_the_guide_answers_as_it_says(acme, cast):
    (member, *_rest), (sibling,) = fill(acme, "tea", members=3), fill(acme, "bakery", members=1)
    token = program(cast.brand_manager.acting_grant).defaults["HTTP_AUTHORIZATION"].split()[1]
    client = Client(headers={"host": "acme.localhost"})
    known = {"HOST": "", "TOKEN": token, "MEMBER": str(member), "SIBLING": str(sibling)}
    ran = 0
    for block in _BLOCK.findall(GUIDE.read_text()):
        for status, command in _COMMAND.findall(block):
            for name, value in known.items():
                command = command.replace(f"${name}", value)
            response = run(client, command)
            assert response.status_code == int(status), (command, response.content.decode())
            body = response.json()
            if "answers" in body:
                assert body["taken"] == 2
                known["ENTRY"] = str(body["answers"][0]["entry"])
            elif response.status_code == 202:
                assert (body["accepted"], body["refused"]) == (6, 0), body
                known["BATCH"] = body["batch"]
            elif response.status_code >= 400:
                assert body["status"] == int(status)
                assert body["title"]
            ran += 1
    assert ran == GUIDE.read_text().count("\ncurl ") >= 19


def test_every_python_example_of_the_guide_runs(acme, cast, monkeypatch):
    fill(acme, "tea", members=3)
    token = program(cast.brand_manager.acting_grant).defaults["HTTP_AUTHORIZATION"].split()[1]
    client = Client(headers={"host": "acme.localhost"})
    sent = []

    def urlopen(request: urllib.request.Request) -> io.BytesIO:
        headers = dict(request.header_items())
        data: Any = request.data or b""
        answer = client.generic(
            request.get_method(),
            request.full_url.removeprefix("http://acme.localhost"),
            data,
            content_type=headers.pop("Content-type", ""),
            headers=headers,
        )
        assert answer.status_code < 300, answer.content
        sent.append(request.selector)
        return io.BytesIO(answer.content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("HOST", "http://acme.localhost")
    monkeypatch.setenv("TOKEN", token)
    shared: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, shared)  # noqa: S102 - the guide's own examples
    assert "/api/v1/batch/" in sent
    assert len(sent) >= 5
