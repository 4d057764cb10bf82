import errno
import io
import os
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from config import serving
from config.embedded import EmbeddedError
from config.embedded.folder import BASE_DIR, VarFolder, default_var, require_port
from config.embedded.supervisor import Supervisor
from config.progress import ProgressBars

_WHAT_TO_TRY = """\
What to try
  1. hq2@journey.example: approve the waiting draft under Mode; every next page follows.
  2. Pantry brand manager: own members in full, the siblings' only as far as they agreed.
  3. HQ admin: "Who sees what" says which kinds of data each side sees, and why.
"""


class Command(BaseCommand):
    """Bring the demo up from nothing, or check it, in one command."""

    help = "Start the services, migrate, load the demo groups once, serve until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what varies the demo."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument("--as-is", action="store_true", help="keep the data's year, 2017")
        parser.add_argument("--reset", action="store_true", help="remove the demo's data first")
        parser.add_argument(
            "--big", action="store_true", help="two million invented members; takes minutes"
        )
        parser.add_argument(
            "--check", action="store_true", help="load in a scratch folder, check, serve nothing"
        )

    def handle(
        self,
        *args: object,
        port: int,
        as_is: bool,
        reset: bool,
        check: bool,
        big: bool,
        **options: object,
    ) -> None:
        """Prepare, then check or serve; expected trouble is one clear line."""
        if not os.environ.get("SLUICE_EMBEDDED"):
            mine = {"--check": check, "--as-is": as_is, "--big": big}
            self._run_with_services(
                [word for word, is_said in mine.items() if is_said], port=port, reset=reset
            )
        progress = ProgressBars()
        try:
            if not check:
                require_port(port)
            self._prepare(progress, as_is=as_is, is_big=big)
            if check:
                self._check(progress, as_is=as_is)
                return
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            progress.close()
            raise CommandError(
                "Stopped before the demo was ready. What was loaded so far is kept; `make demo` "
                "goes on, `make demo-reset` starts over.",
                returncode=130,
            ) from None
        except Exception as error:
            progress.close()
            if trouble := _expected_trouble(error):
                raise CommandError(trouble) from error
            raise
        finally:
            connections.close_all()
        # What runs well would scroll the logins away.
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        code = Supervisor(serving.children(port)).run(
            is_ready=lambda: serving.is_ready(port), when_ready=self._welcome
        )
        if code:
            raise SystemExit(code)

    def _run_with_services(self, mine: list[str], *, port: int, reset: bool) -> None:
        """Become `config.embedded run`, which starts the services before settings are read."""
        run = ["--scratch"] if "--check" in mine else (["--reset"] if reset else [])
        manage = [sys.executable, str(BASE_DIR / "manage.py"), "demo", *mine]
        os.environ["PORT"] = str(port)
        os.chdir(BASE_DIR)
        os.execv(  # noqa: S606
            sys.executable, [sys.executable, "-m", "config.embedded", "run", *run, "--", *manage]
        )

    def _prepare(self, progress: ProgressBars, *, as_is: bool, is_big: bool) -> None:
        from config.demo import load

        with progress.step("Database schema"):
            # The step says it all; failures are exceptions.
            call_command("migrate_groups", verbosity=0, stdout=io.StringIO())
        with progress.step("Static files"):
            serving.collect_static()
        if load.is_loaded():
            self.stdout.write("✓ Demo data is already loaded.")
        else:
            load.load_demo(progress=progress, as_is=as_is, is_big=is_big)
            progress.close()

    def _check(self, progress: ProgressBars, *, as_is: bool) -> None:
        from config.demo import check

        try:
            check.run(progress=progress, as_is=as_is)
        except check.CheckFailed as error:
            raise CommandError(str(error)) from error
        finally:
            progress.close()
        self.stdout.write("demo-check ok")

    def _welcome(self) -> None:
        from config.demo import load

        _, colon, port = settings.PLATFORM_HOST.partition(":")
        rows = [(login.who, login.email, login.host + colon + port) for login in load.LOGINS]
        who, email = (max(len(row[part]) for row in rows) for part in (0, 1))
        lines = [
            "",
            f"Sluice is ready: http://{settings.PLATFORM_HOST}/   (Ctrl-C stops everything)",
            "",
            f"Logins, all with the password {load.PASSWORD}",
            *(f"  {a:<{who}}  {b:<{email}}  http://{c}/" for a, b, c in rows),
            "",
            _WHAT_TO_TRY,
        ]
        self.stdout.write("\n".join(lines))


def _expected_trouble(error: Exception) -> str | None:
    """Return the one clear line for a full disk or a database that went away, else None."""
    folder = VarFolder(default_var())
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    full = any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        or getattr(cause, "sqlstate", None) == "53100"
        for cause in causes
    )
    gone = next((cause for cause in causes if isinstance(cause, OperationalError)), None)
    if full or (gone is not None and folder.is_full()):
        return str(folder.disk_full())
    if gone is not None:
        return (
            f"The database stopped answering: {str(gone).splitlines()[0]} What was committed is "
            f"kept. Its log is in {folder.logs}; run the same command again to go on."
        )
    return None
