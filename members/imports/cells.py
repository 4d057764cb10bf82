"""Read cells: what a text means, or why it means nothing.

A reader turns a cell into the text that COPY writes for it (already escaped), or into a Problem.
Columns repeat themselves (stores, days, products), so each reader remembers what it has read.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision
from django.utils.translation import gettext as _

NULL = "\\N"
# What a reader remembers before it starts anew.
_MEMORY = 50_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Problem(str):
    """Be the reason why a cell cannot be read."""

    __slots__ = ()


class Reader(dict[str, str]):
    """Map a cell to what COPY writes for it, or to a Problem."""

    def __init__(self, read: Callable[[str], str], *, is_repeated: bool = True) -> None:
        super().__init__()
        self._read = read
        # Whether cells come again often enough to be remembered.
        self._is_repeated = is_repeated
        self.has_problems = False

    def __missing__(self, cell: str) -> str:
        if len(cell) >= 10 and cell[0] not in _SUSPECT:
            # Most cells that do not come again are neither spoilt nor marked.
            value = self._read(cell)
        else:
            value = _spoilt(cell) or self._read(unwrapped(cell))
        if isinstance(value, Problem):
            self.has_problems = True
        if self._is_repeated or not cell:
            if len(self) >= _MEMORY:
                self.clear()
            self[cell] = value
        return value


# What exports write where there is nothing.
_NOTHING = frozenset(
    ("null", "(null)", "[null]", "\\n", "nan", "n/a", "undefined", "-", "--", "—", "——", "/")
    + ("无", "暂无", "未填写", "未填")
)
# What a spreadsheet's marks of text begin with.
_MARKS = frozenset(("=", "'"))
# What a long cell begins with that is marked, or spoilt, or a day that is none.
_SUSPECT = _MARKS | {"#", "0"}


def unwrapped(cell: str) -> str:
    """Return what a cell says: without a spreadsheet's marks of text, empty where it says nothing.

    Marks are ="000123" and a leading ' before what a spreadsheet would take for a number or a
    formula.
    """
    if cell[:1] in _MARKS:
        if cell.startswith('="') and cell.endswith('"') and '"' not in cell[2:-1]:
            cell = cell[2:-1]
        elif cell.startswith("'") and (cell[1:2].isdigit() or cell[1:2] in set("=+-@")):
            cell = cell[1:]
    if len(cell) < 10 and cell.strip().lower() in _NOTHING or cell.startswith("0000-00-00"):
        return ""
    return cell


# What a spreadsheet shows in the place of a value.
_ERRORS = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!")
    + ("#GETTING_DATA", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!")
)
_ROUNDED = re.compile(r"\d(\.\d+)?E\+\d{2,}", re.IGNORECASE)


def _spoilt(cell: str) -> str:
    if cell.startswith("#") and cell.strip() in _ERRORS:
        return Problem(
            _("The cell holds the error %(cell)s of a formula, and no value.") % {"cell": cell}
        )
    return ""


def rounded(text: str) -> Problem | None:
    """Return the reason against a number that a spreadsheet rounded, if it is one."""
    if not _ROUNDED.fullmatch(text):
        return None
    return Problem(
        _(
            "“%(cell)s” was rounded by a spreadsheet: its last digits are lost. Take the number "
            "from the system it comes from, in a column of text."
        )
        % {"cell": shortened(text)}
    )


def escape(text: str) -> str:
    """Return a text as COPY's text format writes it."""
    return text.translate(_ESCAPES)


def shortened(text: str) -> str:
    """Return a text as a reason may quote it."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def read_plain(*, longest: int) -> Callable[[str], str]:
    """Return a reader of free text: its ends trimmed, its control characters turned to blanks."""

    def read(cell: str) -> str:
        text = _CONTROL.sub(" ", cell).strip()
        if len(text) > longest:
            return Problem(
                _("The text has %(length)d characters; %(longest)d is the most.")
                % {"length": len(text), "longest": longest}
            )
        if _SURROGATE.search(text):
            return Problem(_("The text has characters that do not exist."))
        return text

    return read


def read_text(*, longest: int) -> Callable[[str], str]:
    """Return a reader of free text as COPY writes it."""
    read = read_plain(longest=longest)

    def read_escaped(cell: str) -> str:
        text = read(cell)
        return text if isinstance(text, Problem) else escape(text)

    return read_escaped


# What stands in the first column of a line of sums below a table.
_SUMS = frozenset(
    ("合计", "总计", "小计", "合計", "總計", "小計", "total", "grand total", "subtotal")
)


def _is_sum(code: str) -> bool:
    return code.rstrip(": ").lower() in _SUMS


def read_code(*, longest: int) -> Callable[[str], str]:
    """Return a reader of the number or code that a row is known by."""
    read = read_plain(longest=longest)

    def read_exactly(cell: str) -> str:
        # Nearly all are; nothing below would say anything of them.
        if len(cell) <= longest and cell.isascii() and cell.isalnum() and not _is_sum(cell):
            return cell
        code = read(unicodedata.normalize("NFKC", cell))
        if isinstance(code, Problem):
            return code
        if not code:
            return Problem(_("The cell is empty."))
        if problem := rounded(code):
            return problem
        if _is_sum(code):
            return Problem(_("The line is one of sums, and about nobody."))
        return Problem(_("A number or code has no backslash.")) if "\\" in code else code

    return read_exactly


# A comma parts thousands: 1,5 is one and a half somewhere, and fifteen nowhere.
_WHOLE = re.compile(r"[+-]?(\d{1,3}(,\d{3}){1,5}|\d{1,18})(\.0*)?")


def read_number(*, lowest: int, highest: int, empty: str | None = None) -> Callable[[str], str]:
    """Return a reader of whole numbers."""

    def read(cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).strip()
        if not text:
            return Problem(_("The cell is empty.")) if empty is None else empty
        if not _WHOLE.fullmatch(text):
            return Problem(_("“%(cell)s” is not a whole number.") % {"cell": shortened(cell)})
        number = int(text.split(".")[0].replace(",", ""))
        if not lowest <= number <= highest:
            return Problem(
                _("%(number)s is not between %(lowest)s and %(highest)s.")
                % {"number": number, "lowest": lowest, "highest": highest}
            )
        return str(number)

    return read


_AMOUNT = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.(\d*))?|([+-]?)\.(\d+)")
_MOST_MINOR = 10**14


def read_amount(currency: str) -> Callable[[str], str]:
    """Return a reader of amounts in major units, into minor units of CURRENCY.

    1,234.50 is read; 1.234,50 and formulas are not.
    """
    decimals = get_currency_precision(currency)

    def read(cell: str) -> str:
        text = unicodedata.normalize("NFKC", cell).replace("\u2212", "-").strip()
        if not text:
            return Problem(_("The cell is empty."))
        if text.startswith(("=", "@")):
            return Problem(_("The cell holds a formula; write the amount itself."))
        for mark in (currency, "¥", "$", "€", "£", "元"):
            text = text.replace(mark, "")
        match = _AMOUNT.fullmatch(text.replace(" ", ""))
        if not match:
            return Problem(
                _("“%(cell)s” is not an amount such as 1234.50 or 1,234.50.")
                % {"cell": shortened(cell)}
            )
        sign = match[1] or match[4] or ""
        whole = (match[2] or "0").replace(",", "")
        part = (match[3] or match[5] or "").rstrip("0")
        if len(part) > decimals:
            return Problem(
                _("“%(cell)s” has more decimals than %(currency)s has (%(decimals)d).")
                % {"cell": shortened(cell), "currency": currency, "decimals": decimals}
            )
        minor = int(whole) * 10**decimals + int(part.ljust(decimals, "0") or 0)
        if minor > _MOST_MINOR:
            return Problem(_("The amount is too large."))
        return str(-minor if sign == "-" else minor)

    return read


# What most files write; read the short way.
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:[+-]\d\d:\d\d)?)?", re.ASCII)
_DAY = re.compile(
    r"(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})/(\d{1,2})/(\d{1,2})|(\d{4})\.(\d{1,2})\.(\d{1,2})"
    r"|(\d{4})年(\d{1,2})月(\d{1,2})[日号號]|(\d{4})(\d{2})(\d{2}))(.*)",
    re.DOTALL,
)
_TIME = re.compile(
    r"[T ]?\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_HALF = re.compile(r"上午|下午|\b[ap]m\b|(?<=\d)[ap]m\b", re.IGNORECASE)
_COMPACT_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)?")
_DAY_LAST = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")


def parse_instant(cell: str, zone: ZoneInfo) -> dt.datetime:
    """Return the instant a cell names; raises ValueError with the reason.

    A time without an offset is on the clock of ZONE; a day without a time is its midnight.
    """
    if _ISO.fullmatch(cell):
        with suppress(ValueError):
            instant = dt.datetime.fromisoformat(cell)
            if 1900 <= instant.year <= 2100:
                return instant if instant.tzinfo else instant.replace(tzinfo=zone)
    text = unicodedata.normalize("NFKC", cell).strip()
    match = _DAY.fullmatch(text)
    if not match:
        if _DAY_LAST.match(text):
            raise ValueError(
                _("“%(cell)s” could be two different days; write the year first, as in 2026-11-21.")
                % {"cell": shortened(cell)}
            )
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            raise ValueError(
                _("“%(cell)s” is a spreadsheet's day number; write it as 2026-11-21.")
                % {"cell": shortened(cell)}
            )
        raise ValueError(
            _("“%(cell)s” is not a day such as 2026-11-21.") % {"cell": shortened(cell)}
        )
    *numbers, rest = match.groups()
    year, month, day = (int(number) for number in numbers if number is not None)
    hour = minute = second = micro = 0
    offset = ""
    tzinfo: dt.tzinfo = zone
    if rest.strip():
        half = _HALF.search(rest)
        time = _TIME.fullmatch(_plain_time(rest, is_compact=match[13] is not None))
        if not time:
            raise ValueError(
                _("“%(cell)s” is not a time such as 2026-11-21 18:30:00.")
                % {"cell": shortened(cell)}
            )
        hour, minute, second = (int(part or 0) for part in time.groups()[:3])
        micro = int((time[4] or "")[:6].ljust(6, "0"))
        offset = time[5] or ""
        if half and hour <= 12:
            hour = hour % 12 + (12 if half[0].lower() in {"下午", "pm"} else 0)
    if not 1900 <= year <= 2100:
        raise ValueError(_("The year %(year)d is not between 1900 and 2100.") % {"year": year})
    try:
        if offset:
            tzinfo = dt.datetime.strptime(offset.upper(), "%z").tzinfo or zone
        return dt.datetime(year, month, day, hour, minute, second, micro, tzinfo)
    except ValueError as error:
        raise ValueError(
            _("“%(cell)s” is no day or time that exists.") % {"cell": shortened(cell)}
        ) from error


def _plain_time(text: str, *, is_compact: bool) -> str:
    """Return a time of day with colons: 13时45分, 下午1:45 and, after 20240105, 134500."""
    text = _HALF.sub(" ", text).strip()
    if is_compact and (digits := _COMPACT_TIME.fullmatch(text)):
        return ":".join(part for part in digits.groups() if part)
    return re.sub("[时時点點分]", ":", text).replace("秒", "").replace(" :", ":").rstrip(": ")


def read_instant(zone: ZoneInfo, *, latest: dt.datetime) -> Callable[[str], str]:
    """Return a reader of instants that refuses those after LATEST."""

    def read(cell: str) -> str:
        if not cell.strip():
            return Problem(_("The cell is empty."))
        try:
            instant = parse_instant(cell, zone)
        except ValueError as error:
            return Problem(error)
        if instant > latest:
            return Problem(_("“%(cell)s” lies in the future.") % {"cell": shortened(cell)})
        return instant.isoformat()

    return read


def read_day(zone: ZoneInfo, *, latest: dt.date) -> Callable[[str], str]:
    """Return a reader of days that refuses those after LATEST; a time of day is dropped."""

    def read(cell: str) -> str:
        if not cell.strip():
            return NULL
        try:
            day = parse_instant(cell, zone).date()
        except ValueError as error:
            return Problem(error)
        if day > latest:
            return Problem(_("“%(cell)s” lies in the future.") % {"cell": shortened(cell)})
        return day.isoformat()

    return read


def read_choice(choices: Mapping[str, str], what: str) -> Callable[[str], str]:
    """Return a reader of words, whatever their case."""

    def read(cell: str) -> str:
        word = unicodedata.normalize("NFKC", cell).strip().lower()
        if word in choices:
            return choices[word]
        return Problem(what % {"cell": shortened(cell)})

    return read


def read_store(ids: Mapping[str, int]) -> Callable[[str], str]:
    """Return a reader of stores by their codes or names, into the store's id."""

    def read(cell: str) -> str:
        code = unicodedata.normalize("NFKC", cell).strip()
        if not code:
            return NULL
        found = ids.get(code) or ids.get(code.casefold())
        if found:
            return str(found)
        return Problem(
            _("The brand has no store “%(code)s”. Add the store, then import this row.")
            % {"code": shortened(code)}
        )

    return read
