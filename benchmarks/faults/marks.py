"""Files by which the driver of a fault run and its worker tell each other where they are."""

from __future__ import annotations

from pathlib import Path


class Marks:
    """Hold the marks' places.

    `stop_at` is written by the driver: "number part", where the part is a module's name or empty.
    `stopped` is made by the worker where it waits to be killed, `go` by the driver where the worker
    shall go on after something else was killed. `counted` is written by the worker after each task:
    how many statements there were since the driver's word. `ready` says that it takes work.
    """

    def __init__(self, folder: Path) -> None:
        self.stop_at, self.stopped, self.go, self.counted, self.ready = (
            folder / name for name in ("stop-at", "stopped", "go", "counted", "ready")
        )

    def set(self, number: int, part: str = "") -> None:
        """Ask the worker to stop before its statement of this number from now on."""
        for mark in (self.stopped, self.go, self.counted):
            mark.unlink(missing_ok=True)
        # Beside its place first: the worker reads the old word or the new one, never half.
        beside = self.stop_at.with_suffix(".new")
        beside.write_text(f"{number} {part}")
        beside.rename(self.stop_at)

    def clear(self) -> None:
        """Ask the worker to stop nowhere; one that waits goes on."""
        self.stop_at.unlink(missing_ok=True)
        self.go.touch()
