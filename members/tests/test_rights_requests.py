"""What people ask of their data: who may take it, what is done, and who is told what."""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from brands.wall import scope
from members import contacts, segments
from members.figures import compare
from members.keys import group_keys
from members.models import (
    ConsentEvidence,
    Contact,
    ErasedIdentifier,
    GroupPersonRequest,
    GroupStratumRule,
    IdentityLink,
    MaskedContact,
    Order,
    PersonRequest,
    Profile,
)
from members.rights import certificates, copies, erasure, files
from members.rights.places import PLACES, How
from members.rights.work import rights_run
from members.rollups import finish_pending, is_unfinished, note_unfinished
from members.services import consent_withdraw, objection_record
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Tenant
from tenants.provisioning import tenant_models

ANN = "member_no,name,phone,email,registered_on,consent,consented_on\n{no},Ann Lee,13800000001,"
ANN += "ann@example.com,2024-01-02,{answer}\n"
ORDER = "order_no,line_no,member_no,ordered_at,product_name,amount\nO1,1,T1,2026-11-01,Tea,10.00\n"


class World:
    """Acme with Ann in tea and in bakery, and what hands in requests about her."""

    def __init__(self, tenant, cast, visit) -> None:
        self.tenant, self.cast, self.visit = tenant, cast, visit

    @contextmanager
    def bulk(self):
        with tenant_transaction(self.tenant), scope.bulk(reason="test"):
            yield

    def profile(self, brand: str) -> Profile:
        with self.bulk():
            return Profile.objects.get(brand__code=brand)

    def ask(self, who: str, profile: Profile, what: str, **fields: str):
        """Hand a request in through the page, as a person; return the answer."""
        client = self.visit(getattr(self.cast, who))
        page = reverse("members:rights_new", args=[profile.pk])
        form = client.get(page)
        if form.status_code != 200:
            return form
        key = form.context["form"]["request_key"].value()
        data = {"what": what, "through": "store", "checked": "document", "request_key": key}
        return client.post(page, {**data, "is_sure": "on", **fields})

    def do(self, who: str, brand: str, what: str, **fields: str) -> str:
        """Have a request done; return the address of its page."""
        answer = self.ask(who, self.profile(brand), what, **fields)
        assert answer.status_code == 302
        rights_run(tenant=self.tenant)
        return answer.url


@pytest.fixture
def world(acme, cast, visit, load):
    """Return acme with Ann in tea and in bakery: one person, who agreed in both."""
    load("members", ANN.format(no="T1", answer="1,2026-11-21"))
    load("members", ANN.format(no="B1", answer="1,2026-11-21"), brand="bakery")
    load("orders", ORDER)
    return World(acme, cast, visit)


def test_every_table_that_knows_a_person_says_how_it_is_erased():
    knowing = {Profile, Profile._meta.get_field("person").related_model}
    models, grown = tenant_models(), 0
    while grown != len(knowing):
        grown = len(knowing)
        knowing |= {
            model
            for model in models
            for field in model._meta.concrete_fields
            if field.related_model in knowing
            or field.name in {"profile_id", "person_id", "sealed", "member_no", "identity_key"}
        }
    named = {one.label for one in PLACES}
    assert {model._meta.label for model in knowing} - named == set()
    assert all(one.why for one in PLACES if one.how in (How.STAYS, How.EMPTIED))


def test_a_brand_erases_its_member_and_a_siblings_stays(world, load, visit, cast):
    with world.bulk():
        before = Contact.objects.get(profile__brand__code="bakery").sealed
    page = world.do("brand_manager", "tea", "erasure")
    with world.bulk():
        left = Profile.objects.get()
        assert left.brand.code == "bakery"
        assert left.notice_id is not None
        assert (left.contact.sealed, MaskedContact.objects.count()) == (before, 1)
        assert IdentityLink.objects.filter(profile=left).count() == 2
        assert (Order.objects.get().profile_id, Order.objects.get().amount) == (None, 1000)
        assert ConsentEvidence.objects.count() == 1
        # Neither phone nor e-mail is another tea member's: both and the number are remembered.
        assert ErasedIdentifier.objects.count() == 3
        request = PersonRequest.objects.get()
        # What a sibling has of her would show in identities that went or stayed.
        assert set(request.certificate["counts"]) == {
            *("members.Profile", "members.Contact", "members.MaskedContact"),
            *("members.Consent", "members.IdentityLink", "orders kept without the person"),
        }
    assert b"erased" in visit(cast.brand_manager).get(page).content
    # The old file does not bring her back; under a later registration she comes as anybody.
    again = load("members", ANN.format(no="T1", answer=","))
    assert (again.rows_created, again.rows_rejected) == (0, 1)
    other = load("members", ANN.format(no="T2", answer=",").replace("2024-01-02", "2026-01-01"))
    assert other.rows_rejected == 1
    with world.bulk():
        ErasedIdentifier.objects.update(erased_on="2025-01-01")
    back = load("members", ANN.format(no="T3", answer=",").replace("2024-01-02", "2025-01-02"))
    assert (back.rows_created, back.rows_rejected) == (1, 0)
    # Her old order stays nobody's.
    assert load("orders", ORDER.replace("T1", "T3")).rows_rejected == 1


def test_an_erasure_opens_nothing_that_a_no_had_closed(world):
    with world.bulk():
        tea = Profile.objects.get(brand__code="tea")
        consent_withdraw(profile=tea, acting_user=None)
        objecting = {"is_objecting": True, "acting_user": None}
        objection_record(profile=tea, **objecting)
    assert world.profile("bakery").notice_id is None
    world.do("brand_manager", "tea", "erasure")
    left = world.profile("bakery")
    assert (left.notice_id, left.no_automation) == (None, True)


def test_hq_acts_on_what_the_wall_shows_and_brands_are_asked_for_the_rest(
    world, switch, visit, cast
):
    switch("brand_max", "bakery")
    assert world.ask("group_admin", world.profile("bakery"), "erasure").status_code == 404
    page = world.do("group_admin", "tea", "erasure")
    with world.bulk():
        assert Profile.objects.get().brand.code == "bakery"
        asked = PersonRequest.objects.get()
        assert (asked.brand.code, asked.state, asked.checked) == ("bakery", "received", "")
        assert GroupPersonRequest.objects.get().certificate["counts"]["members.Profile"] == 1
    hq, bakery = visit(cast.group_admin), visit(cast.sibling_manager)
    assert hq.get(page).status_code == 200
    own = f"/rights/{asked.pk}/"
    assert [client.get(own).status_code for client in (hq, bakery)] == [404, 200]
    assert visit(cast.brand_manager).get(own).status_code == 404
    # The brand checks for itself, and does it.
    bakery.post(own, {"act": "check", "checked": "code"})
    rights_run(tenant=world.tenant)
    with world.bulk():
        assert Profile.objects.count() == 0
    # A change of mode hides no request from HQ.
    switch("member_max", "bakery")
    rights_run(tenant=world.tenant)
    assert hq.get(page).status_code == 200


def test_hq_erases_a_person_whole_in_a_transaction_that_resolved_nobody_before(world):
    # What the import staged in the test's own transaction is not there in one of the worker's.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class "
            "WHERE relkind = 'r' AND relpersistence = 't' AND pg_table_is_visible(oid)"
        )
        cursor.execute(f"DROP TABLE {cursor.fetchone()[0]}")
    world.do("group_admin", "tea", "erasure")
    with world.bulk():
        request = GroupPersonRequest.objects.get()
        assert request.state == "done"
        assert request.certificate["counts"]["members.Profile"] == 2
        assert Profile.objects.count() == 0


def test_a_brand_hands_a_request_on_and_hears_no_more_of_it(world, visit, cast):
    world.do("brand_manager", "tea", "restriction", is_for_group="on")
    hq = visit(cast.group_admin)
    with world.bulk():
        handed = GroupPersonRequest.objects.get()
    page = f"/rights/group/{handed.pk}/"
    assert visit(cast.brand_manager).get(page).status_code == 404
    hq.post(page, {"act": "check", "checked": "code"})
    rights_run(tenant=world.tenant)
    assert world.profile("bakery").is_restricted
    with world.bulk():
        assert PersonRequest.objects.count() == 1


def test_a_copy_holds_everything_and_is_handed_out_once_to_who_asked(world, visit, cast):
    page = world.do("brand_manager", "tea", "export")
    assert visit(cast.sibling_manager).get(page).status_code == 404
    assert visit(cast.unit_manager).post(page, {"act": "fetch"}).status_code == 302
    client = visit(cast.brand_manager)
    with world.bulk():
        kept = Path(settings.MEDIA_ROOT) / PersonRequest.objects.get().path
    assert b"Ann" not in kept.read_bytes()
    answer = client.post(page, {"act": "fetch"})
    archive = zipfile.ZipFile(BytesIO(answer.content))
    text = archive.read("index.html").decode()
    data = json.loads(archive.read("data.json"))
    (membership,) = data["memberships"]
    assert {one["name"]: one["value"] for one in membership["contact"]} == {
        "name": "Ann Lee",
        "phone": "+8613800000001",
        "email": "ann@example.com",
    }
    tables = {one["name"] for one in membership["tables"]}
    assert {"members.Consent", "members.Order", "members.OrderLine", "members.Profile"} <= tables
    assert "Ann Lee" in text
    assert "O1" in text
    # The page is for people: amounts as money, and none of the system's own bookkeeping.
    assert "¥" in text
    assert "source rank" in json.dumps(data)
    assert "source rank" not in text
    assert "B1" not in text + json.dumps(data)
    assert membership["notices"][0]["version"] == "1"
    assert not kept.exists()
    assert client.post(page, {"act": "fetch"}).status_code == 302


def test_an_erasure_waits_for_a_chunk_where_that_waits_for_nobody(world):
    pk = world.profile("tea").pk
    with world.bulk(), CaptureQueriesContext(connection) as told, connection.cursor() as cursor:
        erasure.hold(cursor, [pk])
    said = [query["sql"] for query in told]
    rows = next(n for n, sql in enumerate(said) if "members_importjob" in sql)
    assert "FOR UPDATE" in said[rows]
    assert all(n > rows for n, sql in enumerate(said) if "pg_advisory" in sql)
    assert any("pg_advisory" in sql for sql in said)


def test_a_certificate_s_number_is_kept_whatever_the_group_is_called():
    name = "g" * Tenant._meta.get_field("schema_name").max_length
    longest = PersonRequest._meta.get_field("certificate_no").max_length
    number = certificates.fresh_number(Tenant(schema_name=name))
    assert len(number) <= longest
    assert len(number.rpartition("-")[2]) == 16


def test_an_upload_of_any_size_is_looked_through_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK", 5)
    path, texts = tmp_path / "up.csv", frozenset({"+8613800000001", "张伟"})
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        for told in ("李娜,138 0000 0001\r\n", "李娜;x\n张伟;y", "'13800000001"):
            path.write_bytes(f"姓名,手机\n{told}".encode(encoding))
            assert files._holds(path, texts)
        path.write_bytes("姓名,手机\n李娜,13800000002\n张伟一,138000000011\n".encode(encoding))
        assert not files._holds(path, texts)
    # What cannot be read may hold anybody.
    path.write_bytes(b"\xff\xff\xff")
    assert files._holds(path, texts)


def test_a_copy_says_of_a_rule_what_it_asks_and_no_more():
    rule = GroupStratumRule(
        favourable_orders=1, true_love_orders=6, true_love_sales=30_000, true_love_days=90
    )
    assert copies.rule_words(rule) == (
        "Favourable: at least 1 order; True-love: at least 6 orders, sales of at least ¥300.00, "
        "the last order within 90 days"
    )


def test_hqs_copy_holds_no_contact_that_the_mode_keeps_from_it(world, visit, cast):
    page = world.do("group_admin", "tea", "export")
    answer = visit(cast.group_admin).post(page, {"act": "fetch"})
    data = zipfile.ZipFile(BytesIO(answer.content)).read("data.json").decode()
    assert "T1" in data
    assert "Ann" not in data
    assert "O1" not in data
    with world.bulk():
        # The brands are asked for what HQ may not see.
        assert set(PersonRequest.objects.values_list("brand__code", "what")) == {
            ("tea", "export"),
            ("bakery", "export"),
        }


def test_a_correction_is_an_import_of_one_row_and_the_audit_names_fields_only(world):
    page = world.do("brand_manager", "tea", "correction", phone="138 0000 0002", gender="f")
    profile = world.profile("tea")
    with world.bulk():
        fields = contacts.unseal(group_keys(), Contact.objects.get(profile=profile))
        request = PersonRequest.objects.get()
        event = AuditEvent.objects.get(action="profile.correct")
    assert (fields["phone"], fields["name"]) == ("+8613800000002", "Ann Lee")
    assert (profile.gender, request.state, request.sealed) == ("f", "done", None)
    assert event.changes == {"columns": ["", ["gender", "phone"]]}
    world.do("brand_manager", "tea", "correction", phone="12")
    with world.bulk():
        refused = PersonRequest.objects.order_by("pk").last()
    assert refused.state == "refused"
    assert refused.outcome
    assert page


def test_who_is_restricted_is_in_no_audience_until_it_is_lifted(world, visit, cast, seeing):
    def counted() -> int:
        with seeing(cast.brand_manager):
            return Profile.objects.filter(segments.Filter().condition).count()

    client = visit(cast.brand_manager)
    shown = f"/members/{world.profile('tea').pk}/"
    assert counted() == 1
    world.do("brand_manager", "tea", "restriction")
    assert counted() == 0
    assert b"+8613800000001" not in client.get(shown).content
    world.do("brand_manager", "tea", "lifting")
    assert counted() == 1


def test_a_refusal_needs_its_reason_and_an_access_that_ended_does_nothing(world, visit, cast):
    answer = world.ask("brand_manager", world.profile("tea"), "erasure", checked="")
    client = visit(cast.brand_manager)
    client.post(answer.url, {"act": "refuse", "reason": " "})
    rights_run(tenant=world.tenant)
    with world.bulk():
        assert PersonRequest.objects.get().state == "received"
    client.post(answer.url, {"act": "refuse", "reason": "Not the person"})
    rights_run(tenant=world.tenant)
    with world.bulk():
        assert PersonRequest.objects.get().outcome == "Not the person"
    world.ask("brand_manager", world.profile("tea"), "erasure")
    cast.brand_manager.acting_grant.delete()
    rights_run(tenant=world.tenant)
    with world.bulk():
        assert PersonRequest.objects.order_by("pk").last().state == "refused"
    assert world.profile("tea").member_no == "T1"


def test_a_certificate_holds_until_a_letter_of_it_is_changed(world, visit, cast, tmp_path, capsys):
    page = world.do("brand_manager", "tea", "erasure")
    content = visit(cast.brand_manager).get(f"{page}?certificate=json").json()
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(content))
    call_command("verify_certificate", str(file))
    assert content["number"] in capsys.readouterr().out
    content["counts"]["members.Profile"] = 2
    file.write_text(json.dumps(content))
    with pytest.raises(CommandError, match="changed"):
        call_command("verify_certificate", str(file))
    # An afternoon's moment has a T1 as well.
    del content["done_at"]
    assert not any(text in json.dumps(content) for text in ("Ann", "T1", "1380000"))


@pytest.mark.parametrize("step", ["rights.work.finish_pending", "rollups.overlaps_finish"])
def test_what_a_killed_erasure_left_behind_is_finished_by_the_next_sweep(
    acme, world, monkeypatch, step
):
    """Between the commit of the erasure and its figures, and between those of two figures."""
    finish_pending(tenant=acme)
    assert set(compare(tenant=acme).values()) == {0}
    world.ask("brand_manager", world.profile("tea"), "erasure")

    def killed(**_fields: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(f"members.{step}", killed)
        with pytest.raises(SystemExit):
            rights_run(tenant=acme)
    with world.bulk():
        assert PersonRequest.objects.get().state == "done"
        assert not Profile.objects.filter(brand__code="tea").exists()
        assert is_unfinished()
    # Nothing is asked for any more, and still the figures are brought up to date.
    assert rights_run(tenant=acme) == 0
    assert set(compare(tenant=acme).values()) == {0}
    with world.bulk():
        assert not is_unfinished()


def test_a_sweep_ends_no_note_of_an_erasure_that_came_while_it_worked(acme, within, monkeypatch):
    """Whoever erased is killed before its figures, and the sweep has looked at some by then."""

    def erased_meanwhile(**_fields: object) -> None:
        with within(), connection.cursor() as cursor:
            note_unfinished(cursor)

    with monkeypatch.context() as patched:
        patched.setattr("members.rollups.strata_finish", erased_meanwhile)
        finish_pending(tenant=acme)
    with within():
        assert is_unfinished()
    finish_pending(tenant=acme)
    with within():
        assert not is_unfinished()
