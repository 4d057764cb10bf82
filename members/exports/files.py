"""Exported files: private, each with the list of members in it who may leave the asker's sight."""

from __future__ import annotations

import datetime as dt
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.conf import settings

from members import folders
from members.exports.errors import ExportRefused
from members.exports.rows import CONTACT, MASKED, PROFILE
from members.models import Contact, ExportJob, MaskedContact, Profile

log = logging.getLogger(__name__)

# A member's number of record, and which kinds of data the file holds of them.
_MARK = struct.Struct("<qB")
_MARKS_AT_ONCE = 5_000
_MODELS = ((PROFILE, Profile), (CONTACT, Contact), (MASKED, MaskedContact))


def file_of(job: ExportJob, schema_name: str) -> Path:
    """Return where a job's file is; raises ExportRefused for a path that is not its grant's own."""
    try:
        return folders.own_file(job.path, "exports", schema_name, job.grant_id)
    except folders.StrangePath as error:
        raise ExportRefused(str(error)) from error


def marks_of(job: ExportJob, schema_name: str) -> Path:
    """Return where the list of members is who may leave the asker's sight."""
    return file_of(job, schema_name).with_suffix(".members")


def files_of(job: ExportJob, schema_name: str) -> list[Path]:
    """Return what is to be deleted with a job: its file and the list, or nothing."""
    if not job.path:
        return []
    try:
        return [file_of(job, schema_name), marks_of(job, schema_name)]
    except ExportRefused:
        log.warning("export %s of %s names a file that is not its own", job.pk, schema_name)
        return []


def create(path: Path) -> IO[bytes]:
    """Open a new file that this account alone may read."""
    folders.make_folder(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def remove(paths: list[Path]) -> None:
    """Delete what `files_of` named, as far as it is there."""
    for path in paths:
        path.unlink(missing_ok=True)


def remove_older(schema_name: str, than: dt.datetime) -> int:
    """Delete a group's files that were written before an instant; return how many."""
    count = 0
    for path in (Path(settings.MEDIA_ROOT) / "exports" / schema_name).glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < than.timestamp():
                path.unlink()
                count += 1
    return count


def mark(profile_id: int, kinds: int) -> bytes:
    """Return a member as the list holds them."""
    return _MARK.pack(profile_id, kinds)


def _marks(path: Path) -> Iterator[list[tuple[int, int]]]:
    with path.open("rb") as file:
        while block := file.read(_MARK.size * _MARKS_AT_ONCE):
            yield list(_MARK.iter_unpack(block))


def is_still_shown(job: ExportJob, schema_name: str) -> bool:
    """Tell whether the open scope still shows everything that the file holds beside own brands'.

    The database is asked for each of these members and each kind of data in the file: whoever took
    back their yes since, agrees to less, or went to another store, is not found.
    """
    try:
        for marks in _marks(marks_of(job, schema_name)):
            for kind, model in _MODELS:
                ids = [profile_id for profile_id, kinds in marks if kinds & kind]
                if ids and model.objects.filter(pk__in=ids).count() < len(ids):
                    return False
    except (OSError, ExportRefused):
        # Without its list nobody can tell.
        return False
    return True
