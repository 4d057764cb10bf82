"""django-tenants' own ways to a new schema, in a process of their own (other settings).

Reads "migrate NAME" or "clone NAME" line by line and answers each with its seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Peer:
    """Ask the other process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def create(self, how: str, schema_name: str) -> float:
        """Return the seconds in which the peer made the schema."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{how} {schema_name}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The peer ended at “{how} {schema_name}”; its error is above.")
        return float(answer)


@contextmanager
def peer() -> Iterator[Peer]:
    """Run the peer's process for the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peer_tenants"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.peer_settings"},
    )
    try:
        yield Peer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _serve() -> None:
    import django

    django.setup()
    from django.conf import settings

    from benchmarks.rounds import stopwatch
    from tenants.models import Tenant

    for line in sys.stdin:
        how, schema_name = line.split()
        settings.TENANT_CREATION_FAKES_MIGRATIONS = how == "clone"
        with stopwatch() as watch:
            Tenant(schema_name=schema_name).create_schema(check_if_exists=True, verbosity=0)
        print(watch.seconds, flush=True)


if __name__ == "__main__":
    _serve()
