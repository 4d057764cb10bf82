"""By plain SQL a brand names a closed sibling's member, and HQ is handed the request as its own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from brands.models import Brand
from brands.wall import scope
from members.models import GroupPersonRequest, PersonRequest, Profile
from members.rights.work import rights_run
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone\n"


@pytest.mark.parametrize(("number", "handed"), [("T1", 1), ("S1", 0)])
def test_only_a_member_of_its_own_is_handed_on_by_a_brand(
    acme, load, switch, seeing, cast, number, handed
):
    switch("brand_max", "spa")
    load("members", HEAD + "T1,Ann,13800000001\n")
    load("members", HEAD + "S1,Bo,13800000002\n", brand="spa")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no=number).pk
        tea = Brand.objects.get(code="tea").pk
    with seeing(cast.brand_manager):
        PersonRequest.objects.bulk_create(
            [
                PersonRequest(
                    brand_id=tea,
                    what="restriction",
                    profile_id=pk,
                    received_through="store",
                    checked="document",
                    due_at=timezone.now(),
                    is_for_group=True,
                    entered_by=cast.brand_manager,
                    grant_id=cast.brand_manager.acting_grant.pk,
                )
            ]
        )
    rights_run(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert GroupPersonRequest.objects.count() == handed
