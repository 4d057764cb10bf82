"""A certificate's count of answers to the group tells whether a sibling has a phone."""

from __future__ import annotations

import pytest
from django.urls import reverse

from brands.wall import scope
from members.consents.entries import answer_enter, answers_record
from members.models import Profile
from members.rights.work import rights_run
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,registered_on\n"
ASKED, NOBODYS = "13800000001", "13911111111"


@pytest.fixture
def planted(acme, load, switch, seeing, cast):
    """HQ has filed a no for two phones; spa, in brand-max, has a member with one of them."""
    switch("brand_max", "spa")
    load("members", HEAD + f"S1,Ann Lee,{ASKED},2024-01-02\n", brand="spa")
    for phone in (ASKED, NOBODYS):
        with seeing(cast.group_admin) as opened:
            answer_enter(
                visible=opened.visible,
                what="no",
                acting_user=cast.group_admin,
                identity=("phone", phone),
                to_group=True,
                tells_worker=False,
            )
    answers_record(tenant=acme)
    # Tea's two rows are made up for the question.
    load("members", HEAD + f"T1,Xi,{ASKED},2024-01-02\nT2,Yi,{NOBODYS},2024-01-02\n")


def counts_of(acme, visit, person, number: str) -> dict[str, int]:
    """Have a member erased by the page, and return what its certificate counts."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no=number).pk
    client, page = visit(person), reverse("members:rights_new", args=[pk])
    key = client.get(page).context["form"]["request_key"].value()
    data = {"what": "erasure", "through": "store", "checked": "document", "request_key": key}
    answer = client.post(page, {**data, "is_sure": "on"})
    assert answer.status_code == 302
    rights_run(tenant=acme)
    return client.get(answer.url + "?certificate").json()["counts"]


def test_no_certificate_tells_whether_a_sibling_has_a_phone(planted, acme, visit, cast):
    asked = counts_of(acme, visit, cast.brand_manager, "T1")
    nobodys = counts_of(acme, visit, cast.brand_manager, "T2")
    # The twin: what tea itself had of each was erased and counted.
    for counts in (asked, nobodys):
        assert counts["members.Profile"] == counts["members.Contact"] == 1
    assert asked == nobodys
