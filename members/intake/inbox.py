"""Take a batch in: every line is read and answered at once, what is taken is sealed and kept.

Runs in the scope of a token, in the request's transaction: once the request is answered, what was
accepted is durable, and a worker applies it (members.intake.applying).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.models import Brand, ChannelAccount, Notice, Store
from brands.wall.visibility import Visible
from members.consents.entries import contact_left_out
from members.contacts import open_sealed, seal_text
from members.intake import lines
from members.intake.lines import (
    ConsentLine,
    EventLine,
    LineRefused,
    MemberLine,
    OrderOf,
    TouchpointLine,
)
from members.keys import group_keys, sealing_keys
from members.models import IntakeBatch, IntakePart
from tenants.connection import connection
from tenants.models import User

AHEAD = dt.timedelta(days=1)
KEPT_DAYS = 7
LONGEST_KEY = 120


class BatchRefused(ValueError):
    """Say in words why nothing of a batch was taken, with the status that tells a program so."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Taken:
    """Be the answer to a batch: its body, and whether it was given before."""

    body: dict[str, Any]
    is_replayed: bool = False

    @property
    def status(self) -> int:
        """Return 202 where anything was taken, else 422."""
        return 422 if self.body["refused"] and not self.body["accepted"] else 202


@dataclass(frozen=True)
class Read:
    """Be the lines of a batch as they were read: what is kept by brand, what is answered."""

    kept: dict[int, list[tuple[int, bytes]]]
    results: list[dict[str, Any]]
    lines: int
    repeated: int

    @property
    def accepted(self) -> int:
        """Return how many lines were taken."""
        return sum(map(len, self.kept.values()))

    @property
    def refused(self) -> int:
        """Return how many lines were refused."""
        return self.lines - self.repeated - self.accepted


def batch_take(
    *,
    visible: Visible,
    actions: Collection[str],
    acting_user: User,
    grant_id: int,
    key: str,
    body: bytes,
    tells_worker: bool = True,
) -> Taken:
    """Take a batch of lines in under an idempotency key; return what it is answered with.

    ACTIONS are what the token may hand in. The same key with the same lines is answered as it was
    the first time, for KEPT_DAYS. Raises BatchRefused for the batch as a whole.
    """
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise BatchRefused(
            400,
            _(
                "Send a header “Idempotency-Key”: up to %(longest)d characters of your own for "
                "each batch. Nothing was taken."
            )
            % {"longest": LONGEST_KEY},
        )
    digest = hashlib.sha256(body).digest()
    if before := _before(grant_id, key, digest):
        return before
    read = lines_read(visible=visible, actions=actions, body=body)
    batch = IntakeBatch(
        grant_id=grant_id,
        created_by=acting_user,
        key=key,
        digest=digest,
        language=translation.get_language() or "",
        lines=read.lines,
        accepted=read.accepted,
        refused=read.refused,
        repeated=read.repeated,
        # Nothing is left to do where nothing was taken.
        state=IntakeBatch.State.WAITING if read.kept else IntakeBatch.State.APPLIED,
    )
    answer = {
        "batch": str(batch.pk),
        "lines": read.lines,
        "accepted": read.accepted,
        "duplicate": read.repeated,
        "refused": read.refused,
        "results": read.results,
    }
    keys = sealing_keys()
    batch.answer = seal_text(keys, json.dumps(answer, ensure_ascii=False))
    try:
        with transaction.atomic():
            IntakeBatch.objects.bulk_create([batch])
            IntakePart.objects.bulk_create(
                IntakePart(batch=batch, brand_id=brand, sealed=seal_text(keys, packed(kept)))
                for brand, kept in read.kept.items()
            )
    except IntegrityError as error:
        if "handed_in_once" not in str(error):
            raise
        # The same batch came twice at once, and the other was first.
        before = _before(grant_id, key, digest)
        if before is None:
            raise BatchRefused(409, _in_use()) from error
        return before
    if read.kept and tells_worker:
        transaction.on_commit(partial(_send, connection.schema_name), robust=True)
    return Taken(answer)


def _in_use() -> str:
    return _(
        "This idempotency key was used before, for other lines. Nothing was taken. Give every "
        "batch a key of its own, and send it again under that key only as it was."
    )


def _before(grant_id: int, key: str, digest: bytes) -> Taken | None:
    """Return what a key was answered with before; raises BatchRefused for other lines."""
    batch = IntakeBatch.objects.filter(grant_id=grant_id, key=key).first()
    if batch is None:
        return None
    if bytes(batch.digest) != digest:
        raise BatchRefused(409, _in_use())
    return Taken(answer_of(batch), is_replayed=True)


def answer_of(batch: IntakeBatch) -> dict[str, Any]:
    """Return what a batch was answered with when it was handed in."""
    found: dict[str, Any] = open_sealed(group_keys(), bytes(batch.answer))
    return found


def lines_read(*, visible: Visible, actions: Collection[str], body: bytes) -> Read:
    """Read and check every line of a batch; raises BatchRefused where there are none or too many.

    Blank lines count, so that a number is that of the file, but are passed over.
    """
    # Counted before they are made: of millions of empty ones each takes its place in memory.
    if body.count(b"\n") + (not body.endswith(b"\n")) > settings.INTAKE_LINES:
        raise BatchRefused(
            413,
            _("A batch has at most %(most)d lines. Nothing was taken. Send it in parts.")
            % {"most": settings.INTAKE_LINES},
        )
    raws = body.split(b"\n")
    known = _Known(visible, actions)
    kept: dict[int, list[tuple[int, bytes]]] = {}
    results: list[dict[str, Any]] = []
    seen: set[tuple[int, str, str]] = set()
    latest = timezone.now() + AHEAD
    count = repeated = 0
    read, check = lines.read, lines.check
    for number, raw in enumerate(raws, start=1):
        if not raw or raw.isspace():
            continue
        count += 1
        try:
            line = read(raw)
            brand = known.brand_of(line)
            check(line, latest=latest)
        except LineRefused as refusal:
            results.append(_refused(number, refusal))
            continue
        if type(line) is EventLine:
            told = (brand, line.source, line.id)
            if told in seen:
                repeated += 1
                results.append({"line": number, "state": "duplicate"})
                continue
            seen.add(told)
        try:
            kept[brand].append((number, raw))
        except KeyError:
            kept[brand] = [(number, raw)]
    if not count:
        raise BatchRefused(
            400, _("There are no lines. Send one JSON object a line (application/x-ndjson).")
        )
    return Read(kept, results, count, repeated)


def _refused(number: int, refusal: LineRefused) -> dict[str, Any]:
    found = {"line": number, "state": "refused", "detail": refusal.words}
    return {**found, "field": refusal.field} if refusal.field else found


def packed(kept: list[tuple[int, bytes]]) -> str:
    """Return lines with their numbers as a text that is kept sealed: a fifth as long as they are.

    A text, since whoever seals it anew under another key knows of nothing else.
    """
    joined = b"\n".join([b"%d\t%b" % one for one in kept])
    return zlib.compress(joined, 1).decode("latin-1")


def unpacked(text: str) -> list[tuple[int, bytes]]:
    """Return lines with their numbers again."""
    rows = zlib.decompress(text.encode("latin-1")).split(b"\n")
    return [(int(number), raw) for number, _tab, raw in [row.partition(b"\t") for row in rows]]


def _send(schema_name: str) -> None:
    from members.intake.tasks import apply_intake

    apply_intake.apply_async(headers={"_schema_name": schema_name})


_OF_ACCOUNTS = frozenset((EventLine, TouchpointLine))
# The fields of a member's line that bring an identifier.
_IDENTIFIERS = ("phone", "email", "unionid", "card_no")


def _check_without_contact(line: Any) -> None:
    """Refuse a line that names somebody by contact data, or brings some, to who is shown none."""
    if type(line) is MemberLine:
        for name in _IDENTIFIERS:
            if isinstance(value := getattr(line, name), str) and value:
                raise LineRefused(name, contact_left_out())
    elif line.identity is not None:
        raise LineRefused("identity", contact_left_out())


class _Known:
    """Know what lines may name: the brands one writes for, their stores, accounts and notices."""

    def __init__(self, visible: Visible, actions: Collection[str]) -> None:
        brands = Brand.objects.filter(pk__in=visible.write_brands, left_at=None)
        self.brands: dict[str, int] = dict(brands.values_list("code", "pk"))
        if len(self.brands) == 1:
            # Whose brand it is goes without saying.
            (self.brands[""],) = self.brands.values()
        self.allowed = {str(action) for action in actions}
        # By the grant, whatever the token was made for: what is applied tells whose number it is.
        self._sees_contact = visible.viewer.sees_contact
        self._stores: set[tuple[int, str]] | None = None
        self._accounts: set[tuple[int | None, str, str]] | None = None
        self._notices: set[str] | None = None

    def brand_of(self, line: Any) -> int:
        """Return the brand a line is for; raises LineRefused for what the token may not name."""
        kind = type(line)
        action = lines.action_of(line)
        if action not in self.allowed:
            raise LineRefused(
                "type",
                _("The token may not be used for this: it lacks the action “%(action)s”.")
                % {"action": str(action)},
            )
        brand = self.brands.get(line.brand)
        if brand is None:
            raise LineRefused(
                "brand",
                _("Name a brand that this token hands in for.")
                if line.brand
                else _("This token hands in for several brands: say for which."),
            )
        if not self._sees_contact:
            _check_without_contact(line)
        if kind in _OF_ACCOUNTS and line.account is not None:
            self._check_account(brand, line.account)
        if (kind is OrderOf or kind is MemberLine) and isinstance(line.store, str) and line.store:
            self._check_store(brand, line.store)
        if kind is ConsentLine and line.notice and line.answer == "yes":
            self._check_notice(line.notice)
        return brand

    def _check_account(self, brand: int, account: lines.Account) -> None:
        if self._accounts is None:
            rows = ChannelAccount.objects.values_list("brand_id", "kind", "external_id")
            self._accounts = set(rows)
        name = (account.kind, account.external_id)
        if (brand, *name) not in self._accounts and (None, *name) not in self._accounts:
            raise LineRefused(
                "account",
                _("Neither the brand nor the group has this channel account. Register it first."),
            )

    def _check_store(self, brand: int, code: str) -> None:
        if self._stores is None:
            self._stores = set(Store.objects.values_list("brand_id", "code"))
        if (brand, code) not in self._stores:
            raise LineRefused("store", _("The brand has no store of this code. Add it first."))

    def _check_notice(self, version: str) -> None:
        if self._notices is None:
            self._notices = set(Notice.objects.values_list("version", flat=True))
        if version not in self._notices:
            raise LineRefused(
                "notice", _("There is no notice of this version. See /api/v1/notices/.")
            )
