"""What files may hold that come from who is shown no contact data, as a contract may say.

Which rows name nobody, and what would change, tells whether a number is a member's and whose. So
such a file names members by their number alone, as lines of the API do.
"""

from __future__ import annotations

from collections.abc import Mapping

from members.consents.entries import contact_left_out
from members.imports.errors import ImportRefused
from members.imports.mapping import FIELDS, Field
from members.models import IdentityKind, ImportJob
from tenants.models import User

_IDENTIFIERS = frozenset(kind.value for kind in IdentityKind) - {"card"} | {"card_no"}
_KINDS = frozenset({ImportJob.Kind.CONTACTS})


def leaves_contact_out(user: User | None) -> bool:
    """Tell whether the grant that somebody acts under leaves contact data out."""
    grant = user.acting_grant if user is not None else None
    return grant is not None and not grant.includes_contact


def kind_is_open(kind: str, user: User | None) -> bool:
    """Tell whether somebody may bring in files of a kind, as far as contact data goes."""
    return kind not in _KINDS or not leaves_contact_out(user)


def fields_open(kind: str, user: User | None) -> tuple[Field, ...]:
    """Return the fields that somebody's files of a kind may have."""
    if not leaves_contact_out(user):
        return FIELDS[kind]
    return tuple(field for field in FIELDS[kind] if field.name not in _IDENTIFIERS)


def mapping_open(mapping: Mapping[str, str], user: User | None) -> dict[str, str]:
    """Return recognised columns without those that somebody's files may not have."""
    left_out = _IDENTIFIERS if leaves_contact_out(user) else frozenset()
    return {name: heading for name, heading in mapping.items() if name not in left_out}


def refuse_contact(kind: str, mapping: Mapping[str, str], user: User | None) -> None:
    """Refuse a file that holds what somebody's files may not; raises ImportRefused."""
    if not kind_is_open(kind, user) or mapping_open(mapping, user) != mapping:
        raise ImportRefused(contact_left_out())
