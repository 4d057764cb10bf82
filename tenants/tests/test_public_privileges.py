"""What the app role can do with the public schema by plain SQL, and what it cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings

from tenants.migration import public_privileges

ACTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
DELETED_BY_THE_WEB = {
    "account_emailaddress",
    "account_emailconfirmation",
    "django_session",
    "mfa_authenticator",
    "tenants_domain",
}


@pytest.fixture(params=["APP_ROLE", "WHOLE_ROLE"])
def may(request, db, rows_of) -> dict[str, set[str]]:
    """Return public table → what the role may do with it that a scope drops to."""
    return _acts(rows_of, getattr(settings, request.param) or settings.APP_ROLE)


def _acts(rows_of: Callable[..., list[tuple]], role: str) -> dict[str, set[str]]:
    rows = rows_of(
        "SELECT c.relname, a FROM pg_class c, unnest(%s::text[]) a "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') "
        "AND has_table_privilege(%s, c.oid, a)",
        [list(ACTS), role],
    )
    found: dict[str, set[str]] = {}
    for table, act in rows:
        found.setdefault(table, set()).add(act)
    return found


def test_a_look_reads_what_the_web_reads_and_writes_nothing(db, rows_of):
    by_web = _acts(rows_of, settings.APP_ROLE)
    by_look = _acts(rows_of, settings.LOOK_ROLE)
    assert by_look == {table: {"SELECT"} for table, acts in by_web.items() if "SELECT" in acts}


def test_nothing_but_sessions_and_the_like_is_taken_away_by_the_web(may):
    assert {table for table, acts in may.items() if "DELETE" in acts} == DELETED_BY_THE_WEB
    assert not any(acts & {"TRUNCATE", "REFERENCES", "TRIGGER"} for acts in may.values())


def test_the_audit_is_appended_to_and_never_changed(may):
    assert may["tenants_auditevent"] == {"SELECT", "INSERT"}
    assert may["tenants_audithead"] == {"SELECT", "INSERT", "UPDATE"}


def test_the_web_makes_no_schedule_for_the_owners_workers(may):
    assert not [table for table in may if table.startswith("django_celery_beat_")]
    # The control: the tables are there, and the web has what it works with.
    assert any("django_celery_beat_periodictask" in line for line in public_privileges())
    assert may["tenants_grant"] == {"SELECT", "INSERT", "UPDATE"}


def test_a_table_that_nobody_thought_of_is_read_at_most(may):
    written = {table for table, acts in may.items() if acts - {"SELECT"}}
    assert written == DELETED_BY_THE_WEB | {
        f"tenants_{name}"
        for name in (
            "apitoken",
            "auditcheck",
            "auditevent",
            "audithead",
            "engagement",
            "grant",
            "handoff",
            "serviceprovider",
            "tenant",
            "user",
        )
    }
