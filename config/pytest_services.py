"""pytest plugin: the embedded PostgreSQL and Valkey under var/test, and a strict mode for CI.

It sets the environment before Django reads its settings. Runs side by side in one checkout, and the
processes of one run (pytest -n 2), each take a folder of their own: roles belong to a whole server,
and some tests change them. Tests connect as the owner role and drop to the app role by a scope.
"""

import contextlib
import functools
import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder, clear_errors, default_var
from config.embedded.services import Services

_RUNS_SIDE_BY_SIDE = 16
# Says to the processes of a run that the addresses they inherit are those of its first process.
_BASE = "SLUICE_TESTS_BASE"
# New objects before the youngest, the middle and the oldest are looked through.
_GARBAGE = (50_000, 20, 50)
_running = contextlib.ExitStack()
_skipped: list[str] = []


def _start() -> None:
    """Start the services in the first folder that no other run uses, and set the environment."""
    # Every process of a run, and every program that a test starts, would compile all anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("SLUICE_PROCESS", "bulk")
    inherited = os.environ.get(_BASE) if os.environ.get("PYTEST_XDIST_WORKER") else None
    is_given = os.environ.get("DATABASE_URL") and os.environ.get("OWNER_DATABASE_URL")
    if is_given and not inherited:
        return
    values: dict[str, str] = {}
    base = Path(inherited) if inherited else default_var() / "test"
    for number in range(1, _RUNS_SIDE_BY_SIDE + 1):
        folder = VarFolder(base if number == 1 else base / f"run-{number}")
        try:
            _running.enter_context(folder.locked())
        except EmbeddedError:
            if number == _RUNS_SIDE_BY_SIDE:
                raise
            continue
        with clear_errors(folder):
            services = Services(folder, for_tests=True)
            values = services.start()
            _running.callback(services.stop)
        break
    os.environ.update({**values, "SLUICE_VAR": str(folder.root), _BASE: str(base)})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Start the services before pytest-django reads the settings."""
    if not {"-h", "--help", "-V", "--version"} & set(sys.argv[1:]):
        try:
            _start()
        except EmbeddedError as error:
            _running.close()
            raise pytest.UsageError(str(error)) from error
    return (yield)


def pytest_collection_finish() -> None:
    """Let the collector of garbage look less often, and never at what stays for the whole run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: begun late, it would leave the other processes idle."""
    items.sort(key=_lateness)


def _lateness(item: pytest.Item) -> int:
    if item.get_closest_marker("long"):
        return 0
    if _shares_fixtures(item.path):
        return 1
    return 2 if hasattr(getattr(item, "obj", None), "hypothesis") else 3


@functools.cache
def _shares_fixtures(file: Path) -> bool:
    """Tell whether a file has fixtures of its own for longer than one test."""
    return "@pytest.fixture(scope=" in file.read_text(encoding="utf-8")


class Dealer(LoadScopeScheduling):
    """Deal tests out one by one, but those whose file shares fixtures: they stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return file if _shares_fixtures(self.config.rootpath / file) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Dealer | None:
    """Deal tests out as above where `--dist loadscope` asks for it, as `make test` does."""
    return Dealer(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember whole files that were skipped."""
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with skipped tests where SLUICE_NO_SKIPS asks for it, as CI does."""
    if os.environ.get("SLUICE_NO_SKIPS") and _skipped and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every skipped test and why, in every run: what was skipped was not shown."""
    if _skipped:
        fails = (
            ", which fails this run (SLUICE_NO_SKIPS)" if os.environ.get("SLUICE_NO_SKIPS") else ""
        )
        terminalreporter.section(f"SKIPPED, so not shown{fails}", red=True, bold=True)
        for name in _skipped:
            terminalreporter.line(name)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the services; what they hold stays, so that the next run starts fast."""
    _running.close()
