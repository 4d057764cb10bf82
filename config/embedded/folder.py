"""The var/ folder: its lock, its keys and the addresses of what runs in it."""

import base64
import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.embedded import EmbeddedError

BASE_DIR = Path(__file__).resolve().parents[2]
# PostgreSQL writes its log of changes in files of 16 MB.
_FULL_BELOW = 32 * 2**20


def default_var() -> Path:
    """Return the folder that SLUICE_VAR names, else var/ in the checkout."""
    return Path(os.environ.get("SLUICE_VAR") or BASE_DIR / "var").absolute()


class VarFolder:
    """Hold everything the embedded services keep: data, logs, keys and addresses."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.env_file = self.root / "sluice.env"
        self.logs = self.root / "log"
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self.detached_mark = self.root / "services-detached"
        self._lock_file = self.root / "lock"

    def create(self) -> None:
        """Make the folder; others may walk through it, since the database has its own account."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.root.stat().st_uid == os.geteuid():
                self.root.chmod(0o711)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            # Resolved once it exists: the kernel reports a process's folder without links.
            self.__init__(self.root.resolve())  # type: ignore[misc]
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise EmbeddedError(
                f"{self.root} cannot be used as the folder for data ({error.strerror}). Nothing "
                "was changed. Make it writable for this account, or set SLUICE_VAR to another "
                "folder."
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone; the lock ends with the process, however it ends."""
        self.create()
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise EmbeddedError(
                f"{self.root} belongs to another account. Nothing was changed. Run this as that "
                "account, or set SLUICE_VAR to another folder."
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                raise EmbeddedError(
                    f"Sluice already runs in {self.root} (process {holder}). Nothing was changed. "
                    "Stop it there with Ctrl-C first, or set SLUICE_VAR to another folder."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def values(self) -> dict[str, str]:
        """Return what sluice.env says, or nothing where it is not written yet."""
        try:
            lines = self.env_file.read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    def write_values(self, path: Path, values: Mapping[str, str]) -> None:
        """Replace an environment file at once: a reader sees the old or the new one, never half."""
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        descriptor, name = tempfile.mkstemp(dir=self.root, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def secrets(self) -> dict[str, str]:
        """Return the folder's keys and passwords, made once and kept over restarts.

        Contact data is encrypted under MASTER_KEY: were it made anew beside an existing
        database, that data would be lost without a word.
        """
        kept = self.values()
        names = ("SECRET_KEY", "MASTER_KEY", "OWNER_PASSWORD", "APP_PASSWORD", "VALKEY_PASSWORD")
        if all(kept.get(name) for name in names):
            return {name: kept[name] for name in names}
        if self.postgres.exists():
            raise EmbeddedError(
                f"{self.env_file} is missing or incomplete, and with it the key that opens the "
                f"contact data in {self.postgres}. Nothing was changed. Put the file back from a "
                "copy, or start over with `make demo-reset`."
            )
        made = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "MASTER_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "OWNER_PASSWORD": secrets.token_urlsafe(24),
            "APP_PASSWORD": secrets.token_urlsafe(24),
            "VALKEY_PASSWORD": secrets.token_urlsafe(24),
        }
        self.write_values(self.env_file, {**kept, **made, "DEMO": "1"})
        return made

    def free_bytes(self) -> int:
        """Return the bytes free on the disk that holds the folder."""
        return shutil.disk_usage(self.root).free

    def is_full(self) -> bool:
        """Say whether the disk is full, or PostgreSQL met a full one since its last start.

        On a full disk PostgreSQL restarts itself, and its clients only see that it went away.
        """
        if self.free_bytes() < _FULL_BELOW:
            return True
        try:
            said = (self.logs / "postgres.log").read_text(errors="replace")
        except OSError:
            return False
        return "No space left on device" in said

    def disk_full(self) -> EmbeddedError:
        """Return the error that says the disk is full."""
        return EmbeddedError(
            f"The disk that holds {self.root} is full ({self.free_bytes() // 2**20} MB free). "
            "What was committed before is kept. Free some gigabytes there, or set SLUICE_VAR to "
            "a folder on another disk, and run it again."
        )


@contextlib.contextmanager
def clear_errors(folder: VarFolder) -> Iterator[None]:
    """Turn a full disk met anywhere into its one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise folder.disk_full() from error
        raise


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port of 127.0.0.1 if nobody has it, else any free one."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedError("This machine has no free port on 127.0.0.1. Nothing was changed.")


def require_port(port: int) -> None:
    """Refuse, in one line, a web port that another program holds or that only root may open."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise EmbeddedError(
                f"Port {port} cannot be opened by this account: ports below 1024 need root. "
                "Nothing was changed. Choose another port, e.g.: make demo PORT=8001"
            ) from error
        except OSError as error:
            raise EmbeddedError(
                f"Port {port} on 127.0.0.1 is in use by another program. Nothing was changed. Stop "
                f"that program, or choose another port: make demo PORT={port + 1}"
            ) from error
