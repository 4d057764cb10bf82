"""Give back the rows that were not imported, in a file that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from django.utils.translation import gettext as _

from members import folders
from members.imports.files import BadRow
from members.models import ImportJob

# A cell that begins so could run as a formula in a spreadsheet.
_LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# What is kept of one cell: enough to recognise it.
_LONGEST = 2000


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs: one that begins like a formula gets a leading '."""
    text = cell if len(cell) <= _LONGEST else f"{cell[:_LONGEST]}…"
    text = text.replace("\x00", "\ufffd")
    return f"'{text}" if text.lstrip(" \u3000").startswith(_LIVE) else text


def relived(cell: str) -> str:
    """Return a cell as it was before `harmless`."""
    rest = cell.removeprefix("'")
    return rest if rest != cell and rest.lstrip(" \u3000").startswith(_LIVE) else cell


def rejected_file(job: ImportJob, schema_name: str) -> Path:
    """Return where the rows of a job are that were not imported; raises folders.StrangePath."""
    return folders.rejected_file(job.rejected_path, schema_name, job.pk)


def append_rejected(path: Path, committed: int, headings: list[str], bad: Iterable[BadRow]) -> int:
    """Append rows to a file and return its length, for the job to commit.

    What a killed run wrote beyond the committed length is cut off first, so that no line is there
    twice.
    """
    folders.make_folder(path)
    text = io.StringIO()
    writer = csv.writer(text)
    if committed == 0:
        text.write("\ufeff")
        writer.writerow([_("line"), _("column"), _("reason"), *map(harmless, headings)])
    for row in bad:
        writer.writerow(
            [row.line, harmless(row.column), harmless(row.reason), *map(harmless, row.cells)]
        )
    data = text.getvalue().encode("utf-8", "replace")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        # Shorter than that it is where an erasure took rows out and was then undone.
        committed = min(committed, file.seek(0, os.SEEK_END))
        file.truncate(committed)
        file.seek(committed)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return committed + len(data)
