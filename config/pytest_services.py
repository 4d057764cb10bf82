"""pytest plugin: the embedded PostgreSQL and Valkey under var/test, and a strict mode for CI.

It sets the environment before Django reads its settings. Runs side by side in one checkout, and the
processes of one run (pytest -n 2), each take a folder of their own: roles belong to a whole server,
and some tests change them. Tests connect as the owner role and drop to the app role by a scope.
"""

import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder, clear_errors, default_var
from config.embedded.services import Services

_RUNS_SIDE_BY_SIDE = 16
# Says to the processes of a run that the addresses they inherit are those of its first process.
_BASE = "SLUICE_TESTS_BASE"
_running = contextlib.ExitStack()
_skipped: list[str] = []


def _start() -> None:
    """Start the services in the first folder that no other run uses, and set the environment."""
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


# Before pytest-xdist reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal tests out one by one, but those that share what is costly to make; the long ones first.

    With `--dist loadgroup` tests of one group go to one process. A group is made of the tests of a
    file that has fixtures of its own for longer than one test. What begins late and takes long
    would leave the other processes idle at the end.
    """
    for item in items:
        if (name := _shared_place(item)) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=_lateness)


def _shared_place(item: pytest.Item) -> str:
    """Return the file whose fixtures for longer than one test this test asks for, or nothing."""
    asked = getattr(item, "_fixtureinfo", None)
    for definitions in asked.name2fixturedefs.values() if asked else ():
        # Those of plugins and of the first conftest are for the whole run, in each process.
        if definitions[-1].scope != "function" and "/" in definitions[-1].baseid:
            return definitions[-1].baseid
    return ""


def _lateness(item: pytest.Item) -> int:
    if item.get_closest_marker("long"):
        return 0
    if item.get_closest_marker("xdist_group"):
        return 1
    return 2 if hasattr(getattr(item, "obj", None), "hypothesis") else 3


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
