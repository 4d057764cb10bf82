"""Lines of delimited text: decoded, whatever their bytes are, and checked for their quoting."""

from __future__ import annotations

import csv
import re

# A row longer than this is given back instead of read: no row of members or orders comes near.
MAX_ROW_BYTES = 256 * 1024
# A cell may be as long as its row; Python's own limit would call half of that unreadable.
csv.field_size_limit(MAX_ROW_BYTES)
# What stands for a byte that is none of the encoding.
LONE = re.compile("[\udc80-\udcff]")
# The fault of a row that goes on in the next line.
UNENDED = "unexpected end of data"


def decode_lines(lines: list[bytes], encoding: str) -> tuple[list[str], bool]:
    """Return lines as text, and whether all their bytes are of the encoding."""
    try:
        return [raw.decode(encoding) for raw in lines], True
    except UnicodeDecodeError:
        return [decode_line(raw, encoding) for raw in lines], False


def decode_line(raw: bytes, encoding: str) -> str:
    """Decode a line; bytes that are none of the encoding become lone surrogates."""
    if encoding == "utf-8":
        return raw.decode(encoding, "surrogateescape")
    return raw.decode(encoding, "replace").replace("\ufffd", "\udc80")


def fault(texts: list[str], delimiter: str) -> str:
    """Return which rule of quoting the lines break; nothing where they break none."""
    if not any('"' in text for text in texts):
        return ""
    try:
        for _cells in csv.reader(texts, delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return str(error)
    return ""
