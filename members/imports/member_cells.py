"""Read the cells that only files of members have."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from members import contacts
from members.imports import cells
from members.models import Profile

GENDERS = {
    **dict.fromkeys(
        ("f", "female", "woman", "女", "女士", "小姐", "女性", "女生", "2"),
        Profile.Gender.FEMALE.value,
    ),
    **dict.fromkeys(
        ("m", "male", "man", "男", "男士", "先生", "男性", "男生", "1"), Profile.Gender.MALE.value
    ),
    **dict.fromkeys(("", "0", "u", "unknown", "other", "未知", "保密", "其他"), ""),
}
YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "1", "是"), "t"),
    **dict.fromkeys(("", "no", "n", "false", "0", "否"), "f"),
}

# A number that a program kept as one with decimals; none of its digits is lost.
_DECIMAL = re.compile(r"(\d{8,15})\.0+")


def read_phone(cell: str) -> str:
    """Return a phone number as it is kept; a problem where it is none."""
    if not cell.strip():
        return ""
    if problem := cells.rounded(cell.strip()):
        return problem
    if match := _DECIMAL.fullmatch(cell.strip()):
        cell = match[1]
    try:
        return contacts.normalise_phone(cell)
    except ValueError:
        return cells.Problem(
            _("“%(cell)s” is not a phone number.") % {"cell": cells.shortened(cell.strip())}
        )


def read_email(cell: str) -> str:
    """Return an e-mail address as it is kept; a problem where it is none."""
    if not cell.strip():
        return ""
    try:
        return contacts.normalise_email(cell)
    except ValueError:
        return cells.Problem(
            _("“%(cell)s” is not an e-mail address.") % {"cell": cells.shortened(cell.strip())}
        )


def read_identifier(cell: str) -> str:
    """Return a card number or unionid as it is kept; a problem where it can be none."""
    code = contacts.normalise_code(cell)
    if problem := cells.rounded(code):
        return problem
    if len(code) > 64 or not code.isprintable():
        return cells.Problem(_("The text is too long or holds characters that no number has."))
    return code
