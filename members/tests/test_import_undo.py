"""An import is taken back: all is as it was, and what happened since stays."""

import datetime as dt

import pytest
from django.db import connection
from django.utils import timezone

from brands.models import Brand, ChannelAccount, Store
from members.figures import compare
from members.imports import images
from members.imports.acts import import_undo, job_run
from members.imports.errors import ImportRefused
from members.imports.services import import_cancel, import_start
from members.imports.undo import undo_run
from members.models import Consent, ImportChange, ImportJob, Order, Profile
from members.rollups import finish_pending
from members.staging import stage
from members.tags import INCOMING, tags_merge
from members.tests.test_import_pipeline import EVERYTHING
from tenants.models import AuditEvent

CONTENT = {
    **EVERYTHING,
    "profiles": "SELECT brand_id, member_no, store_id, notice_id, orders, sales, gender, "
    "registered_on, is_member, as_of, source_rank, stratum, updated_at FROM members_profile "
    "ORDER BY 1, 2",
    "contacts": "SELECT p.brand_id, p.member_no, c.fingerprint::text, c.phone_key::text, "
    "c.is_generated, c.minor_until, c.notice_id, c.store_id FROM members_contact c "
    "JOIN members_profile p ON p.id = c.profile_id ORDER BY 1, 2",
    "masks": "SELECT p.member_no, m.name, m.phone, m.email FROM members_maskedcontact m "
    "JOIN members_profile p ON p.id = m.profile_id ORDER BY 1",
    "links": "SELECT p.member_no, i.kind, i.key::text, i.is_hot FROM members_identitylink l "
    "JOIN members_profile p ON p.id = l.profile_id "
    "JOIN members_identity i ON i.id = l.identity_id ORDER BY 1, 2, 3",
    "identities": "SELECT kind, space, key::text FROM members_identity ORDER BY 1, 2, 3",
    "count of persons": "SELECT count(*) FROM members_person",
    "lines": "SELECT o.order_no, l.line_no, l.product_code, l.product_name, l.quantity, l.amount, "
    "l.store_id, l.notice_id FROM members_orderline l JOIN members_order o ON o.id = l.order_id "
    "ORDER BY 1, 2",
    "buyers": "SELECT o.order_no, p.member_no FROM members_order o "
    "JOIN members_profile p ON p.id = o.profile_id ORDER BY 1",
    "follows": "SELECT p.member_no, a.external_id, t.followed_at, t.unfollowed_at, t.scene, "
    "t.source, t.import_id FROM members_touchpoint t JOIN members_profile p ON p.id = t.profile_id "
    "JOIN brands_channelaccount a ON a.id = t.account_id ORDER BY 1, 2",
    "tags": "SELECT p.member_no, g.name, t.set_at, t.removed_at, t.source, t.import_id "
    "FROM members_profiletag t JOIN members_profile p ON p.id = t.profile_id "
    "JOIN members_tag g ON g.id = t.tag_id ORDER BY 1, 2",
    "words": "SELECT brand_id, name, means_id, import_id FROM members_tag ORDER BY 1, 2",
    "stores": "SELECT * FROM brands_store ORDER BY id",
    "staff": "SELECT * FROM brands_guide ORDER BY id",
    "group": "SELECT brands, persons FROM members_groupmetric ORDER BY 1",
    "images": "SELECT count(*) FROM members_importchange",
}
MEMBERS = (
    "member_no,name,phone,card_no,birthday,gender,store_code,registered_on,consent,consented_on\n"
    "M1,张伟,13800138001,C1,1990-01-02,female,tea-1,2026-01-05,1,2026-01-05\n"
    "M2,李娜,13800138002,C2,,male,tea-2,2026-01-06,,\n"
    "M3,王芳,13800138003,,,,tea-1,2026-01-07,,\n"
)
# M1 changes in every field, M2 only moves, M3 loses its phone, M4 and M5 are new; M5's card joins
# M2 with the sibling's S1.
CHANGES = (
    "member_no,name,phone,card_no,birthday,gender,store_code,registered_on\n"
    "M1,张薇,13900139001,C9,2015-05-05,male,tea-2,2026-02-05\n"
    "M2,李娜,13800138002,C2,,male,tea-1,2026-01-06\n"
    "M3,王芳,,,,,tea-1,2026-01-07\n"
    "M4,赵敏,13800138004,,,,tea-1,2026-03-01\n"
    "M5,李娜,13900139005,C2,,,tea-1,2026-03-01\n"
)
SIBLINGS = "member_no,phone\nS1,13900139005\nS2,13800138003\n"
ORDERS = (
    "order_no,line_no,member_no,store_code,ordered_at,product_name,quantity,amount\n"
    "A1,1,M1,tea-1,2026-03-01,Tea,1,10\nA1,2,M1,tea-1,2026-03-01,Cup,1,5\n"
    "A2,1,M2,tea-1,2026-03-02,Tea,2,20\n"
)
ORDER_CHANGES = (
    "order_no,line_no,member_no,store_code,ordered_at,product_name,quantity,amount\n"
    "A1,1,M3,tea-2,2026-04-01,Tea,1,11\nA1,3,M3,tea-2,2026-04-01,Pot,1,30\n"
    "A3,1,M2,tea-1,2026-04-02,Tea,1,7\n"
)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)


@pytest.fixture
def content(rows_of):
    """Return a function that reads everything imports write, by natural keys."""
    return lambda: {name: rows_of(sql) for name, sql in CONTENT.items()}


@pytest.fixture
def filled(importer):
    """Return the importer, of a group with members in two brands, and orders."""
    importer.members(MEMBERS)
    importer.members(SIBLINGS, brand="bakery")
    importer.orders(ORDERS)
    return importer


@pytest.fixture
def undo(importer, cast):
    """Return a function that takes a job back, as a worker does."""

    def run(job, **options):
        job.refresh_from_db()
        asked = import_undo(job=job, acting_user=cast.brand_manager)
        return undo_run(tenant=importer.tenant, job_id=asked.pk, **options)

    return run


def test_after_undoing_members_everything_is_as_it_was(filled, content, undo, cast):
    before = content()
    job = filled.members(CHANGES)
    after = content()
    assert (job.rows_created, job.rows_updated) == (2, 3)
    assert {n for n in before if before[n] != after[n]} >= {"persons", "contacts", "pools", "links"}
    undoing = undo(job, chunk_rows=2)
    assert (undoing.state, undoing.error) == ("done", "")
    assert (undoing.report["removed"], undoing.report["restored"]) == (2, 3)
    assert undoing.report["kept"] == {}
    assert content() == before
    assert set(compare(tenant=filled.tenant).values()) == {0}
    assert AuditEvent.objects.filter(action="import.undo").exists()
    with pytest.raises(ImportRefused, match="was taken back"):
        undo(job)
    # Had it stopped half-way, its rest would stay out.
    ImportJob.objects.filter(pk=job.pk).update(state="failed")
    with pytest.raises(ImportRefused, match="its rest stays out"):
        import_start(job=job, acting_user=cast.brand_manager)


def test_after_undoing_orders_everything_is_as_it_was(filled, content, undo):
    before = content()
    job = filled.orders(ORDER_CHANGES)
    assert (job.rows_created, job.rows_updated) == (2, 1)
    undoing = undo(job, chunk_rows=1)
    assert (undoing.report["removed"], undoing.report["restored"]) == (1, 1)
    assert content() == before
    assert set(compare(tenant=filled.tenant).values()) == {0}


# Kind → what a file said before, what the one that is taken back says, and what it created and
# changed; then a later file, and how much of the first it keeps in place.
FOLLOWS = "member_no,appid,followed_at,unfollowed_at,scene\n"
KINDS = {
    "contacts": (
        "member_no,name,phone,birthday\nM1,张伟,13800138001,1990-01-02\n",
        "member_no,phone,email,birthday\nM1,13900139001,a@b.cn,2015-05-05\nM2,13800138003,,\n"
        "M3,,,\n",
        (0, 3),
        ("member_no,phone\nM2,13600136000\n", {"changed": 1}),
    ),
    "touchpoints": (
        f"{FOLLOWS}M1,wx1,2026-01-01,,qr\nM3,wx1,2026-01-01,,qr\n",
        f"{FOLLOWS}M1,wx1,2026-02-01,,ad\nM2,wx1,2026-02-02,,\nM3,wx1,,2026-02-02,\n",
        (1, 2),
        (f"{FOLLOWS}M2,wx1,,2026-03-01,\n", {"changed": 1}),
    ),
    "tags": (
        "member_no,tags,set_at\nM1,新客,2026-01-01\nM2,新客;茶,2026-01-01\n",
        "会员号,标签,操作\nM1,新客,移除\nM1,高价值;茶,添加\nM2,茶,移除\nM3,老客,\n",
        (2, 2),
        ("member_no,tags,action\nM1,茶,remove\nM3,老客,remove\n", {"changed": 2}),
    ),
    "stores": (
        "code,name,city,opened_on\nT-8,八店,上海,2020-01-01\n",
        "code,name,city,opened_on,is_active\nT-8,八号店,,2021-01-01,no\nT-9,九店,,,\nT-7,店,,,\n",
        (2, 1),
        ("code,name\nT-8,新店\n", {"changed": 1}),
    ),
    "staff": (
        "store,staff_no,name\ntea-1,1,李雷\n",
        "store,staff_no,name,is_active\ntea-1,1,李磊,no\ntea-2,2,韩梅梅,\n",
        (1, 1),
        ("store,staff_no,name\ntea-2,2,韩梅\n", {"changed": 1}),
    ),
}


def test_after_undoing_any_kind_everything_is_as_it_was_but_what_was_said_since(
    filled, content, undo, monkeypatch
):
    # Figures are worked out at the end, once.
    monkeypatch.setattr("members.imports.undo.finish_pending", lambda **options: None)
    account = {"kind": "official_account", "name": "茶", "external_id": "wx1"}
    ChannelAccount.objects.create(brand=Brand.objects.get(code="tea"), **account)

    def bring(text):
        job = filled.run(filled.create(kind, text), finish=False)
        assert (job.state, job.rows_rejected) == ("done", 0), kind
        return job

    for kind, (first, changes, written, (later, kept)) in KINDS.items():
        bring(first)
        before = content()
        job = bring(changes)
        assert (job.rows_created, job.rows_updated) == written, kind
        assert content() != before, kind
        undoing = undo(job, chunk_rows=1)
        assert (undoing.state, undoing.report["kept"]) == ("done", {}), kind
        assert (undoing.checkpoint, undoing.progress) == (undoing.bytes_total, 1), kind
        assert content() == before, kind
        # What somebody says of the same rows since stays until that is taken back too.
        job = bring(changes)
        since = bring(later)
        undoing = undo(job)
        assert undoing.report["kept"] == kept, kind
        assert undoing.report["removed"] + undoing.report["restored"] > 0, kind
        assert content() != before, kind
        undo(since)
        undo(job)
        assert content() == before, kind
    finish_pending(tenant=filled.tenant)
    assert set(compare(tenant=filled.tenant).values()) == {0}


def test_what_the_api_told_of_since_and_what_others_refer_to_stays(filled, undo, rows_of):
    follows = filled.run(filled.create("tags", "member_no,tag\nM1,新客\nM2,新客\n"))
    stores = filled.run(filled.create("stores", "code,name\nT-8,八店\nT-9,九店\n"))
    filled.members("member_no,store_code\nM9,T-9\n")
    with connection.cursor() as cursor:
        stage(cursor, "incoming_tag", INCOMING)
        cursor.execute(
            "INSERT INTO incoming_tag SELECT profile_id, tag_id, now(), NULL, 'api' "
            "FROM members_profiletag t JOIN members_profile p ON p.id = t.profile_id "
            "WHERE p.member_no = 'M1'"
        )
        tags_merge(cursor)
    undoing = undo(follows)
    assert (undoing.report["kept"], undoing.report["removed"]) == ({"changed": 1}, 1)
    assert rows_of("SELECT name FROM members_tag") == [("新客",)]
    member = Profile.objects.get(member_no="M1")
    assert undoing.report["kept_ids"] == [member.pk]
    undoing = undo(stores)
    assert (undoing.report["kept"], undoing.report["removed"]) == ({"used": 1}, 1)
    assert not Store.objects.filter(code="T-8").exists()


def test_what_a_later_import_said_stays(filled, undo):
    first = filled.members(CHANGES)
    filled.members("member_no,gender,phone\nM1,female,13700137001\nM4,female,13700137004\n")
    later = filled.members("member_no,store_code\nM2,tea-2\n")
    undoing = undo(first)
    assert undoing.report["kept"] == {"changed": 3}
    assert (undoing.report["removed"], undoing.report["restored"]) == (1, 1)
    genders = dict(Profile.objects.filter(brand__code="tea").values_list("member_no", "gender"))
    assert genders == {"M1": "f", "M2": "m", "M3": "", "M4": "f"}
    assert undo(later).report["restored"] == 1
    # What stood in the way of the first is gone: the rest of it can be taken back now.
    again = undo(first)
    assert again.report["restored"] == 1
    assert Profile.objects.get(member_no="M2").store.code == "tea-2"
    kept = {*Profile.objects.filter(pk__in=again.report["kept_ids"]).values_list("member_no")}
    assert kept == {("M1",), ("M4",)}


def test_members_to_whom_something_happened_stay_and_are_told(importer, undo):
    job = importer.members(
        "member_no,phone,consent,consented_on\nM1,13800138001,1,2026-01-01\n"
        "M2,13800138002,,\nM3,13800138003,,\nM4,13800138004,,\n"
    )
    # Somebody corrects a member by hand.
    corrected_at = timezone.now() + dt.timedelta(seconds=1)
    Profile.objects.filter(member_no="M4").update(gender="f", updated_at=corrected_at)
    importer.orders("order_no,member_no,ordered_at,amount\nA1,M2,2026-03-01,10\n")
    undoing = undo(job)
    assert undoing.report["kept"] == {"answers": 1, "orders": 1, "changed": 1}
    assert set(Profile.objects.values_list("member_no", flat=True)) == {"M1", "M2", "M4"}
    # Its ledger only grows.
    assert Consent.objects.count() == 1


def test_an_order_that_changed_since_stays(filled, undo):
    job = filled.orders(ORDER_CHANGES)
    filled.orders(ORDER_CHANGES.replace(",11\n", ",12\n").replace(",7\n", ",8\n"))
    undoing = undo(job)
    assert undoing.report["kept"] == {"changed": 2}
    assert sorted(Order.objects.values_list("order_no", "amount")) == [
        ("A1", 4700),
        ("A2", 2000),
        ("A3", 800),
    ]


class Killed(BaseException):
    """Stand for the end of a process."""


def test_an_undoing_that_was_killed_goes_on_where_it_stopped(filled, content, cast):
    before = content()
    job = filled.members(CHANGES)
    asked = import_undo(job=job, acting_user=cast.brand_manager)

    def die(running):
        if running.checkpoint == 2:
            raise Killed

    with pytest.raises(Killed):
        undo_run(tenant=filled.tenant, job_id=asked.pk, progress=die, chunk_rows=1)
    done = job_run(tenant=filled.tenant, job_id=asked.pk)
    assert (done.state, done.checkpoint, done.bytes_total) == ("done", 5, 5)
    assert done.report["removed"] + done.report["restored"] == 5
    assert content() == before


def test_an_undoing_stops_when_asked(filled, cast):
    job = filled.members(CHANGES)
    asked = import_undo(job=job, acting_user=cast.brand_manager)
    undoing = undo_run(
        tenant=filled.tenant,
        job_id=asked.pk,
        chunk_rows=1,
        progress=lambda running: (
            import_cancel(job=running, acting_user=cast.brand_manager)
            if running.checkpoint == 1
            else None
        ),
    )
    assert (undoing.state, undoing.report["restored"]) == ("cancelled", 1)
    assert "stays so" in undoing.error


def test_only_what_has_ended_lately_can_be_taken_back(importer, cast, settings):
    def refused(job, words):
        with pytest.raises(ImportRefused, match=words):
            import_undo(job=job, acting_user=cast.brand_manager)

    refused(importer.create("members", MEMBERS), "has not ended")
    refused(importer.members("member_no\n"), "nothing to take back")
    job = importer.members(MEMBERS)
    answers = importer.consents("member_no,answer,answered_at\nM1,no,2026-02-01\n")
    refused(answers, "ledger only grows")
    asked = import_undo(job=job, acting_user=cast.brand_manager)
    refused(job, "already")
    refused(asked, "takes an import back itself")
    ImportJob.objects.filter(pk=asked.pk).update(state="cancelled")
    job.finished_at = timezone.now() - dt.timedelta(days=settings.IMPORT_UNDO_DAYS, minutes=1)
    job.save()
    refused(job, "within 7 days")


def test_what_rows_said_is_forgotten_with_the_window(filled):
    filled.members(CHANGES)
    assert ImportChange.objects.count() == 5
    now = timezone.now()
    assert images.purge(before=now - dt.timedelta(days=1)) == 0
    assert images.purge(before=now + dt.timedelta(days=1)) == 5


def test_an_import_that_changes_nothing_keeps_nothing(filled):
    filled.members(MEMBERS)
    assert not ImportChange.objects.exists()
    assert Brand.objects.count() == 3
