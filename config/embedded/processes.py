"""Start, find and stop operating-system processes so that none outlives its purpose."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from config.embedded import EmbeddedError

# PostgreSQL refuses to run as root; root's embedded server runs as this account.
ACCOUNT_NAME = "sluice-postgres"

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 4
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522
_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


@dataclass(frozen=True)
class Account:
    """The account a child runs as, and the one capability it keeps, if any."""

    uid: int
    gid: int
    capability: int | None


def database_account(data: Path, program: Path) -> Account | None:
    """Return the account PostgreSQL runs as, or None where the caller's own account will do.

    Data that an ordinary user made stays that user's, also when root starts the server.

    A checkout below a closed folder (/root is mode 700) is out of that account's reach. Opening
    the folder to everybody would expose what is not ours, so the server keeps the one
    capability to walk through folders instead, and no permission changes.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        uid, gid = data.stat().st_uid, data.stat().st_gid
    else:
        try:
            entry = pwd.getpwnam(ACCOUNT_NAME)
        except KeyError:
            entry = _create_account()
        uid, gid = entry.pw_uid, entry.pw_gid
    closed = not (_open_to_all(data) and _open_to_all(program))
    return Account(uid, gid, _walking_capability() if closed else None)


def _create_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    advice = (
        f"PostgreSQL refuses to run as root, and the system account {ACCOUNT_NAME} could not be "
        "made. Nothing was changed. Run this as an ordinary user, or add the account yourself."
    )
    if useradd is None:
        raise EmbeddedError(advice)
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    made = subprocess.run(  # noqa: S603
        [*command, ACCOUNT_NAME], capture_output=True, text=True, check=False
    )
    try:
        return pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        raise EmbeddedError(f"{advice} ({made.stderr.strip()})") from None


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in path.resolve().parents)


def _walking_capability() -> int | None:
    """Return the narrowest capability at hand that lets an account walk through closed folders."""
    if not _LINUX:
        return None
    status = Path("/proc/self/status").read_text()
    permitted = int(next(x.split()[1] for x in status.splitlines() if x.startswith("CapPrm")), 16)
    # Containers commonly drop the narrower one.
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        if permitted & 1 << capability:
            return capability
    return None


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]  # noqa: RUF012


class _CapabilityData(ctypes.Structure):
    _fields_ = [  # noqa: RUF012
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _become(account: Account) -> None:
    """Change to the account for good, between fork and exec."""
    if account.capability is not None:
        # Keeps the change of account from clearing capabilities, here and in access(2), by
        # which initdb looks for its programs.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if account.capability is not None and _libc is not None:
        bit = 1 << account.capability
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        data = (_CapabilityData * 2)(_CapabilityData(bit, bit, bit), _CapabilityData(0, 0, 0))
        if _libc.capset(ctypes.byref(header), data) != 0:
            raise OSError(ctypes.get_errno(), "capset")
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, account.capability)


def _prctl(option: int, *arguments: int) -> None:
    if _libc is None:
        return
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *padded) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def spawn(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    dies_with_us: signal.Signals | None,
) -> subprocess.Popen[bytes]:
    """Start a command in its own session, so that a terminal's Ctrl-C reaches only its parent.

    With `dies_with_us` the kernel sends that signal to the child when this process ends, even by
    kill -9 (Linux only; elsewhere the next start stops what was left).
    """
    parent = os.getpid()

    def prepare() -> None:
        if account is not None:
            _become(account)
        # After the change of account, which clears it.
        if dies_with_us is not None and _LINUX:
            _prctl(_PR_SET_PDEATHSIG, int(dies_with_us))
            if os.getppid() != parent:
                os._exit(1)

    try:
        return subprocess.Popen(  # noqa: S603
            [str(part) for part in command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=prepare,
        )
    except (subprocess.SubprocessError, PermissionError) as error:
        if account is None:
            raise
        raise account_refused() from error
    except FileNotFoundError as error:
        raise EmbeddedError(f"There is no program {command[0]}. Nothing was changed.") from error


def account_refused() -> EmbeddedError:
    """Return the error that says this root may not act as another account."""
    return EmbeddedError(
        "PostgreSQL refuses to run as root, and this root may not hand it to the account "
        f"{ACCOUNT_NAME} (a container without the usual capabilities?). Nothing was changed. "
        "Run this as an ordinary user, or in a folder that is open to others."
    )


def living_in(folder: Path, name: str) -> list[psutil.Process]:
    """Return the processes of that name whose working folder is this one, oldest first."""
    found = []
    for process in psutil.process_iter(["name", "create_time"]):
        if process.info["name"] != name:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return sorted(found, key=lambda process: process.info["create_time"])


def stop_all(
    processes: Sequence[psutil.Process], steps: Sequence[tuple[signal.Signals, float]]
) -> None:
    """Ask the first process to end, step by step, then kill whatever of them is left.

    The first is the parent of the others: servers stop their own children in the right order.
    """
    for kind, seconds in steps:
        if not processes:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            processes[0].send_signal(kind)
        processes = _still_alive(processes, seconds)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _still_alive(processes, 5)


def _still_alive(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for the processes to end; one that its parent has not collected yet has ended."""
    until = time.monotonic() + seconds
    alive = list(processes)
    while alive and time.monotonic() < until:
        time.sleep(0.02)
        alive = [process for process in alive if _is_alive(process)]
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
