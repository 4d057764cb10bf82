"""What plain SQL in a scope of one's own makes of the path that an export's row holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from members.exports import files
from members.exports.errors import ExportRefused
from members.exports.services import export_cancel, export_sweep
from members.folders import fresh_path
from members.models import ExportJob


@pytest.fixture
def planted(cast, seeing, settings):
    """Return a function: a path → a finished export of tea's manager that names it."""

    def plant(path: str) -> ExportJob:
        user = cast.brand_manager
        with seeing(user) as opened:
            return ExportJob.objects.create(
                grant_id=user.acting_grant.pk,
                created_by=user,
                filters=b"",
                language="en",
                visible_digest=opened.visible.digest,
                answers=-1,
                state=ExportJob.State.DONE,
                path=path,
                finished_at=timezone.now(),
            )

    return plant


def written(path: Path) -> Path:
    """Return a file of somebody's, with its list beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("MASTER_KEY=…")
    path.with_suffix(".members").write_bytes(b"")
    return path


@pytest.mark.parametrize("way", ["upwards", "absolute", "sibling's", "link"])
def test_no_row_names_a_file_that_is_not_its_grants(
    acme, cast, seeing, visit, settings, tmp_path, way, planted, django_capture_on_commit_callbacks
):
    """The web deletes and hands out what the row names; the app role may write the row."""
    media = Path(settings.MEDIA_ROOT)
    user, other = cast.brand_manager, cast.sibling_manager.acting_grant
    siblings = fresh_path("exports", "acme", other.pk)
    link = fresh_path("exports", "acme", user.acting_grant.pk)
    theirs, keys = written(media / siblings), written(tmp_path / "sluice.csv")
    others = written(media / "exports" / "globex" / "theirs.csv")
    (media / link).symlink_to(keys)
    path = {
        "upwards": "exports/acme/../globex/theirs.csv",
        "absolute": str(keys),
        "sibling's": siblings,
        "link": link,
    }[way]
    job = planted(path)
    with pytest.raises(ExportRefused, match="not one of its own"):
        files.file_of(job, "acme")
    answer = visit(user).post(f"/exports/{job.pk}/file/")
    assert answer.status_code in {302, 404, 410}
    assert b"MASTER_KEY" not in b"".join(answer)
    with django_capture_on_commit_callbacks(execute=True):
        second = planted(path)
        with seeing(user):
            export_cancel(job=second, acting_user=user)
        planted(path)
        export_sweep(tenant=acme)
    for file in (theirs, keys, others):
        assert file.exists()
        assert file.with_suffix(".members").exists()


def test_the_own_file_of_a_grant_is_handed_out_and_deleted(
    acme, cast, seeing, visit, settings, planted, django_capture_on_commit_callbacks
):
    user = cast.brand_manager
    path = fresh_path("exports", "acme", user.acting_grant.pk)
    file = written(Path(settings.MEDIA_ROOT) / path)
    job = planted(path)
    assert files.file_of(job, "acme") == file.resolve()
    assert "MASTER_KEY=…" in visit(user).post(f"/exports/{job.pk}/file/").getvalue().decode()
    with django_capture_on_commit_callbacks(execute=True), seeing(user):
        export_cancel(job=job, acting_user=user)
    assert not file.exists()
    assert not file.with_suffix(".members").exists()
