"""The pages of an import's life: its check, its pause, its turn, its undoing, its mended rows."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from brands.models import Brand
from brands.wall import scope
from members.imports.acts import job_run
from members.imports.services import import_create
from members.models import ImportJob, ImportSource, Profile
from tenants.context import tenant_transaction

FILE = "Nummer,手机号,性别\nM1,13800138000,女\nM2,no phone,男\n"
COLUMNS = {"column-0": "member_no", "column-1": "phone", "column-2": "gender"}


@pytest.fixture(autouse=True)
def _worker(monkeypatch, acme):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)
    acme.locale = "en"


@pytest.fixture
def manager(visit, cast):
    """Return the brand manager's client."""
    return visit(cast.brand_manager)


@pytest.fixture
def made(acme, tmp_path, cast):
    """Return a function that makes a job of tea's in a state."""

    def make(state="uploaded", text=FILE, **fields):
        path = tmp_path / "members.csv"
        path.write_text(text)
        with tenant_transaction(acme), scope.bulk(reason="test"):
            job = import_create(
                brand=Brand.objects.get(code="tea"),
                kind="members",
                path=path,
                file_name="members.csv",
                mapping={"member_no": "Nummer", "phone": "手机号", "gender": "性别"},
                acting_user=cast.brand_manager,
                source=fields.pop("source", None),
            )
            ImportJob.objects.filter(pk=job.pk).update(state=state, **fields)
        return job

    return make


def now(acme, job):
    """Return a job as it stands."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return ImportJob.objects.get(pk=job.pk)


def text_of(client, url, **options):
    """Return a page."""
    answer = client.get(url, **options)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_file_is_checked_by_its_columns_then_imported(acme, manager, made):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        source = ImportSource.objects.create(brand=Brand.objects.get(code="tea"), name="POS")
    job = made(source=source)
    place = f"/imports/{job.pk}/"
    assert "Check first" in text_of(manager, f"{place}columns/")
    rules = {"rules-wins": "newest", "rules-keeps_filled": "on"}
    asked = manager.post(f"{place}columns/", {**COLUMNS, **rules, "act": "check"})
    assert asked.url == place
    waiting = text_of(manager, place)
    assert "nothing is written" in waiting
    assert "every 1s" in waiting
    job_run(tenant=acme, job_id=job.pk)
    found = text_of(manager, place)
    for words in (
        "Would be created",
        "is not a phone number",
        "Import now",
        "An empty cell leaves",
    ):
        assert words in found
    assert b"no phone" in manager.get(f"{place}rejected/").getvalue()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.exists()
        source.refresh_from_db()
        assert source.rules == {"members": {"wins": "newest", "keeps_filled": True}}
    assert manager.post(f"{place}again/").url == place
    job = job_run(tenant=acme, job_id=job.pk)
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 1, 1)


def test_an_import_is_taken_back_after_a_look_at_what_would_go(acme, manager, made, visit, cast):
    job = made("queued")
    job_run(tenant=acme, job_id=job.pk)
    place = f"/imports/{job.pk}/"
    assert "Take this import back" in text_of(manager, place)
    sibling = visit(cast.sibling_manager)
    assert sibling.post(f"{place}undo/").status_code == 404
    assert "removed" in text_of(manager, f"{place}undo/")
    asked = manager.post(f"{place}undo/")
    undoing = job_run(tenant=acme, job_id=int(asked.url.strip("/").split("/")[-1]))
    assert undoing.report["removed"] == 1
    assert "Taking an import back" in text_of(manager, asked.url)
    assert "takes back" in text_of(manager, "/imports/")
    assert "Take this import back" not in text_of(manager, place)
    again = manager.post(f"{place}undo/", follow=True).content.decode()
    assert "The import was taken back." in again


def test_what_stays_is_listed(acme, manager, made, load):
    job = made("queued")
    job_run(tenant=acme, job_id=job.pk)
    load("orders", "order_no,member_no,ordered_at,amount\nA1,M1,2026-03-01,5\n")
    asked = manager.post(f"/imports/{job.pk}/undo/")
    job_run(tenant=acme, job_id=int(asked.url.strip("/").split("/")[-1]))
    page = text_of(manager, asked.url)
    assert "have orders" in page
    assert ">M1</a>" in page


def test_mended_rows_are_brought_back_on_the_page(acme, manager, made):
    job = made("queued")
    job_run(tenant=acme, job_id=job.pk)
    place = f"/imports/{job.pk}/"
    rejected = manager.get(f"{place}rejected/").getvalue().decode("utf-8-sig")
    mended = SimpleUploadedFile("m.csv", rejected.replace("no phone", "13800138009").encode())
    asked = manager.post(f"{place}mend/", {"file": mended})
    done = job_run(tenant=acme, job_id=int(asked.url.strip("/").split("/")[-1]))
    assert (done.state, done.rows_created, done.mends_id) == ("done", 1, job.pk)
    assert "0 still rejected" in text_of(manager, place)
    assert "Choose the mended file" in manager.post(f"{place}mend/", follow=True).content.decode()


def test_an_import_is_paused_and_says_whom_it_waits_for(acme, manager, made, visit, cast):
    first, job = made("running"), made("running", phase="waits", checkpoint=20, rows_read=1)
    place = f"/imports/{job.pk}/"
    assert f'<a href="/imports/{first.pk}/">' in text_of(manager, place)
    assert visit(cast.sibling_manager).post(f"{place}pause/").status_code == 404
    manager.post(f"{place}pause/")
    assert now(acme, job).is_pause_asked
    part = text_of(manager, place, headers={"HX-Request": "true"})
    assert "stops after the rows" in part
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ImportJob.objects.filter(pk=job.pk).update(state="paused", is_pause_asked=False)
    assert "Go on from there" in text_of(manager, place)
    manager.post(f"{place}again/")
    assert now(acme, job).state == "queued"
    refused = manager.post(f"/imports/{made('checked').pk}/pause/", follow=True)
    assert "This import is checked." in refused.content.decode()
