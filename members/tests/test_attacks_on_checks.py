"""A check of a file tells a brand that two numbers are one person at a sibling."""

from __future__ import annotations

import pytest

from members.imports.acts import import_check
from members.imports.dry_run import check_run

HEAD = "member_no,phone,email\n"


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)


@pytest.fixture
def joined(importer, cast):
    """Return what a check of tea's file says of members that turn out to be one person."""

    def run(text: str) -> int:
        job = importer.create("members", HEAD + text)
        import_check(job=job, acting_user=cast.brand_manager)
        return check_run(tenant=importer.tenant, job_id=job.pk).report["joined"]

    return run


def test_no_check_tells_that_two_numbers_are_one_persons_at_a_sibling(importer, joined, switch):
    switch("brand_max", "spa")
    importer.members(HEAD + "S1,13800000001,ann@example.com\n", brand="spa")
    nobodys = joined("T1,13911111111,\nT2,,nobody@example.com\n")
    somebodys = joined("T1,13800000001,\nT2,,ann@example.com\n")
    # The twin: by a row of its own a brand is told.
    own = joined("T1,13800000001,\nT2,13800000001,\n")
    assert own
    assert somebodys == nobodys


def test_nor_does_a_check_of_rows_that_the_brand_has(importer, joined, switch):
    switch("brand_max", "spa")
    importer.members(HEAD + "S1,13800000001,ann@example.com\n", brand="spa")
    importer.members(HEAD + "T1,13911111111,\nT2,,ann@example.com\n")
    assert joined("T1,13922222222,\n") == joined("T1,13800000001,\n")
