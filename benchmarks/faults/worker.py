"""The demo's bulk worker with small chunks, which can stop before its n-th statement.

`celery --app=benchmarks.faults.worker:app`. The driver writes a number, and the part of the code to
count in, into a file; the worker counts its statements and commits from then on, and when it comes
to the n-th it makes a second file and waits there, so that the driver kills at exactly this place.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, worker_process_init, worker_ready

from benchmarks.faults.marks import Marks
from config.celery import app

__all__ = ["app"]

MARKS = Marks(Path(os.environ["SLUICE_FAULTS"]))
CHUNK_ROWS = 100
_WAIT_SECONDS = 10


class _Counter:
    """Count statements since the driver last wrote where to stop."""

    def __init__(self) -> None:
        self.written = 0
        self.count = 0
        self.number = 0
        self.part = ""

    def tick(self) -> None:
        """Count one, and wait where it is the one to stop at."""
        try:
            written = MARKS.stop_at.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if written != self.written:
            number, _, self.part = MARKS.stop_at.read_text().partition(" ")
            self.written, self.number, self.count = written, int(number), 0
        if self.part and not _is_within(self.part):
            return
        self.count += 1
        if self.count == self.number:
            MARKS.stopped.touch()
            until = time.monotonic() + _WAIT_SECONDS
            while not MARKS.go.exists() and time.monotonic() < until:
                time.sleep(0.001)


counter = _Counter()


def _is_within(part: str) -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(part):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _counted(
    execute: Callable, sql: str, params: object, many: bool, context: dict[str, Any]
) -> object:
    counter.tick()
    return execute(sql, params, many, context)


@worker_process_init.connect
def count_statements(**kwargs: Any) -> None:
    """Make chunks small and count what this process sends, its commits included."""
    from django.db import connection

    from members.imports import pipeline

    for kind in pipeline.CHUNK_ROWS:
        pipeline.CHUNK_ROWS[kind] = CHUNK_ROWS
    connection.execute_wrappers.append(_counted)
    commit = connection._commit

    def counted_commit() -> None:
        counter.tick()
        commit()
        counter.tick()

    connection._commit = counted_commit


@task_postrun.connect
def tell_count(**kwargs: Any) -> None:
    """Tell the driver how many statements there have been."""
    # Never read half-written.
    fresh = MARKS.counted.with_suffix(".new")
    fresh.write_text(str(counter.count))
    fresh.replace(MARKS.counted)


@worker_ready.connect
def tell_ready(**kwargs: Any) -> None:
    """Tell the driver that the worker takes work."""
    MARKS.ready.touch()
