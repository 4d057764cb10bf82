"""Every cell of the wall's table as the API and an exported file show it."""

from __future__ import annotations

import csv
import io

import pytest

from brands.tests.test_wall_pages import members  # noqa: F401  the members of every cell
from brands.tests.test_wall_table import OWN, TABLE, means, set_modes
from members.exports import files
from members.exports.job import export_run
from members.exports.services import export_create
from members.models import ExportJob
from members.tests.tokens import program
from tenants.context import tenant_transaction
from tenants.roles import PERMISSIONS, Role

KINDS = ("metrics", "profile", "contact", "masked", "activity")
MODES = [
    ("fan_max", "fan_max"),
    ("fan_max", "member_max"),
    ("member_max", "member_max"),
    ("brand_max", "brand_max"),
]


def _people(modes: tuple[str, str]) -> dict[str, str]:
    """Return who looks, and what they see; own people, whom no mode concerns, once."""
    return {**(OWN if modes == MODES[0] else {}), **TABLE[modes]}


def _said(words: str) -> dict[str, str]:
    return dict(zip(KINDS, words.split(), strict=True))


@pytest.mark.parametrize("modes", MODES, ids=" and ".join)
def test_the_api_shows_what_the_table_says(members, acme, cast, modes):  # noqa: F811
    places, made = members
    with tenant_transaction(acme):
        set_modes(places, *modes)
    for person, words in _people(modes).items():
        said, client = _said(words), program(getattr(cast, person).acting_grant)
        listed = client.get("/api/v1/members/").json()["members"]
        numbers = {row["member_no"]: row for row in listed}
        shown_any = False
        for member in made:
            marks, case = member.marks, (person, member.row)
            allowed = {kind: means(said[kind], kind, member.row, places) for kind in marks}
            assert (marks["profile"] in numbers) == allowed["profile"], case
            one = client.get(f"/api/v1/members/{member.pk}/")
            assert one.status_code == (200 if allowed["profile"] else 404), case
            if not allowed["profile"]:
                assert not any(mark in one.content.decode() for mark in marks.values())
                continue
            orders = client.get(f"/api/v1/members/{member.pk}/orders/")
            shown_any = True
            row = numbers[marks["profile"]]
            assert bool(row["masked"]) == allowed["masked"], case
            assert "contact" not in row
            body = one.json()
            assert (body["contact"] or {}).get("name") == (
                marks["contact"] if allowed["contact"] else None
            ), case
            assert bool(body["masked"]) == allowed["masked"], case
            assert (marks["activity"] in orders.content.decode()) == allowed["activity"], case
        assert shown_any == (said["profile"] != "none")
        if not shown_any:
            for part in ("orders", "consents"):
                absent = client.get(f"/api/v1/members/{made[0].pk}/{part}/")
                assert absent.status_code in (403, 404), (person, part)


@pytest.mark.parametrize("modes", MODES, ids=" and ".join)
def test_an_export_holds_what_the_table_says(members, acme, cast, seeing, modes):  # noqa: F811
    places, made = members
    with tenant_transaction(acme):
        set_modes(places, *modes)
    exported = 0
    for person, words in _people(modes).items():
        said, user = _said(words), getattr(cast, person)
        if "members.export_profile" not in PERMISSIONS[Role(user.acting_grant.role)]:
            continue
        with seeing(user) as opened:
            job = export_create(filters={}, visible=opened.visible, acting_user=user)
        job = export_run(tenant=acme, job_id=job.pk, grant_id=job.grant_id)
        assert job.state == ExportJob.State.DONE, job.error
        text = files.file_of(job, "acme").read_text("utf-8-sig")
        rows = {row["Member number"]: row for row in csv.DictReader(io.StringIO(text))}
        allowed_rows = 0
        for member in made:
            marks, case = member.marks, (person, member.row)
            allowed = {kind: means(said[kind], kind, member.row, places) for kind in marks}
            assert (marks["profile"] in rows) == allowed["profile"], case
            if not allowed["profile"]:
                assert not any(mark in text for mark in marks.values()), case
                continue
            allowed_rows += 1
            row = rows[marks["profile"]]
            shown = marks["contact"] if allowed["contact"] else ""
            shown = shown or (marks["masked"] if allowed["masked"] else "")
            assert row.get("Name", "") == shown, case
            # Orders are no part of the file.
            assert marks["activity"] not in text
        assert job.rows == len(rows) == allowed_rows
        is_own = person in OWN
        assert job.rows_of_others == (0 if is_own else job.rows), person
        exported += bool(rows)
    assert bool(exported) == (modes != ("brand_max", "brand_max"))
