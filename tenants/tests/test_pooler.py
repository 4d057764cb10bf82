"""Through a transaction-mode pooler no connection hands one group's schema or scope to another."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from django.db import connection, connections

from brands.models import BusinessUnit
from brands.wall import scope
from brands.wall.visibility import Viewer, visibility
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.tests.committed import two_groups

pytestmark = pytest.mark.pooler
# Debian keeps it where an ordinary person's PATH does not look.
_PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
_ROUNDS = 100


@pytest.fixture(scope="module")
def groups(django_db_setup, django_db_blocker) -> Iterator[tuple[Tenant, Tenant]]:
    """Give two committed groups that each know their own name."""
    with django_db_blocker.unblock(), two_groups("pooled") as both:
        yield both


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def pooler(groups) -> Iterator[dict[str, object]]:
    """Start a PgBouncer with two server connections in front of the tests' database."""
    if _PGBOUNCER is None:
        pytest.skip(
            "PgBouncer is missing, so NOTHING shows that a pooled connection carries no group's "
            "path or scope to another. Install it (apt-get install pgbouncer) and run this again."
        )
    # Not pytest's own folder, which is closed to everyone but the person who runs the tests.
    with tempfile.TemporaryDirectory() as folder:
        yield from _running_pooler(Path(folder))


def _running_pooler(folder: Path) -> Iterator[dict[str, object]]:
    own = connection.settings_dict
    port = _free_port()
    (folder / "users.txt").write_text(f'"{own["USER"]}" "{own["PASSWORD"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host={own['HOST']} port={own['PORT'] or 5432}",
                "[pgbouncer]",
                "listen_addr = 127.0.0.1",
                f"listen_port = {port}",
                "unix_socket_dir =",
                "auth_type = plain",
                f"auth_file = {folder}/users.txt",
                "pool_mode = transaction",
                # Fewer than there are clients, so that every client meets the other's leavings.
                "default_pool_size = 2",
                "max_client_conn = 40",
                f"logfile = {folder}/pgbouncer.log",
            ]
        )
    )
    # PgBouncer refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user:
        account = pwd.getpwnam(user)
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
    process = subprocess.Popen(
        [_PGBOUNCER, str(folder / "pgbouncer.ini")],
        user=user,
        extra_groups=[] if user else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = {**own, "HOST": "127.0.0.1", "PORT": str(port)}
        until = time.monotonic() + 20
        while True:
            try:
                with _connect(address):
                    break
            except psycopg.OperationalError:
                log = folder / "pgbouncer.log"
                said = log.read_text() if log.exists() else ""
                assert process.poll() is None, f"PgBouncer ended: {said}"
                assert time.monotonic() < until, f"PgBouncer does not answer: {said}"
                time.sleep(0.05)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connect(address: dict) -> psycopg.Connection:
    return psycopg.connect(
        host=address["HOST"],
        port=address["PORT"],
        dbname=address["NAME"],
        user=address["USER"],
        password=address["PASSWORD"],
        prepare_threshold=None,
        autocommit=True,
    )


def _side_by_side(groups: tuple[Tenant, Tenant], work: Callable[[Tenant], list[str]]) -> list[str]:
    """Let four clients work at once, two for each group; return what they read wrongly."""
    wrong: list[str] = []
    failed: list[BaseException] = []
    start = threading.Barrier(4)

    def run(tenant: Tenant) -> None:
        try:
            start.wait(10)
            wrong.extend(work(tenant))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(groups[number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    return wrong


def test_a_path_set_for_the_session_leaks_into_the_other_group(groups, pooler):
    """The control: what the product must not do does leak here, so the next test can see it."""

    def session_level(tenant: Tenant) -> list[str]:
        read: list[str] = []
        with _connect(pooler) as client:
            for _ in range(_ROUNDS):
                client.execute(f"SET search_path = {tenant.schema_name}, public")
                # A server connection on which nobody set a path yet knows no such table.
                with suppress(psycopg.errors.UndefinedTable), client.transaction():
                    (code,) = client.execute("SELECT code FROM brands_businessunit").fetchone()
                    read.append(code)
        return [code for code in read if code != tenant.schema_name]

    for _attempt in range(5):
        if wrong := _side_by_side(groups, session_level):
            break
    assert wrong, "the session-level variant must leak, or this pooler proves nothing"


def test_our_wrapper_never_reads_the_other_group(groups, pooler):
    visible = visibility(Viewer(is_hq=True), {}, [])
    settings_left = " || ".join(f"coalesce(current_setting('{n}', true), '')" for n in _SETTINGS)

    def ours(tenant: Tenant) -> list[str]:
        read: list[str] = []
        own = connections["default"]
        # As web processes are set up; behind a pooler the wrapper keeps no statements.
        options = {"server_side_binding": True, "prepare_threshold": 2}
        own.settings_dict = {**own.settings_dict, **pooler, "OPTIONS": options}
        try:
            for turn in range(_ROUNDS):
                with tenant_transaction(tenant), own.cursor() as cursor:
                    cursor.execute(f"SELECT current_user || '|' || {settings_left}")
                    before = cursor.fetchone()[0]
                    if before != f"{own.settings_dict['USER']}|":
                        read.append(f"left behind: {before}")
                    with scope.open(visible):
                        read += BusinessUnit.objects.values_list("code", flat=True)
                        assert own.connection.prepare_threshold is None
                        if turn % 10 == 0:
                            cursor.execute("SELECT current_setting('sluice.schema')")
                            read.append(cursor.fetchone()[0])
        finally:
            own.close()
        assert len(read) >= _ROUNDS
        return [code for code in read if code != tenant.schema_name]

    assert _side_by_side(groups, ours) == []


_SETTINGS = ("sluice.schema", "sluice.profile_all", "sluice.group_set", "sluice.write_brands")
