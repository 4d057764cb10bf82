"""Find the headings of a file of delimited text."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import IO

from django.utils.translation import gettext as _

from members.imports.errors import ImportRefused
from members.imports.lines import LONE, MAX_ROW_BYTES, UNENDED, decode_line, fault

_DELIMITERS = ",;\t"
# The headings are looked for in so many lines.
_WITHIN = 10
# A title is told from headings by how many cells are filled below it.
_FEWEST_BELOW_TITLE = 3


@dataclass(frozen=True)
class _Line:
    """Be a line at a file's beginning, and the byte and the number of lines after it."""

    cells: list[str]
    delimiter: str
    end: int
    number: int
    is_clean: bool

    @property
    def filled(self) -> int:
        return sum(map(bool, self.cells))


def read_headings(
    source: IO[bytes], encoding: str, delimiter: str = ""
) -> tuple[list[str], str, int, int]:
    """Return headings, delimiter, and the byte and line after the headings, where SOURCE then is.

    Empty lines above them are passed over, and titles that stand alone in their lines.
    """
    first = chosen = None
    number = 0
    for _try in range(_WITHIN):
        line = _read_line(source, encoding, delimiter, number, is_first=first is None)
        if line is None:
            break
        number = line.number
        first = first or (line if line.filled else None)
        if line.filled > 1:
            chosen = line if line.filled >= _FEWEST_BELOW_TITLE else first
            break
    chosen = chosen or first
    if chosen is None:
        return [], ",", 0, 0
    if not chosen.is_clean:
        raise ImportRefused(
            _("The headings cannot be read as %(encoding)s. Nothing was imported.")
            % {"encoding": encoding}
        )
    source.seek(chosen.end)
    return chosen.cells, chosen.delimiter, chosen.end, chosen.number


def _read_line(
    source: IO[bytes], encoding: str, delimiter: str, number: int, *, is_first: bool
) -> _Line | None:
    """Read the next line; refuse a first one that no headings are."""
    plain = "utf-8" if encoding.startswith("utf-16") else encoding
    raw = source.readline(MAX_ROW_BYTES + 1)
    if not raw:
        return None
    if is_first and len(raw) > MAX_ROW_BYTES:
        raise ImportRefused(
            _("The first line is too long to hold the headings. Nothing was imported.")
        )
    text = decode_line(raw, plain).removeprefix("\ufeff").rstrip("\r\n")
    mark = delimiter or max(_DELIMITERS, key=text.count)
    more = 0
    if is_first:
        text, more = _read_on(source, plain, text, mark)
    try:
        cells = [cell.strip() for cell in next(csv.reader([text], delimiter=mark), [])]
    except csv.Error as error:
        # A CR alone outside of quotation marks ends no line here.
        if is_first:
            raise ImportRefused(
                _(
                    "The lines end in an old way (CR). Nothing was imported. Save the file as CSV "
                    "again."
                )
            ) from error
        cells = []
    return _Line(cells, mark, source.tell(), number + 1 + more, not LONE.search(text))


def _read_on(source: IO[bytes], plain: str, text: str, mark: str) -> tuple[str, int]:
    """Add the lines over which a heading goes, where somebody broke it by hand."""
    begin, place = text, source.tell()
    for more in range(_WITHIN):
        if UNENDED not in fault([f"{text}\n"], mark):
            return text, more
        text += " " + decode_line(source.readline(MAX_ROW_BYTES), plain).rstrip("\r\n")
    source.seek(place)
    return begin, 0
