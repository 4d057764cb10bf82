"""Operators import and check from the command line."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from brands.models import Brand
from brands.wall import scope
from members.imports.members import MemberChunks
from members.imports.services import import_create, import_enqueue
from members.models import DailyMetric, GroupMetric, ImportJob, PoolMetric, Profile, ProfileTag
from members.tasks import run_import
from tenants.context import tenant_transaction


@pytest.fixture
def files(tmp_path):
    """Return a members file and an orders file."""
    members, orders = tmp_path / "members.csv", tmp_path / "orders.csv"
    members.write_text("member_no,phone\n1,13800138000\n2,bad\n3,13800138001\n")
    orders.write_text(
        "order_no,member_no,ordered_at,amount\nA,1,2026-03-01,5\nB,1,2026-03-02,6.50\n"
    )
    return members, orders


def said(*args, **options):
    """Run a command and return what it printed."""
    out = io.StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def test_members_and_orders_are_imported_and_figures_are_right(acme, files):
    members, orders = files
    text = said("import_members", "acme", "tea", str(members))
    assert "2 created" in text
    assert "1 rejected" in text
    assert "rejected-" in text
    assert "2 created" in said("import_orders", "acme", "tea", str(orders))
    assert "2 unchanged" in said("import_orders", "acme", "tea", str(orders))
    found = json.loads(said("figures", "acme", as_json=True))
    assert found["tenant"] == "acme"
    assert found["currency"] == "CNY"
    assert found["brands"]["tea"] == {
        "members": 2,
        "persons": 2,
        "orders": 2,
        "lines": 2,
        "sales": 1150,
        "buyers": 1,
        "repeat_buyers": 1,
    }
    assert found["group"] == {"persons": 2, "persons_by_brands": {"1": 2}}
    assert "1,150" in said("figures", "acme")
    assert "DIFFERS" not in said("verify_metrics", "acme")


def test_wrong_names_are_answered_with_the_right_ones(acme, globex, files):
    with pytest.raises(CommandError, match="Groups: acme, globex"):
        said("import_members", "nobody", "tea", str(files[0]))
    with pytest.raises(CommandError, match="Brands: bakery, spa, tea"):
        said("import_members", "acme", "coffee", str(files[0]))
    with pytest.raises(CommandError, match="cannot be read"):
        said("import_members", "acme", "tea", "/nowhere/file.csv")


def test_a_stopped_import_is_resumed(acme, files, monkeypatch):
    def stop(self, chunk):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MemberChunks, "write", stop)
        with pytest.raises(CommandError, match="--resume"):
            said("import_members", "acme", "tea", str(files[0]))
    # What was kept of it may be gone by then.
    for kept in (Path(settings.MEDIA_ROOT) / "imports" / "acme").glob("*"):
        kept.unlink()
    text = files[0].read_text()
    files[0].write_text(text.replace("1,", "4,", 1))
    with pytest.raises(CommandError, match="not the file that"):
        said("import_members", "acme", "tea", str(files[0]), resume=True)
    files[0].write_text(text)
    assert "2 created" in said("import_members", "acme", "tea", str(files[0]), resume=True)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert ImportJob.objects.count() == 1


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda: DailyMetric.objects.filter(store=None).update(sales=1), "daily figures"),
        (lambda: PoolMetric.objects.update(members=99), "pool members"),
        (lambda: PoolMetric.objects.update(buyers=99), "pool buyers"),
        (lambda: GroupMetric.objects.update(persons=99), "group figures"),
        (lambda: Profile.objects.update(orders=99), "member totals"),
        (lambda: Profile.objects.update(notice=1), "notices on members"),
    ],
)
def test_verification_finds_what_differs(acme, files, spoil, name):
    said("import_members", "acme", "tea", str(files[0]))
    said("import_orders", "acme", "tea", str(files[1]))
    with tenant_transaction(acme), scope.bulk(reason="test"):
        spoil()
    out = io.StringIO()
    with pytest.raises(CommandError, match="differ"):
        call_command("verify_metrics", "acme", stdout=out)
    assert f"DIFFERS  {name}: " in out.getvalue()


def test_figures_may_be_left_pending_and_are_then_named(acme, files):
    said("import_members", "acme", "tea", str(files[0]))
    said("import_orders", "acme", "tea", str(files[1]), no_figures=True)
    with pytest.raises(CommandError, match="pending"):
        said("verify_metrics", "acme")
    said("import_orders", "acme", "tea", str(files[1]))
    assert "DIFFERS" not in said("verify_metrics", "acme")


def test_the_task_runs_in_the_group_that_came_with_it(
    acme, files, django_capture_on_commit_callbacks
):
    with (
        django_capture_on_commit_callbacks(execute=True),
        tenant_transaction(acme),
        scope.bulk(reason="test"),
    ):
        job = import_create(
            brand=Brand.objects.get(code="tea"),
            kind="members",
            path=files[0],
            file_name="members.csv",
        )
        import_enqueue(job)
    assert connection.schema_name == "public"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job.refresh_from_db()
        assert (job.state, job.rows_created) == ("done", 2)


def test_the_task_refuses_the_public_schema(db):
    with pytest.raises(RuntimeError, match="belongs to a group"):
        run_import(1)


def test_a_file_is_checked_imported_by_rules_and_taken_back(acme, files):
    members, _orders = files
    checked = said("import_members", "acme", "tea", str(members), "--check")
    assert "nothing was written" in checked
    assert "would be created" in checked
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.exists()
        assert not ImportJob.objects.filter(state="checked").exists()
    done = said("import_members", "acme", "tea", str(members), "--rules", "newest-keep")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job = ImportJob.objects.latest("pk")
        assert (job.rules["keeps_filled"], Profile.objects.count()) == (True, job.rows_created)
    assert f"--undo {job.pk}" in done
    undone = said("import_members", "acme", "tea", "--undo", str(job.pk))
    assert f"{job.rows_created:,} removed" in undone
    assert "stay as they are: none" in undone
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert not Profile.objects.exists()
    with pytest.raises(CommandError, match="was taken back"):
        said("import_members", "acme", "tea", "--undo", str(job.pk))
    with pytest.raises(CommandError, match="no import 0"):
        said("import_members", "acme", "tea", "--undo", "0")
    with pytest.raises(CommandError, match="Name the file"):
        said("import_members", "acme", "tea")


def test_a_file_of_any_kind_is_imported_by_its_part_and_source(acme, tmp_path):
    packed = tmp_path / "files.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("members.csv", "member_no,phone\n1,13800138000\n")
        archive.writestr("tags.csv", "member_no,tags\n1,VIP\n7,13900139000\n")
    with pytest.raises(CommandError, match="several tables"):
        said("import_file", "acme", "tea", str(packed), kind="members")
    text = said(
        "import_file", "acme", "tea", str(packed), kind="members", part="members.csv", source="POS"
    )
    assert "1 created" in text
    text = said("import_file", "acme", "tea", str(packed), kind="tags", part="tags.csv")
    assert "1 created" in text
    assert "1 rejected" in text
    # What is printed names no member.
    assert not {"13800138000", "13900139000", "VIP"} & set(text.split())
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert ImportJob.objects.get(kind="members").source.name == "POS"
        assert ProfileTag.objects.get().tag.name == "VIP"
    assert packed.exists()
