"""Write cells that no spreadsheet runs, wherever it believes a cell begins."""

from __future__ import annotations

import re

# A cell that begins so can run as a formula. A spreadsheet set to another delimiter begins a cell
# after each of those, and some pass over blanks and quotation marks before they look.
_LIVE = re.compile(r"(^|[;,|\t\r\n])([\s\"'\u3000]*)([=+\-@＝＋－＠])")
_BLANKS_AT_START = re.compile(r"^[\t\r\n]+")


def harmless(text: str) -> str:
    """Return a text with a ' before everything in it that a spreadsheet could run."""
    text = _BLANKS_AT_START.sub("", text.replace("\x00", "\ufffd"))
    return _LIVE.sub(r"\1\2'\3", text)
