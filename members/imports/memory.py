"""Hold an import's memory flat however long its file is, and tell how much it was."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress

# Of glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
# Blocks of this size and larger come from the system, and go back to it when they are freed.
_LARGE = 256 * 1024


def return_large_blocks() -> None:
    """Let what a chunk was held in go back to the system, from now on in this process.

    Left alone, glibc takes the first large block freed as a sign to keep all as large in its heap:
    texts of megabytes then leave holes that small ones settle in, some tens of megabytes more with
    every million rows. Where the C library is another one, nothing is changed.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In kilobytes, but on macOS.
    return peak if sys.platform == "darwin" else peak * 1024
