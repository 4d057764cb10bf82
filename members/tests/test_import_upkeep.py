"""Imports that lost their worker go on; files that nobody needs do not stay."""

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from brands.models import Brand
from members.imports.pipeline import source_path
from members.imports.services import import_cancel, import_create
from members.imports.upkeep import imports_resume, uploads_purge
from members.imports.uploads import keep_upload
from members.models import ImportJob, Profile

ROWS = "member_no,phone\n1,13800138000\n2,13900139000\n"


@pytest.fixture
def upload(importer):
    """Return a function that writes an upload into the media folder and makes its job."""

    def make(**fields):
        brand = Brand.objects.get(code="tea")
        path = keep_upload(SimpleUploadedFile("up.csv", ROWS.encode()), "acme", brand.pk)
        job = import_create(
            brand=brand,
            kind=ImportJob.Kind.MEMBERS,
            path=path,
            file_name="members.csv",
        )
        ImportJob.objects.filter(pk=job.pk).update(**fields)
        return job, path

    return make


@pytest.mark.parametrize("state", [ImportJob.State.QUEUED, ImportJob.State.RUNNING])
def test_a_job_without_a_worker_goes_on(in_acme, upload, state, django_capture_on_commit_callbacks):
    job, _path = upload(state=state)
    with django_capture_on_commit_callbacks(execute=True):
        assert imports_resume(in_acme) == 1
    job.refresh_from_db()
    assert job.state == ImportJob.State.DONE
    assert Profile.objects.count() == 2


def test_a_finished_job_is_left_alone(in_acme, upload):
    upload(state=ImportJob.State.DONE)
    upload(state=ImportJob.State.CANCELLED)
    assert imports_resume(in_acme) == 0


def test_an_upload_waits_a_week_for_its_columns(in_acme, upload):
    now = timezone.now()
    old, old_path = upload(state=ImportJob.State.UPLOADED, created_at=now - dt.timedelta(days=8))
    new, new_path = upload(state=ImportJob.State.UPLOADED, created_at=now - dt.timedelta(days=6))
    assert uploads_purge(in_acme) == 1
    assert not old_path.exists()
    assert new_path.exists()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (ImportJob.State.CANCELLED, ImportJob.State.UPLOADED)


def test_rejected_rows_wait_a_month_to_be_mended(in_acme, upload):
    now = timezone.now()
    places = []
    for days in (31, 29):
        job, path = upload(state=ImportJob.State.DONE, finished_at=now - dt.timedelta(days=days))
        name = f"imports/acme/rejected-{job.pk}.csv"
        places.append(path.with_name(f"rejected-{job.pk}.csv"))
        places[-1].write_text("line,column,reason\n")
        ImportJob.objects.filter(pk=job.pk).update(rejected_path=name)
    assert uploads_purge(in_acme) == 1
    assert [place.exists() for place in places] == [False, True]


def test_files_that_no_import_needs_do_not_stay(in_acme, upload, monkeypatch):
    State = ImportJob.State
    last_week = timezone.now() - dt.timedelta(days=8)
    needed = [upload(state=state)[1] for state in (State.UPLOADED, State.QUEUED, State.RUNNING)]
    needed.append(upload(state=State.FAILED, finished_at=timezone.now())[1])
    left = [upload(state=State.FAILED, finished_at=last_week)[1]]
    tea = Brand.objects.get(code="tea")
    left.append(keep_upload(SimpleUploadedFile("never.csv", b"x"), "acme", tea.pk))
    assert uploads_purge(in_acme) == 0
    monkeypatch.setattr("members.imports.upkeep.UPLOADS_WAIT", dt.timedelta(seconds=-1))
    ImportJob.objects.filter(state=State.FAILED, finished_at__gt=last_week).update(
        finished_at=timezone.now() + dt.timedelta(minutes=1)
    )
    ImportJob.objects.filter(state=State.UPLOADED).update(
        created_at=timezone.now() + dt.timedelta(minutes=1)
    )
    assert uploads_purge(in_acme) == len(left)
    assert [path.exists() for path in needed + left] == [True] * 4 + [False] * 2


def test_a_cancelled_upload_is_deleted(upload, django_capture_on_commit_callbacks):
    job, path = upload(state=ImportJob.State.QUEUED)
    with django_capture_on_commit_callbacks(execute=True):
        import_cancel(job=job, acting_user=None)
    assert not path.exists()


def test_a_file_that_a_command_named_stays(importer, tmp_path, django_capture_on_commit_callbacks):
    path = tmp_path / "mine.csv"
    path.write_text(ROWS)
    job = import_create(
        brand=Brand.objects.get(code="tea"),
        kind=ImportJob.Kind.MEMBERS,
        path=path,
        file_name="mine.csv",
    )
    kept = source_path(job, "acme")
    assert path.samefile(kept)
    with django_capture_on_commit_callbacks(execute=True):
        import_cancel(job=job, acting_user=None)
    assert (path.read_text(), kept.exists()) == (ROWS, False)


def test_a_file_on_another_disk_is_copied_and_stays_too(importer, monkeypatch):
    def refuse(*args):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    job = importer.create("members", ROWS)
    kept = source_path(job, "acme")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (ROWS, 0o600)
    job = importer.run(job)
    assert (job.state, job.rows_created, kept.exists()) == ("done", 2, False)
    assert (importer.folder / "members-1.csv").exists()
