"""Run several long-lived children as one: their logs, their end, and nobody left behind."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from config.embedded.folder import BASE_DIR
from config.embedded.processes import spawn

_READY_EVERY = 0.5
_SLOW_SECONDS = 60.0


@dataclass
class Child:
    """One supervised command: its name in the log and how long it may take to end."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    # Asked to end by each signal in turn, given so many seconds for it, then killed.
    stop_steps: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    rest: bytes = field(default=b"", init=False)


class Supervisor:
    """Start children, pass their logs on, and stop all of them when one ends or when asked."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._width = max(len(child.name) for child in children)
        self._selector = selectors.DefaultSelector()
        self._asked = 0

    def run(self, *, is_ready: Callable[[], bool], when_ready: Callable[[], None]) -> int:
        """Run until a signal (exit code 0) or until a child ends by itself (exit code 1)."""
        previous = {
            number: signal.signal(number, self._ask)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            for child in self._children:
                self._start(child)
            return self._watch(is_ready, when_ready)
        finally:
            self._stop_all()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _start(self, child: Child) -> None:
        child.process = spawn(
            child.command,
            output=subprocess.PIPE,
            env=child.env,
            cwd=BASE_DIR,
            dies_with_us=signal.SIGTERM,
        )
        assert child.process.stdout is not None  # noqa: S101
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _watch(self, is_ready: Callable[[], bool], when_ready: Callable[[], None]) -> int:
        announced, next_try = False, 0.0
        slow_at = time.monotonic() + _SLOW_SECONDS
        while not self._asked:
            self._pass_logs_on(0.2)
            for child in self._children:
                code = child.process.poll() if child.process is not None else 0
                if code is not None:
                    self._pass_logs_on(0)
                    self._say(
                        f"{child.name} ended unexpectedly ({_manner(code)}); stopping the others. "
                        "Data is kept. Its last lines above say why; run the same command again."
                    )
                    return 1
            if not announced and time.monotonic() >= next_try:
                next_try = time.monotonic() + _READY_EVERY
                if is_ready():
                    announced = True
                    when_ready()
                elif time.monotonic() >= slow_at:
                    slow_at = float("inf")
                    self._say(
                        f"Not ready after {_SLOW_SECONDS:.0f} s; still trying. The lines above "
                        "say why. Data is kept; Ctrl-C stops everything."
                    )
        self._say("Stopping …")
        return 0

    def _stop_all(self) -> None:
        """Stop the last started first; a second Ctrl-C stops asking politely."""
        for child in reversed(self._children):
            process = child.process
            if process is None:
                continue
            for number, seconds in child.stop_steps:
                if process.poll() is not None:
                    break
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
                until = time.monotonic() + seconds
                while process.poll() is None and time.monotonic() < until and self._asked < 2:
                    self._pass_logs_on(0.05)
            # Whoever is left of its session, its own children included.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._pass_logs_on(0)
        self._selector.close()

    def _pass_logs_on(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout)
            return
        for key, _ in self._selector.select(timeout):
            child: Child = key.data
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._selector.unregister(key.fileobj)
                lines, child.rest = [child.rest] if child.rest else [], b""
            else:
                *lines, child.rest = (child.rest + chunk).split(b"\n")
            for line in lines:
                self._say(f"{child.name:<{self._width}} | {line.decode(errors='replace')}")

    def _say(self, text: str) -> None:
        # A closed terminal must not keep the children from being stopped.
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)


def _manner(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def python_command(*arguments: str) -> list[str]:
    """Return a command line of this very interpreter."""
    return [sys.executable, *arguments]
