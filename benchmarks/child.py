"""Run a piece of work in a process of its own, and learn how much memory it took."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def in_child(work: Callable[[], Result]) -> tuple[Result, int]:
    """Return what WORK returned in a forked process, and that process's peak memory in bytes."""
    connections.close_all()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            answer = pickle.dumps(work())
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(answer)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            connections.close_all()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError("The child process failed; its error is above.")
    return pickle.loads(answer), usage.ru_maxrss * 1024  # noqa: S301 - our own child's answer
