"""Command line of the embedded services: python -m config.embedded start|stop|status|run|reset."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder, clear_errors, default_var, require_port
from config.embedded.processes import spawn
from config.embedded.services import ADDRESSES, Services


class Asked(BaseException):
    """Carry the signal that asked this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def _raise_asked(number: int, frame: FrameType | None) -> None:
    raise Asked(number)


def _on_signals(handler: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)  # type: ignore[arg-type]


def say(text: str) -> None:
    """Print one line for the person who waits; a closed terminal is no reason to fail."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def start(folder: VarFolder) -> None:
    """Start services that outlive this command."""
    with folder.locked():
        services = Services(folder)
        if services.run_detached():
            say(f"PostgreSQL and Valkey already run in {folder.root}.")
            return
        services.start(detached=True)
        say(f"PostgreSQL and Valkey run in {folder.root}; their addresses: {folder.env_file}")


def stop(folder: VarFolder) -> None:
    """Stop services that `start` or a killed run left running."""
    with folder.locked():
        services = Services(folder)
        ran = any(services.status().values())
        services.stop()
        say("PostgreSQL and Valkey stopped." if ran else f"Nothing runs in {folder.root}.")


def status(folder: VarFolder) -> int:
    """Print which services run; return 0 only if both do."""
    states = Services(folder).status()
    for name, runs in states.items():
        say(f"{name}: {'running' if runs else 'stopped'}")
    return 0 if all(states.values()) else 3


def reset(folder: VarFolder) -> None:
    """Stop the services and remove what they hold, keys included."""
    with folder.locked():
        Services(folder).erase()
        say(f"Removed the demo's data and keys from {folder.root}.")


def run(folder: VarFolder, command: Sequence[str], *, scratch: bool) -> int:
    """Run a command with the services up, stop them after it, and return its exit code."""
    port = _web_port()
    own = [name for name in ADDRESSES if os.environ.get(name)]
    if own and len(own) < len(ADDRESSES):
        missing = ", ".join(name for name in ADDRESSES if name not in own)
        raise EmbeddedError(
            f"{', '.join(own)} set, but not {missing}. Nothing was started. Set all four to use "
            "services of your own, or none of them to use the embedded ones."
        )
    env = {**os.environ, "SLUICE_VAR": str(folder.root), "SLUICE_EMBEDDED": "1", "PORT": str(port)}
    env.setdefault("PLATFORM_HOST", f"platform.localhost:{port}")
    env.setdefault("GROUP_HOST_SUFFIX", f".localhost:{port}")
    _on_signals(_raise_asked)
    # The lock first: the port of a Sluice that runs here already is not another program's.
    with folder.locked():
        if not scratch:
            require_port(port)
        services = Services(folder)
        attached = bool(own) or services.run_detached()
        try:
            if not attached:
                say(f"Starting PostgreSQL and Valkey in {folder.root} …")
                services.start()
                if services.done.startswith("made again"):
                    say(f"The database was {services.done}.")
            return _wait(command, env, services)
        except Asked as asked:
            return 0 if asked.number == signal.SIGINT else 128 + asked.number
        finally:
            # From here on the way out is bounded by time; another Ctrl-C must not cut it short.
            _on_signals(signal.SIG_IGN)
            if not attached:
                services.stop()
                # After a check in a scratch folder its own last line stays the last.
                if not scratch:
                    say("PostgreSQL and Valkey stopped.")


def _web_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise EmbeddedError(
            f"PORT must be a number from 1 to 65535, not {text!r}. Nothing was changed."
        )
    return int(text)


def _wait(command: Sequence[str], env: dict[str, str], services: Services) -> int:
    child = spawn(command, output=None, stdin=None, env=env, dies_with_us=signal.SIGTERM)
    while True:
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(0.3)
                # Python reports an end by signal as a negative number, a shell as 128 plus it.
                return code if code >= 0 else 128 - code
            if name := services.died():
                say(
                    f"{name} ended unexpectedly; everything else is being stopped. Data is kept. "
                    f"Its log is in {services.folder.logs}. Run the same command again."
                )
                _end(child)
                return 1
        except Asked as asked:
            _on_signals(signal.SIG_IGN)
            _end(child, asked.number)
            code = child.returncode
            if asked.number == signal.SIGINT and code in (0, -signal.SIGINT):
                return 0
            return code if code > 0 else 128 + asked.number


def _end(child: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    child.send_signal(number)
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def _folder(scratch: bool) -> Iterator[VarFolder]:
    if not scratch:
        folder = VarFolder(default_var())
        with clear_errors(folder):
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sluice-", ignore_cleanup_errors=True) as name:
        folder = VarFolder(Path(name) / "var")
        Path(name).chmod(0o711)
        with clear_errors(folder):
            yield folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; expected trouble is one line, no traceback."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name in ("start", "stop", "status", "reset"):
        commands.add_parser(name)
    runner = commands.add_parser("run", help="run a command with the services up")
    runner.add_argument("--scratch", action="store_true", help="in a folder removed at the end")
    runner.add_argument("--reset", action="store_true", help="remove the data first")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        with _folder(getattr(options, "scratch", False)) as folder:
            if options.name == "run":
                command = options.command[options.command[:1] == ["--"] :]
                if not command:
                    parser.error("run needs a command")
                if options.reset:
                    reset(folder)
                return run(folder, command, scratch=options.scratch)
            action = {"start": start, "stop": stop, "status": status, "reset": reset}
            return action[options.name](folder) or 0
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
