"""A copy that a person asks for tells its brand, or HQ, that they are a sibling's member."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

import pytest
from django.urls import reverse

from brands.wall import scope
from members.models import Profile
from members.rights.work import rights_run
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,registered_on\n"
VICTIM = "13800000001"


def copy_of(acme, visit, person, number: str) -> dict:
    """Ask for a member's copy by the page, and return what it holds of that member."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no=number).pk
    client, page = visit(person), reverse("members:rights_new", args=[pk])
    key = client.get(page).context["form"]["request_key"].value()
    data = {"what": "export", "through": "store", "checked": "document"}
    answer = client.post(page, {**data, "request_key": key, "is_sure": "on"})
    assert answer.status_code == 302
    rights_run(tenant=acme)
    packed = client.post(answer.url, {"act": "fetch"}).content
    data = json.loads(zipfile.ZipFile(BytesIO(packed)).read("data.json"))
    return next(one for one in data["memberships"] if number in json.dumps(one))


@pytest.fixture
def planted(acme, load, switch):
    """Spa has Ann in brand-max. Tea has a row with her phone and one with nobody's."""
    switch("brand_max", "spa")
    load("members", HEAD + f"S1,Ann Lee,{VICTIM},2024-01-02\n", brand="spa")
    # Known already, and given the phones by a correction of its own.
    load(
        "members", HEAD + "T-ASKED,Xi,13911111111,2024-01-02\nT-NOBODY,Yi,13922222222,2024-01-02\n"
    )
    load("members", HEAD + f"T-ASKED,Xi,{VICTIM},2024-01-02\nT-NOBODY,Yi,13933333333,2024-01-02\n")


def test_a_copy_tells_a_brand_nothing_of_a_closed_siblings_members(planted, acme, visit, cast):
    asked = copy_of(acme, visit, cast.brand_manager, "T-ASKED")
    nobody = copy_of(acme, visit, cast.brand_manager, "T-NOBODY")
    # The twin: both are in full what tea holds.
    assert asked["contact"]
    assert nobody["contact"]
    assert asked["joined"] == nobody["joined"]


def test_hqs_copy_tells_it_nothing_of_a_closed_brands_members(planted, acme, visit, cast):
    asked = copy_of(acme, visit, cast.group_admin, "T-ASKED")
    nobody = copy_of(acme, visit, cast.group_admin, "T-NOBODY")
    assert asked["joined"] == nobody["joined"]


def test_a_copy_still_says_what_the_brands_own_rows_joined(acme, load, visit, cast):
    load("members", HEAD + "T-1,Xi,13911111111,2024-01-02\nT-2,Yi,13922222222,2024-01-02\n")
    load("members", HEAD + "T-2,Yi,13911111111,2024-01-02\n")
    found = [copy_of(acme, visit, cast.brand_manager, one)["joined"] for one in ("T-1", "T-2")]
    assert any(found)
