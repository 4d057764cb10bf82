"""Write the rows of a file of stores: the brand's own, found by their codes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Store, code_validator
from members import locks
from members.imports import cells, images
from members.imports.columns import Columns, Counts, read_columns
from members.imports.files import BadRow, Chunk
from members.models import ImportJob
from tenants import audit
from tenants.models import Tenant, User

ACTIVE = {
    **dict.fromkeys(
        (
            "",
            "1",
            "true",
            "yes",
            "y",
            "on",
            "active",
            "open",
            "是",
            "启用",
            "在职",
            "营业",
            "营业中",
        ),
        "t",
    ),
    **dict.fromkeys(
        ("0", "false", "no", "n", "off", "inactive", "closed", "否", "停用", "禁用", "离职", "闭店")
        + ("关店", "停业", "已关店", "已离职", "已停用"),
        "f",
    ),
}


def read_name(*, longest: int) -> Callable[[str], str]:
    """Return a reader of names that must not be empty."""
    read = cells.read_plain(longest=longest)
    return lambda cell: read(cell) or cells.Problem(_("The cell is empty."))


def _read_code(cell: str) -> str:
    code = cells.read_code(longest=40)(cell)
    if isinstance(code, cells.Problem):
        return code
    try:
        code_validator(code)
    except ValidationError as error:
        return cells.Problem(" ".join(error.messages))
    return code


def said_of(row: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """Return what a row says in some fields, as an import keeps it to be taken back."""
    found = {name: getattr(row, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in found.items()
    }


class PlaceChunks:
    """Write rows of the hierarchy one by one: there are thousands of them, not millions."""

    model: ClassVar[type[models.Model]]
    tables: ClassVar[tuple[str, ...]]
    # The fields that a row is found by.
    key: ClassVar[tuple[str, ...]]

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        self.brand_id = job.brand_id
        self.job = job
        self.zone = ZoneInfo(tenant.time_zone)
        self.columns = columns
        self.headings = dict(job.mapping)
        self.readers = {name: cells.Reader(read) for name, read in self.reading().items()}
        self.defaults = dict.fromkeys(self.readers, "")
        # Number, what it said before (None of a new one) and what it says of each row written.
        self._written: list[tuple[int, dict[str, Any] | None, dict[str, Any]]] = []

    def reading(self) -> dict[str, Callable[[str], str]]:
        """Return field → what reads its cells."""
        raise NotImplementedError

    def stored(self) -> models.QuerySet[Any]:
        """Return the brand's rows."""
        raise NotImplementedError

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, self.model._meta.model_name or "")
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        counts = Counts(repeated=read.keep_last(*self.key))
        known = {self.key_of(row): row for row in self.stored()}
        reasons: dict[int, list[tuple[str, str]]] = {}
        for place in range(len(read)):
            problem = self._write_row(read, place, known, counts)
            if problem:
                reasons[place] = problem
        read.reject(reasons)
        if counts.created or counts.updated:
            self._record(counts)
        with connection.cursor() as cursor:
            what = self.model._meta.model_name or ""
            images.keep_places(cursor, self.job.pk, what, self._written)
        self._written.clear()
        return counts, read.bad

    def key_of(self, row: Any) -> tuple[str, ...]:
        """Return what a stored row is found by, as cells of files are read."""
        return tuple(str(getattr(row, name)) for name in self.key)

    def _write_row(
        self, read: Columns, place: int, known: dict[tuple[str, ...], Any], counts: Counts
    ) -> list[tuple[str, str]]:
        """Write one row where it differs; return what is wrong with it."""
        given = {name: self.value_of(name, read[name][place]) for name in self.columns}
        row = known.get(tuple(read[name][place] for name in self.key))
        is_new = row is None
        if row is None:
            row = self.model(**self.fixed())
        changed = [name for name, value in given.items() if getattr(row, name) != value]
        if not is_new and not changed:
            counts.unchanged += 1
            return []
        before = None if is_new else said_of(row, self.readers)
        for name in changed:
            setattr(row, name, given[name])
        try:
            relations = {field.name for field in row._meta.fields if field.is_relation}
            row.clean_fields(exclude=relations)
        except ValidationError as error:
            return [(name, " ".join(words)) for name, words in error.message_dict.items()]
        row.save()
        self._written.append((row.pk, before, said_of(row, self.readers)))
        counts.created += is_new
        counts.updated += not is_new
        return []

    def fixed(self) -> dict[str, Any]:
        """Return what every new row has."""
        return {}

    def value_of(self, name: str, text: str) -> Any:
        """Return a field's value for a cell that was read."""
        if name == "is_active":
            return text == "t"
        if text == cells.NULL:
            return None
        return dt.date.fromisoformat(text) if name == "opened_on" else self.value(name, text)

    def value(self, name: str, text: str) -> Any:
        """Return a field's value for what was read."""
        return text

    def _record(self, counts: Counts) -> None:
        """Write one event for a chunk, as the hierarchy's own spreadsheets do for a file."""
        author = User.objects.filter(pk=self.job.created_by_id or 0).first()
        audit.record(
            acting_user=author,
            action=f"{self.model._meta.model_name}.import",
            target_name=self.job.file_name,
            brands=[self.job.brand_id],
            changes={"new": [None, counts.created], "update": [None, counts.updated]},
        )


class StoreChunks(PlaceChunks):
    """Import the stores of one brand."""

    model = Store
    tables = ("brands_store",)
    key = ("code",)

    def reading(self) -> dict[str, Callable[[str], str]]:
        """Return field → what reads its cells."""
        latest = timezone.now().astimezone(self.zone).date() + dt.timedelta(days=3660)
        return {
            "code": _read_code,
            "name": read_name(longest=120),
            "city": cells.read_plain(longest=60),
            "opened_on": cells.read_day(self.zone, latest=latest),
            "is_active": cells.read_choice(ACTIVE, _("“%(cell)s” is neither yes nor no.")),
        }

    def stored(self) -> models.QuerySet[Store]:
        """Return the brand's stores."""
        return Store.objects.filter(brand=self.brand_id)

    def fixed(self) -> dict[str, Any]:
        """Return what every new store has."""
        return {"brand_id": self.brand_id}
