"""Acme with a row for every combination of what the wall compares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from brands.tests.wall_rows import Places, fill


@pytest.fixture
def walled_acme(in_acme) -> Iterator[Places]:
    """Be inside acme as the owner, with rows in every walled table."""
    with connection.cursor() as cursor:
        places = Places.read(cursor)
        fill(cursor, places)
    return places
