"""What a line of a batch may be, and the words for one that cannot be taken.

The classes are compiled: a line is parsed and checked in one step, without an object per field.
Whatever they refuse is said in our own words, which quote nothing of the line.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

import msgspec
from django.utils.translation import gettext as _
from msgspec import UNSET, Meta, Struct, UnsetType

from members.contacts import CONTACT_IN_TEXT, normalise_code, normalise_email, normalise_phone
from members.models import Identity
from tenants.models import TokenAction

# No year before 1900 and after 2100 in any time zone, as in files.
_FIRST = dt.datetime(1900, 1, 2, tzinfo=dt.UTC)
# Text of a member's or a code's, without control characters (NUL is among them).
_PLAIN = r"^[^\x00-\x1f\x7f\\]*$"
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PLAIN)]
Short = Annotated[str, Meta(max_length=40, pattern=_PLAIN)]
Scene = Annotated[str, Meta(max_length=80, pattern=_PLAIN)]
Subject = Annotated[str, Meta(max_length=120, pattern=_PLAIN)]
Number = Annotated[str, Meta(min_length=1, max_length=120, pattern=_PLAIN)]
Text = Annotated[str, Meta(max_length=80)]
Value = Annotated[str, Meta(min_length=1, max_length=254, pattern=_PLAIN)]
Moment = Annotated[dt.datetime, Meta(tz=True)]
Money = Annotated[int, Meta(ge=-(10**14), le=10**14)]
Key = Annotated[int, Meta(ge=1, le=2**62)]


def _settle(line: Struct, name: str, longest: int = 64) -> None:
    """Write a number or word as files have it, so that one line finds what another wrote."""
    text = getattr(line, name)
    if text.isascii() and text == text.strip():
        return
    settled = normalise_code(text)
    # What no file may have, or grows too long, stays as it came.
    if settled and len(settled) <= longest and "\\" not in settled:
        msgspec.structs.force_setattr(line, name, settled)


class Account(Struct, forbid_unknown_fields=True, frozen=True):
    """Name a channel account: its kind, and its AppID or corp id."""

    kind: Short
    external_id: Code


class IdentityOf(Struct, forbid_unknown_fields=True, frozen=True):
    """Name a member by an identifier."""

    kind: Literal["phone", "unionid", "card", "email"]
    value: Value


class OrderLineOf(Struct, forbid_unknown_fields=True, frozen=True):
    """Be one product on an order."""

    line_no: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    amount: Money
    product_code: Annotated[str, Meta(max_length=64, pattern=_PLAIN)] = ""
    product_name: Annotated[str, Meta(max_length=200)] = ""
    quantity: Annotated[int, Meta(ge=-(10**12), le=10**12)] = 1


class Line(Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", kw_only=True):
    """Be a line of a batch: the brand it is for, the member it is about."""

    brand: Short = ""
    member_no: Annotated[str, Meta(max_length=64, pattern=_PLAIN)] = ""
    profile: Key | None = None
    identity: IdentityOf | None = None

    def __post_init__(self) -> None:
        _settle(self, "member_no")


class FactLine(Line, frozen=True, kw_only=True):
    """Be a line about something that happened at a moment, told by a source."""

    at: Moment
    source: Annotated[str, Meta(min_length=1, max_length=40, pattern=_PLAIN)] = "api"
    # A member who is not known becomes a fan: named by an identifier alone.
    create: bool = False


class EventLine(FactLine, frozen=True, kw_only=True, tag="event"):
    """Be an event under the sender's own number."""

    event: Literal[
        "follow",
        "unfollow",
        "view",
        "visit",
        "message",
        "join_group",
        "scan",
        "attend_live",
        "redeem",
        "order",
        "refund",
    ]
    id: Number
    account: Account | None = None
    subject: Subject = ""
    scene: Scene = ""
    order_no: Annotated[str, Meta(max_length=64, pattern=_PLAIN)] = ""
    amount: Money | None = None
    version: Annotated[int, Meta(ge=0, le=2**62)] = 0

    def __post_init__(self) -> None:
        _settle(self, "member_no")
        _settle(self, "order_no")


class OrderOf(FactLine, frozen=True, kw_only=True, tag="order"):
    """Be an order as a whole, under its number; a later version takes the place of an earlier."""

    order_no: Code
    id: Annotated[str, Meta(max_length=120, pattern=_PLAIN)] = ""
    version: Annotated[int, Meta(ge=0, le=2**62)] = 0
    ordered_at: Moment | None = None
    store: Short = ""
    amount: Money | None = None
    lines: Annotated[tuple[OrderLineOf, ...], Meta(max_length=500)] = ()

    def __post_init__(self) -> None:
        _settle(self, "member_no")
        _settle(self, "order_no")


class TouchpointLine(FactLine, frozen=True, kw_only=True, tag="touchpoint"):
    """Say that a member follows a channel account, or no longer."""

    account: Account
    state: Literal["followed", "unfollowed"]
    scene: Scene = ""


class TagLine(FactLine, frozen=True, kw_only=True, tag="tag"):
    """Set a tag of the brand's on a member, or take it away."""

    tag: Annotated[str, Meta(min_length=1, max_length=60, pattern=_PLAIN)]
    remove: bool = False

    def __post_init__(self) -> None:
        _settle(self, "member_no")
        _settle(self, "tag", longest=60)


class ConsentLine(Line, frozen=True, kw_only=True, tag="consent"):
    """Be a member's answer to a notice."""

    answer: Literal["yes", "no"]
    at: Moment
    notice: Annotated[str, Meta(max_length=20, pattern=_PLAIN)] = ""
    channel: Short = "api"
    evidence: Annotated[str, Meta(max_length=200)] = ""
    is_by_guardian: bool = False


class MemberLine(
    Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="member", kw_only=True
):
    """Be a member under their number; a field that is left out is left alone, null empties it."""

    member_no: Code
    brand: Short = ""
    name: Text | None | UnsetType = UNSET
    phone: Annotated[str, Meta(max_length=40)] | None | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=254)] | None | UnsetType = UNSET
    unionid: Annotated[str, Meta(max_length=64, pattern=_PLAIN)] | None | UnsetType = UNSET
    card_no: Annotated[str, Meta(max_length=64, pattern=_PLAIN)] | None | UnsetType = UNSET
    birthday: dt.date | None | UnsetType = UNSET
    gender: Literal["f", "m", ""] | None | UnsetType = UNSET
    store: Short | None | UnsetType = UNSET
    registered_on: dt.date | None | UnsetType = UNSET
    # Of what instant all this is; a line older than what is kept changes nothing.
    as_of: Moment | None = None

    def __post_init__(self) -> None:
        _settle(self, "member_no")


AnyLine = EventLine | OrderOf | TouchpointLine | TagLine | ConsentLine | MemberLine
KINDS: dict[str, type[Any]] = {
    "event": EventLine,
    "member": MemberLine,
    "order": OrderOf,
    "consent": ConsentLine,
    "tag": TagLine,
    "touchpoint": TouchpointLine,
}
decode = msgspec.json.Decoder(AnyLine).decode

# What the token must have been made for, by the kind of line.
ACTIONS: dict[type[Any], TokenAction] = {
    EventLine: TokenAction.WRITE_EVENTS,
    TouchpointLine: TokenAction.WRITE_EVENTS,
    OrderOf: TokenAction.WRITE_ORDERS,
    TagLine: TokenAction.WRITE_TAGS,
    ConsentLine: TokenAction.WRITE_CONSENTS,
    MemberLine: TokenAction.WRITE_MEMBERS,
}
_SALES = frozenset({"order", "refund"})
_NORMALISE = {
    Identity.Kind.PHONE.value: normalise_phone,
    Identity.Kind.EMAIL.value: normalise_email,
    Identity.Kind.UNIONID.value: normalise_code,
    Identity.Kind.CARD.value: normalise_code,
}


class LineRefused(ValueError):
    """Say in words why a line was not taken, and which field is at fault."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
        self.words = words


def action_of(line: Any) -> TokenAction:
    """Return what the token must have been made for: sales are orders', however they are told."""
    if type(line) is EventLine and line.event in _SALES:
        return TokenAction.WRITE_ORDERS
    return ACTIONS[type(line)]


def normalised(identity: IdentityOf) -> str:
    """Return an identifier's text as it is keyed; raises LineRefused where it is none."""
    try:
        text = _NORMALISE[identity.kind](identity.value)
    except ValueError:
        text = ""
    if not text:
        raise LineRefused(
            "identity", _("The identifier is none of its kind. Look at its value again.")
        )
    return text


def read(raw: bytes) -> Any:
    """Return a line as one of the classes above; raises LineRefused."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LineRefused("", _("The line is no JSON object that can be read.")) from error


_FIELD = re.compile(r"at `\$\.?([^`]{0,60})`")
_INDEX = re.compile(r"\[[0-9.]*\]")
_NAMED = re.compile(r"unknown field `([^`]{1,60})`")
_MISSING = re.compile(r"missing required field `([^`]{1,60})`")


def _refusal(said: str) -> LineRefused:
    """Turn what the parser says into a refusal in our words."""
    found = _FIELD.search(said)
    place = _INDEX.sub("", found[1]) if found else ""
    if missing := _MISSING.search(said):
        name = f"{place}.{missing[1]}".strip(".")
        return LineRefused(name, _("The field is missing."))
    if unknown := _NAMED.search(said):
        name = f"{place}.{unknown[1]}".strip(".")
        return LineRefused(name, _("There is no such field on a line of this type."))
    if place == "type":
        return LineRefused(
            "type",
            _("“type” is one of: %(types)s.") % {"types": ", ".join(KINDS)},
        )
    if "Invalid enum value" in said:
        return LineRefused(place, _("The value is none of those that this field takes."))
    if "length" in said:
        return LineRefused(place, _("The value is too long, or empty."))
    if "regex" in said:
        return LineRefused(place, _("The text has characters that are not taken."))
    if said.startswith("Invalid RFC3339 encoded date -"):
        return LineRefused(place, _("Write a day as in 2026-11-21."))
    if "RFC3339" in said or "timezone" in said:
        return LineRefused(
            place, _("Write a moment with its offset, as in 2026-11-21T10:00:00+08:00.")
        )
    if place:
        return LineRefused(place, _("The value is not of the sort that this field takes."))
    return LineRefused("", _("The line is no JSON object of a known type."))


_MISSING_IN = {
    "follow": ("account",),
    "unfollow": ("account",),
    "refund": ("order_no", "amount"),
    "order": ("order_no", "amount"),
    "redeem": ("subject",),
}


def check(line: Any, *, latest: dt.datetime) -> None:
    """Refuse what no field alone tells: no member or two, a day to come, contact data in texts.

    LATEST is now and a day: clocks of senders differ, and zones.
    """
    kind = type(line)
    if kind is MemberLine:
        _check_member(line, latest)
        return
    named = (line.member_no != "") + (line.profile is not None) + (line.identity is not None)
    if named != 1:
        raise LineRefused("", _("Name the member once: by “profile”, “member_no” or “identity”."))
    if line.identity is not None:
        normalised(line.identity)
    elif kind is not ConsentLine and line.create:
        raise LineRefused(
            "create", _("A fan is made from an identifier. Name the member by “identity”.")
        )
    if not _FIRST <= line.at <= latest:
        raise LineRefused("at", _("The moment lies in the future, or before 1900."))
    if kind is EventLine:
        _check_event(line)
    elif kind is OrderOf:
        _check_order(line, latest)
    elif kind is ConsentLine:
        if line.profile is not None:
            raise LineRefused("profile", _("Name the member by “member_no” or “identity” here."))
        if line.answer == "yes" and not line.notice:
            raise LineRefused("notice", _("A yes answers a notice. Say which one."))


def _check_event(line: EventLine) -> None:
    for name in _MISSING_IN.get(line.event, ()):
        # An order may come to nothing: paid with a coupon.
        if getattr(line, name) in (None, ""):
            raise LineRefused(name, _("The field is missing."))
    if line.event == "refund" and (line.amount or 0) < 0:
        raise LineRefused("amount", _("What was paid back is written without a minus."))
    # Contact data has no place in an event.
    if (line.subject or line.scene) and CONTACT_IN_TEXT.search(f"{line.subject} {line.scene}"):
        raise LineRefused(
            "subject",
            _("The text looks like a phone number or an e-mail address. Events hold none."),
        )


def _check_order(line: OrderOf, latest: dt.datetime) -> None:
    if line.ordered_at is not None and not _FIRST <= line.ordered_at <= latest:
        raise LineRefused("ordered_at", _("The moment lies in the future, or before 1900."))
    if (line.amount is None) == (not line.lines):
        raise LineRefused("lines", _("Send “lines”, or “amount” for an order without any."))
    if len({one.line_no for one in line.lines}) != len(line.lines):
        raise LineRefused("lines", _("Two lines of the order have one number."))


def _check_member(line: MemberLine, latest: dt.datetime) -> None:
    if line.as_of is not None and not _FIRST <= line.as_of <= latest:
        raise LineRefused("as_of", _("The moment lies in the future, or before 1900."))
    if isinstance(line.phone, str) and line.phone:
        _normal("phone", normalise_phone, line.phone)
    if isinstance(line.email, str) and line.email:
        _normal("email", normalise_email, line.email)
    for name in ("birthday", "registered_on"):
        day = getattr(line, name)
        if isinstance(day, dt.date) and not _FIRST.date() <= day <= latest.date():
            raise LineRefused(name, _("The day lies in the future, or before 1900."))


def _normal(field: str, normalise: Any, text: str) -> None:
    try:
        normalise(text)
    except ValueError as error:
        raise LineRefused(
            field, _("The identifier is none of its kind. Look at its value again.")
        ) from error
