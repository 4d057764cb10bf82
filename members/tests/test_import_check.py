"""A check says what an import would do, and writes nothing."""

import pytest

from members.imports.acts import import_check, job_run
from members.imports.dry_run import check_run, plain
from members.imports.errors import ImportRefused
from members.imports.files import BadRow
from members.imports.services import import_cancel, import_start
from members.models import ImportJob, Profile
from members.tests.test_import_members import TABLES
from members.tests.test_import_pipeline import MEMBERS, ORDERS, Killed

COUNTS = ("read", "created", "updated", "unchanged", "rejected", "repeated")
# Lines 12 to 14 are about members of the first chunk: as they were, changed, and rejected.
AGAIN = (
    "member_no,name,phone,gender\n"
    + "".join(f"M{n},张伟,138001380{n:02},female\n" for n in range(1, 11))
    + "M1,张伟,13800138001,female\nM2,李娜,13800138002,male\nM3,张伟,no phone,male\n"
    + "M11,王芳,13800138011,\nM2,李娜,13800138002,female\n"
)
LAST = "".join(ORDERS.splitlines(keepends=True)[-6:])


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)


@pytest.fixture
def check(importer, cast):
    """Return a function that checks a file, as a worker does."""

    def run(kind, text, *, brand="tea", **options):
        job = importer.create(kind, text, brand=brand)
        import_check(job=job, acting_user=cast.brand_manager)
        return check_run(tenant=importer.tenant, job_id=job.pk, **options)

    return run


@pytest.fixture
def state(rows_of):
    """Return a function that reads which transaction every row of members is from."""
    tables = [
        *TABLES,
        *("members_order", "members_orderline", "members_importchange", "members_pendingtotal"),
        *("members_pendingrollup", "members_dailymetric", "brands_generation"),
    ]
    return lambda: {
        table: sorted(rows_of(f"SELECT xmin::text, ctid::text FROM {table}")) for table in tables
    }


def told(job):
    """Return the counts of a check."""
    return {name: job.report[name] for name in COUNTS}


def imported(job):
    """Return the same counts of an import."""
    names = ("rows_read", "rows_created", "rows_updated", "rows_unchanged", "rows_rejected")
    values = [getattr(job, name) for name in (*names, "rows_repeated")]
    return dict(zip(COUNTS, values, strict=True))


@pytest.mark.parametrize(
    ("kind", "text", "chunk_rows"),
    [
        ("members", MEMBERS, 8),
        ("members", AGAIN, 4),
        ("members", AGAIN, 5),
        ("members", AGAIN, 100),
        ("orders", ORDERS + LAST, 40),
    ],
)
def test_a_check_counts_as_the_import_does_and_writes_nothing(
    importer, check, state, kind, text, chunk_rows
):
    importer.members("member_no,gender,phone\nM1,male,13800138001\nM5,female,13800138005\n")
    if kind == "orders":
        importer.members(MEMBERS)
    before = state()
    job = check(kind, text, chunk_rows=chunk_rows)
    assert (job.state, job.error, job.checkpoint, job.rows_read) == ("checked", "", 0, 0)
    assert state() == before
    found = told(job)
    rejected = importer.rejected(job)
    ImportJob.objects.filter(pk=job.pk).update(state="queued")
    job = importer.run(job, chunk_rows=chunk_rows)
    assert found == imported(job)
    assert importer.rejected(job) == rejected


def test_a_check_says_which_fields_change_and_whom_it_would_join(importer, check):
    importer.members(
        "member_no,name,phone,gender,consent,consented_on\n"
        "M1,张伟,13800138001,male,1,2026-01-01\nM2,李娜,13800138002,female,,\n"
    )
    importer.members("member_no,phone\nS1,13800138009\n", brand="bakery")
    job = check(
        "members",
        "member_no,name,phone,gender,consent,consented_on\n"
        "M1,张伟,13800138007,female,withdrawn,2026-02-01\nM2,李芳,13800138002,female,1,2026-02-01\n"
        "M3,王芳,13800138002,,,\nM4,赵敏,13800138009,,,\n",
    )
    report = job.report
    assert report["fields"] == {"gender": 1, "phone": 1, "name": 1}
    # M2 and M3 are found to be one; that M4 is one with a member of a sibling's is nobody's here.
    assert (report["joined"], report["opened"], report["closed"]) == (2, 1, 1)


def test_reasons_are_counted_and_quote_no_cell(check, importer):
    rows = "".join(f"M{n},1380013800x{n}\n" for n in range(12))
    job = check("members", "member_no,phone\n" + rows + ",13800138000\n")
    assert [(r["field"], r["rows"], r["lines"]) for r in job.report["reasons"]] == [
        ("phone", 12, list(range(2, 12))),
        ("member_no", 1, [14]),
    ]
    assert "1380" not in str(job.report)
    assert len(importer.rejected(job)) == 13
    assert plain(BadRow(1, "", "“a”b” is 5, not 123456", ["a”b"])) == "“…” is 5, not …"


def test_a_checked_file_is_imported_or_given_up(importer, check, cast):
    job = check("members", MEMBERS)
    with pytest.raises(ImportRefused, match="being checked already"):
        import_check(
            job=import_check(job=job, acting_user=cast.brand_manager),
            acting_user=cast.brand_manager,
        )
    assert job_run(tenant=importer.tenant, job_id=job.pk).state == "checked"
    job = import_start(job=job, acting_user=cast.brand_manager)
    job = job_run(tenant=importer.tenant, job_id=job.pk)
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 36, 4)
    with pytest.raises(ImportRefused, match="has begun"):
        import_check(job=job, acting_user=cast.brand_manager)
    given_up = check("members", MEMBERS)
    assert import_cancel(job=given_up, acting_user=cast.brand_manager).state == "cancelled"


def test_a_check_stops_when_asked_and_begins_anew_after_a_kill(importer, check, cast):
    def cancel(running):
        import_cancel(job=running, acting_user=cast.brand_manager)

    job = check("members", MEMBERS, chunk_rows=10, progress=cancel)
    assert (job.state, Profile.objects.count()) == ("cancelled", 0)

    def die(running):
        raise Killed

    with pytest.raises(Killed):
        check("members", MEMBERS, chunk_rows=10, progress=die)
    job = ImportJob.objects.latest("pk")
    assert (job.state, job.progress > 0) == ("checking", True)
    assert job_run(tenant=importer.tenant, job_id=job.pk).report["created"] == 36
