"""Acme with a row for every combination of what the wall compares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from django.db import connection
from django.utils import timezone

from brands.tests.mode_steps import Steps
from brands.tests.wall_rows import Places, fill


@pytest.fixture
def walled_acme(in_acme) -> Iterator[Places]:
    """Be inside acme as the owner, with rows in every walled table."""
    with connection.cursor() as cursor:
        places = Places.read(cursor)
        fill(cursor, places)
    return places


@pytest.fixture
def steps(acme, cast, seeing) -> Steps:
    """Return what takes drafts of the group admin through their steps."""
    return Steps(acme, cast.group_admin, seeing)


@pytest.fixture
def at_time(monkeypatch) -> Callable[[dt.datetime], AbstractContextManager[None]]:
    """Return a context manager in which the clock stands at an instant."""

    @contextmanager
    def stand(instant: dt.datetime) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: instant)
            yield

    return stand
