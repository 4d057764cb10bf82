"""What plain SQL in a scope of one's own makes of the paths that an import's row holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.files.uploadedfile import SimpleUploadedFile

from brands.models import Brand, ChannelAccount
from brands.wall import scope
from members.folders import StrangePath, fresh_path, rejected_path
from members.imports.acts import job_run
from members.imports.errors import ImportRefused
from members.imports.pipeline import import_run, remove_upload, source_path
from members.imports.report import rejected_file
from members.imports.services import import_cancel, import_create
from members.imports.undo import why_not_undone
from members.imports.uploads import keep_upload
from members.models import ImportJob, Profile, Touchpoint
from tenants.context import tenant_transaction

ROWS = b"member_no,phone\n1,13800138000\n2,no phone\n"


@pytest.fixture
def upload(acme):
    """Return a function: a brand's code → its job with an upload, and the file."""

    def make(code: str, **fields: object) -> tuple[ImportJob, Path]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            brand = Brand.objects.get(code=code)
            path = keep_upload(SimpleUploadedFile("m.csv", ROWS), "acme", brand.pk)
            job = import_create(brand=brand, kind="members", path=path, file_name="m.csv")
            ImportJob.objects.filter(pk=job.pk).update(**fields)
        return job, path

    return make


def test_no_row_hands_out_a_file_that_is_not_the_imports_own(
    acme, cast, seeing, visit, upload, tmp_path
):
    """The app role may write the row, and the web would open whatever it names."""
    sibling, _path = upload("bakery")
    assert import_run(tenant=acme, job_id=sibling.pk).rows_rejected == 1
    theirs = Path(configured.MEDIA_ROOT) / rejected_path("acme", sibling.pk)
    keys = tmp_path / "sluice.env"
    keys.write_text("MASTER_KEY=secret")
    own, _path = upload("tea")
    assert import_run(tenant=acme, job_id=own.pk).rows_rejected == 1
    user = cast.brand_manager
    client = visit(user)
    address = f"/imports/{own.pk}/rejected/"
    named = rejected_path("acme", own.pk)
    with seeing(user):
        # Whose grant a command's import was asked under: nobody's. Now it is the attacker's.
        ImportJob.objects.filter(pk=own.pk).update(
            grant_id=user.acting_grant.pk, created_by=user.pk
        )
    for strange in (
        str(keys),
        "../sluice.env",
        str(theirs),
        rejected_path("acme", sibling.pk),
        f"imports/acme/../acme/rejected-{own.pk}.csv",
    ):
        with seeing(user):
            assert ImportJob.objects.filter(pk=own.pk).update(rejected_path=strange) == 1
        assert client.get(address).status_code == 404, strange
    with seeing(user):
        ImportJob.objects.filter(pk=own.pk).update(rejected_path=named)
    assert b"no phone" in client.get(address).getvalue()


def test_no_row_names_a_file_outside_of_the_imports(acme, upload, tmp_path):
    """The owner's worker reads what `path` names, and deletes it."""
    job, own = upload("tea")
    _sibling, theirs = upload("bakery")
    keys = tmp_path / "keys.csv"
    keys.write_text("MASTER_KEY=secret")
    linked = Path(configured.MEDIA_ROOT) / fresh_path("imports", "acme", job.brand_id)
    linked.symlink_to(keys)
    media = Path(configured.MEDIA_ROOT)
    for strange in (
        "",
        str(keys),
        "imports/../../keys.csv",
        str(own),
        str(linked.relative_to(media)),
        str(theirs.relative_to(media)),
        fresh_path("imports", "globex", job.brand_id),
        fresh_path("exports", "acme", job.brand_id),
        rejected_path("acme", job.pk),
    ):
        job.path = job.rejected_path = strange
        with pytest.raises(ImportRefused, match="not one of its own"):
            source_path(job, "acme")
        assert not remove_upload(job, "acme")
        if strange != rejected_path("acme", job.pk):
            with pytest.raises(StrangePath):
                rejected_file(job, "acme")
    assert all(path.exists() for path in (keys, theirs, own))
    job.path = str(own.relative_to(media))
    assert source_path(job, "acme") == own.resolve()
    assert remove_upload(job, "acme")
    assert not own.exists()


def test_a_planted_path_is_neither_imported_nor_deleted_and_says_so(
    acme, upload, django_capture_on_commit_callbacks
):
    _sibling, theirs = upload("bakery")
    name = str(theirs.relative_to(configured.MEDIA_ROOT))
    job, _own = upload("tea", path=name)
    acme.locale = "en"
    found = import_run(tenant=acme, job_id=job.pk)
    assert (found.state, found.rows_read) == ("failed", 0)
    assert "not one of its own" in found.error
    with (
        django_capture_on_commit_callbacks(execute=True),
        tenant_transaction(acme),
        scope.bulk(reason="test"),
    ):
        assert import_cancel(job=job, acting_user=None).state == "cancelled"
    assert theirs.exists()


def test_no_row_takes_a_siblings_import_back(acme, seeing, cast, upload):
    """The owner's worker removes the members of whichever import a job's row names."""
    made = {code: upload(code)[0] for code in ("tea", "bakery")}
    for job in made.values():
        assert import_run(tenant=acme, job_id=job.pk).rows_created == 1
    kept = {"tea": 0, "bakery": 1}
    acme.locale = "en"
    for code, state in (("bakery", "failed"), ("tea", "done")):
        with seeing(cast.brand_manager):
            row = {"brand_id": made["tea"].brand_id, "kind": "members", "state": "queued"}
            (planted,) = ImportJob.objects.bulk_create(
                [ImportJob(**row, file_name="x.csv", undoes_id=made[code].pk)]
            )
        assert job_run(tenant=acme, job_id=planted.pk).state == state
    with tenant_transaction(acme), scope.bulk(reason="test"):
        found = {code: Profile.objects.filter(brand__code=code).count() for code in kept}
        assert found == kept
        refused = ImportJob.objects.get(undoes=made["bakery"])
        assert (refused.report, refused.checkpoint) == ({}, 0)
        assert "not this brand's" in refused.error
        # Nor does it stand in the way of the sibling's own.
        theirs = ImportJob.objects.get(pk=made["bakery"].pk)
        assert why_not_undone(theirs) == ""


def test_no_number_of_ones_own_import_means_a_siblings_too(acme, seeing, cast, upload):
    """What an import created and somebody told of since bears its number below nought."""
    made = {code: upload(code)[0] for code in ("tea", "bakery")}
    for job in made.values():
        assert import_run(tenant=acme, job_id=job.pk).rows_created == 1
    with tenant_transaction(acme), scope.bulk(reason="test"):
        for code, job in made.items():
            brand = Brand.objects.get(code=code)
            account = ChannelAccount.objects.create(
                brand=brand, kind="mini_program", name=code, external_id=code
            )
            Touchpoint.objects.create(
                brand=brand,
                profile=Profile.objects.get(brand=brand),
                account=account,
                import_id=job.pk,
            )
    for code in made:
        with seeing(cast.brand_manager):
            row = {"brand_id": made["tea"].brand_id, "kind": "touchpoints", "file_name": "x.csv"}
            number = -made[code].pk
            ImportJob.objects.bulk_create(
                [ImportJob(**row, pk=number, state="done", ids_after=0, ids_to=2**62)]
            )
            (undoing,) = ImportJob.objects.bulk_create(
                [ImportJob(**row, state="queued", undoes_id=number)]
            )
        assert job_run(tenant=acme, job_id=undoing.pk).state == "done"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert [one.brand.code for one in Touchpoint.objects.select_related("brand")] == ["bakery"]
