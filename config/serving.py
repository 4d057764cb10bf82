"""The processes that serve Sluice: web, worker and beat, each with one set of credentials."""

import contextlib
import hashlib
import http.client
import os
import signal
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from config.embedded.supervisor import Child, python_command

WEB_WORKERS, WEB_THREADS = 2, 4


def children(port: int) -> list[Child]:
    """Return the children to supervise, in the order they start."""
    log_level = os.environ.get("LOG_LEVEL", "INFO").lower()
    celery = ("-m", "celery", "--app=config.celery:app", "--quiet")
    return [
        Child(
            "web",
            python_command(
                *("-m", "gunicorn", "config.wsgi:application"),
                "--config=python:config.gunicorn",
                f"--bind=127.0.0.1:{port}",
                f"--workers={WEB_WORKERS}",
                f"--threads={WEB_THREADS}",
                "--graceful-timeout=5",
                "--no-control-socket",
                f"--log-level={log_level}",
            ),
            _environment("web"),
        ),
        Child(
            "worker",
            python_command(
                *celery, "worker", "--queues=bulk", "--concurrency=2", f"--loglevel={log_level}"
            ),
            _environment("bulk"),
            # Finish the job in hand; then hand it back, to be resumed at its checkpoint.
            ((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0)),
        ),
        Child(
            "scoped worker",
            python_command(
                *(*celery, "worker", "--queues=scoped", "--concurrency=1"),
                # Two workers of one name on one machine would not know of each other.
                *("--hostname=scoped@%h", f"--loglevel={log_level}"),
            ),
            _environment("scoped"),
            ((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0)),
        ),
        Child(
            "beat",
            python_command(
                *celery,
                "beat",
                "--scheduler=django_celery_beat.schedulers:DatabaseScheduler",
                # No file whose leftover would refuse the next start.
                "--pidfile=",
                f"--loglevel={log_level}",
            ),
            _environment("bulk"),
        ),
    ]


def _environment(process: str) -> dict[str, str]:
    return {
        **os.environ,
        "SLUICE_PROCESS": process,
        "PYTHONUNBUFFERED": "1",
        # Whoever starts this as root knows it, and Celery's six lines would hide what matters.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }


def is_ready(port: int) -> bool:
    """Say whether the platform site answers, with whatever status but a server error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": settings.PLATFORM_HOST})
        return connection.getresponse().status < 500
    return False


def collect_static() -> None:
    """Collect and compress the static files, unless those collected are the current ones."""
    mark = Path(settings.STATIC_ROOT) / ".collected"
    state = _static_state()
    if mark.exists() and mark.read_text() == state:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(state)


def _static_state() -> str:
    """Return a digest that changes when a static file or an installed package does."""
    parts = [(settings.BASE_DIR / "requirements.txt").read_text()]
    for folder in map(Path, settings.STATICFILES_DIRS):
        for path in sorted(folder.rglob("*")):
            found = path.stat()
            parts.append(f"{path} {found.st_mtime_ns} {found.st_size}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
