"""A brand's own export ends when a sibling erases somebody who is in it: so the brand is told."""

from __future__ import annotations

import pytest
from django.urls import reverse

from brands.wall import scope
from members.exports.job import export_run
from members.exports.services import export_create
from members.models import ExportJob, Profile
from members.rights.work import rights_run
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,registered_on\n"


@pytest.fixture
def exported(acme, load, switch, seeing, cast):
    """Return bakery's export of Ann alone, whom tea, in brand-max, has as well."""
    switch("brand_max", "tea")
    switch("brand_max", "bakery")
    load("members", HEAD + "T1,Ann Lee,13800000001,2024-01-02\nT2,Xi,13911111111,2024-01-02\n")
    load("members", HEAD + "B1,Ann Lee,13800000001,2024-01-02\n", brand="bakery")
    with seeing(cast.sibling_manager) as opened:
        job = export_create(filters={}, visible=opened.visible, acting_user=cast.sibling_manager)
    return export_run(tenant=acme, job_id=job.pk, grant_id=job.grant_id)


def ask(acme, visit, person, number: str) -> None:
    """Ask by the page for a member to be erased."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no=number).pk
    client, page = visit(person), reverse("members:rights_new", args=[pk])
    key = client.get(page).context["form"]["request_key"].value()
    data = {"what": "erasure", "through": "store", "checked": "document", "request_key": key}
    assert client.post(page, {**data, "is_sure": "on"}).status_code == 302


def erase(acme, visit, person, number: str) -> None:
    """Have a member erased by the page."""
    ask(acme, visit, person, number)
    rights_run(tenant=acme)


@pytest.mark.parametrize("number", ["T2", "T1"])
def test_no_export_of_a_brands_own_members_tells_of_a_siblings_erasure(
    acme, exported, visit, cast, number
):
    assert exported.state == ExportJob.State.DONE
    erase(acme, visit, cast.brand_manager, number)
    page = visit(cast.sibling_manager).get(reverse("members:exports")).content.decode()
    assert "was erased since" not in page
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert ExportJob.objects.get(pk=exported.pk).state == ExportJob.State.DONE


def test_ones_own_erasure_takes_the_file_away(acme, exported, visit, cast):
    erase(acme, visit, cast.sibling_manager, "B1")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert ExportJob.objects.get(pk=exported.pk).state == ExportJob.State.OUTDATED


def test_no_file_of_a_brand_is_looked_through_for_whom_a_sibling_erases_in_the_same_lot(
    acme, load, switch, visit, cast, monkeypatch
):
    """Bakery has a request of its own in the lot, which is one transaction."""
    monkeypatch.setattr("members.tasks.run_rights.apply_async", lambda *args, **kwargs: None)
    for brand in ("tea", "bakery"):
        switch("brand_max", brand)
    load("members", HEAD + "T1,Ann,13800000001,2024-01-02\n")
    load("members", HEAD + "B1,Bo,13900000009,2024-01-02\n", brand="bakery")
    # Rejected rows of bakery's own: a phone that tea's member has, one of nobody's, and its own.
    rows = "B2,Xi,13800000001,no day\nB3,Yi,13911111111,no day\nB4,Zi,13900000009,no day\n"
    job = load("members", HEAD + rows, brand="bakery")
    file = reverse("members:import_rejected", args=[job.pk])

    def rejected() -> bytes:
        return b"".join(visit(cast.sibling_manager).get(file).streaming_content)

    assert all(number in rejected() for number in (b"B2", b"B3", b"B4"))
    ask(acme, visit, cast.sibling_manager, "B1")
    ask(acme, visit, cast.brand_manager, "T1")
    rights_run(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.exists()
    assert b"B2" in rejected()
    assert b"B3" in rejected()
    assert b"B4" not in rejected()
