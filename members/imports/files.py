"""Read delimited text files of any size in constant memory, whatever is wrong with them."""

from __future__ import annotations

import codecs
import csv
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _

from members.imports.errors import ImportRefused
from members.imports.headings import read_headings
from members.imports.lines import LONE, MAX_ROW_BYTES, UNENDED, decode_lines, fault

_BLOCK = 1 << 20
_MAX_HEADINGS = 500
# What lines are made of that hold nothing, as spreadsheets leave them below the last row.
_NO_CELLS = b' \t\r\n,;"\x1a'


@dataclass(frozen=True)
class FileShape:
    """Describe a file: how it is written, its headings, and where its rows begin."""

    encoding: str
    delimiter: str
    headings: list[str]
    size: int
    digest: str
    has_rows: bool = True
    # Where the rows begin: the byte after the headings, and how many lines are before it.
    begin: int = 0
    begin_line: int = 0


@dataclass(frozen=True)
class Preview:
    """Be the beginning of a file."""

    headings: list[str]
    rows: list[list[str]]
    shape: FileShape
    chunk: Chunk


@dataclass(frozen=True)
class BadRow:
    """Be a row that is given back: its line, the column at fault if one is, why, its cells."""

    line: int
    column: str
    reason: str
    cells: list[str]


@dataclass
class Chunk:
    """Be some rows of a file, and the place in the file after them."""

    # Line of each readable row, and its cells: as many as there are headings.
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    end: int = 0
    end_line: int = 0


def inspect_file(path: Path) -> FileShape:
    """Return how a file is written; raises ImportRefused for one that cannot be read.

    Reads it once or twice from end to end, block by block.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_BLOCK)
    except OSError as error:
        raise ImportRefused(
            _("The file cannot be read: %(why)s.") % {"why": error.strerror}
        ) from error
    if not start.strip():
        raise ImportRefused(_("The file is empty. Nothing was imported."))
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ImportRefused(
            _(
                "This is an Excel workbook. Nothing was imported. Save the sheet as CSV (UTF-8) "
                "and import that file."
            )
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"%PDF")):
        raise ImportRefused(
            _(
                "This is a web page or a document, whatever its name says. Nothing was imported. "
                "Open it in Excel, save it as .xlsx or as CSV (UTF-8), and upload that."
            )
        )
    is_marked = start.startswith(codecs.BOM_UTF8)
    encoding = _utf16(start) or ("utf-8" if is_marked else _eight_bit(path, start))
    with opened(path, encoding) as source:
        headings, delimiter, begin, begin_line = read_headings(source, encoding)
        has_rows = any(block.strip(_NO_CELLS) for block in iter(lambda: source.read(_BLOCK), b""))
        size = source.seek(0, 2)
    if not any(headings):
        raise ImportRefused(_("The file's first line has no headings. Nothing was imported."))
    if len(headings) > _MAX_HEADINGS:
        raise ImportRefused(_("The file has too many columns. Nothing was imported."))
    return FileShape(
        encoding, delimiter, headings, size, digest_of(path), has_rows, begin, begin_line
    )


def preview_file(path: Path, encoding: str, delimiter: str, *, rows: int) -> Preview:
    """Return a looked-at file's headings and its first rows, without reading it all."""
    with opened(path, encoding) as source:
        headings, _delimiter, begin, line = read_headings(source, encoding, delimiter)
        shape = FileShape(encoding, delimiter, headings, 0, "", begin=begin, begin_line=line)
        chunk = next(chunks(source, shape, rows=rows), Chunk())
    return Preview(headings, chunk.rows[:rows], shape, chunk)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _utf16(start: bytes) -> str:
    if start.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    sample = start[:4096]
    if len(sample) >= 4 and sample[1::2].count(0) > len(sample) // 4 > sample[0::2].count(0):
        return "utf-16-le"
    if len(sample) >= 4 and sample[0::2].count(0) > len(sample) // 4 > sample[1::2].count(0):
        return "utf-16-be"
    return ""


def _eight_bit(path: Path, start: bytes) -> str:
    """Return utf-8 or gb18030.

    UTF-8 with a few broken bytes stays UTF-8 (its broken rows are given back): read as GB18030 it
    would turn into other people's names.
    """
    if start[:4096].count(0) > 8:
        raise ImportRefused(
            _("This is no text file. Nothing was imported. Save it as CSV (UTF-8).")
        )
    broken, wide = 0, 0
    for text in _decoded(path, "utf-8", "surrogateescape"):
        if not text.isascii():
            found = len(LONE.findall(text))
            broken += found
            wide += _count_wide(text) - found
    if broken == 0 or broken * 10 < wide:
        return "utf-8"
    broken, wide = 0, 0
    for text in _decoded(path, "gb18030", "replace"):
        if not text.isascii():
            broken += text.count("\ufffd")
            wide += _count_wide(text)
    if broken == 0 or broken * 100 < wide:
        return "gb18030"
    raise ImportRefused(
        _(
            "The file is written neither in UTF-8 nor in GB18030 nor in UTF-16. Nothing was "
            "imported. Save it as CSV (UTF-8) and import that file."
        )
    )


def _count_wide(text: str) -> int:
    """Return how many characters are not ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def _decoded(path: Path, encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; one in UTF-16 as a copy in UTF-8, so that line ends are bytes."""
    if not encoding.startswith("utf-16"):
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        for text in _decoded(path, encoding, "replace"):
            copy.write(text.encode())
        copy.seek(0)
        yield copy


def chunks(
    source: IO[bytes] | BufferedReader,
    shape: FileShape,
    *,
    start: int = 0,
    start_line: int = 0,
    rows: int = 20_000,
    first_rows: int = 0,
) -> Iterator[Chunk]:
    """Yield the file's rows after byte START, some at a time; every row, readable or not.

    `start_line` is the number of lines before START. `first_rows` are at most in the first chunk,
    where it is to be shorter than the others.
    """
    encoding = "utf-8" if shape.encoding.startswith("utf-16") else shape.encoding
    source.seek(start)
    if start == 0:
        source.seek(shape.begin)
        start, start_line = shape.begin, shape.begin_line
    position, line = start, start_line
    pending: list[bytes] = []
    ended = False
    take = min(first_rows or rows, rows)
    while not ended or pending:
        most_lines = len(pending) + take
        room = take * 400
        take = rows
        overlong = 0
        while len(pending) < most_lines and room > 0 and not ended and not overlong:
            raw = source.readline(MAX_ROW_BYTES)
            if not raw:
                ended = True
            elif len(raw) == MAX_ROW_BYTES and not raw.endswith(b"\n"):
                overlong = len(raw) + _pass_line(source)
            else:
                pending.append(raw)
                room -= len(raw)
        chunk = Chunk(end=position, end_line=line)
        used = _parse(chunk, pending, encoding, shape, is_last=ended or bool(overlong))
        pending = pending[used:]
        if overlong:
            chunk.end += overlong
            chunk.end_line += 1
            reason = _("The row is longer than %(size)d KB.") % {"size": MAX_ROW_BYTES // 1024}
            chunk.bad.append(BadRow(chunk.end_line, "", reason, []))
        position, line = chunk.end, chunk.end_line
        if used or overlong:
            yield chunk


def _pass_line(source: IO[bytes] | BufferedReader) -> int:
    """Pass over the rest of a line without keeping it; return its length."""
    passed = 0
    while raw := source.readline(_BLOCK):
        passed += len(raw)
        if raw.endswith(b"\n"):
            break
    return passed


def _parse(
    chunk: Chunk, lines: list[bytes], encoding: str, shape: FileShape, *, is_last: bool
) -> int:
    """Add the rows of LINES to CHUNK and return how many lines they are.

    Lines that begin a row whose end is not among them are left for the next call, unless there is
    none. A quotation mark without its partner would swallow the rows after it: then its own line
    is given back and reading goes on behind it.
    """
    texts, is_clean = decode_lines(lines, encoding)
    width = len(shape.headings)
    used = len(texts)
    if is_clean and not _is_open(texts[-1:], shape):
        rows = _parse_plain(texts, shape.delimiter, width)
        if rows is not None:
            chunk.lines.extend(range(chunk.end_line + 1, chunk.end_line + 1 + used))
            chunk.rows.extend(rows)
            chunk.end += sum(map(len, lines))
            chunk.end_line += used
            return used
    used = _parse_carefully(chunk, texts, encoding, shape, is_last=is_last)
    chunk.end += sum(map(len, lines[:used]))
    chunk.end_line += used
    return used


def _parse_plain(texts: list[str], delimiter: str, width: int) -> list[list[str]] | None:
    """Return the rows if every line is a row of WIDTH cells, as nearly all are."""
    try:
        rows = list(csv.reader(texts, delimiter=delimiter))
    except csv.Error:
        return None
    if len(rows) != len(texts) or any(len(cells) != width for cells in rows):
        return None
    return rows


def _parse_carefully(
    chunk: Chunk, texts: list[str], encoding: str, shape: FileShape, *, is_last: bool
) -> int:
    """Add rows that go over lines, do not fit or cannot be read; return how many lines it was."""
    width = len(shape.headings)
    first = 0
    while first < len(texts):
        reader = csv.reader(islice(texts, first, None), delimiter=shape.delimiter)
        is_lost = False
        while not is_lost:
            here = first + reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return len(texts)
            except csv.Error:
                cells, is_lost = [], True
            after = first + reader.line_num
            if after == len(texts) and _is_open(texts[here:], shape):
                if not is_last and sum(map(len, texts[here:])) < MAX_ROW_BYTES:
                    return here
                is_lost = True
            elif after > here + 1:
                # A row over several lines must be quoted faultlessly, or it is several rows.
                is_lost = len(cells) != width or _is_faulty(texts[here:after], shape)
            line = chunk.end_line + here + 1
            if is_lost:
                reason = _("The row cannot be read: a quotation mark has no partner.")
                chunk.bad.append(BadRow(line, "", reason, [texts[here].rstrip("\r\n")]))
                first = here + 1
            elif cells:
                _add(chunk, line, cells, encoding, shape.headings)
    return len(texts)


def _add(chunk: Chunk, line: int, cells: list[str], encoding: str, headings: list[str]) -> None:
    width = len(headings)
    if cells and not any(heading.strip() for heading in headings[len(cells) :]):
        # Spreadsheets write no separators for the empty end of a row.
        cells = cells + [""] * (width - len(cells))
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        cells = cells[:width]
    if len(cells) != width:
        if not any(cell.strip() for cell in cells):
            return
        reason = _("The row has %(found)d cells where the headings are %(width)d.") % {
            "found": len(cells),
            "width": width,
        }
        chunk.bad.append(BadRow(line, "", reason, cells))
    elif any(map(LONE.search, cells)):
        reason = _("The row has bytes that are not %(encoding)s.") % {"encoding": encoding.upper()}
        chunk.bad.append(BadRow(line, "", reason, [LONE.sub("\ufffd", cell) for cell in cells]))
    else:
        chunk.lines.append(line)
        chunk.rows.append(cells)


def _is_open(texts: list[str], shape: FileShape) -> bool:
    """Tell whether the row that begins these lines has not ended with them."""
    return UNENDED in fault(texts, shape.delimiter)


def _is_faulty(texts: list[str], shape: FileShape) -> bool:
    """Tell whether these lines break a rule of quoting."""
    return bool(fault(texts, shape.delimiter))
