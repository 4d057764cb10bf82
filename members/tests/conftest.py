"""What tests of members need: a switch of the mode, and one call that imports a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brands.models import Brand
from brands.services import mode_change
from brands.wall import scope
from members.imports.report import rejected_file
from members.imports.services import import_create, import_run
from members.models import ImportJob
from tenants.context import tenant_transaction
from tenants.models import Tenant


@dataclass
class Importer:
    """Import texts as files into acme."""

    tenant: Tenant
    folder: Path
    _number: int = 0

    def create(
        self, kind: str, text: str | bytes, *, brand: str = "tea", **options: object
    ) -> ImportJob:
        """Write a file and create its job."""
        self._number += 1
        path = self.folder / f"{kind}-{self._number}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return import_create(
            brand=Brand.objects.get(code=brand),
            kind=kind,
            path=path,
            file_name=path.name,
            **options,
        )

    def run(self, job: ImportJob, **options: object) -> ImportJob:
        """Run a job."""
        return import_run(tenant=self.tenant, job_id=job.pk, **options)

    def members(self, text: str | bytes, *, brand: str = "tea", **options: object) -> ImportJob:
        """Import members."""
        return self.run(self.create("members", text, brand=brand), **options)

    def orders(self, text: str | bytes, *, brand: str = "tea", **options: object) -> ImportJob:
        """Import orders."""
        return self.run(self.create("orders", text, brand=brand), **options)

    def consents(self, text: str | bytes, *, brand: str = "tea", **options: object) -> ImportJob:
        """Import answers to notices."""
        return self.run(self.create("consents", text, brand=brand), **options)

    def rejected(self, job: ImportJob) -> list[dict[str, str]]:
        """Return the rejected rows of a job as the file says them."""
        text = rejected_file(job, self.tenant.schema_name).read_text("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def switch(acme: Tenant) -> Callable[..., None]:
    """Return a function that sets the group's mode, or a brand's."""

    def to(mode: str, brand: str | None = None) -> None:
        with tenant_transaction(acme):
            found = Brand.objects.get(code=brand) if brand else None
            mode_change(mode=mode, brand=found, acting_user=None)

    return to


@pytest.fixture
def importer(in_acme: Tenant, tmp_path: Path) -> Iterator[Importer]:
    """Return what imports into acme, inside its schema and a bulk scope."""
    in_acme.locale = "en"
    folder = tmp_path / "files"
    folder.mkdir()
    with scope.bulk(reason="test"):
        yield Importer(in_acme, folder)


Counts = Callable[[ImportJob], tuple[int, int, int, int]]


@pytest.fixture
def counts() -> Counts:
    """Return a function: a job → (created, changed, unchanged, rejected)."""
    return lambda job: (
        job.rows_created,
        job.rows_updated,
        job.rows_unchanged,
        job.rows_rejected,
    )


@pytest.fixture
def load(acme: Tenant, tmp_path: Path) -> Callable[..., ImportJob]:
    """Return a function that imports a file of a brand's, in a transaction of its own."""
    folder = tmp_path / "loaded"
    folder.mkdir()
    importing = Importer(acme, folder)

    def run(kind: str, text: str, *, brand: str = "tea") -> ImportJob:
        acme.locale = "en"
        with tenant_transaction(acme), scope.bulk(reason="test"):
            return getattr(importing, kind)(text, brand=brand)

    return run


@pytest.fixture
def within(acme):
    """Return a context in which rows of acme are read and written as the owner."""

    class Within:
        def __enter__(self):
            self.stack = [tenant_transaction(acme), scope.bulk(reason="test")]
            for one in self.stack:
                one.__enter__()

        def __exit__(self, *error):
            for one in reversed(self.stack):
                one.__exit__(*error)

    return Within
