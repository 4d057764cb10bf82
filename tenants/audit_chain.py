"""Chain each group's audit, so that an event changed, removed or moved behind our back is found.

Every event is sealed with HMAC-SHA-256 over the digest of the event before it and its own content,
under a key derived from the master key: whoever can write the tables, their owner included, cannot
make a seal. The end of the chain is a row of its own with its own seal, so a chain cut off at the
end is found too; and each night the ends of all groups' chains are written into the platform's.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop

from tenants.connection import connection
from tenants.master_key import derived, master_key, read_key
from tenants.models import AuditEvent, AuditHead, Tenant

# The chain of what happens on the platform and in no group.
PLATFORM = 0
ANCHOR = "audit.anchor"
_CHUNK = 2000
# What a seal covers, in this order: a new field comes before `changes`, under a new purpose.
_SEALED = (
    "at",
    "user_id",
    "user_name",
    "role",
    "engagement_id",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "brands",
    "changes",
)
# Of two that append to one chain the second waits here until the first's transaction is over.
_NEXT = """
    INSERT INTO public.tenants_audithead AS head (chain, count, digest, seal, key_id)
    VALUES (%s, 1, '', '', '')
    ON CONFLICT (chain) DO UPDATE SET count = head.count + 1
    RETURNING count, digest
"""


@dataclass(frozen=True)
class ChainKey:
    """Seal under one master key, and say by a short name which one it was."""

    secret: bytes

    @property
    def id(self) -> str:
        """Return a name for the key that tells nothing about it."""
        return hmac.digest(self.secret, b"name", "sha256")[:4].hex()

    def event(self, chain: int, number: int, before: bytes, content: tuple[Any, ...]) -> bytes:
        """Return the seal of an event: `content` holds the fields that `_SEALED` names."""
        return hmac.digest(self.secret, before + _written(chain, number, content), "sha256")

    def head(self, chain: int, count: int, digest: bytes) -> bytes:
        """Return the seal of a chain's end."""
        return hmac.digest(self.secret, f"head {chain} {count} ".encode() + digest, "sha256")


def _plain(value: Any) -> Any:
    """Write numbers in the one way that PostgreSQL's jsonb and Python agree upon."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = format(Decimal(repr(value)), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return {"number": "0" if text == "-0" else text}
    return value


def _written(chain: int, number: int, content: tuple[Any, ...]) -> bytes:
    at, *rest, changes = content
    parts = [chain, number, at.astimezone(dt.UTC).isoformat(timespec="microseconds"), *rest]
    return json.dumps(
        [*parts, _plain(changes)], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()


@lru_cache(maxsize=8)
def _keys(now: bytes, former: tuple[str, ...]) -> tuple[ChainKey, ...]:
    masters = [now, *(read_key(text, "FORMER_MASTER_KEYS") for text in former)]
    return tuple(ChainKey(derived(master, "sluice audit chain 2")) for master in masters)


def chain_keys() -> tuple[ChainKey, ...]:
    """Return the key in use, then those that were in use before."""
    return _keys(master_key(), tuple(settings.FORMER_MASTER_KEYS))


def append(**fields: Any) -> AuditEvent:
    """Add an event to the end of its group's chain, in the current transaction.

    The chain's end stays locked until the transaction ends: append last, and keep it short. What a
    rolled-back transaction appended was never there and leaves no gap.
    """
    event = AuditEvent(**fields)
    # As the database will give it back.
    event.changes = json.loads(json.dumps(event.changes))
    chain, key = event.tenant_id or PLATFORM, chain_keys()[0]
    with transaction.atomic(savepoint=False):
        with connection.cursor() as cursor:
            cursor.execute(_NEXT, [chain])
            event.number, before = cursor.fetchone()
        content = tuple(getattr(event, name) for name in _SEALED)
        event.digest = key.event(chain, event.number, bytes(before), content)
        event.key_id = key.id
        event.save(force_insert=True)
        AuditHead.objects.filter(pk=chain).update(
            digest=event.digest,
            seal=key.head(chain, event.number, event.digest),
            key_id=key.id,
        )
    return event


# --- Checking -------------------------------------------------------------------------------

# What is wrong → how it is said, of the event with the number.
FAULTS = {
    "changed": gettext_noop("Event %(number)s was changed, or stands in another's place."),
    "removed": gettext_noop("Event %(number)s was removed."),
    "reordered": gettext_noop("Event %(number)s stands out of order."),
    "inserted": gettext_noop("Event %(number)s was inserted; it was never appended."),
    "cut_off": gettext_noop("The chain was cut off: event %(number)s and all after it are gone."),
    "head": gettext_noop(
        "The chain's end was changed or removed; its events fit up to number %(number)s."
    ),
    "key": gettext_noop(
        "Event %(number)s was sealed under a master key that this process does not hold. Nothing "
        "from there on was checked. Name the former key in FORMER_MASTER_KEYS and check again."
    ),
    "expected": gettext_noop("Event %(number)s is not the one that was noted down."),
}


@dataclass(frozen=True)
class Result:
    """Hold what a check found: how many events fit, the last digest, and the first misfit."""

    chain: int
    events: int
    digest: bytes
    fault: str = ""
    number: int | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether every event and the chain's end fit."""
        return not self.fault

    @property
    def words(self) -> str:
        """Say in English what does not fit; "" where all does."""
        return FAULTS[self.fault] % {"number": self.number} if self.fault else ""


@dataclass(frozen=True)
class _Row:
    id: int
    number: int
    digest: bytes
    key_id: str
    content: tuple[Any, ...]


def _events(chain: int) -> QuerySet[AuditEvent]:
    if chain == PLATFORM:
        return AuditEvent.objects.filter(tenant=None)
    return AuditEvent.objects.filter(tenant_id=chain)


def _rows(chain: int) -> Iterator[_Row]:
    """Read a chain's events in order, in constant memory."""
    events = _events(chain).order_by("number", "id")
    fields = events.values_list("id", "number", "digest", "key_id", *_SEALED)
    for pk, number, digest, key_id, *content in fields.iterator(chunk_size=_CHUNK):
        yield _Row(pk, number, bytes(digest), key_id, tuple(content))


def anchors(chain: int) -> dict[int, bytes]:
    """Return number → digest, as the platform's chain has noted them for a group's chain."""
    if chain == PLATFORM:
        return {}
    name = _anchor_name(chain)
    noted = AuditEvent.objects.filter(
        tenant=None, action=ANCHOR, changes__has_key=name
    ).values_list(f"changes__{name}", flat=True)
    return {int(number): bytes.fromhex(digest) for number, digest in noted if digest}


def _anchor_name(chain: int) -> str:
    # A bare number would be read as a place in a list.
    return f"group_{chain}"


def verify(
    chain: int,
    *,
    expected: dict[int, bytes] | None = None,
    say: Callable[[int], None] = lambda number: None,
) -> Result:
    """Go through one chain and return the first event that does not fit, or that all do.

    `expected` holds number → digest as somebody noted them outside of the database.
    """
    with transaction.atomic():
        return _Walk(chain, {**anchors(chain), **(expected or {})}, say).result()


class _Walk:
    """One walk along a chain."""

    def __init__(self, chain: int, noted: dict[int, bytes], say: Callable[[int], None]) -> None:
        self.chain, self.noted, self.say = chain, noted, say
        keys = chain_keys()
        self.keys = {key.id: key for key in keys}
        self.newest = keys[0].id
        self.number, self.digest, self.last_id = 0, b"", 0
        self.saw_newest = False

    def result(self) -> Result:
        head = AuditHead.objects.filter(pk=self.chain).first()
        rows = _rows(self.chain)
        row = next(rows, None)
        while row is not None:
            following = next(rows, None)
            if found := self._misfit(row, following):
                return self._fault(*found)
            self.number, self.digest, self.last_id = row.number, row.digest, row.id
            if self.number % _CHUNK == 0:
                self.say(self.number)
            row = following
        if found := self._misfit_at_the_end(head):
            return self._fault(*found)
        return Result(self.chain, self.number, self.digest)

    def _fault(self, fault: str, number: int) -> Result:
        return Result(self.chain, self.number, self.digest, fault, number)

    def _misfit(self, row: _Row, following: _Row | None) -> tuple[str, int] | None:
        due = self.number + 1
        if row.number > due:
            return "removed", due
        if row.number < due:
            return "inserted", row.number
        key = self.keys.get(row.key_id)
        if key is None:
            return "key", due
        self.saw_newest |= row.key_id == self.newest
        # A former key may be known to others by now: it seals nothing after the newest did.
        is_late = self.saw_newest and row.key_id != self.newest
        fits = hmac.compare_digest(self._seal(row), row.digest)
        if fits and not is_late and row.id > self.last_id:
            noted = self.noted.get(due)
            return ("expected", due) if noted is not None and noted != row.digest else None
        if row.id <= self.last_id or (following is not None and following.id < row.id):
            return "reordered", due
        if following is not None and hmac.compare_digest(self._seal(following), following.digest):
            return "inserted", due
        return "changed", due

    def _seal(self, row: _Row) -> bytes:
        """Return the seal that ROW must bear as the next event."""
        key = self.keys.get(row.key_id)
        return key.event(self.chain, self.number + 1, self.digest, row.content) if key else b""

    def _misfit_at_the_end(self, head: AuditHead | None) -> tuple[str, int] | None:
        if head is not None and head.count < self.number:
            # Events were appended since the end was read, or were inserted after it.
            head = AuditHead.objects.filter(pk=self.chain).first()
        if head is None:
            if self.number:
                return "head", self.number
            return ("cut_off", 1) if self.noted else None
        key = self.keys.get(head.key_id)
        if key is None:
            return "key", head.count
        if key.head(self.chain, head.count, bytes(head.digest)) != bytes(head.seal):
            return "head", self.number
        if head.count < self.number:
            return "inserted", head.count + 1
        # More than were read: either cut off, or appended after the events were read.
        if head.count > self.number and not self._is_there(head.count):
            return "cut_off", self.number + 1
        if head.count == self.number and bytes(head.digest) != self.digest:
            return "head", self.number
        if self.noted and max(self.noted) > head.count:
            return "cut_off", self.number + 1
        return None

    def _is_there(self, number: int) -> bool:
        return _events(self.chain).filter(number=number).exists()


# --- All chains -----------------------------------------------------------------------------


def chains() -> list[int]:
    """Return every chain: of the platform, of each group, and of groups that are gone."""
    found = set(AuditHead.objects.values_list("chain", flat=True))
    found |= set(Tenant.objects.values_list("pk", flat=True))
    found |= set(
        AuditEvent.objects.filter(~Q(tenant=None))
        .order_by()
        .values_list("tenant_id", flat=True)
        .distinct()
    )
    return [PLATFORM, *sorted(found - {PLATFORM})]


def anchor() -> AuditEvent:
    """Note the ends of all groups' chains in the platform's chain.

    Whoever cuts a group's chain off must then cut the platform's too, whose end goes to the log.
    """
    ends = AuditHead.objects.exclude(pk=PLATFORM).order_by("chain")
    return append(
        user_name="system",
        action=ANCHOR,
        changes={_anchor_name(head.chain): [head.count, bytes(head.digest).hex()] for head in ends},
    )
