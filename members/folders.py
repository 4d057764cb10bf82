"""Where files of imports and exports are kept: one folder for each group and purpose.

Rows name their files, and whoever can write a row by plain SQL can write any path into it. So no
path is followed but one that this module would itself give to that row.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.utils.translation import gettext as _

Purpose = Literal["imports", "exports", "rights"]
# What copies of a person's data are called; they are sealed.
_SUFFIX = {"rights": ".sealed"}


class StrangePath(ValueError):
    """Say that a row names a file that cannot be its own; nothing was opened or deleted."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The path kept for this file is not one of its own. Nothing was opened or deleted. "
                "Begin again with the file."
            )
        )


def fresh_path(purpose: Purpose, schema_name: str, owner_id: int) -> str:
    """Return a new path, relative to MEDIA_ROOT, of a file that belongs to a brand or a grant."""
    suffix = _SUFFIX.get(purpose, ".csv")
    return f"{purpose}/{schema_name}/{owner_id}-{secrets.token_hex(16)}{suffix}"


def own_file(path: str, purpose: Purpose, schema_name: str, owner_id: int | None) -> Path:
    """Return where a file is that `fresh_path` named for this owner; StrangePath for another."""
    named = re.escape(f"{purpose}/{schema_name}/{owner_id}-")
    suffix = re.escape(_SUFFIX.get(purpose, ".csv"))
    if not re.fullmatch(named + rf"[0-9a-f]{{32}}{suffix}", path):
        raise StrangePath
    return _unlinked(path)


def rejected_path(schema_name: str, job_id: int) -> str:
    """Return the one path, relative to MEDIA_ROOT, that an import's rejected rows have."""
    return f"imports/{schema_name}/rejected-{job_id}.csv"


def rejected_file(path: str, schema_name: str, job_id: int) -> Path:
    """Return where an import's rejected rows are; StrangePath where its row says elsewhere."""
    if path != rejected_path(schema_name, job_id):
        raise StrangePath
    return _unlinked(path)


def _unlinked(path: str) -> Path:
    """Refuse a symbolic link that leads out of the folder; an operator may link the folder."""
    place = Path(settings.MEDIA_ROOT) / path
    found = place.resolve()
    if found != place.parent.resolve() / place.name:
        raise StrangePath
    return found


def remove_uploads(schema_name: str, *, before: dt.datetime, but: Collection[str]) -> int:
    """Delete a group's uploads that came before an instant, but those named; return how many."""
    count = 0
    for path in (Path(settings.MEDIA_ROOT) / "imports" / schema_name).glob("*"):
        # What takes the place of rejected rows is left behind by whoever was killed over it.
        is_kept = path.name.startswith("rejected-") and path.suffix != ".new"
        if is_kept or f"imports/{schema_name}/{path.name}" in but:
            continue
        # Not its time of writing: that of a link is the file's.
        with suppress(FileNotFoundError):
            if path.stat(follow_symlinks=False).st_ctime < before.timestamp():
                path.unlink()
                count += 1
    return count


def make_folder(path: Path) -> None:
    """Make a file's folder, which this account alone may enter."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
