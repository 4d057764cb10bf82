"""Files that a measure reads: made once for each size and kept, since a million rows take long."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import member_files, order_files, synthetic
from config.embedded.folder import default_var

# What is kept is made anew when the code that makes it changes.
_MAKERS = (member_files, order_files, synthetic)


def cached(name: str, rows: int, make: Callable[[Path], list[Path]]) -> list[Path]:
    """Return the files that MAKE writes into a folder, from the folder of an earlier run if any."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in _MAKERS)
    folder = _root() / f"{name}-{rows}-{hashlib.sha256(code).hexdigest()[:12]}"
    if not folder.exists():
        for old in _root().glob(f"{name}-{rows}-*"):
            shutil.rmtree(old)
        # Named when it is whole: a run that was stopped leaves no half of it behind.
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return sorted(folder.iterdir())


def _root() -> Path:
    # Beside the services of a run, which are removed after it.
    return default_var() / "files"
