"""What HQ learns alone of members whom the mode, or their not having agreed, keeps from it."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from brands.changes.figures import Cutter
from brands.changes.preview import count_change
from brands.models import Brand, Notice
from brands.modes import Mode
from brands.wall import scope
from members import retention
from members.imports.sources import source_create
from members.models import AnswerMetric, BrandStratumRule, Profile, StratumMetric
from members.segment_services import segment_create
from members.segments import Filter, segments_of, shown
from members.services import answers_record, consent_record, consent_withdraw
from members.tests.attacks import HEAD, NOBODYS, THEIRS, count_anew
from members.tests.test_attacks import hand_in
from tenants import audit_chain
from tenants.context import tenant_transaction
from tenants.models import AuditEvent


def fifty(load, acme):
    """Give the bakery 52 members: 21 agree, one of them with THEIRS; 20 said no; 11 never did."""
    rows = "".join(f"B{n},Other,137001370{n:02},\n" for n in range(51))
    load("members", f"{HEAD}B99,Victim,{THEIRS},\n{rows}", brand="bakery")
    at = timezone.now() - dt.timedelta(hours=5)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        people = Profile.objects.in_bulk(field_name="pk").values()
        by_no = {one.member_no: one for one in people}
        notice = Notice.objects.get()
        agree = [by_no["B99"], *(by_no[f"B{n}"] for n in range(20))]
        for one in agree:
            consent_record(profile=one, notice=notice, is_given=True, acting_user=None, at=at)
        for n in range(20, 40):
            consent_withdraw(profile=by_no[f"B{n}"], acting_user=None, at=at)


def _file(acme, user, **line):
    assert hand_in(user, to_group=True, **line).status_code == 202
    answers_record(tenant=acme)
    count_anew(acme)


def _by(phone):
    return {"identity": {"kind": "phone", "value": phone}}


def test_hq_learns_by_no_answer_of_its_own_who_is_a_member_of_a_closed_brand(
    acme,
    cast,
    load,
    switch,
    visit,
    seeing,
):
    """A no to the group by somebody's phone, then the notice's page: one yes less, or not."""
    fifty(load, acme)
    count_anew(acme)
    with tenant_transaction(acme):
        number = Notice.objects.get().pk

    def page_of(who: str):
        return visit(getattr(cast, who)).get(f"/notices/{number}/")

    def told(who: str) -> int | None:
        people = page_of(who).context["people"]
        return {one.code: n for one, n in people}.get("bakery", 0)

    # The controls: HQ reads them in member-max, the brand always.
    assert told("group_admin") == told("sibling_manager") == 21
    switch(Mode.BRAND_MAX)
    count_anew(acme)
    seen = []
    for phone in (NOBODYS, THEIRS):
        _file(acme, cast.group_admin, answer="no", **_by(phone))
        seen.append((told("group_admin"), told("sibling_manager")))
    assert seen == [(None, 21), (None, 20)]
    assert "tells its figures of answers and of strata to nobody" in str(
        page_of("group_admin").content
    )
    with seeing(cast.group_admin):
        assert not AnswerMetric.objects.exists()


def test_hq_learns_by_no_objection_who_is_a_member_of_a_closed_brand(
    acme,
    cast,
    load,
    switch,
    seeing,
):
    """The same by an objection to the group, and the figures of strata."""
    fifty(load, acme)
    switch(Mode.BRAND_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        BrandStratumRule.objects.create(
            brand=Brand.objects.get(code="bakery"),
            favourable_orders=1,
            true_love_orders=2,
            decided_by_name="test",
        )
        Profile.objects.filter(member_no__in=[f"B{n}" for n in range(20, 35)]).update(
            no_automation=True
        )
    count_anew(acme)

    def told(who: str) -> list[tuple]:
        with seeing(getattr(cast, who)):
            rows = StratumMetric.objects.filter(brand__code="bakery")
            return list(rows.values_list("without", "passerby"))

    seen = [(told("group_admin"), told("sibling_manager"))]
    for phone in (NOBODYS, THEIRS):
        _file(acme, cast.group_admin, answer="objects", **_by(phone))
        seen.append((told("group_admin"), told("sibling_manager")))
    assert seen == [([], [(15, 37)]), ([], [(15, 37)]), ([], [(16, 36)])]
    # The control: the same rows in member-max.
    switch(Mode.MEMBER_MAX)
    assert told("group_admin") == told("sibling_manager")


def test_a_preview_does_not_let_hq_ask_about_one_member_who_did_not_agree(
    acme,
    cast,
    load,
    switch,
    seeing,
):
    """In fan-max HQ reads who agreed; a segment and a draft count who did not, one at a time."""
    switch(Mode.FAN_MAX)
    rows = "".join(f"B{n},Other,1370013700{n},\n" for n in range(5))
    load("members", HEAD + rows, brand="bakery")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        bakery = Brand.objects.get(code="bakery").pk
        Profile.objects.filter(member_no="B3").update(
            registered_on=dt.date(2026, 3, 8), orders=7, sales=100
        )
    asked = Filter(brand_id=bakery, since=dt.date(2026, 3, 8), has_orders=True)
    with seeing(cast.group_admin) as opened:
        segment_create(owner=None, name="probe", asked=asked, acting_user=cast.group_admin)
        assert [one.count for one in shown(segments_of(opened.visible), opened.visible)] == [0]
    with tenant_transaction(acme), scope.bulk(reason="test"):
        result = count_change(
            brand_id=None, mode=Mode.MEMBER_MAX, at=None, cutter=Cutter(frozenset(), acme.k)
        ).result
    lines = [row for row in result["affected"] if "probe" in row["words"]]
    assert [(row["count"], row["after"]) for row in lines] == [(None, None)]
    assert "Not counted: members of Bakery" in lines[0]["words"]
    # The control: in member-max HQ reads that member itself, and a preview counts it.
    switch(Mode.MEMBER_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        result = count_change(
            brand_id=None, mode=Mode.FAN_MAX, at=None, cutter=Cutter(frozenset(), acme.k)
        ).result
    lines = [row for row in result["affected"] if "probe" in row["words"]]
    assert [(row["count"], row["after"]) for row in lines] == [(1, 0)]


AUDIT = "/admin/tenants/auditevent/"


def test_the_audit_tells_hq_no_name_and_no_count_of_a_closed_brand(
    acme, cast, load, switch, visit, seeing
):
    switch("brand_max", "spa")
    load("members", "member_no,name\n" + "".join(f"T{n},\n" for n in range(12)))
    load("members", "member_no,name\nS1,\n", brand="spa")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        Profile.objects.update(created_at=timezone.now() - dt.timedelta(days=90))
        for code, name in (("spa", "Oncology clinic"), ("tea", "Teahouse desk")):
            brand = Brand.objects.get(code=code)
            source_create(brand=brand, name=name, acting_user=cast.sibling_manager)
    with seeing(cast.group_admin):
        retention.rule_set(purpose="inactive", days=30, acting_user=cast.group_admin)
    retention.retention_count(tenant=acme)
    with seeing(cast.second_admin):
        retention.rule_approve(purpose="inactive", acting_user=cast.second_admin)
    assert retention.retention_run(tenant=acme) == 13
    client = visit(cast.group_admin)
    events = AuditEvent.objects.filter(tenant=acme)
    source = events.get(target_name="Oncology clinic")
    run = events.get(action="retentionrule.run")

    def pages() -> dict[str, str]:
        found = {
            name: client.get(path).content.decode()
            for name, path in {
                "list": AUDIT,
                "event": f"{AUDIT}{source.pk}/change/",
                "run": f"{AUDIT}{run.pk}/change/",
                "search": f"{AUDIT}?q=Oncology",
            }.items()
        }
        answer = client.get(f"{AUDIT}export/?part=1")
        return {**found, "file": b"".join(answer.streaming_content).decode("utf-8-sig")}

    closed = pages()
    assert not [name for name, page in closed.items() if "Oncology clinic" in page]
    assert all("Teahouse desk" in closed[name] for name in ("list", "file"))
    assert "<ins>12</ins>" in closed["run"]
    assert '""rows"": ["""", 12]' in closed["file"]
    # That it happened, and what kind of act it was, is told; neither its row nor its file's name.
    assert "import_source.create" in closed["event"]
    assert "of a brand in brand-max: not told" in closed["list"]
    assert "members-2.csv" not in closed["file"]
    # Nothing is found by what is not told.
    answer = client.get(f"{AUDIT}?target_name__startswith=Onco")
    assert answer.status_code != 200
    assert audit_chain.verify(acme.pk).is_whole
    # The twin: an open brand's.
    switch("", "spa")
    opened = pages()
    assert all("Oncology clinic" in page for name, page in opened.items() if name != "run")
    assert "<ins>13</ins>" in opened["run"]
