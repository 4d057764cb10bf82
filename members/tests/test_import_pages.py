"""A brand's manager uploads, maps, watches; nobody else reads the file's rows."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from brands.models import Brand
from brands.wall import scope
from members.imports.pipeline import import_run
from members.imports.services import import_create
from members.models import ImportJob, Person, Profile
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

FILE = "Nummer,手机号\nM1,13800138000\nM2,no phone\n"


@pytest.fixture(autouse=True)
def _worker(monkeypatch, acme):
    """Let no task run by itself; a test runs it when it wants."""
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)
    acme.locale = "en"


@pytest.fixture
def brand_ids(acme):
    """Return brand code → id."""
    with tenant_transaction(acme):
        return dict(Brand.objects.values_list("code", "pk"))


@pytest.fixture
def upload(visit, cast, brand_ids):
    """Return a function that uploads a file as a person and returns the client and response."""

    def send(text=FILE, *, person=None, brand="tea", kind="members", name="new.csv"):
        client = visit(person or cast.brand_manager)
        file = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
        data = {"brand": brand_ids[brand], "kind": kind, "file": file}
        return client, client.post("/imports/new/", data)

    return send


def job_of(acme, pk=None):
    """Return a job as it stands."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        jobs = ImportJob.objects.select_related("brand")
        return jobs.get(pk=pk) if pk else jobs.latest("pk")


def test_a_manager_uploads_maps_and_watches_a_file(acme, upload, settings, cast):
    client, response = upload()
    job = job_of(acme)
    assert response.url == reverse("members:import_columns", args=[job.pk])
    assert (job.state, job.mapping) == ("uploaded", {"phone": "手机号"})
    page = client.get(response.url).content.decode()
    assert "13800138000" in page
    assert '<option value="phone" selected>' in page
    refused = client.post(response.url, {"column-0": "", "column-1": "phone"})
    assert "no column for" in refused.content.decode()
    twice = client.post(response.url, {"column-0": "phone", "column-1": "phone"})
    assert "more than one column" in twice.content.decode()
    started = client.post(response.url, {"column-0": "member_no", "column-1": "phone"})
    assert started.url == f"/imports/{job.pk}/"
    part = client.get(started.url, headers={"HX-Request": "true"}).content.decode()
    assert "every 1s" in part
    assert "<html" not in part
    job = import_run(tenant=acme, job_id=job.pk)
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 1, 1)
    # The page is fetched anew: what can be done with the import stands outside of its progress.
    assert client.get(started.url, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert "Mend the rejected rows" in client.get(started.url).content.decode()
    rejected = client.get(f"/imports/{job.pk}/rejected/")
    assert b"no phone" in rejected.getvalue()
    assert "attachment" in rejected["Content-Disposition"]
    assert "new.csv" in client.get("/imports/").content.decode()
    kept = list((Path(settings.MEDIA_ROOT) / "imports" / "acme").glob("*"))
    assert [path.name for path in kept] == [f"rejected-{job.pk}.csv"]
    actions = AuditEvent.objects.filter(user=cast.brand_manager).values_list("action", flat=True)
    assert {"import.create", "import.start"} <= set(actions)


def test_a_manager_imports_answers_to_notices(acme, upload):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        Profile.objects.create(brand=tea, person=Person.objects.create(), member_no="M1")
    client, response = upload(
        "会员号,同意,告知版本,同意时间\nM1,是,1,2026-02-01\n", kind="consents"
    )
    job = job_of(acme)
    assert set(job.mapping) == {"member_no", "answer", "notice", "answered_at"}
    columns = {"column-0": "member_no", "column-1": "answer", "column-2": "notice"}
    refused = client.post(response.url, columns)
    assert "no column for" in refused.content.decode()
    started = client.post(response.url, {**columns, "column-3": "answered_at"})
    job = import_run(tenant=acme, job_id=job.pk)
    assert (job.state, job.rows_created) == ("done", 1)
    assert "Import of answers to notices" in client.get(started.url).content.decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04...", "damaged"),
        (b"name\n" + b"\xff\xfe\xff\x80" * 30, "neither in UTF-8"),
        ("member_no,phone\n", "headings but no rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_on_the_page_and_not_kept(
    acme, upload, settings, text, words
):
    _client, response = upload(text)
    assert response.status_code == 200
    assert words in response.content.decode()
    assert not list((Path(settings.MEDIA_ROOT)).rglob("*.csv"))


def test_a_file_that_is_too_large_is_refused(upload, settings):
    settings.IMPORT_MAX_BYTES = 10
    _client, response = upload()
    assert "larger than" in response.content.decode()


def test_a_brand_that_is_not_one_s_own_is_refused(acme, upload, settings):
    _client, response = upload(brand="bakery")
    assert response.status_code == 200
    assert "valid choice" in response.content.decode().lower()
    assert not list((Path(settings.MEDIA_ROOT)).rglob("*.csv"))


def test_cells_are_escaped_on_the_page(upload):
    client, response = upload("member_no,<b>x</b>\n<script>alert(1)</script>,2\n")
    page = client.get(response.url).content.decode()
    assert "<script>alert" not in page
    assert "<b>x" not in page


@pytest.fixture
def done(acme, tmp_path, brand_ids):
    """Return a finished import of tea with a rejected row."""
    path = tmp_path / "done.csv"
    path.write_text("member_no,phone\nM1,13800138000\nM2,secret-phone\n")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job = import_create(
            brand=Brand.objects.get(code="tea"), kind="members", path=path, file_name="done.csv"
        )
    return import_run(tenant=acme, job_id=job.pk)


# Who → what /imports/, the watch page, the rejected rows and the upload form answer.
ANSWERS = {
    "group_admin": (200, 200, 404, 404),
    "analyst": (404, 404, 404, 404),
    "unit_manager": (200, 200, 200, 200),
    "brand_manager": (200, 200, 200, 200),
    "sibling_manager": (200, 404, 404, 200),
    "store_manager": (404, 404, 404, 404),
    "guide": (404, 404, 404, 404),
    "provider_operator": (200, 200, 404, 200),
    "outsider": (404, 404, 404, 404),
    "platform_operator": (404, 404, 404, 404),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_everyone_gets_what_their_role_and_the_wall_allow(name, done, visit, cast):
    client = visit(getattr(cast, name))
    pages = ("/imports/", f"/imports/{done.pk}/", f"/imports/{done.pk}/rejected/", "/imports/new/")
    assert tuple(client.get(page).status_code for page in pages) == ANSWERS[name]
    listed = "done.csv" in client.get("/imports/").content.decode()
    assert listed == (ANSWERS[name][1] == 200)


def test_a_provider_without_contact_data_sees_no_cells(acme, upload, cast):
    client, response = upload(person=cast.provider_operator)
    page = client.get(response.url).content.decode()
    assert "手机号" in page
    assert "13800138000" not in page


@pytest.mark.parametrize("act", ["cancel", "again", "columns"])
def test_only_the_brand_s_own_people_act_on_its_imports(acme, done, visit, cast, act):
    for name in ("group_admin", "sibling_manager", "store_manager", "outsider"):
        assert visit(getattr(cast, name)).post(f"/imports/{done.pk}/{act}/").status_code == 404
    assert job_of(acme, done.pk).state == "done"


def test_a_waiting_import_is_cancelled_and_a_failed_one_goes_on(acme, upload):
    client, response = upload()
    job = job_of(acme)
    client.post(response.url, {"column-0": "member_no", "column-1": "phone"})
    assert client.get(f"/imports/{job.pk}/cancel/").status_code == 405
    client.post(f"/imports/{job.pk}/cancel/")
    assert job_of(acme).state == "cancelled"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ImportJob.objects.update(state="failed", error="Stopped after line 7.")
    page = client.get(f"/imports/{job.pk}/").content.decode()
    assert "Stopped after line 7." in page
    assert "Go on from there" in page
    client.post(f"/imports/{job.pk}/again/")
    assert job_of(acme).state == "queued"


def test_another_group_s_import_does_not_exist_here(acme, done, visit, cast):
    assert visit(cast.outsider, "globex.localhost").get(f"/imports/{done.pk}/").status_code == 404


def test_the_list_costs_the_same_with_ten_times_the_rows(acme, done, visit, cast):
    client = visit(cast.brand_manager)
    client.get("/imports/")
    with CaptureQueriesContext(connection) as few:
        client.get("/imports/")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ImportJob.objects.bulk_create(
            ImportJob(brand=done.brand, kind="orders", file_name=f"{n}.csv") for n in range(20)
        )
    with CaptureQueriesContext(connection) as many:
        client.get("/imports/")
    assert len(many) == len(few)


def test_the_audit_holds_no_contact_data(acme, upload):
    client, response = upload()
    client.post(response.url, {"column-0": "member_no", "column-1": "phone"})
    events = json.dumps(list(AuditEvent.objects.values_list("changes", flat=True)))
    assert "13800138000" not in events
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.exists()


def test_headings_that_are_a_members_cells_stay_with_those_who_may_read_the_file(
    acme, upload, visit, cast
):
    client, response = upload("M1,张伟\nM2,王芳\n")
    client.post(response.url, {"column-0": "member_no", "column-1": "name"})
    assert AuditEvent.objects.get(action="import.start").changes == {
        "columns": ["", ["member_no", "name"]]
    }
    watched = f"/imports/{job_of(acme).pk}/"
    assert "张伟" in client.get(watched).content.decode()
    for person in (cast.group_admin, cast.provider_operator):
        page = visit(person).get(watched)
        assert page.status_code == 200
        assert "张伟" not in page.content.decode(), person
    # Nor while their columns are chosen, nor in the words that name what there is to choose from.
    client, response = upload("M1,+86 138-0013-8000\nM2,13800138001\n")
    provider = visit(cast.provider_operator)
    assert {provider.get(response.url).status_code, provider.post(response.url).status_code} == {
        404
    }
    waiting = provider.get(f"/imports/{job_of(acme).pk}/")
    assert (waiting.status_code, b"0013-8000" in waiting.content) == (200, False)
    assert b"0013-8000" in client.get(response.url).content
    # Of what is contact data for certain nothing is kept with the import, in whichever column.
    for chosen in ({"column-1": "phone"}, {}):
        refused = client.post(response.url, {"column-0": "member_no", **chosen})
        assert "is a row, not headings" in refused.content.decode()
    kept = job_of(acme)
    assert (kept.state, kept.mapping, kept.error) == ("uploaded", {}, "")


def test_an_orders_file_with_names_in_it_is_read_without_contact_data_by_its_author_alone(
    upload, visit, cast
):
    text = "order_no,member_no,ordered_at,amount,收货人\nA1,M1,2026-03-01,5,Zhang Wei\n"
    client, response = upload(text, kind="orders")
    assert "Zhang Wei" in client.get(response.url).content.decode()
    assert visit(cast.provider_operator).get(response.url).status_code == 404
    client, response = upload(text, kind="orders", person=cast.provider_operator)
    assert "Zhang Wei" in client.get(response.url).content.decode()


def test_who_is_shown_no_contact_data_names_nobody_by_it_in_a_file(acme, upload, visit, cast):
    """Which rows name nobody would tell whose number it is, as would what is unchanged."""
    answers = "会员号,手机号,同意,同意时间\nM1,13800138000,否,2026-02-01\n"
    client, response = upload(answers, kind="consents", person=cast.provider_operator)
    assert "phone" not in job_of(acme).mapping
    assert '<option value="phone"' not in client.get(response.url).content.decode()
    columns = {"column-0": "member_no", "column-2": "answer", "column-3": "answered_at"}
    for act in ("check", "import"):
        named = client.post(response.url, {**columns, "column-1": "phone", "act": act})
        assert (named.status_code, job_of(acme).state) == (200, "uploaded")
    assert client.post(response.url, {**columns, "act": "check"}).status_code == 302
    assert job_of(acme).state == "checking"
    # Not as a file of contact data either, nor by the columns that somebody else chose.
    client, response = upload(
        "会员号,手机号\nM1,13800138000\n", kind="contacts", person=cast.provider_operator
    )
    assert response.status_code == 200
    own, response = upload()
    own.post(response.url, {"column-0": "member_no", "column-1": "phone"})
    done = import_run(tenant=acme, job_id=job_of(acme).pk)
    mended = {"file": SimpleUploadedFile("m.csv", "Nummer,手机号\nM2,13800138000\n".encode())}
    for person, said in ((cast.provider_operator, b"leaves contact data out"), (None, b"")):
        client = visit(person or cast.brand_manager)
        page = client.post(f"/imports/{done.pk}/mend/", mended, follow=True)
        mended["file"].seek(0)
        assert said in page.content
        assert (job_of(acme).pk == done.pk) == bool(person)
    # The twin: a contract that names contact data.
    engagement = cast.provider_operator.acting_grant.engagement
    engagement.includes_contact = True
    engagement.save()
    upload(answers, kind="consents", person=cast.provider_operator)
    assert job_of(acme).mapping["phone"] == "手机号"
