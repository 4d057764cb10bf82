"""What stands in an exported file: columns by the wall, rows as the asker's scope shows them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from brands.formatting import major_units
from brands.wall.visibility import Kind, Visible
from members import contacts, selectors
from members.exports.cells import harmless
from members.keys import group_keys
from members.models import Contact, MaskedContact, Profile

# Which kinds of a member's data a row of the file holds, one bit each.
PROFILE, CONTACT, MASKED = 1, 2, 4

_MASKABLE = ("name", "phone", "email")
_E164 = re.compile(r"^\+\d+$")
_ONLY_WHOLE = ("card_no", "unionid", "birthday")


@dataclass(frozen=True)
class Columns:
    """Say which columns the asker's scope has at all."""

    has_names: bool
    has_contacts: bool

    @classmethod
    def of(cls, visible: Visible) -> Columns:
        """Return the columns of what VISIBLE shows."""
        contact, masked = visible.kinds[Kind.CONTACT], visible.kinds[Kind.MASKED]
        has_contacts = bool(contact.brands or contact.stores)
        return cls(has_contacts or bool(masked.brands or masked.stores), has_contacts)

    def headings(self) -> list[str]:
        """Return the first line of the file."""
        words = [
            _("Brand"),
            _("Store"),
            _("Member number"),
            _("Member"),
            _("Gender"),
            _("Member since"),
            _("Orders"),
            _("Sales"),
            _("First order"),
            _("Last order"),
        ]
        if self.has_names:
            words += [_("Contact data"), _("Name"), _("Phone"), _("E-mail")]
        if self.has_contacts:
            words += [_("Card number"), _("Unionid"), _("Birthday")]
        return words


@dataclass(frozen=True)
class Written:
    """Be one row as it is written, with what of the member it holds."""

    profile_id: int
    brand_id: int
    kinds: int
    cells: list[Any]


def written(profiles: list[Profile], columns: Columns) -> Iterator[Written]:
    """Yield the rows of members, with as much contact data as the open scope shows."""
    ids = [profile.pk for profile in profiles]
    whole: dict[int, Contact] = Contact.objects.in_bulk(ids) if columns.has_contacts else {}
    rest = [pk for pk in ids if pk not in whole] if columns.has_names else []
    masked = selectors.masked_contacts(rest) if rest else {}
    keys = group_keys() if whole else None
    for profile in profiles:
        cells, kinds = _profile_cells(profile), PROFILE
        contact, mask = whole.get(profile.pk), masked.get(profile.pk)
        if columns.has_names:
            fields: dict[str, str] = {}
            word = _("not shown")
            if contact is not None and keys is not None:
                fields, kinds, word = contacts.unseal(keys, contact), kinds | CONTACT, _("in full")
            elif mask is not None:
                fields, kinds, word = _masked_fields(mask), kinds | MASKED, _("masked")
            names = _MASKABLE + (_ONLY_WHOLE if columns.has_contacts else ())
            texts = [str(fields.get(name) or "") for name in names]
            cells += [word, *(harmless(_dialled(text)) for text in texts)]
        yield Written(profile.pk, profile.brand_id, kinds, cells)


def _dialled(text: str) -> str:
    """Return a phone number as it is dialled at home: a + at its beginning would look live."""
    if not _E164.match(text):
        return text
    return text[3:] if text.startswith("+86") else f"00{text[1:]}"


def _masked_fields(mask: MaskedContact) -> dict[str, str]:
    return {name: getattr(mask, name) for name in _MASKABLE}


def _profile_cells(profile: Profile) -> list[Any]:
    # Numbers and dates are ours; every text may be somebody's from outside.
    return [
        harmless(profile.brand.code),
        harmless(profile.store.code if profile.store else ""),
        harmless(profile.member_no),
        _("yes") if profile.is_member else _("no"),
        profile.get_gender_display() if profile.gender else "",
        profile.registered_on or "",
        profile.orders,
        major_units(profile.sales),
        _day(profile.first_order_at),
        _day(profile.last_order_at),
    ]


def _day(at: dt.datetime | None) -> str:
    return timezone.localtime(at).date().isoformat() if at else ""


def by_brand(rows: Iterable[Written]) -> dict[str, int]:
    """Return brand id → number of rows, keyed as JSON keeps it."""
    counted: dict[str, int] = {}
    for row in rows:
        counted[str(row.brand_id)] = counted.get(str(row.brand_id), 0) + 1
    return counted
