"""Say of a file's first rows what each would become, by the readers that import them.

Read-only, and behind the wall: the viewer's own rows are what a row is compared with. What is
stored of contact data is shown masked: seeing it whole is an act of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from brands.formatting import money
from members.imports import cells
from members.imports.columns import Columns, read_columns
from members.imports.compare import COMPARED, Found, rows_seen
from members.imports.files import Chunk, Preview
from members.imports.mapping import FIELDS, columns_of
from members.imports.pipeline import Writer, writer_of
from members.models import ImportJob, Profile
from tenants.models import Tenant


@dataclass
class CellShown:
    """Be a cell as it is in the file, what it is read as where that differs, and what is wrong."""

    text: str
    becomes: str = ""
    problem: str = ""


@dataclass
class RowShown:
    """Be a row of the preview: its line, its cells, what would become of it and why."""

    line: int
    cells: list[CellShown] = field(default_factory=list)
    outcome: str = ""
    # Label, what is stored (masked where it is contact data), what the row says.
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """Return the outcome in a word."""
        return OUTCOMES[self.outcome]()


# What would become of a row.
OUTCOMES: dict[str, Callable[[], str]] = {
    "new": lambda: _("new"),
    "changed": lambda: _("changes"),
    "same": lambda: _("unchanged"),
    "known": lambda: _("known"),
    "rejected": lambda: _("rejected"),
    "repeated": lambda: _("replaced"),
    "": lambda: "–",
}


def rows_shown(
    *,
    tenant: Tenant,
    job: ImportJob,
    preview: Preview,
    mapping: Mapping[str, str],
    rows: int = 20,
    shows_contact: bool,
) -> list[RowShown]:
    """Return the first rows, and what each would become; raises ImportRefused as the import would.

    Runs in a viewer's scope. Without contact data no cell is compared that holds some.
    """
    trial = copy(job)
    trial.mapping = dict(mapping)
    positions = columns_of(job.kind, preview.headings, trial.mapping)
    writer = writer_of(job.kind)(tenant, trial, positions)
    chunk = _first(preview.chunk, rows)
    shown = {line: RowShown(line) for line in chunk.lines}
    for line, texts in zip(chunk.lines, chunk.rows, strict=True):
        shown[line].cells = [CellShown(text) for text in texts]
    read = _read(writer, chunk)
    _say_cells(writer, chunk, shown)
    check = getattr(writer, "check", None) or getattr(writer, "_date_consents", None)
    if check is not None:
        check(read)
    found = COMPARED[ImportJob.Kind(job.kind)](
        rows_seen(trial, writer, read, shows_contact=shows_contact)
    )
    _say_found(read, found, shown)
    for bad in [*read.bad, *(one for one in chunk.bad if one.line not in shown)]:
        row = shown.setdefault(bad.line, RowShown(bad.line, [CellShown(t) for t in bad.cells]))
        row.outcome, row.changes = "rejected", []
        row.reasons = [f"{bad.column}: {bad.reason}" if bad.column else bad.reason]
    return [shown[line] for line in sorted(shown)][:rows]


def rows_plain(preview: Preview, rows: int = 20) -> list[RowShown]:
    """Return the first rows as they are in the file, while it is not known which column is what."""
    chunk = _first(preview.chunk, rows)
    return [
        RowShown(line, [CellShown(text) for text in row])
        for line, row in zip(chunk.lines, chunk.rows, strict=True)
    ]


def _first(chunk: Chunk, rows: int) -> Chunk:
    lines = chunk.lines[:rows]
    bad = [row for row in chunk.bad if not lines or row.line <= lines[-1] or len(lines) < rows]
    return Chunk(lines=lines, rows=chunk.rows[:rows], bad=list(islice(bad, rows)))


def _read(writer: Writer, chunk: Chunk) -> Columns:
    """Read rows as the writer itself does."""
    parts: Any = writer
    return read_columns(
        chunk,
        getattr(parts, "positions", parts.columns),
        getattr(parts, "field_headings", parts.headings),
        parts.readers,
        parts.defaults,
    )


def _say_cells(writer: Any, chunk: Chunk, shown: dict[int, RowShown]) -> None:
    """Note beside each cell what it is read as, and what is wrong with it."""
    names = {
        position: name
        for name, position in getattr(writer, "positions", writer.columns).items()
        if name in writer.readers
    }
    for line, row in zip(chunk.lines, chunk.rows, strict=True):
        for position, name in names.items():
            value = writer.readers[name][row[position]]
            cell = shown[line].cells[position]
            if isinstance(value, cells.Problem):
                cell.problem = str(value)
                continue
            becomes = _becomes(name, value)
            if becomes and becomes != cell.text.strip():
                cell.becomes = becomes


def _becomes(name: str, value: str) -> str:
    """Return what a cell is read as, as people write it; nothing where a word would add nothing."""
    if value in {"", cells.NULL} or name in {"store_id", "account", "consent", "notice"}:
        return ""
    if name == "gender":
        return str(Profile.Gender(value).label)
    if name in {"is_active", "generated", "guardian", "answer"}:
        return _("yes") if value == "t" else _("no")
    if name == "action":
        return _("add") if value == "t" else _("remove")
    if name == "amount":
        return money(int(value))
    if name == "tags":
        return " · ".join(value.split("\n"))
    return value.replace("T", " ") if name.endswith("_at") or name == "consented_on" else value


def _say_found(read: Columns, found: list[Found], shown: dict[int, RowShown]) -> None:
    labels = {name: str(label) for name, label in _labels().items()}
    for one in found:
        row = shown[one.line]
        row.outcome = one.outcome
        row.reasons = [one.reason] if one.reason else []
        row.changes = [(labels.get(name, name), old, new) for name, old, new in one.changes]


def _labels() -> dict[str, object]:
    return {item.name: item.label for items in FIELDS.values() for item in items} | {
        "store_id": _("Store")
    }
