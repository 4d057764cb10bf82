"""Read the cells that only files of members have."""

from __future__ import annotations

from django.utils.translation import gettext as _

from members import contacts
from members.imports import cells
from members.models import Profile

GENDERS = {
    **dict.fromkeys(
        ("f", "female", "woman", "女", "女士", "女性", "2"), Profile.Gender.FEMALE.value
    ),
    **dict.fromkeys(("m", "male", "man", "男", "男士", "男性", "1"), Profile.Gender.MALE.value),
    **dict.fromkeys(("", "0", "u", "unknown", "other", "未知", "保密", "其他", "-"), ""),
}
YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "1", "是"), "t"),
    **dict.fromkeys(("", "no", "n", "false", "0", "否"), "f"),
}


def read_phone(cell: str) -> str:
    """Return a phone number as it is kept; a problem where it is none."""
    if not cell.strip():
        return ""
    if problem := cells.rounded(cell.strip()):
        return problem
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
