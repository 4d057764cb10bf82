"""Imports that lost their worker go on; files that nobody needs do not stay."""

import datetime as dt
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from brands.models import Brand
from members.imports.services import import_cancel, import_create
from members.imports.upkeep import imports_resume, uploads_purge
from members.models import ImportJob, Profile

ROWS = "member_no,phone\n1,13800138000\n2,13900139000\n"


@pytest.fixture
def upload(importer):
    """Return a function that writes an upload into the media folder and makes its job."""

    def make(**fields):
        folder = Path(settings.MEDIA_ROOT) / "imports"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{ImportJob.objects.count()}.csv"
        path.write_text(ROWS)
        job = import_create(
            brand=Brand.objects.get(code="tea"),
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
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(exist_ok=True)
    for name, days in (("old.csv", 31), ("new.csv", 29)):
        (folder / name).write_text("line,column,reason\n")
        upload(
            state=ImportJob.State.DONE,
            rejected_path=name,
            finished_at=now - dt.timedelta(days=days),
        )
    assert uploads_purge(in_acme) == 1
    assert not (folder / "old.csv").exists()
    assert (folder / "new.csv").exists()


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
    with django_capture_on_commit_callbacks(execute=True):
        import_cancel(job=job, acting_user=None)
    assert path.exists()
