"""Compare read rows with what a viewer's brand has stored, through the wall, and write nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from brands.formatting import money
from brands.models import Store
from members import contacts
from members.identity.keyed import Keyed
from members.imports import cells
from members.imports.columns import Columns, unknown_member
from members.imports.rules import Rules
from members.keys import group_keys
from members.models import (
    Contact,
    Identity,
    ImportJob,
    Order,
    OrderLine,
    Profile,
    ProfileTag,
    Touchpoint,
)

_CONTACT = ("name", "phone", "email", "unionid", "card_no", "birthday")
_PROFILE = ("gender", "store_id", "registered_on", "tier", "points")


@dataclass(frozen=True)
class Found:
    """Be what a row would become, and which fields it would change from what to what."""

    line: int
    outcome: str
    changes: tuple[tuple[str, str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Seen:
    """Be the rows to compare, and by what."""

    job: ImportJob
    writer: Any
    read: Columns
    shows_contact: bool

    def rows(self) -> Iterable[tuple[int, dict[str, str]]]:
        """Return line and values of each row."""
        names = list(self.read.values)
        columns = zip(*(self.read[name] for name in names), strict=True)
        for line, values in zip(self.read.lines, columns, strict=True):
            yield line, dict(zip(names, values, strict=True))

    def profiles(self) -> dict[str, Profile]:
        """Return the brand's members that the rows name, by number."""
        numbers = set(self.read["member_no"])
        rows = Profile.objects.filter(brand=self.job.brand_id, member_no__in=numbers)
        return {row.member_no: row for row in rows}


def rows_seen(job: ImportJob, writer: Any, read: Columns, *, shows_contact: bool) -> Seen:
    """Return rows ready to be compared."""
    return Seen(job, writer, read, shows_contact)


def _plain(text: str) -> str:
    return "" if text == cells.NULL else text


def _unknown(line: int, number: str) -> Found:
    return Found(line, "rejected", reason=unknown_member(cells.shortened(number)))


def _outcome(line: int, changes: list[tuple[str, str, str]]) -> Found:
    return Found(line, "changed" if changes else "same", tuple(changes))


def _last(read: Columns, *names: str) -> dict[tuple[str, ...], int]:
    """Return the line of the last row of each key: it replaces those before it."""
    keys = zip(*(read[name] for name in names), strict=True)
    return dict(zip(keys, read.lines, strict=True))


def _replaced(line: int, by: int) -> Found:
    return Found(line, "repeated", reason=_("Line %(line)s is about the same.") % {"line": by})


def _members(seen: Seen) -> list[Found]:
    known, rules = seen.profiles(), Rules.of(seen.job)
    stored = _stored_contacts(seen, known)
    stores = Store.objects.filter(brand=seen.job.brand_id).values_list("pk", "code")
    codes = {str(pk): code for pk, code in stores} if "store_id" in seen.writer.columns else {}
    last = _last(seen.read, "member_no")
    has_contact = bool(set(_CONTACT) & set(seen.writer.columns))
    found = []
    for line, row in seen.rows():
        profile = known.get(row["member_no"])
        if last[row["member_no"],] != line:
            found.append(_replaced(line, last[row["member_no"],]))
        elif seen.job.kind == ImportJob.Kind.CONTACTS and not (profile and profile.is_member):
            found.append(_unknown(line, row["member_no"]))
        elif profile is None:
            found.append(Found(line, "new"))
        else:
            as_of = _plain(row.get("as_of", ""))
            loses = rules.loses(
                dt.datetime.fromisoformat(as_of) if as_of else None,
                profile.as_of,
                profile.source_rank,
            )
            changes = _profile_changes(seen, codes, profile, row, rules, loses=loses)
            if seen.shows_contact:
                changes += _contact_changes(
                    seen, stored.get(profile.pk, {}), row, rules, loses=loses
                )
            if has_contact and not seen.shows_contact and not changes:
                reason = _("Contact data is not compared: your role does not include it.")
                found.append(Found(line, "known", reason=reason))
            else:
                found.append(_outcome(line, changes))
    return found


def _profile_changes(
    seen: Seen,
    codes: Mapping[str, str],
    profile: Profile,
    row: Mapping[str, str],
    rules: Rules,
    *,
    loses: bool,
) -> list[tuple[str, str, str]]:
    changes = []
    for name in _PROFILE:
        if name not in seen.writer.columns or name not in row:
            continue
        kept = getattr(profile, name, None)
        old = "" if kept is None else str(kept)
        new = _plain(row[name])
        if rules.keeps and (not new or loses and old) or loses and not rules.keeps:
            new = old
        if new != old:
            if name == "store_id":
                old, new = codes.get(old, old), codes.get(new, new)
            elif name == "gender":
                old, new = (str(Profile.Gender(one).label) for one in (old, new))
            changes.append((name, old, new))
    return changes


def _stored_contacts(seen: Seen, known: Mapping[str, Profile]) -> dict[int, dict[str, str]]:
    if not seen.shows_contact:
        return {}
    keys = group_keys()
    rows = Contact.objects.filter(profile__in=[row.pk for row in known.values()])
    return {row.profile_id: contacts.unseal(keys, row) for row in rows}


def _contact_changes(
    seen: Seen, stored: dict[str, str], row: Mapping[str, str], rules: Rules, *, loses: bool
) -> list[tuple[str, str, str]]:
    said = {name: text for name in _CONTACT if (text := _plain(row.get(name, "")))}
    after = rules.merged(said, stored, columns=seen.writer.columns, loses=loses)
    hidden = contacts.masked({name: stored.get(name, "") for name in _CONTACT})
    return [
        (name, hidden[name], after.get(name, ""))
        for name in _CONTACT
        if stored.get(name, "") != after.get(name, "")
    ]


def _orders(seen: Seen) -> list[Found]:
    known = seen.profiles()
    numbers = set(seen.read["order_no"])
    orders = {
        order.order_no: order
        for order in Order.objects.filter(brand=seen.job.brand_id, order_no__in=numbers)
    }
    lines = {
        (line.order_id, line.line_no): line
        for line in OrderLine.objects.filter(order__in=[order.pk for order in orders.values()])
    }
    last = _last(seen.read, "order_no", "line_no")
    found = []
    for line, row in seen.rows():
        order = orders.get(row["order_no"])
        profile = known.get(row["member_no"])
        stored = lines.get((order.pk, int(row["line_no"]))) if order else None
        if profile is None:
            found.append(_unknown(line, row["member_no"]))
        elif last[row["order_no"], row["line_no"]] != line:
            found.append(_replaced(line, last[row["order_no"], row["line_no"]]))
        elif order is None or stored is None:
            found.append(Found(line, "new"))
        else:
            found.append(_outcome(line, _order_changes(seen, order, stored, profile, row)))
    return found


def _order_changes(
    seen: Seen, order: Order, stored: OrderLine, profile: Profile, row: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    changes = []
    if order.profile_id != profile.pk:
        changes.append(("member_no", "", profile.member_no))
    instant = dt.datetime.fromisoformat(row["ordered_at"])
    if order.ordered_at != instant:
        changes.append(
            ("ordered_at", f"{order.ordered_at:%Y-%m-%d %H:%M}", f"{instant:%Y-%m-%d %H:%M}")
        )
    for name in ("product_code", "product_name", "quantity"):
        old = str(getattr(stored, name))
        if name in seen.writer.columns and old != row[name]:
            changes.append((name, old, row[name]))
    if stored.amount != int(row["amount"]):
        changes.append(("amount", money(stored.amount), money(int(row["amount"]))))
    return changes


_KEYED = {
    "unionid": (Identity.Kind.UNIONID, "unionid_key", contacts.normalise_code),
    "card_no": (Identity.Kind.CARD, "card_key", contacts.normalise_code),
    "phone": (Identity.Kind.PHONE, "phone_key", contacts.normalise_phone),
    "email": (Identity.Kind.EMAIL, "email_key", contacts.normalise_email),
}


def _consents(seen: Seen) -> list[Found]:
    """Say which rows name a member; what an answer opens is decided when it is recorded."""
    known = seen.profiles()
    keyed = Keyed(group_keys())
    found = []
    for line, row in seen.rows():
        name = next((n for n in ("member_no", *_KEYED) if row[n]), "member_no")
        if name == "member_no":
            is_there = row[name] in known
        elif not seen.shows_contact:
            found.append(Found(line, "", reason=""))
            continue
        else:
            kind, column, normalise = _KEYED[name]
            try:
                key = keyed.key(kind, normalise(row[name]), seen.job.brand_id)
            except ValueError:
                key = b""
            held = Contact.objects.filter(brand=seen.job.brand_id, **{column: key})
            is_there = held.exists()
        found.append(Found(line, "new") if is_there else _unknown(line, row[name]))
    return found


def _touchpoints(seen: Seen) -> list[Found]:
    known = seen.profiles()
    stored = {
        (row.profile_id, str(row.account_id)): row
        for row in Touchpoint.objects.filter(profile__in=[p.pk for p in known.values()])
    }
    last = _last(seen.read, "member_no", "account")
    found = []
    for line, row in seen.rows():
        profile = known.get(row["member_no"])
        if profile is None:
            found.append(_unknown(line, row["member_no"]))
            continue
        if last[row["member_no"], row["account"]] != line:
            found.append(_replaced(line, last[row["member_no"], row["account"]]))
            continue
        touchpoint = stored.get((profile.pk, row["account"]))
        if touchpoint is None:
            found.append(Found(line, "new"))
            continue
        changes = []
        for name in ("followed_at", "unfollowed_at"):
            old, text = getattr(touchpoint, name), _plain(row[name])
            if text and (old is None or dt.datetime.fromisoformat(text) > old):
                changes.append((name, f"{old:%Y-%m-%d %H:%M}" if old else "", text[:16]))
        found.append(_outcome(line, changes))
    return found


def _tags(seen: Seen) -> list[Found]:
    known = seen.profiles()
    carried = ProfileTag.objects.filter(
        profile__in=[profile.pk for profile in known.values()]
    ).select_related("tag")
    has: dict[int, dict[str, bool]] = {}
    for row in carried:
        has.setdefault(row.profile_id, {})[row.tag.name] = row.is_set
    found = []
    for line, values in seen.rows():
        profile = known.get(values["member_no"])
        if profile is None:
            found.append(_unknown(line, values["member_no"]))
            continue
        told = has.get(profile.pk, {})
        named = set(values["tags"].split("\n"))
        old = {name for name, is_set in told.items() if is_set}
        new = old | named if values["action"] == "t" else old - named
        # That a tag was taken away is kept with its instant, also of who never carried it.
        is_new = bool(named - told.keys()) and (values["action"] == "t" or values["set_at"])
        change = ("tags", " · ".join(sorted(old)), " · ".join(sorted(new)))
        outcome = "new" if is_new else "changed" if new != old else "same"
        found.append(Found(line, outcome, (change,) if new != old else ()))
    return found


def _places(seen: Seen) -> list[Found]:
    writer = seen.writer
    stored = {writer.key_of(row): row for row in writer.stored()}
    found = []
    for line, row in seen.rows():
        place = stored.get(tuple(row[name] for name in writer.key))
        if place is None:
            found.append(Found(line, "new"))
            continue
        changes = [
            (name, _shown(getattr(place, name)), _shown(given))
            for name in writer.columns
            if (given := writer.value_of(name, row[name])) != getattr(place, name)
        ]
        found.append(_outcome(line, changes))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else str(value)


COMPARED: dict[ImportJob.Kind, Callable[[Seen], list[Found]]] = {
    ImportJob.Kind.MEMBERS: _members,
    ImportJob.Kind.CONTACTS: _members,
    ImportJob.Kind.ORDERS: _orders,
    ImportJob.Kind.CONSENTS: _consents,
    ImportJob.Kind.TOUCHPOINTS: _touchpoints,
    ImportJob.Kind.TAGS: _tags,
    ImportJob.Kind.STORES: _places,
    ImportJob.Kind.STAFF: _places,
}
