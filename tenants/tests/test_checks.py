"""A process whose role the wall would not bind does not start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings as project
from django.db import connection

from tenants.checks import app_role_is_bound, refuse_unbound


def _found() -> set[str | None]:
    return {message.id for message in app_role_is_bound(None)}


def test_the_roles_as_they_are_pass(db):
    assert _found() == set()


@pytest.mark.parametrize(
    ("role", "ids"),
    [("no_such_role", {"sluice.E001"}), ("owner", {"sluice.E003"})],
)
@pytest.mark.parametrize("setting", ["APP_ROLE", "WHOLE_ROLE", "LOOK_ROLE"])
def test_an_app_role_that_is_missing_or_owns_tables_is_refused(db, settings, setting, role, ids):
    setattr(settings, setting, connection.settings_dict["USER"] if role == "owner" else role)
    assert _found() == ids


@pytest.mark.parametrize("process", ["web", "scoped"])
def test_a_web_process_that_connects_as_the_owner_is_refused(db, settings, process):
    settings.SLUICE_PROCESS = process
    assert _found() == {"sluice.E004"}


def test_the_refusal_says_why_and_that_nothing_was_served(db, settings, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)
    assert refuse_unbound() is None
    settings.SLUICE_PROCESS = "web"
    with pytest.raises(SystemExit, match=r"must connect as.*No request was served"):
        refuse_unbound()


@pytest.mark.parametrize(("address", "starts"), [("app", True), ("owner", False)])
def test_the_web_starts_as_the_app_role_only(db, address, starts):
    """In a process of its own, with the owner's address in the place of the app role's."""
    own = project.DATABASES["default"]
    owner = f"postgresql://{own['USER']}:{own['PASSWORD']}@{own['HOST']}:{own['PORT']}"
    name = connection.settings_dict["NAME"]
    app = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        env={
            **os.environ,
            "DATABASE_URL": f"{owner if address == 'owner' else app}/{name}",
            "APP_ROLE": project.APP_ROLE,
        },
        cwd=project.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode == 0) is starts, done.stderr
    assert ("No request was served" in done.stderr) is not starts
