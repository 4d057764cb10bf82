"""Write logs and error reports that hold no member's contact data.

What a program logs on purpose are numbers of rows. What slips in are exceptions, whose words often
quote the value they stumbled over, and addresses with a search in them. So the words of exceptions
are left out, except where they cannot hold data; query strings are cut off; and whatever still
looks like a phone number, a card number or an e-mail address is blotted out. A name cannot be told
from any other word: that is why the words of exceptions go altogether.
"""

from __future__ import annotations

import copy
import logging
import re
import time
import traceback
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DjangoDatabaseError
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

BLOT = "▮▮▮"
WITHHELD = "(its words may quote personal data and are withheld)"
# Exceptions whose words come from the code or the settings, never from a row or a request.
_PLAIN = (ImportError, NameError, ImproperlyConfigured)
# By name: logs are set up before the applications are.
PLAIN_NAMES = frozenset({"brands.wall.scope.ScopeRefused", "brands.wall.scope.ScopeRequired"})
_CONTACT = re.compile(
    r"""
      (?P<kept>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b) # the number of a job
    | (?<=\?)[\w%.~+-]+=[^\s"'<>)\]]*                     # the query of an address
    | [^\s@<>"'(),:;=/\[\]]+@[^\s@<>"'(),:;=/\[\]]+\.[\w-]+ # an e-mail address
    | (?<![\w.])\+?\d{8,}(?!\w)                           # a phone or card number
    | (?<!\w)1[3-9]\d[ -]\d{4}[ -]\d{4}(?!\w)             # a mobile number in groups
    | (?<!\w)\+\d{1,3}(?:[ -]?\(?\d{2,5}\)?){2,5}(?!\w)   # a number of another country
    | (?<!\w)[A-Za-z]{1,6}-?\d{6,}(?!\w)                  # a card number that begins with letters
    """,
    re.VERBOSE,
)
# What Celery hands to its messages: the task's arguments, its result, the exception's words.
_CELERY = ("args", "kwargs", "exc", "return_value", "traceback")


def blotted(text: str) -> str:
    """Return TEXT without what looks like contact data."""
    return _CONTACT.sub(lambda found: found["kept"] or BLOT, text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those behind it, the first cause first."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    yield from reversed(seen)


def named(error: BaseException) -> str:
    """Name an exception by its class, and by what of its words cannot be anybody's data."""
    name = type(error).__qualname__
    if isinstance(error, _PLAIN) or f"{type(error).__module__}.{name}" in PLAIN_NAMES:
        return f"{name}: {blotted(str(error))}"
    # psycopg's, or Django's around it.
    cause = error.__cause__ if isinstance(error, DjangoDatabaseError) else error
    if state := getattr(cause, "sqlstate", None):
        diag = cause.diag  # type: ignore[union-attr]
        places = (diag.schema_name, diag.table_name, diag.column_name, diag.constraint_name)
        where = " ".join(filter(None, places))
        return f"{name} [SQLSTATE {state}{f': {where}' if where else ''}] {WITHHELD}"
    return f"{name} {WITHHELD}" if str(error) else name


class WithoutContact(logging.Formatter):
    """Format a record without contact data, with its time in UTC."""

    # One clock for the lines of every process: groups have zones of their own, logs have not.
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it where an exception came from."""
        clean = copy.copy(record)
        try:
            clean.msg, clean.args = blotted(self._message(record)), None
        except Exception as error:  # whatever it is: logging would print the arguments
            clean.msg, clean.args = f"A line could not be written: {named(error)}", None
        # What another handler may have written down already.
        clean.exc_text = None
        return super().format(clean)

    def _message(self, record: logging.LogRecord) -> str:
        args: Any = record.args
        if isinstance(args, dict):
            # A copy of its own kind: gunicorn's knows what to write for what is missing.
            args = copy.copy(args)
            args.update({name: BLOT for name in _CELERY if name in args})
        elif args:
            args = tuple(map(_argument, args))
        error = record.exc_info[1] if record.exc_info else None
        message = str(_argument(record.msg))
        if args:
            message = message % args
        for one in _chain(error) if error else ():
            for words in (repr(one), str(one)):
                # A word or two, like a missing key, may be part of anything.
                if len(words) > 3:
                    message = message.replace(words, named(one))
        return message

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Return where exceptions were raised, without their words and without any value."""
        parts: list[str] = []
        for error in _chain(ei[1]):
            parts += ["Traceback (most recent call last):"] if error.__traceback__ else []
            parts += [line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)]
            parts.append(named(error))
            if isinstance(error, BaseExceptionGroup):
                parts += [f"  with {named(one)}" for one in error.exceptions]
        return "\n".join(parts)


def _argument(value: object) -> object:
    """Return an argument of a message; an exception, or Celery's wrapper of one, by its name."""
    if isinstance(value, list | tuple | set | frozenset):
        return [_argument(item) for item in value]
    wrapped = getattr(value, "exception", None)
    error = wrapped if isinstance(wrapped, BaseException) else value
    return named(error) if isinstance(error, BaseException) else value


class ErrorReport(ExceptionReporter):
    """Show in an error page or mail where an exception came from: no value, no request."""

    def get_traceback_text(self) -> SafeString:
        """Return the trace as the log has it."""
        return SafeString(self._trace())

    def get_traceback_html(self) -> SafeString:
        """Return the same as a page."""
        return format_html("<!doctype html><pre>{}</pre>", self._trace())

    def _trace(self) -> str:
        return WithoutContact().formatException((self.exc_type, self.exc_value, self.tb))
