"""An import is paused and goes on, waits its turn, and its rejected rows come back mended."""

import csv
import datetime as dt
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from members.figures import compare
from members.imports import files
from members.imports.acts import import_mend, import_pause
from members.imports.errors import ImportRefused
from members.imports.members import MemberChunks
from members.imports.pipeline import source_path
from members.imports.report import append_rejected, harmless, rejected_file, relived
from members.imports.services import import_cancel, import_start
from members.imports.undo import why_not_undone
from members.imports.upkeep import imports_resume, uploads_purge
from members.imports.uploads import keep_upload
from members.intake.applying import figures_catch_up
from members.models import ImportJob, Profile
from members.tests.test_import_pipeline import MEMBERS, everything

LIVE = "+8613800138001"


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)


@pytest.fixture
def mend(importer, cast):
    """Return a function that hands in the rejected rows of a job after a change, as text."""

    def run(job, change=lambda text: text, encoding="utf-8-sig"):
        text = change(rejected_file(job, "acme").read_text("utf-8-sig"))
        upload = SimpleUploadedFile("mended.csv", text.encode(encoding))
        path = keep_upload(upload, "acme", job.brand_id)
        made = import_mend(
            job=job, path=path, file_name="mended.csv", acting_user=cast.brand_manager
        )
        assert not path.exists()
        return importer.run(made)

    return run


def test_a_paused_import_keeps_its_file_and_goes_on_to_the_same_end(importer, cast, rows_of):
    def pause(running):
        if (running.checkpoint_line, running.state) == (11, "running"):
            import_pause(job=running, acting_user=cast.brand_manager)

    job = importer.run(importer.create("members", MEMBERS), chunk_rows=10, progress=pause)
    assert (job.state, job.checkpoint_line, Profile.objects.count()) == ("paused", 11, 9)
    assert source_path(job, "acme").exists()
    # What it wrote counts, as soon as anybody sweeps.
    assert (figures_catch_up(tenant=importer.tenant), figures_catch_up(tenant=importer.tenant)) == (
        1,
        0,
    )
    assert set(compare(tenant=importer.tenant).values()) == {0}
    assert (imports_resume(importer.tenant), importer.run(job).state) == (0, "paused")
    import_start(job=job, acting_user=cast.brand_manager)
    job = importer.run(job, chunk_rows=10)
    assert (job.state, job.resumed_rows) == ("done", 10)
    assert not source_path(job, "acme").exists()
    ended = everything(rows_of)
    assert importer.members(MEMBERS).rows_unchanged == job.rows_created == 36
    assert everything(rows_of) == ended


def test_a_pause_before_the_start_holds_and_ends_after_a_week(importer, cast):
    job = importer.create("members", MEMBERS)
    job = import_pause(job=job, acting_user=cast.brand_manager)
    assert (job.state, importer.run(job).rows_read) == ("paused", 0)
    with pytest.raises(ImportRefused, match="paused"):
        import_pause(job=job, acting_user=cast.brand_manager)
    assert uploads_purge(importer.tenant) == 0
    ImportJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - dt.timedelta(days=8))
    assert uploads_purge(importer.tenant) == 1
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_paused_import_is_given_up_with_its_file(
    importer, cast, django_capture_on_commit_callbacks
):
    job = importer.create("members", MEMBERS)
    import_pause(job=job, acting_user=cast.brand_manager)
    path = source_path(job, "acme")
    with django_capture_on_commit_callbacks(execute=True):
        assert import_cancel(job=job, acting_user=cast.brand_manager).state == "cancelled"
    assert not path.exists()


def test_what_a_cancelled_import_rejected_waits_no_longer_than_of_any_other(importer, cast):
    # It had begun, was paused, and was called off before a worker took it up again.
    job = importer.run(
        importer.create("members", f"member_no,phone\nM1,{LIVE}\nM2,x\nM3,{LIVE}\n"),
        chunk_rows=2,
        progress=lambda running: (
            running.checkpoint_line == 3
            and running.state == "running"
            and import_pause(job=running, acting_user=cast.brand_manager)
        ),
    )
    assert (job.state, job.rows_rejected) == ("paused", 1)
    import_start(job=job, acting_user=cast.brand_manager)
    job = import_cancel(job=job, acting_user=cast.brand_manager)
    assert (job.state, why_not_undone(job)) == ("cancelled", "")
    job.refresh_from_db()
    job.finished_at -= dt.timedelta(days=31)
    job.save()
    uploads_purge(importer.tenant)
    assert not rejected_file(job, "acme").exists()


def test_rejected_rows_go_on_where_the_file_ends(tmp_path):
    path = tmp_path / "kept" / "rejected.csv"
    length = append_rejected(path, 0, ["a"], [files.BadRow(2, "a", "why", ["x"])])
    # Longer it was before an erasure that was undone.
    assert append_rejected(path, length + 9, ["a"], []) == length == len(path.read_bytes())


def test_an_import_that_one_worker_has_done_stays_done_for_the_other(importer, monkeypatch):
    job = importer.create("members", MEMBERS)
    look = files.inspect_file

    def late(path):
        # Meanwhile another worker has come to the end, and deletes the file.
        monkeypatch.setattr(files, "inspect_file", look)
        assert importer.run(job).state == "done"
        return look(path)

    monkeypatch.setattr(files, "inspect_file", late)
    assert importer.run(job).state == "done"
    job.refresh_from_db()
    assert (job.state, job.error, job.rows_created) == ("done", "", 36)


def test_an_import_says_that_it_waits_for_another(importer, monkeypatch):
    phases, written = [], MemberChunks.write
    monkeypatch.setattr("members.locks.is_brand_free", lambda brand_id, kind: False)

    def write(self, chunk):
        phases.append(ImportJob.objects.get().phase)
        return written(self, chunk)

    monkeypatch.setattr(MemberChunks, "write", write)
    job = importer.members(MEMBERS)
    assert (phases, job.phase, job.state) == (["waits"], "", "done")


def test_mended_rows_come_in_by_the_columns_and_rules_of_the_first(importer, mend):
    text = f"Nr,Tel,Bemerkung\nM1,{LIVE},x\nM2,no phone,y\nM3,{LIVE}x,=1\n"
    job = importer.run(
        importer.create(
            "members",
            text,
            mapping={"member_no": "Nr", "phone": "Tel"},
            rules={"keeps_filled": True},
        )
    )
    assert (job.rows_created, job.rows_rejected) == (1, 2)
    mended = mend(job, lambda text: text.replace("no phone", LIVE))
    # What kept the cell from being a formula is gone again, or the phone would not be read.
    assert (mended.state, mended.rows_created, mended.rows_rejected) == ("done", 1, 1)
    assert (mended.mends_id, mended.mapping, mended.rules) == (job.pk, job.mapping, job.rules)
    again = mend(mended, lambda text: text.replace(f"{LIVE}x", LIVE), encoding="gb18030")
    assert (again.rows_created, again.rows_rejected, again.mends_id) == (1, 0, mended.pk)
    with pytest.raises(ImportRefused, match="no rejected rows"):
        import_mend(job=again, path=importer.folder / "x", file_name="x")


def test_a_mended_file_may_have_lost_what_it_had_been_given(importer, mend):
    job = importer.members("member_no,line,phone\nM1,7,no phone\n")

    def without(text):
        rows = [cells[3:] for cells in csv.reader(io.StringIO(text))]
        return "\n".join(",".join(cells) for cells in rows).replace("no phone", LIVE)

    assert mend(job, without).rows_created == 1
    with pytest.raises(ImportRefused, match="no column “phone”"):
        mend(job, lambda text: text.replace("phone", "handset"))
    kept = list(rejected_file(job, "acme").parent.glob("*.csv"))
    assert {path.name.split("-")[0] for path in kept} == {"rejected"}


@pytest.mark.parametrize("cell", ["=1+1", "+86 138", " -2", "'quoted", "plain", "", "'=1", "＝3"])
def test_what_was_made_harmless_is_made_as_it_was(cell):
    assert relived(harmless(cell)) == cell or cell == "'=1"
