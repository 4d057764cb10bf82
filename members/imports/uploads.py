"""Keep a file until its rows are imported."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from members import folders


def keep_upload(upload: UploadedFile, schema_name: str, brand_id: int) -> Path:
    """Write an upload into the group's folder, readable by this account only; return its path."""
    path = _place(schema_name, brand_id)
    with _create(path) as file:
        for block in upload.chunks():
            file.write(block)
    return path


def keep_file(source: Path, schema_name: str, brand_id: int) -> Path:
    """Link a file that a command names into the group's folder; return the link's path.

    So a worker can go on with it, and what is deleted when the rows are in is the link. Where the
    folder is on another disk, or the file is somebody else's, it is copied.
    """
    path = _place(schema_name, brand_id)
    try:
        os.link(source, path)
    except OSError:
        try:
            with source.open("rb") as given, _create(path) as file:
                shutil.copyfileobj(given, file, 1 << 20)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path


def is_kept(path: Path, schema_name: str, brand_id: int) -> bool:
    """Tell whether a file is in the group's folder already, as one of this brand's."""
    try:
        named = path.relative_to(settings.MEDIA_ROOT)
        folders.own_file(str(named), "imports", schema_name, brand_id)
    except ValueError:
        return False
    return True


def _place(schema_name: str, brand_id: int) -> Path:
    path = Path(settings.MEDIA_ROOT) / folders.fresh_path("imports", schema_name, brand_id)
    folders.make_folder(path)
    return path


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
