"""Retention: what would go is counted first, a second admin approves, then it goes."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import settings
from django.utils import timezone

from brands.models import Brand, Notice
from brands.wall import scope
from members import retention
from members.figures import compare
from members.models import (
    Consent,
    Event,
    ImportJob,
    Order,
    Profile,
    RetentionCertificate,
    RetentionCount,
    RetentionRule,
)
from members.models.retention import Purpose
from members.rights import certificates
from members.rights.errors import RightsRefused
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

MEMBERS = """member_no,name,phone,registered_on,consent,consented_on
OLD,Old One,13800000001,2020-01-02,,
SAYS,Says Yes,13800000002,2020-01-02,1,2026-11-21
NEW,New One,13800000003,2026-11-01,,
"""
ORDERS = """order_no,line_no,member_no,ordered_at,product_name,amount
O1,1,OLD,2021-01-02,Tea,10.00
O2,1,SAYS,2021-01-02,Tea,20.00
O3,1,SAYS,2026-11-02,Tea,30.00
"""


@pytest.fixture
def old_acme(acme, load):
    """Return acme with members, orders and events of long ago and of today."""
    load("members", MEMBERS)
    load("orders", ORDERS)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        Profile.objects.update(created_at=timezone.now() - dt.timedelta(days=2000))
        old = Profile.objects.get(member_no="OLD")
        says = Profile.objects.get(member_no="SAYS")
        for number, days in enumerate((900, 1)):
            Event.objects.create(
                brand=tea,
                notice_id=says.notice_id,
                profile=says,
                what="view",
                source="site",
                event_id=str(number),
                occurred_at=timezone.now() - dt.timedelta(days=days),
            )
        # A notice whose months of keeping have passed, and nobody said yes to another.
        short = Notice.objects.create(version="short", title="Short", retention_months=1)
        Consent.objects.create(
            brand=tea,
            profile=old,
            person=old.person,
            answered_notice=short,
            is_given=True,
            answered_at=timezone.now() - dt.timedelta(days=1900),
        )
    return acme


def test_rules_take_what_they_count_and_nothing_before_a_second_admin_approves(
    old_acme, cast, seeing, visit
):
    def counts(who) -> dict[str, int]:
        with seeing(who):
            rows = RetentionCount.objects.exclude(about="counted")
            return dict(rows.values_list("about", "rows"))

    wanted = ((Purpose.EVENTS, 730), (Purpose.ORDERS, 1095), (Purpose.INACTIVE, 1095))
    for purpose, days in wanted:
        with seeing(cast.group_admin):
            retention.rule_set(purpose=purpose, days=days, acting_user=cast.group_admin)
    assert retention.retention_run(tenant=old_acme) == 0
    with seeing(cast.second_admin), pytest.raises(RightsRefused, match="counted"):
        retention.rule_approve(purpose=Purpose.EVENTS, acting_user=cast.second_admin)
    # The page follows a count that was asked for until it is done.
    asked = visit(cast.group_admin).post("/retention/", {"act": "count"})["Location"]
    assert "being counted" in visit(cast.group_admin).get(asked).content.decode()
    for place in ("/retention/", "/retention/?asked=1", "/retention/?asked=9e9"):
        assert "being counted" not in visit(cast.group_admin).get(place).content.decode()
    retention.retention_count(tenant=old_acme)
    assert "being counted" not in visit(cast.group_admin).get(asked).content.decode()
    with tenant_transaction(old_acme):
        short = Notice.objects.get(version="short").pk
    found = {"events": 1, "orders": 2, "inactive": 1, f"notice:{short}": 1}
    assert counts(cast.brand_manager) == counts(cast.group_admin) == found
    assert counts(cast.sibling_manager) == {}
    page = visit(cast.group_admin).get("/retention/").content.decode()
    assert "waits for a second admin" in page
    with seeing(cast.group_admin), pytest.raises(RightsRefused, match="Whoever set"):
        retention.rule_approve(purpose=Purpose.EVENTS, acting_user=cast.group_admin)
    assert retention.retention_run(tenant=old_acme) == 0
    for purpose, _days in wanted:
        with seeing(cast.second_admin):
            retention.rule_approve(purpose=purpose, acting_user=cast.second_admin)
    assert retention.retention_run(tenant=old_acme) == 4
    with tenant_transaction(old_acme), scope.bulk(reason="test"):
        assert set(Profile.objects.values_list("member_no", flat=True)) == {"SAYS", "NEW"}
        # What was sold stays; only the last order still says by whom it was bought.
        orders = Order.objects.order_by("order_no").values_list("amount", "profile__member_no")
        assert list(orders) == [(1000, None), (2000, None), (3000, "SAYS")]
        assert Profile.objects.get(member_no="SAYS").sales == 3000
        assert Event.objects.count() == 1
        assert AuditEvent.objects.filter(action="retentionrule.run").count() == 3
        assert AuditEvent.objects.filter(action="personrequest.certify").count() == 1
        certificate = RetentionCertificate.objects.get()
        assert certificate.content["counts"] == {"members.Profile": 1}
        assert certificates.fault(certificate.content, tenant=old_acme) == ""
    place = f"/retention/?certificate={certificate.number}"
    for who in (cast.group_admin, cast.brand_manager):
        assert certificate.number in visit(who).get("/retention/").content.decode()
        assert visit(who).get(place).json() == certificate.content
    assert certificate.number not in visit(cast.sibling_manager).get("/retention/").content.decode()
    assert visit(cast.sibling_manager).get(place).status_code == 404
    assert {name: n for name, n in compare(tenant=old_acme).items() if n} == {}
    assert retention.retention_run(tenant=old_acme) == 0
    retention.retention_count(tenant=old_acme)
    assert counts(cast.brand_manager) == {}


def test_who_comes_back_while_retention_waits_its_turn_stays(old_acme, cast, seeing, monkeypatch):
    with seeing(cast.group_admin):
        retention.rule_set(purpose=Purpose.INACTIVE, days=1095, acting_user=cast.group_admin)
    retention.retention_count(tenant=old_acme)
    with seeing(cast.second_admin):
        retention.rule_approve(purpose=Purpose.INACTIVE, acting_user=cast.second_admin)
    wait = retention.hold

    def hold(cursor, profiles):
        # An import held the brand, and brought a visit.
        Event.objects.filter(event_id="1").update(profile_id=profiles[0])
        return wait(cursor, profiles)

    monkeypatch.setattr(retention, "hold", hold)
    assert retention.retention_run(tenant=old_acme) == 0
    with tenant_transaction(old_acme), scope.bulk(reason="test"):
        assert Profile.objects.filter(member_no="OLD").exists()


def test_a_rule_is_approved_also_where_every_brand_keeps_its_counts_to_itself(
    old_acme, cast, seeing, switch, visit
):
    switch("brand_max")
    with seeing(cast.group_admin):
        retention.rule_set(purpose=Purpose.EVENTS, days=730, acting_user=cast.group_admin)
    asked = visit(cast.group_admin).post("/retention/", {"act": "count"})["Location"]
    assert "being counted" not in visit(cast.group_admin).get(asked).content.decode()
    with seeing(cast.second_admin):
        retention.rule_approve(purpose=Purpose.EVENTS, acting_user=cast.second_admin)
    assert retention.retention_run(tenant=old_acme) == 1


def test_what_holds_contact_data_in_clear_is_kept_shorter_but_never_longer(
    old_acme, cast, seeing, importer
):
    waiting = importer.create("members", MEMBERS, is_mapped_later=True)
    place = f"{settings.MEDIA_ROOT}/{waiting.path}"
    with seeing(cast.group_admin):
        for days in (None, 8):
            with pytest.raises(RightsRefused, match="at most"):
                retention.rule_set(purpose=Purpose.UPLOADS, days=days, acting_user=cast.group_admin)
        assert not RetentionRule.objects.exists()
        retention.rule_set(purpose=Purpose.UPLOADS, days=2, acting_user=cast.group_admin)
    assert retention.retention_run(tenant=old_acme) == 0
    ImportJob.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - dt.timedelta(days=3))
    assert open(place).read()  # noqa: SIM115
    assert retention.retention_run(tenant=old_acme) == 1
    waiting.refresh_from_db()
    assert waiting.state == ImportJob.State.CANCELLED
    with pytest.raises(FileNotFoundError):
        open(place)  # noqa: SIM115
