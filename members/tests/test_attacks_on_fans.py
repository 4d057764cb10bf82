"""The number of a fan is the key of their phone: whoever can make one can tell whose others are."""

from __future__ import annotations

import json

from brands.models import Notice
from brands.wall import scope
from members.consents.ledger import consent_record
from members.intake.applying import intake_apply
from members.models import Profile
from members.tests.tokens import program
from tenants.context import tenant_transaction

AT = "2026-11-01T10:00:00+08:00"


def fans(client, acme, *phones: str) -> None:
    """Hand in an event of somebody with each phone, who becomes a fan."""
    lines = [
        {
            "type": "event",
            "event": "scan",
            "id": f"e-{phone}",
            "at": AT,
            "identity": {"kind": "phone", "value": phone},
            "create": True,
        }
        for phone in phones
    ]
    response = client.generic(
        "POST",
        "/api/v1/batch/",
        "\n".join(map(json.dumps, lines)).encode(),
        content_type="application/x-ndjson",
        headers={"idempotency-key": f"fans {phones}"},
    )
    assert response.json()["accepted"] == len(phones)
    intake_apply(tenant=acme)


def test_a_fans_number_does_not_tell_a_sibling_whose_phone_it_is(acme, cast, switch):
    switch("fan_max")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        # They agreed that their profile is shown; not how to reach them.
        Notice.objects.update(covers_contact=False)
    tea = program(cast.brand_manager.acting_grant)
    bakery = program(cast.sibling_manager.acting_grant)
    fans(bakery, acme, "13800000001", "13800000002")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        for profile in Profile.objects.all():
            consent_record(
                profile=profile, notice=Notice.objects.get(), is_given=True, acting_user=None
            )
    # Whom tea has a list of: one of bakery's, and somebody else.
    fans(tea, acme, "13800000001", "13999999999")
    shown = tea.get("/api/v1/members/").json()["members"]
    theirs = [one for one in shown if one["brand"] == "bakery"]
    own = {one["member_no"] for one in shown if one["brand"] == "tea"}
    # The twin: tea sees both fans, and no contact data of theirs.
    assert len(theirs) == 2
    assert [one["masked"] for one in theirs] == [None, None]
    assert not own & {one["member_no"] for one in theirs}
