"""Progress bars for commands; plain lines where the output is not a terminal."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from typing import IO

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 15.0


class ProgressBars:
    """Show one step after another; call it with (step, done, total) as often as wanted."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._step = ""
        self._began = self._shown = 0.0
        self._finished = True

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of a step are done."""
        now = time.monotonic()
        if step != self._step:
            self.close()
            self._step, self._began, self._shown, self._finished = step, now, 0.0, False
            if not self._terminal:
                self._shown = now
        if self._finished:
            return
        if total > 0 and done >= total:
            self._end()
        elif now - self._shown >= (_REDRAW_SECONDS if self._terminal else _LINE_SECONDS):
            self._shown = now
            self._draw(done, total)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step whose parts cannot be counted: its name, then how long it took."""
        self(name, 0, 0)
        yield
        self(name, 1, 1)

    def close(self) -> None:
        """End the current line, if one is open."""
        if not self._finished:
            self._end(whole=False)

    def _draw(self, done: int, total: int) -> None:
        spent = time.monotonic() - self._began
        if total <= 0:
            text = f"  {self._step} … {spent:.0f} s"
        else:
            share = min(done / total, 1.0)
            left = f"{spent / share - spent:.0f} s left" if share > 0.02 else ""
            width = 24
            bar = "█" * round(share * width) + "░" * (width - round(share * width))
            text = f"  {self._step}  {bar} {share:4.0%}  {done:,} of {total:,}  {left}"
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{text[: columns - 1]}")
        else:
            self._write(f"{text.rstrip()}\n")

    def _end(self, *, whole: bool = True) -> None:
        self._finished = True
        mark = "✓" if whole else "…"
        start = "\r\x1b[K" if self._terminal else ""
        self._write(f"{start}{mark} {self._step}  {time.monotonic() - self._began:.1f} s\n")

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        # A terminal in the C locale has no block characters; progress is no reason to fail.
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
