"""Take rejected rows back in after a person has mended them in a spreadsheet."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from members import folders
from members.imports import files
from members.imports.report import relived
from members.imports.uploads import take_in
from members.models import ImportJob

_CHUNK = 5_000


def _added_headings() -> set[tuple[str, ...]]:
    """Return what the rejected file has before the columns of the import, in every language."""
    found: set[tuple[str, ...]] = set()
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            found.add((_("line"), _("column"), _("reason")))
    return found


def mended_rows(path: Path, job: ImportJob, schema_name: str) -> Path:
    """Write a mended rejected file as the import's own file was; return where it is.

    The three columns that it had been given are left out, and so is what kept its cells from being
    formulas. Raises ImportRefused for a file that cannot be read. PATH is an upload of the job's
    brand, and is deleted.
    """
    arrival = take_in(path, schema_name, job.brand_id)
    try:
        shape = arrival.shape or files.inspect_file(arrival.path)
        headings = tuple(heading.strip().lower() for heading in shape.headings[:3])
        added = 3 if headings in _added_headings() else 0
        place = Path(settings.MEDIA_ROOT) / folders.fresh_path("imports", schema_name, job.brand_id)
        folders.make_folder(place)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file,
            files.opened(arrival.path, shape.encoding) as source,
        ):
            writer = csv.writer(file)
            writer.writerow(relived(heading) for heading in shape.headings[added:])
            for chunk in files.chunks(source, shape, start=0, start_line=0, rows=_CHUNK):
                for cells in (*chunk.rows, *(bad.cells for bad in chunk.bad)):
                    writer.writerow(relived(cell) for cell in cells[added:])
        return place
    finally:
        arrival.discard()
        path.unlink(missing_ok=True)
