"""Imports that run at the same time, with rows committed by others, end as one after the other."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from brands.models import Brand, Notice
from brands.wall import scope
from members.contacts import unseal
from members.imports.pipeline import import_run
from members.imports.services import import_create
from members.keys import group_keys
from members.models import Contact, Identity, ImportJob, Person, Profile
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.tests.committed import committed_group

HEADINGS = "member_no,name,phone,card_no,gender,tier,points,birthday,consent,consented_on\n"


def _file(first: int, last: int, *, card: str, gender: str, answers: str = "1") -> str:
    """Return members who share phones with their neighbours, and cards with other brands'."""
    return HEADINGS + "".join(
        f"{number:03},Name {number},{'' if number % 3 else 13800138000 + number // 2},"
        f"{card}{number // 4},{gender},Gold,{number},"
        f"{1980 + number % 30}-02-03,{answers if number % 5 else 'withdrawn'},"
        f"2025-01-0{1 + number % 9}\n"
        for number in range(first, last)
    )


# Brand and text of each; the second tea file says something else of half the first one's members.
FILES = (
    ("tea", _file(0, 40, card="C", gender="f")),
    ("spa", _file(10, 50, card="C", gender="m", answers="")),
    ("tea", _file(20, 60, card="D", gender="m")),
)


@contextmanager
def _group(schema_name: str) -> Iterator[Tenant]:
    with committed_group(schema_name) as tenant:
        with tenant_transaction(tenant):
            brands = [Brand.objects.create(code=code, name=code) for code in ("tea", "spa")]
            notice = Notice.objects.create(
                version="1",
                title="Notice",
                purposes="Service",
                names_group=True,
                covers_profile=True,
                covers_contact=True,
                effective_from=timezone.now() - dt.timedelta(days=1),
            )
            notice.recipients.set(brands)
            notice.texts.create(language="en", title="Notice", text="…")
        yield tenant


@pytest.fixture(scope="module")
def groups(django_db_setup, django_db_blocker) -> Iterator[tuple[Tenant, Tenant]]:
    """Give two committed groups of the same shape."""
    with django_db_blocker.unblock(), _group("apart") as apart, _group("together") as together:
        yield apart, together


def _jobs(tenant: Tenant, folder: Path) -> list[ImportJob]:
    jobs = []
    for number, (code, text) in enumerate(FILES):
        path = folder / f"{tenant.schema_name}-{number}.csv"
        path.write_text(text)
        with tenant_transaction(tenant), scope.bulk(reason="test"):
            brand = Brand.objects.get(code=code)
            job = import_create(brand=brand, kind="members", path=path, file_name=path.name)
        jobs.append(job)
    return jobs


def _run(tenant: Tenant, jobs: list[ImportJob]) -> list[ImportJob]:
    return [import_run(tenant=tenant, job_id=job.pk, chunk_rows=7) for job in jobs]


def _run_at_once(tenant: Tenant, jobs: list[ImportJob]) -> list[ImportJob]:
    done: dict[int, ImportJob] = {}
    gate = threading.Barrier(len(jobs))

    def run(number: int) -> None:
        try:
            gate.wait(10)
            (done[number],) = _run(tenant, [jobs[number]])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [done[number] for number in range(len(jobs))]


def _state(tenant: Tenant) -> tuple[object, ...]:
    """Return members by what they are known by, person for person, and what stands beside them."""
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        keys = group_keys()
        contacts = {one.pk: unseal(keys, one) for one in Contact.objects.all()}
        persons: dict[int, list[object]] = {}
        rows = Profile.objects.select_related("brand", "notice").order_by(
            "brand__code", "member_no"
        )
        for one in rows:
            said = (one.gender, one.tier, one.points, one.registered_on, one.is_member)
            notice = one.notice.version if one.notice else None
            known = tuple(sorted(contacts[one.pk].items()))
            answers = tuple(
                one.consents.order_by("answered_at").values_list("is_given", "answered_at")
            )
            persons.setdefault(one.person_id, []).append(
                (one.brand.code, one.member_no, said, notice, known, answers)
            )
        links = sorted(Identity.objects.values_list("kind", "is_hot").order_by("kind"))
        return sorted(persons.values(), key=repr), len(links), Person.objects.count()


def test_imports_at_once_end_as_one_after_the_other_and_the_same_again_writes_nothing(
    groups, tmp_path, django_db_blocker
):
    apart, together = groups
    with django_db_blocker.unblock():
        for job in _run(apart, _jobs(apart, tmp_path)):
            assert (job.state, job.rows_rejected) == ("done", 0), job.error
        for job in _run_at_once(together, _jobs(together, tmp_path)):
            assert (job.state, job.rows_rejected) == ("done", 0), job.error
            assert 0 < job.peak_memory < 2**33
        expected = _state(apart)
        assert _state(together) == expected
        assert len(expected[0]) < 60 < sum(len(person) for person in expected[0])
        # The newest file of each brand once more: rows that are prepared as they are stored.
        again = _run(together, _jobs(together, tmp_path)[1:])
        assert [job.rows_unchanged for job in again] == [40, 40]
        assert _state(together) == expected
