"""Turn one sheet of an XLSX workbook into CSV, in a process of its own.

A workbook is a program's picture of a table, and can be made to take any amount of memory. So it
is read in a child process under limits of memory and time: what breaks there breaks nothing else.
Run as a module it needs no settings and says on its last line what happened, for
`members.imports.containers` to put into words.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import resource
import sys
import zipfile
from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

MOST_CELLS = 20_000_000
# Beyond so many cells that hold an error the sheet is no table of members.
_MOST_ERRORS = 100_000
_BLOCK = 1 << 20
_LONGEST_ROW = 1 << 26
# Numbers from here on have more digits than a spreadsheet keeps.
_ROUNDED = 10**15
_HEADINGS_WITHIN = 10

_PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]{1,40})</")
_NOT_COMPUTED = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)

Cell = tuple[int, int]
Errors = dict[int, dict[int, str]]


class SheetRefused(Exception):
    """Name why a sheet was not turned into CSV."""


def text_of(value: Any) -> str:
    """Return a cell as its author would type it.

    A number of more than 15 digits was rounded by the program that kept it: it stays in the
    notation of such numbers, which no reader of codes accepts.
    """
    if isinstance(value, str):
        return value.translate(_ONE_LINE) if "\n" in value or "\r" in value else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        if abs(value) >= _ROUNDED:
            return f"{Decimal(repr(value)):.14E}"
        if value == int(value):
            return str(int(value))
        return f"{Decimal(f'{value:.15g}'):f}"
    if isinstance(value, dt.datetime):
        # Kept as parts of a day, an instant is some microseconds off.
        whole = (value + dt.timedelta(milliseconds=500)).replace(microsecond=0)
        return whole.isoformat(" ")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(value)


_ONE_LINE = str.maketrans("\r\n", "  ")


def scan(file: IO[bytes]) -> tuple[Errors, int]:
    """Return a sheet's errors, row → column → text, and how many formulas have no value.

    The reader of workbooks leaves both empty, and an empty cell would blank what is stored.
    """
    errors: Errors = {}
    not_computed = 0
    for rows in _whole_rows(file):
        for start, end in _error_tags(rows):
            place, value = _PLACE.search(rows, start, end), _VALUE.search(rows, end)
            if place is None or len(errors) >= _MOST_ERRORS:
                raise SheetRefused("errors")
            text = value[1].decode("utf-8", "replace") if value else "#N/A"
            errors.setdefault(int(place[2]) - 1, {})[_column(place[1])] = text
        for match in _NOT_COMPUTED.finditer(rows):
            opened = max(rows.rfind(b"<c ", 0, match.start()), rows.rfind(b":c ", 0, match.start()))
            # A formula may have computed an empty text.
            not_computed += b't="str"' not in rows[max(opened, 0) : rows.find(b">", max(opened, 0))]
    return errors, not_computed


def _whole_rows(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a sheet's XML in pieces that end with a row."""
    kept = b""
    while block := file.read(_BLOCK):
        data = kept + block
        end = data.rfind(b"row>") + 4
        if end > 4:
            yield data[:end]
            data = data[end:]
        if len(data) > _LONGEST_ROW:
            raise SheetRefused("cells")
        kept = data


def _error_tags(data: bytes) -> Iterator[tuple[int, int]]:
    found = data.find(b't="e"')
    while found >= 0:
        start, end = data.rfind(b"<", 0, found), data.find(b">", found)
        if end < 0:
            return
        if start >= 0:
            yield start, end
        found = data.find(b't="e"', end)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def headings_at(rows: list[list[str]], merged: Collection[int] = ()) -> int:
    """Return which of the first rows holds the headings.

    Above them there may be a title alone in its row, and rows of headings that are merged over
    several columns.
    """
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in rows]
    first = next((number for number, count in enumerate(filled) if count), 0)
    here = first
    while here + 1 < len(rows) and here - first < _HEADINGS_WITHIN:
        below = next((n for n in range(here + 1, len(rows)) if filled[n]), None)
        if below is None:
            break
        is_title = filled[here] == 1 and filled[below] >= 3
        if not is_title and here not in merged:
            break
        here = below
    return here


def write_csv(source: Path, sheet: str, part: str, target: Path) -> dict[str, Any]:
    """Write a sheet's values as CSV in UTF-8, a line for each of its rows; return what was found.

    `part` is the sheet's XML inside the workbook.
    """
    from python_calamine import CalamineWorkbook

    with zipfile.ZipFile(source) as packed, packed.open(part) as xml:
        errors, not_computed = scan(xml)
    if not_computed:
        raise SheetRefused(f"formulas {not_computed}")
    with source.open("rb") as file:
        found = CalamineWorkbook.from_filelike(file).get_sheet_by_name(sheet)
        if found.start is None:
            raise SheetRefused("empty")
        if found.total_height * found.width > MOST_CELLS:
            raise SheetRefused("cells")
        return _write_rows(found, errors, target)


def _write_rows(found: Any, errors: Errors, target: Path) -> dict[str, Any]:
    left = found.start[1]
    merged = [
        (top, bottom, first - left, last - left)
        for (top, first), (bottom, last) in found.merged_cell_ranges or []
    ]
    rows = _texts(found, errors, left)
    begun = list(islice(rows, 2 * _HEADINGS_WITHIN + found.start[0]))
    wide = {top for top, bottom, first, last in merged if last > first and top == bottom}
    at = headings_at(begun, wide)
    for top, bottom, first, _last in merged:
        if top < at <= bottom and first >= 0 and not begun[at][first].strip():
            begun[at][first] = begun[top][first]
    width = max((n + 1 for n, cell in enumerate(begun[at]) if cell.strip()), default=0)
    down = {
        (top, first): bottom
        for top, bottom, first, _last in merged
        if top > at and bottom > top and first >= 0
    }
    rows_written = 0
    # Rows without cells, and those above the headings, are lines too: a line's number is its row's.
    blank = at
    repeating: dict[int, tuple[int, str]] = {}
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, cells in enumerate(chain(begun[at:], rows), start=at):
            if down or repeating:
                _repeat(number, cells, down, repeating)
            if not any(map(str.strip, cells)):
                blank += 1
                continue
            file.write("\n" * blank)
            blank = 0
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            writer.writerow(cells)
            rows_written += 1
    return {"rows": max(rows_written - 1, 0)}


def _texts(found: Any, errors: Errors, left: int) -> Iterator[list[str]]:
    for number, values in enumerate(found.iter_rows()):
        cells = [text_of(value) for value in values]
        for column, text in errors.get(number, {}).items():
            if 0 <= column - left < len(cells):
                cells[column - left] = text
        yield cells


def _repeat(
    row: int,
    cells: list[str],
    down: dict[Cell, int],
    repeating: dict[int, tuple[int, str]],
) -> None:
    """Give each row of a cell that was merged over rows its value."""
    for column, cell in enumerate(cells):
        if (row, column) in down:
            repeating[column] = (down[row, column], cell)
        elif column in repeating:
            last, text = repeating[column]
            if row <= last:
                cells[column] = text
            else:
                del repeating[column]


def main(arguments: list[str]) -> int:
    """Turn a sheet into CSV under limits, and say how it went."""
    source, sheet, part, target, memory, seconds = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said = write_csv(Path(source), sheet, part, Path(target))
    except SheetRefused as error:
        said = {"refused": str(error)}
    except MemoryError:
        said = {"refused": "memory"}
    except OSError as error:
        said = {"refused": f"system {error.strerror}"}
    except Exception:
        said = {"refused": "broken"}
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
