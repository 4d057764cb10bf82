"""Know erased people again by a digest, so that an old file does not bring them back."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.models import Count, Max
from django.utils.translation import gettext as _

from brands.formatting import day
from members.imports.columns import Columns
from members.keys import GroupKeys, Purpose, group_keys, key_add
from members.models import ErasedIdentifier
from tenants.connection import connection

# Field of an imported row → the kind that its digest is made of.
KINDS = {
    "member_no": "member_no",
    "phone": "phone",
    "email": "email",
    "card_no": "card",
    "unionid": "unionid",
}


def keys_with_erased() -> GroupKeys:
    """Return the group's keys; a group that is older than the right to erasure gets its key now."""
    keys = group_keys()
    if keys.erased:
        return keys
    key_add(schema_name=connection.schema_name, purpose=Purpose.ERASED, version=1)
    return group_keys()


def digest(keys: GroupKeys, kind: str, normalised: str) -> bytes:
    """Return what is kept of an identifier."""
    return hmac.digest(keys.erased, f"{kind}:{normalised}".encode(), "sha256")[:16]


def remember(rows: Iterable[tuple[int, str, str]], *, on: dt.date) -> int:
    """Keep digests of (brand, kind, normalised identifier); return how many there were."""
    keys = keys_with_erased()
    kept = [
        ErasedIdentifier(brand_id=brand, digest=digest(keys, kind, text), erased_on=on)
        for brand, kind, text in rows
    ]
    ErasedIdentifier.objects.bulk_create(
        kept,
        batch_size=5_000,
        update_conflicts=True,
        unique_fields=["brand_id", "digest"],
        update_fields=["erased_on"],
    )
    return len(kept)


def erased_stamp(brand_id: int) -> tuple[object, ...]:
    """Return what differs after anybody else was erased from a brand."""
    found = ErasedIdentifier.objects.filter(brand_id=brand_id)
    return tuple(found.aggregate(Count("pk"), Max("pk"), Max("erased_on")).values())


def reject_erased(read: Columns, brand_id: int, known: Iterable[str]) -> None:
    """Set aside the rows of a chunk that would bring an erased person back.

    They are given back as numbers of lines: a file of rejected rows would keep the person.
    """
    columns = {name: read[name] for name in KINDS}
    reasons = erased_reasons(brand_id, columns, read["registered_on"], known)
    read.reject(reasons)
    begin = len(read.bad) - len(reasons)
    read.bad[begin:] = [replace(row, cells=[""] * len(row.cells)) for row in read.bad[begin:]]


def erased_reasons(
    brand_id: int,
    columns: Mapping[str, Sequence[str]],
    registered: Sequence[str],
    known: Iterable[str] = (),
) -> dict[int, list[tuple[str, str]]]:
    """Return place of a row → (field, reason), for rows that would bring an erased person back.

    COLUMNS holds normalised values by field, empty where a row has none; REGISTERED the days of
    registration in ISO form. KNOWN are member numbers that the brand has: they are not new. A
    person who registered after the day of the erasure is let in.
    """
    if not ErasedIdentifier.objects.filter(brand_id=brand_id).exists():
        return {}
    keys, numbers = group_keys(), set(known)
    places: dict[bytes, list[tuple[int, str]]] = {}
    count = len(registered)
    for name, kind in KINDS.items():
        for place, text in zip(range(count), columns.get(name, ()), strict=False):
            if text and text != "\\N" and columns["member_no"][place] not in numbers:
                places.setdefault(digest(keys, kind, text), []).append((place, name))
    rows = ErasedIdentifier.objects.filter(brand_id=brand_id, digest__in=list(places))
    reasons: dict[int, list[tuple[str, str]]] = {}
    for kept, erased_on in rows.values_list("digest", "erased_on"):
        for place, name in places[bytes(kept)]:
            if place not in reasons and not _is_later(registered[place], erased_on):
                reasons[place] = [(name, erased_words(erased_on))]
    return reasons


def _is_later(registered: str, erased_on: dt.date) -> bool:
    try:
        return dt.date.fromisoformat(registered) > erased_on
    except ValueError:
        return False


def erased_words(erased_on: dt.date) -> str:
    """Return why a row of an erased person is not imported."""
    return _(
        "This person asked to be erased on %(day)s. Import them again only with a registration "
        "after that day."
    ) % {"day": day(erased_on)}
