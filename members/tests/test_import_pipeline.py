"""A run that is stopped anywhere goes on where it stopped; what is wrong is said in words."""

import datetime as dt
import tracemalloc

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.utils import timezone

from brands.models import Brand
from members.figures import compare
from members.imports import pipeline
from members.imports.errors import ImportRefused
from members.imports.members import MemberChunks
from members.imports.orders import OrderChunks
from members.imports.services import import_cancel, import_create, import_start
from members.imports.uploads import keep_upload
from members.models import ImportJob, Person, Profile
from tenants.models import AuditEvent

MEMBERS = "member_no,phone,consent,consented_on\n" + "".join(
    f"M{n},{'138' + str(n % 7).zfill(8)},{'1' if n % 3 == 0 else ''},2026-01-0{n % 9 + 1}\n"
    if n % 10
    else f"M{n},no phone,,\n"
    for n in range(1, 41)
)
ORDERS = "order_no,line_no,member_no,store_code,ordered_at,amount\n" + "".join(
    f"A{n // 3},{n % 3},M{n // 3 % 45 + 1},tea-{n // 3 % 2 + 1},2026-03-{n // 3 % 9 + 1:02},{n}.5\n"
    for n in range(150)
)
EVERYTHING = {
    "persons": "SELECT array_agg(member_no ORDER BY member_no) FROM members_profile "
    "GROUP BY person_id ORDER BY 1",
    "profiles": "SELECT brand_id, member_no, store_id, notice_id, orders, sales "
    "FROM members_profile ORDER BY 1, 2",
    "contacts": "SELECT p.member_no, c.fingerprint::text, c.notice_id FROM members_contact c "
    "JOIN members_profile p ON p.id = c.profile_id ORDER BY 1",
    "consents": "SELECT p.member_no, c.is_given, c.answered_at, c.notice_id FROM members_consent c "
    "JOIN members_profile p ON p.id = c.profile_id ORDER BY 1, 3",
    "orders": "SELECT order_no, ordered_at, amount, lines, store_id, notice_id "
    "FROM members_order ORDER BY 1",
    "days": "SELECT brand_id, store_id, day, orders, lines, sales, buyers "
    "FROM members_dailymetric ORDER BY 1, 2, 3",
    "pools": "SELECT brand_id, store_id, members, persons, buyers, repeat_buyers "
    "FROM members_poolmetric ORDER BY 1, 2",
}


class Killed(BaseException):
    """Stand for the end of a process: nothing catches it, nothing is tidied up."""


@pytest.fixture
def kill(monkeypatch):
    """Return a function that ends a run inside its n-th chunk, after its rows were written."""

    def arm(writer, number):
        written, original = [0], writer.write

        def write(self, chunk):
            result = original(self, chunk)
            written[0] += 1
            if written[0] == number:
                raise Killed
            return result

        monkeypatch.setattr(writer, "write", write)
        return lambda: monkeypatch.setattr(writer, "write", original)

    return arm


def everything(rows_of):
    """Return all that imports wrote, by natural keys."""
    return {name: rows_of(sql) for name, sql in EVERYTHING.items()}


def numbers(job):
    """Return a job's counts."""
    return {
        name: getattr(job, name)
        for name in (
            "rows_read",
            "rows_created",
            "rows_updated",
            "rows_unchanged",
            "rows_rejected",
            "rows_repeated",
            "checkpoint",
            "checkpoint_line",
            "rejected_bytes",
            "state",
        )
    }


def run_both(importer, chunk_rows):
    """Import members and orders; return both jobs."""
    return [
        importer.run(importer.create(kind, text), chunk_rows=chunk_rows)
        for kind, text in (("members", MEMBERS), ("orders", ORDERS))
    ]


@pytest.mark.parametrize("chunk_at", [1, 3, 5])
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    importer, rows_of, kill, chunk_at
):
    before = transaction.savepoint()
    whole = run_both(importer, 8)
    expected = everything(rows_of)
    expected_jobs = [numbers(job) for job in whole]
    expected_rejects = [
        [(row["line"], row["reason"]) for row in importer.rejected(job)] for job in whole
    ]
    transaction.savepoint_rollback(before)
    again = []
    for kind, text, writer in (
        ("members", MEMBERS, MemberChunks),
        ("orders", ORDERS, OrderChunks),
    ):
        job = importer.create(kind, text)
        disarm = kill(writer, chunk_at)
        with pytest.raises(Killed):
            importer.run(job, chunk_rows=8)
        disarm()
        job.refresh_from_db()
        assert job.state == "running"
        assert job.checkpoint_line == (8 * (chunk_at - 1) + 1 if chunk_at > 1 else 0)
        again.append(importer.run(job, chunk_rows=8))
    assert everything(rows_of) == expected
    assert [numbers(job) for job in again] == expected_jobs
    assert [
        [(row["line"], row["reason"]) for row in importer.rejected(job)] for job in again
    ] == expected_rejects
    assert set(compare(tenant=importer.tenant).values()) == {0}


def test_rejected_rows_are_there_once_after_a_kill_behind_their_writing(
    importer, monkeypatch, tmp_path
):
    job = importer.create("members", MEMBERS)
    real = pipeline.report.append_rejected

    def write_then_die(*args):
        real(*args)
        raise Killed

    monkeypatch.setattr(pipeline.report, "append_rejected", write_then_die)
    with pytest.raises(Killed):
        importer.run(job, chunk_rows=15)
    monkeypatch.setattr(pipeline.report, "append_rejected", real)
    job = importer.run(job, chunk_rows=15)
    assert [row["line"] for row in importer.rejected(job)] == ["11", "21", "31", "41"]


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(28, "disk on fire"), "disk on fire"), (ValueError("Ann 13800138000"), "ValueError")],
)
def test_an_unforeseen_error_is_noted_and_what_was_committed_stays(
    importer, monkeypatch, error, why
):
    job = importer.create("members", MEMBERS)
    real, calls = MemberChunks.write, []

    def fail(self, chunk):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(self, chunk)

    monkeypatch.setattr(MemberChunks, "write", fail)
    with pytest.raises(type(error)):
        importer.run(job, chunk_rows=10)
    job.refresh_from_db()
    assert job.state == "failed"
    assert f"line 11: {why}." in job.error
    assert "Ann" not in job.error
    assert "kept" in job.error
    assert Profile.objects.count() == 9
    job = importer.run(job, chunk_rows=10)
    assert (job.state, job.error, job.rows_created) == ("done", "", 36)


def test_cancel_works_between_chunks_and_keeps_what_is_committed(importer, cast):
    job = importer.create("members", MEMBERS)

    def cancel(running):
        if running.checkpoint_line == 21:
            import_cancel(job=running, acting_user=cast.brand_manager)

    job = importer.run(job, chunk_rows=10, progress=cancel)
    assert (job.state, job.checkpoint_line) == ("cancelled", 21)
    assert "line 21" in job.error
    assert Profile.objects.count() == 18
    assert importer.run(job).state == "cancelled"
    assert AuditEvent.objects.filter(action="import.cancel").exists()


def test_a_job_not_yet_running_is_cancelled_at_once(importer, cast):
    job = importer.create("members", MEMBERS)
    assert import_cancel(job=job, acting_user=cast.brand_manager).state == "cancelled"
    assert importer.run(job).rows_read == 0


def test_a_second_worker_that_comes_late_stops(importer):
    job = importer.create("members", MEMBERS)

    def overtake(running):
        if running.checkpoint_line == 11 and running.phase == "rows":
            ImportJob.objects.filter(pk=running.pk).update(checkpoint=running.checkpoint + 7)

    job = importer.run(job, chunk_rows=10, progress=overtake)
    assert Profile.objects.count() == 9
    assert ImportJob.objects.get().state == "running"


def test_a_file_that_changed_under_a_stopped_import_is_refused(importer, kill):
    job = importer.create("members", MEMBERS)
    disarm = kill(MemberChunks, 2)
    with pytest.raises(Killed):
        importer.run(job, chunk_rows=10)
    disarm()
    path = pipeline.source_path(job, "acme")
    path.write_text(path.read_text().replace("M1,", "X1,"))
    job = importer.run(job, chunk_rows=10)
    assert job.state == "failed"
    assert "not the one" in job.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("name,phone\nx,1\n", r"member_no.*columns are: name, phone"),
        ("member_no,phone,phone\n1,2,3\n", "“phone” is in the file 2 times"),
        ("member_no,member_no\n1,2\n", "2 times"),
        ("\n\n", "empty"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_before_anything_is_written(
    importer, text, words
):
    with pytest.raises(ImportRefused, match=words):
        importer.create("members", text)
    assert not ImportJob.objects.exists()
    assert not Person.objects.exists()


def test_a_file_with_headings_only_is_an_import_of_nothing(importer):
    job = importer.members("member_no,name\n")
    assert (job.state, job.rows_read) == ("done", 0)


def test_a_doubled_column_that_is_not_used_does_no_harm(importer):
    assert importer.members("member_no,note,note\n1,a,b\n").rows_created == 1


def test_formulas_come_back_without_life(importer):
    cells = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", " =2", "＝3"]
    text = "member_no,store_code\n" + "".join(f'"{cell}","{cell}"\n' for cell in cells)
    job = importer.members(text)
    rejected = importer.rejected(job)
    assert len(rejected) == len(cells)
    for row, cell in zip(rejected, cells, strict=True):
        assert row["member_no"] == f"'{cell}"
        assert not any(value.startswith(("=", "+", "-", "@", "\t")) for value in row.values())


def test_a_giant_cell_is_given_back_and_the_rest_is_imported(importer):
    giant = "x" * 10_000_000
    job = importer.members(f"member_no,name\nM1,a\nM2,{giant}\nM3,c\n")
    assert (job.rows_created, job.rows_rejected) == (2, 1)
    assert importer.rejected(job)[0]["line"] == "3"
    job = importer.members(f"member_no,name\nM4,{'y' * 100_000}\n")
    (row,) = importer.rejected(job)
    assert "100000 characters" in row["reason"]
    assert len(row["name"]) < 3000


def test_utf16_and_broken_bytes_reach_the_end(importer):
    assert importer.members("member_no,name\nM1,张伟\n".encode("utf-16")).rows_created == 1
    text = "member_no,name\n" + "".join(f"N{n},张伟张伟\n" for n in range(9))
    job = importer.members(text.encode().replace(b"N4,\xe5", b"N4,\xff"))
    assert (job.rows_created, job.rows_rejected) == (8, 1)


def test_an_upload_is_removed_when_its_rows_are_in(importer):
    brand = Brand.objects.get(code="tea")
    upload = keep_upload(SimpleUploadedFile("up.csv", b"member_no\nM1\n"), "acme", brand.pk)
    job = import_create(brand=brand, kind="members", path=upload, file_name="up.csv")
    assert job.path == str(upload.relative_to(django_settings.MEDIA_ROOT))
    importer.run(job)
    assert not upload.exists()


def test_rate_and_time_left_are_of_the_current_run(importer):
    job = ImportJob(
        state="running",
        bytes_total=1000,
        checkpoint=600,
        rows_read=60,
        resumed_rows=20,
        started_at=timezone.now() - dt.timedelta(seconds=10),
    )
    assert (job.progress, job.rows_left) == (0.6, 40)
    assert job.rows_per_second == pytest.approx(4, rel=0.05)
    assert job.seconds_left == pytest.approx(10, rel=0.05)


def test_columns_are_chosen_then_the_job_is_queued_once(importer, cast, monkeypatch):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)
    job = importer.create("members", "Nummer,Rest\n1,2\n", is_mapped_later=True)
    with pytest.raises(ImportRefused, match="no column for"):
        import_start(job=job, acting_user=cast.brand_manager, mapping={"name": "Rest"})
    with pytest.raises(ImportRefused, match="two fields"):
        import_start(
            job=job,
            acting_user=cast.brand_manager,
            mapping={"member_no": "Nummer", "name": "Nummer"},
        )
    job = import_start(job=job, acting_user=cast.brand_manager, mapping={"member_no": "Nummer"})
    assert job.state == "queued"
    with pytest.raises(ImportRefused, match="already"):
        import_start(job=job, acting_user=cast.brand_manager)
    assert importer.run(job).rows_created == 1


def test_memory_stays_bounded_whatever_the_number_of_rows(importer):
    importer.members("member_no\n" + "".join(f"M{n}\n" for n in range(50)))

    def peak(count, prefix):
        job = importer.create(
            "orders",
            "order_no,line_no,member_no,ordered_at,product_name,amount\n"
            + "".join(
                f"{prefix}{n // 4},{n % 4},M{n // 4 % 50},2026-03-{n % 4 + 1:02},Tea,{n % 97}\n"
                for n in range(count)
            ),
        )
        tracemalloc.start()
        job = importer.run(job, finish=False, chunk_rows=5_000)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert job.rows_created == count
        return most

    few = peak(20_000, "S")
    assert peak(100_000, "L") < few + 20_000_000
    assert few < 60_000_000


def test_a_table_analysed_while_its_rows_were_undone_ones_is_analysed_again(importer, rows_of):
    """Else the planner scans it once for each row that has a number in common."""
    lines = "".join(f"T{number},13800001111\n" for number in range(200))
    sizes = "SELECT reltuples > 0 FROM pg_class WHERE oid = 'members_profile'::regclass"
    undone = transaction.savepoint()
    importer.members("member_no,phone\n" + lines)
    transaction.savepoint_rollback(undone)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE members_profile, members_identity, members_identitylink")
    assert rows_of(sizes) == [(False,)]
    importer.members("member_no,phone\n" + lines)
    importer.members("member_no,phone\n" + lines.replace("T", "U"))
    assert rows_of(sizes) == [(True,)]
