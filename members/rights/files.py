"""Files that hold an erased person: which are rewritten, and which are deleted whole.

Rejected rows are rewritten without the person's. Exports are deleted whole: what they hold was
checked as one. Uploads that no worker has begun with are deleted whole, and their import is called
off in words; one that is running deletes its file itself, and its rows of erased people are
rejected. What cannot be read is taken to hold them.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from brands.selectors import visible_for_grant
from brands.wall.visibility import Kind
from members import contacts, folders
from members.exports import files as export_files
from members.imports import life
from members.imports.pipeline import remove_upload
from members.keys import group_keys, sealing_keys
from members.models import ExportJob, GroupPersonRequest, ImportJob, PersonRequest
from members.rights.erasure import Erased
from tenants.models import Grant, Tenant

_ENCODINGS = ("utf-8-sig", "gb18030")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MOBILE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})\Z")
_NOISE = re.compile(r"[\s().\-]")
_BETWEEN = re.compile(r"[,;\t\r\n|\"]")
_BLOCK, _LONGEST = 1 << 20, 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def clean(*, tenant: Tenant, erased: Erased) -> None:
    """Take the erased out of the group's files; in the transaction that erases them.

    Files go at once: one that is gone although the transaction then fails is made or uploaded
    again, but one that stayed after a stop would tell of them.
    """
    _clean_rejected(tenant, erased)
    _clean_uploads(tenant, erased)
    _clean_exports(tenant, erased)
    for model in (PersonRequest, GroupPersonRequest):
        rows = model.objects.filter(profile_id__in=erased.profiles).exclude(path="")
        for row in rows:
            copy_file(row.path, tenant.schema_name, row.grant_id).unlink(missing_ok=True)


def _is_theirs(cells: Iterable[str], texts: frozenset[str]) -> bool:
    """Tell whether any cell is one of the identifiers, however it is written."""
    for cell in cells:
        text = cell.strip().lstrip("'").strip()
        if not text:
            continue
        if text in texts or text.lower() in texts or contacts.normalise_code(text) in texts:
            return True
        bare = _NOISE.sub("", contacts.normalise_code(text))
        match = _MOBILE.fullmatch(bare)
        if (match and f"+86{match[1]}" in texts) or bare in texts or f"+{bare}" in texts:
            return True
    return False


def _clean_rejected(tenant: Tenant, erased: Erased) -> None:
    jobs = ImportJob.objects.exclude(rejected_path="").filter(brand_id__in=erased.brands)
    for job in jobs.select_for_update():
        try:
            path = folders.rejected_file(job.rejected_path, tenant.schema_name, job.pk)
        except folders.StrangePath:
            continue
        if not path.exists():
            continue
        size = _left_out(path, erased.texts_of([job.brand_id]))
        if size is not None:
            ImportJob.objects.filter(pk=job.pk).update(rejected_bytes=size)


def _left_out(path: Path, texts: frozenset[str]) -> int | None:
    """Write a file of rejected rows anew without theirs; return its length, None where as it was.

    Of one that cannot be read nothing is kept.
    """
    fresh, is_changed = path.with_suffix(".new"), False
    fresh.unlink(missing_ok=True)
    with (
        path.open(encoding="utf-8-sig", newline="") as given,
        os.fdopen(os.open(fresh, _NEW, 0o600), "w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.writer(file)
        try:
            for number, row in enumerate(csv.reader(given)):
                if number and _is_theirs(row, texts):
                    is_changed = True
                else:
                    writer.writerow(row)
        except (UnicodeDecodeError, csv.Error):
            is_changed = True
            file.seek(0)
            file.truncate()
        file.flush()
        os.fsync(file.fileno())
    if not is_changed:
        fresh.unlink()
        return None
    fresh.replace(path)
    return path.stat().st_size


def _clean_uploads(tenant: Tenant, erased: Erased) -> None:
    """Call off imports of files with the person that wait or have stopped; delete their files."""
    running = Q(state__in=[ImportJob.State.QUEUED, ImportJob.State.RUNNING])
    of_brands = Q(brand_id__in=erased.brands)
    for job in ImportJob.objects.exclude(running).filter(of_brands).select_for_update():
        try:
            path = folders.own_file(job.path, "imports", tenant.schema_name, job.brand_id)
        except folders.StrangePath:
            continue
        if path.exists() and _holds(path, erased.texts_of([job.brand_id])):
            remove_upload(job, tenant.schema_name)
            if not job.is_finished or job.state == ImportJob.State.FAILED:
                life.call_off(
                    job,
                    _(
                        "Somebody in the file asked to be erased, so it was deleted. What was "
                        "imported is kept. Upload the file again without them."
                    ),
                )
    folder = Path(settings.MEDIA_ROOT) / "imports" / tenant.schema_name
    needed = set(ImportJob.objects.filter(running).values_list("path", flat=True))
    for path in folder.glob("*"):
        # Left behind by nobody's job: of which brand it was, its name says.
        brand = path.name.partition("-")[0]
        is_ours = brand.isdecimal() and int(brand) in erased.brands
        is_needed = f"imports/{tenant.schema_name}/{path.name}" in needed
        if is_ours and not is_needed and _holds(path, erased.texts_of([int(brand)])):
            path.unlink(missing_ok=True)


def _holds(path: Path, texts: frozenset[str]) -> bool:
    """Tell whether a file, of any size, has one of the identifiers for a cell."""
    with path.open("rb") as file:
        start = file.read(4096)
    is_utf_16 = start.startswith(_UTF_16)
    if b"\0" in start and not is_utf_16:
        return True
    for encoding in ("utf-16",) if is_utf_16 else _ENCODINGS:
        try:
            return any(_is_theirs(cells, texts) for cells in _cells(path, encoding))
        except UnicodeDecodeError:
            continue
    return True


def _cells(path: Path, encoding: str) -> Iterator[list[str]]:
    """Yield a file's cells, whatever stands between them; raises UnicodeDecodeError."""
    errors = "replace" if encoding == "utf-16" else "strict"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    rest = ""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            *cells, rest = _BETWEEN.split(rest + decoder.decode(block))
            yield cells
            # No identifier is as long: of what has no end, no more is kept.
            rest = rest[-_LONGEST:]
    yield [rest + decoder.decode(b"", final=True)]


def _brands_shown(grants: set[int], tenant: Tenant) -> dict[int, frozenset[int]]:
    """Return grant → the brands that it is shown members of, for those that hold now."""
    found = {}
    rows = Grant.objects.current().filter(pk__in=grants, tenant=tenant)
    for grant in rows.select_related("tenant", "engagement"):
        visible = visible_for_grant(grant, k=tenant.k)
        found[grant.pk] = visible.kinds[Kind.PROFILE].brands | visible.viewer.own_brands
    return found


def _clean_exports(tenant: Tenant, erased: Erased) -> None:
    keys = group_keys()
    jobs = list(ExportJob.objects.all().select_for_update())
    shown = _brands_shown({job.grant_id for job in jobs if not job.brands}, tenant)
    for job in jobs:
        # What holds no row of the brand goes on: an erasure tells no sibling of itself. A file of
        # nobody, and one that is not written yet, may hold what its asker is shown; nobody reads
        # it whose access has ended.
        of_job = {int(brand) for brand in job.brands} or shown.get(job.grant_id, erased.brands)
        if of_job.isdisjoint(erased.brands):
            continue
        texts = erased.texts_of(of_job)
        changed = []
        asked = contacts.open_sealed(keys, bytes(job.filters))
        if _is_theirs([str(asked.get("q", ""))], texts):
            asked.pop("q")
            job.filters = contacts.seal(keys, asked)
            changed.append("filters")
        paths = export_files.files_of(job, tenant.schema_name)
        if paths and (not paths[0].exists() or _holds(paths[0], texts)):
            job.state, job.path = ExportJob.State.OUTDATED, ""
            job.error = _(
                "Somebody in the file was erased since. It was deleted. What you asked for is "
                "kept: ask again, and you get what you may see now."
            )
            changed += ["state", "path", "error"]
            export_files.remove(paths)
        if changed:
            job.save(update_fields=changed)


# --- Copies that people asked for -----------------------------------------------------------


def copy_file(path: str, schema_name: str, grant_id: int | None) -> Path:
    """Return where a copy is; raises folders.StrangePath for a path that is not its grant's own."""
    return folders.own_file(path, "rights", schema_name, grant_id)


def keep_copy(data: str, schema_name: str, grant_id: int) -> str:
    """Write a sealed copy to a file of its own; return its path."""
    path = folders.fresh_path("rights", schema_name, grant_id)
    place = folders.own_file(path, "rights", schema_name, grant_id)
    with export_files.create(place) as file:
        file.write(contacts.seal_text(sealing_keys(), data))
    return path


def reseal_copies(tenant: Tenant) -> int:
    """Seal copies that wait with the key in use; return how many were under another.

    The caller holds the group's keys (members.locks): nobody makes or fetches a copy meanwhile.
    """
    keys, done = group_keys(), 0
    for model in (PersonRequest, GroupPersonRequest):
        for path, grant_id in model.objects.exclude(path="").values_list("path", "grant_id"):
            place = copy_file(path, tenant.schema_name, grant_id)
            blob = place.read_bytes() if place.exists() else b""
            if not blob or contacts.sealed_version(blob) == keys.version:
                continue
            fresh = place.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            with export_files.create(fresh) as file:
                file.write(contacts.seal_text(keys, contacts.open_text(keys, blob)))
            fresh.replace(place)
            done += 1
    return done


def take_copy(path: str, schema_name: str, grant_id: int) -> str:
    """Return what a copy holds, and delete it: it is handed out once."""
    place = copy_file(path, schema_name, grant_id)
    text = contacts.open_text(group_keys(), place.read_bytes())
    place.unlink()
    return text
