"""What runs during a fault run, and how each part of it is killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.db import DatabaseError, connection

from benchmarks.database import own_services
from benchmarks.faults.marks import Marks
from config.embedded.folder import BASE_DIR
from config.embedded.processes import spawn
from config.embedded.services import Services
from config.embedded.supervisor import python_command

VICTIMS = ("worker", "child", "backend", "postmaster", "broker")
_START_SECONDS = 60


class FaultError(RuntimeError):
    """Say that a fault run itself could not go on."""


class Site:
    """Hold PostgreSQL, the broker and one bulk worker of a fault run."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.marks = Marks(folder)
        self.worker: subprocess.Popen[bytes] | None = None
        self._ports = {
            "postgres": int(os.environ["OWNER_DATABASE_URL"].rsplit(":", 1)[1].split("/")[0]),
            "valkey": int(os.environ["BROKER_URL"].rsplit(":", 1)[1].split("/")[0]),
        }

    def start_worker(self) -> None:
        """Start the worker and wait until it takes work."""
        self.marks.ready.unlink(missing_ok=True)
        log = (self.folder / "worker.log").open("ab")
        with log:
            self.worker = spawn(
                python_command(
                    *("-m", "celery", "--app=benchmarks.faults.worker:app", "--quiet", "worker"),
                    *("--queues=bulk", "--concurrency=1", "--loglevel=warning"),
                    # Nobody else to know of, and the start is quicker.
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ),
                output=log,
                env={
                    **os.environ,
                    "SLUICE_FAULTS": str(self.folder),
                    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
                },
                cwd=BASE_DIR,
                dies_with_us=signal.SIGKILL,
            )
        wait_for(self.marks.ready.exists, "The worker did not start", _START_SECONDS)

    def stop(self) -> None:
        """Kill the worker; the services end with their own block."""
        self._kill_worker()

    def kill(self, victim: str) -> None:
        """Kill -9 one part, and start it again where nothing else would."""
        getattr(self, f"_kill_{victim}")()

    def _kill_worker(self) -> None:
        if self.worker is None:
            return
        for process in self._session():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.worker.wait()
        self.worker = None

    def _session(self) -> list[psutil.Process]:
        """Return the worker's processes, itself first."""
        assert self.worker is not None  # noqa: S101 - asked for a worker that runs
        with contextlib.suppress(psutil.NoSuchProcess):
            worker = psutil.Process(self.worker.pid)
            return [worker, *worker.children(recursive=True)]
        return []

    def _kill_child(self) -> None:
        for process in self._session()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _kill_backend(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND pid <> pg_backend_pid() ORDER BY state = 'active' DESC, xact_start NULLS LAST"
            )
            found = cursor.fetchone()
        connection.close()
        if found:
            os.kill(found[0], signal.SIGKILL)
        # The server restarts itself.
        self.wait_for_database()

    def _kill_postmaster(self) -> None:
        connection.close()
        server = self.services.postgres
        assert server.process is not None  # noqa: S101 - started with the run
        server.process.kill()
        server.process.wait()
        # What it leaves behind ends by itself; the next start waits for it.
        server.stop_leftovers()
        if not server.start(self._ports["postgres"], detached=False):
            raise FaultError("PostgreSQL's port was taken meanwhile.")
        self.wait_for_database()

    def _kill_broker(self) -> None:
        server = self.services.valkey
        assert server.process is not None  # noqa: S101 - started with the run
        server.process.kill()
        server.process.wait()
        server.stop()
        password = self.services.folder.secrets()["VALKEY_PASSWORD"]
        if not server.start(self._ports["valkey"], password, detached=False):
            raise FaultError("The broker's port was taken meanwhile.")

    def wait_for_database(self) -> None:
        """Wait until the server answers again."""
        wait_for(_answers, "PostgreSQL did not come back", _START_SECONDS)


def _answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        connection.close()
        return False
    return True


def wait_for(is_so: Callable[[], bool], otherwise: str, seconds: float) -> None:
    """Wait until something is so; FaultError with the words for OTHERWISE after some seconds."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise FaultError(f"{otherwise} within {seconds:.0f} s.")
        time.sleep(0.01)


@contextmanager
def site() -> Iterator[Site]:
    """Give services of one's own and a worker to the block, and remove all of it after."""
    with own_services() as services:
        folder = Path(os.environ["SLUICE_VAR"]) / "faults"
        folder.mkdir(exist_ok=True)
        running = Site(services, folder)
        try:
            running.start_worker()
            yield running
        finally:
            running.stop()
