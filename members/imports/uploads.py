"""Take a file in: kept until its rows are imported, taken apart where it holds others."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from members import folders
from members.imports.containers import Part, is_folded, unfold
from members.imports.files import FileShape, digest_of, inspect_file


@dataclass
class Arrival:
    """Be a file that came in: where its rows are and how they are written.

    While a person has to choose a part of it there is no shape, but choices.
    """

    path: Path
    shape: FileShape | None = None
    choices: tuple[Part, ...] = ()
    # The names of the sheet or packed file that was taken out.
    inside: tuple[str, ...] = ()
    # Of the file that came, where its rows were taken out of it.
    given_digest: str = ""
    _made: list[Path] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Return the digest of the file with the rows; nothing while there is none."""
        return self.shape.digest if self.shape else ""

    def keep(self, schema_name: str, brand_id: int) -> None:
        """Make sure that the file is in the group's folder; of a command's file a link is."""
        if not is_kept(self.path, schema_name, brand_id):
            self.path = keep_file(self.path.resolve(), schema_name, brand_id)

    def discard(self) -> None:
        """Delete what was taken out of the file; the file itself stays."""
        for path in self._made:
            path.unlink(missing_ok=True)


def take_in(path: Path, schema_name: str, brand_id: int, *, part: str = "") -> Arrival:
    """Look at a file, taking the table out of a workbook or an archive; raises ImportRefused.

    `part` is the sheet or packed file that is meant. An upload that was taken apart is deleted:
    what was taken out of it is what the import needs.
    """
    if not is_folded(path):
        return Arrival(path, inspect_file(path))
    digest = digest_of(path)
    found = unfold(path, lambda: _place(schema_name, brand_id), choice=part)
    arrival = Arrival(found.path, choices=found.choices, inside=found.inside, given_digest=digest)
    arrival._made = [found.path] if found.path != path else []
    if not found.choices:
        try:
            arrival.shape = inspect_file(found.path)
        except BaseException:
            arrival.discard()
            raise
    if found.path != path and is_kept(path, schema_name, brand_id):
        path.unlink(missing_ok=True)
    return arrival


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
