"""Exports: made in the asker's scope, handed out while they hold, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from brands.models import Brand, Notice, Store
from brands.services import mode_change
from brands.wall import scope
from members.consents.ledger import consent_record, consent_withdraw
from members.contacts import seal
from members.exports import files, services
from members.exports import job as export_job
from members.exports.errors import ExportRefused
from members.exports.job import export_run
from members.exports.services import export_create, export_sweep
from members.keys import group_keys
from members.models import Contact, ExportJob, ImportJob, Profile
from members.tests.pools import fill, phone_of
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Grant


@pytest.fixture
def pools(acme) -> dict[str, list[int]]:
    """Give tea and bakery twelve members each; the first three of tea's agreed to the notice."""
    made = {code: fill(acme, code, members=12, orders=1) for code in ("tea", "bakery")}
    with tenant_transaction(acme), scope.bulk(reason="test"):
        notice = Notice.objects.get()
        for profile in Profile.objects.filter(pk__in=made["tea"][:3]):
            consent_record(profile=profile, notice=notice, is_given=True, acting_user=None)
    return made


@contextmanager
def everything(acme) -> Iterator[None]:
    """Be the owner in acme, who sees everybody's jobs."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        yield


def run(acme, job: ExportJob) -> ExportJob:
    """Let a worker make the file of a job."""
    return export_run(tenant=acme, job_id=job.pk, grant_id=job.grant_id)


@pytest.fixture
def ask(seeing):
    """Return a function that asks for an export as a person."""

    def asked(user, **filters: str) -> ExportJob:
        with seeing(user) as opened:
            return export_create(filters=filters, visible=opened.visible, acting_user=user)

    return asked


@pytest.fixture
def export(acme, ask):
    """Return a function that asks for an export as a person and has it made."""
    return lambda user, **filters: run(acme, ask(user, **filters))


def now(acme, job: ExportJob) -> ExportJob:
    """Return a job as it stands."""
    with everything(acme):
        return ExportJob.objects.get(pk=job.pk)


def rows_of(response) -> list[dict[str, str]]:
    """Return the rows of a file that was handed out."""
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def media() -> list[Path]:
    """Return every exported file that is there."""
    return sorted(Path(settings.MEDIA_ROOT).glob("exports/*/*"))


def switch(acme, mode: str, brand: str | None = None) -> None:
    """Set the group's mode, or a brand's."""
    with tenant_transaction(acme):
        one = Brand.objects.get(code=brand) if brand else None
        mode_change(mode=mode, brand=one, acting_user=None)


def withdraw(acme, profile_id: int) -> None:
    """Let a member take back what they agreed to."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_withdraw(profile=Profile.objects.get(pk=profile_id), acting_user=None)


def test_a_brand_exports_its_filtered_list(acme, cast, visit, pools):
    client = visit(cast.brand_manager)
    assert (
        "/exports/new/?since=2026-01-05"
        in client.get("/members/?since=2026-01-05").content.decode()
    )
    page = client.get("/exports/new/?since=2026-01-05").content.decode()
    assert "9 members" in page
    assert "Make the file" in page
    nobody = client.get("/exports/new/?since=2030-01-01").content.decode()
    assert "0 members" in nobody
    assert "Make the file" not in nobody
    assert 'name="since" value="2026-01-05"' in page
    asked = client.post("/exports/new/", {"since": "2026-01-05"})
    watch = client.get(asked.url).content.decode()
    assert "every 1s" in watch
    assert client.post(f"{asked.url}file/").url == asked.url
    with everything(acme):
        job = ExportJob.objects.get()
    assert "2026" not in bytes(job.filters).decode("latin-1")
    run(acme, job)
    part = client.get(asked.url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "/file/" in part
    assert "every 1s" not in part
    handed = client.post(f"{asked.url}file/")
    assert handed["Content-Disposition"].startswith('attachment; filename="members-acme-')
    assert "no-store" in handed["Cache-Control"]
    rows = rows_of(handed)
    assert len(rows) == 9
    assert rows[-1]["Phone"] == phone_of(4).removeprefix("+86")
    assert (rows[-1]["Sales"], rows[-1]["Brand"]) == ("25.00", "tea")
    assert [(path.stat().st_mode & 0o777, path.suffix) for path in media()] == [
        (0o600, ".csv"),
        (0o600, ".members"),
    ]
    assert media()[0].read_bytes().startswith(b"\xef\xbb\xbf")
    told = AuditEvent.objects.filter(action__startswith="exportjob.").order_by("number")
    assert [one.action for one in told] == [
        "exportjob.request",
        "exportjob.finish",
        "exportjob.download",
    ]
    # HQ reads the audit in every mode: of nine it learns that they are fewer than ten.
    assert told[1].changes == {"rows": ["", "<10"], "brands": ["", "tea"]}
    assert {one.user for one in told} == {cast.brand_manager}


def test_a_searched_phone_is_kept_sealed_and_audited_nowhere(acme, cast, export, pools):
    job = export(cast.brand_manager, q=phone_of(2))
    assert job.rows == 1
    assert phone_of(2).encode() not in bytes(job.filters)
    assert phone_of(2) not in str(list(AuditEvent.objects.values_list("changes", flat=True)))


def test_an_export_is_the_askers_alone(acme, cast, visit, export, pools):
    job = export(cast.brand_manager)
    address = f"/exports/{job.pk}/"
    acts = ("file/", "cancel/", "again/")
    for person in ("group_admin", "sibling_manager", "unit_manager", "provider_operator", "guide"):
        client = visit(getattr(cast, person))
        assert client.get(address).status_code == 404, person
        assert {client.post(address + act).status_code for act in acts} == {404}, person
        if person != "guide":
            assert str(job.pk) not in client.get("/exports/").content.decode()
    assert visit(cast.guide).get("/exports/new/").status_code == 404
    own = visit(cast.brand_manager)
    assert str(job.pk) in own.get("/exports/").content.decode()
    assert own.post(f"{address}file/").status_code == 200
    # Under another grant of the same person it is not there.
    grant = Grant.objects.get(user=cast.brand_manager)
    other = Grant.objects.create(
        user=cast.brand_manager,
        role=grant.role,
        level=grant.level,
        tenant=acme,
        place_id=grant.place_id + 1,
        place_name="Bakery",
    )
    own.post("/acting/", {"grant": str(other.pk)})
    assert own.get(address).status_code == 404
    own.post("/acting/", {"grant": str(grant.pk)})
    Grant.objects.filter(pk=grant.pk).update(valid_until=timezone.now())
    assert own.post(f"{address}file/").status_code == 404


def test_the_database_shows_a_job_to_the_grant_that_asked_for_it_alone(
    acme, cast, seeing, export, pools
):
    """Whatever is asked of the database itself: no filter of the product stands in the way."""
    job = export(cast.brand_manager)
    with seeing(cast.brand_manager) as opened:
        own = opened.visible
    for person in ("group_admin", "sibling_manager", "unit_manager", "provider_operator"):
        with seeing(getattr(cast, person)) as opened, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM members_exportjob")
            assert cursor.fetchall() == [], person
            cursor.execute("UPDATE members_exportjob SET downloads = 9")
            assert cursor.rowcount == 0, person
            # Nor is a file handed out where nobody looked whose it is.
            with pytest.raises(ExportJob.DoesNotExist):
                services.export_check(
                    job=job, visible=opened.visible, acting_user=getattr(cast, person)
                )
    with pytest.raises(ExportJob.DoesNotExist):
        export_run(tenant=acme, job_id=job.pk, grant_id=cast.sibling_manager.acting_grant.pk)
    with seeing(cast.brand_manager), connection.cursor() as cursor:
        cursor.execute("SELECT id, grant_id FROM members_exportjob")
        assert cursor.fetchall() == [(job.pk, job.grant_id)]
        assert (
            services.export_check(job=job, visible=own, acting_user=cast.brand_manager).job == job
        )
    with services.jobs_of(acme, services.grants_of(acme)):
        assert ExportJob.objects.get().pk == job.pk
        assert not Profile.objects.exists()


def test_a_file_that_no_row_tells_of_is_deleted_when_it_is_old(acme, cast, export, pools):
    job = export(cast.brand_manager)
    old = files.file_of(job, "acme").with_name("left.csv")
    old.write_text("x")
    long_ago = (timezone.now() - dt.timedelta(days=9)).timestamp()
    os.utime(old, (long_ago, long_ago))
    assert export_sweep(tenant=acme) == 0
    assert [path.suffix for path in media()] == [".csv", ".members"]
    assert not old.exists()


def test_after_a_switch_the_file_is_gone_and_asking_again_gives_what_may_be_seen(
    acme, cast, visit, export, pools
):
    client = visit(cast.group_admin)
    job = export(cast.group_admin)
    address = f"/exports/{job.pk}/"
    assert (job.rows, job.rows_of_others) == (24, 24)
    assert client.post(f"{address}file/").status_code == 200
    switch(acme, "fan_max")
    gone = client.post(f"{address}file/")
    assert gone.status_code == 410
    assert "the mode, a notice or your access has changed" in gone.content.decode()
    assert now(acme, job).path == ""
    assert client.post(f"{address}file/").status_code == 410
    again = client.post(f"{address}again/")
    assert again.status_code == 302
    with everything(acme):
        renewed = ExportJob.objects.exclude(pk=job.pk).get()
    renewed = run(acme, renewed)
    rows = rows_of(client.post(f"/exports/{renewed.pk}/file/"))
    assert sorted(row["Member number"] for row in rows) == ["TEA-1", "TEA-2", "TEA-3"]
    assert rows[-1]["Name"] == "Person Number1"


def test_a_withdrawal_closes_files_with_that_row_and_no_other(acme, cast, visit, export, pools):
    switch(acme, "fan_max")
    of_all = export(cast.group_admin)
    of_first = export(cast.group_admin, q="TEA-1")
    own = export(cast.brand_manager)
    hq, tea = visit(cast.group_admin), visit(cast.brand_manager)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        # Someone else's yes changes nothing of what is in these files.
        profile = Profile.objects.get(pk=pools["tea"][7])
        consent_record(
            profile=profile, notice=Notice.objects.get(), is_given=True, acting_user=None
        )
    assert hq.post(f"/exports/{of_all.pk}/file/").status_code == 200
    withdraw(acme, pools["tea"][1])
    gone = hq.post(f"/exports/{of_all.pk}/file/")
    assert gone.status_code == 410
    assert "taken back" in gone.content.decode()
    assert hq.post(f"/exports/{of_first.pk}/file/").status_code == 200
    # A brand's own members are its own whatever they answer.
    assert tea.post(f"/exports/{own.pk}/file/").status_code == 200


def test_who_agrees_to_less_is_no_longer_in_a_file_that_holds_more(
    acme, cast, visit, export, pools
):
    switch(acme, "fan_max")
    job = export(cast.group_admin, q="TEA-1")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        narrow = Notice.objects.create(version="2", names_group=True, covers_contact=False)
        # Both notices are in force before the file is made that is compared with now.
    job = export(cast.group_admin, q="TEA-1")
    client = visit(cast.group_admin)
    assert client.post(f"/exports/{job.pk}/file/").status_code == 200
    with tenant_transaction(acme), scope.bulk(reason="test"):
        profile = Profile.objects.get(pk=pools["tea"][0])
        consent_record(profile=profile, notice=narrow, is_given=True, acting_user=None)
    assert client.get(f"/members/{pools['tea'][0]}/").status_code == 200
    assert client.post(f"/exports/{job.pk}/file/").status_code == 410


@pytest.mark.django_db(transaction=False)
def test_the_sweep_deletes_what_no_longer_holds_and_keeps_the_rest(
    acme, cast, export, pools, django_capture_on_commit_callbacks
):
    switch(acme, "fan_max")
    closed, kept = export(cast.group_admin), export(cast.brand_manager)
    ended, old = export(cast.second_admin), export(cast.unit_manager)
    assert len(media()) == 8
    assert export_sweep(tenant=acme) == 0
    withdraw(acme, pools["tea"][0])
    Grant.objects.filter(user=cast.second_admin).update(valid_until=timezone.now())
    with everything(acme):
        ExportJob.objects.filter(pk=old.pk).update(deletes_at=timezone.now() - dt.timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert export_sweep(tenant=acme) == 3
    states = [now(acme, one).state for one in (closed, kept, ended, old)]
    assert states == ["outdated", "done", "outdated", "outdated"]
    assert [path.with_suffix("") for path in media()] == [
        files.file_of(now(acme, kept), "acme").with_suffix("")
    ] * 2


def test_a_withdrawal_asks_for_the_sweep_where_files_hold_rows_of_others(
    acme, cast, export, pools, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []
    monkeypatch.setattr(
        "members.exports.tasks.sweep_exports.apply_async",
        lambda *args, headers, **kwargs: asked.append(headers["_schema_name"]),
    )
    switch(acme, "fan_max")
    export(cast.brand_manager)
    with django_capture_on_commit_callbacks(execute=True):
        withdraw(acme, pools["tea"][0])
    assert asked == []
    export(cast.group_admin)
    with django_capture_on_commit_callbacks(execute=True):
        withdraw(acme, pools["tea"][1])
    assert asked == ["acme"]


@pytest.mark.parametrize("change", ["switch", "end of the grant", "cancel", "overtaken"])
def test_what_changes_while_a_file_is_made_stops_it(
    acme, cast, ask, pools, monkeypatch, seeing, change
):
    monkeypatch.setattr(export_job, "CHUNK_ROWS", 5)
    job = ask(cast.group_admin)
    chunk = export_job._Run.chunk

    def then(run):
        written = chunk(run)
        if run.rows == 10:
            if change == "switch":
                switch(acme, "brand_max")
            elif change == "end of the grant":
                Grant.objects.filter(user=cast.group_admin).update(valid_until=timezone.now())
            elif change == "cancel":
                with everything(acme):
                    services.export_cancel(job=job, acting_user=cast.group_admin)
            else:
                with everything(acme):
                    ExportJob.objects.update(path="exports/acme/another.csv")
        return written

    monkeypatch.setattr(export_job._Run, "chunk", then)
    state = run(acme, job).state
    expected = {"cancel": "cancelled", "overtaken": "running"}.get(change, "outdated")
    assert state == expected
    assert media() == []


def test_a_file_in_chunks_holds_every_row_once_and_a_job_runs_once(
    acme, cast, ask, pools, monkeypatch
):
    monkeypatch.setattr(export_job, "CHUNK_ROWS", 6)
    job = run(acme, ask(cast.group_admin))
    text = files.file_of(job, "acme").read_text("utf-8-sig")
    numbers = [row["Member number"] for row in csv.DictReader(io.StringIO(text))]
    assert len(numbers) == len(set(numbers)) == job.rows == job.rows_total == 24
    assert run(acme, job).path == job.path


def test_a_failure_leaves_no_file_and_says_so(acme, cast, ask, pools, monkeypatch):
    def fails(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(export_job, "written", fails)
    job = ask(cast.brand_manager)
    with pytest.raises(ZeroDivisionError):
        run(acme, job)
    job = now(acme, job)
    assert (job.state, job.path, media()) == ("failed", "", [])
    assert "Ask for the export again" in job.error


def test_a_person_waits_for_their_exports(acme, cast, ask, pools):
    for _ in range(services.AT_ONCE):
        ask(cast.brand_manager)
    with pytest.raises(ExportRefused, match="in the making"):
        ask(cast.brand_manager)
    assert ask(cast.sibling_manager).pk


def test_a_member_who_goes_to_another_store_leaves_the_files_of_the_former(
    acme, cast, visit, export, pools
):
    own, of_brand = export(cast.store_manager), export(cast.brand_manager)
    client, brand = visit(cast.store_manager), visit(cast.brand_manager)
    assert own.rows == 12
    assert own.rows_of_others == 0
    assert client.post(f"/exports/{own.pk}/file/").status_code == 200
    with tenant_transaction(acme), scope.bulk(reason="test"):
        other = Store.objects.get(code="tea-2")
        Profile.objects.filter(pk=pools["tea"][0]).update(store=other)
    assert client.post(f"/exports/{own.pk}/file/").status_code == 410
    assert brand.post(f"/exports/{of_brand.pk}/file/").status_code == 200


def test_phones_are_written_as_they_are_dialled(acme, cast, export, pools):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        contact = Contact.objects.get(profile_id=pools["tea"][0])
        fields = {"name": "=HYPERLINK(1)", "phone": "+447700900123", "email": "+a@b.example"}
        contact.sealed = seal(group_keys(), fields)
        contact.save()
    job = export(cast.brand_manager, q="TEA-1")
    text = files.file_of(job, "acme").read_text("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["Name"], row["Phone"]) == ("'=HYPERLINK(1)", "00447700900123")
    assert row["E-mail"] == "'+a@b.example"


def test_looking_as_a_role_nothing_is_exported_and_no_token_made(acme, cast, visit, export, pools):
    job = export(cast.brand_manager)
    client = visit(cast.group_admin)
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea")
    client.post("/view-as/", {"role": "brand_manager", "place": tea.pk, "engagement": ""})
    assert "Tea House" in client.get("/members/").content.decode()
    assert "no file is given out" in client.get("/exports/new/").content.decode()
    assert "no token is made" in client.get("/tokens/").content.decode()
    assert client.get(f"/exports/{job.pk}/").status_code == 404
    for address in ("/exports/new/", f"/exports/{job.pk}/file/", "/tokens/"):
        assert client.post(address, {"name": "x"}).status_code == 403
    assert client.get("/api/v1/").status_code == 401
    with everything(acme):
        assert ExportJob.objects.count() == 1


def test_a_file_that_lost_its_list_is_not_handed_out(acme, cast, visit, export, pools):
    job = export(cast.group_admin)
    files.marks_of(job, "acme").unlink()
    assert visit(cast.group_admin).post(f"/exports/{job.pk}/file/").status_code == 410


def test_rejected_rows_of_an_import_are_given_back_under_the_same_grant_alone(
    acme, cast, visit, pools
):
    """An engagement that ended and another that began are two, though the person is one."""
    user = cast.provider_operator
    with tenant_transaction(acme), scope.bulk(reason="test"):
        job = ImportJob.objects.create(
            brand=Brand.objects.get(code="tea"),
            kind="orders",
            state="done",
            file_name="o.csv",
            path="o.csv",
            rows_rejected=1,
            created_by=user,
            grant_id=user.acting_grant.pk,
        )
        job.rejected_path = f"imports/acme/rejected-{job.pk}.csv"
        job.save(update_fields=["rejected_path"])
    path = Path(settings.MEDIA_ROOT) / job.rejected_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("line\n2\n")
    address = f"/imports/{job.pk}/rejected/"
    assert visit(user).get(address).status_code == 200
    Grant.objects.filter(pk=user.acting_grant.pk).update(valid_until=timezone.now())
    Grant.objects.create(
        user=user,
        role=user.acting_grant.role,
        level=user.acting_grant.level,
        tenant=acme,
        place_id=user.acting_grant.place_id,
        place_name="Tea House",
        engagement=user.acting_grant.engagement,
    )
    client = visit(user)
    assert client.get(f"/imports/{job.pk}/").status_code == 200
    assert client.get(address).status_code == 404
