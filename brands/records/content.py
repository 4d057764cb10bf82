"""Put a sharing record together, as plain data that can be kept, digested and read again."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from brands import answers, words
from brands.facts import Facts
from brands.models import Brand, ModeChange
from brands.modes import Mode
from brands.records.lines import HQ, Line, lines
from brands.wall.visibility import Kind, Sight
from tenants.models import Engagement, Tenant
from tenants.roles import Level
from tenants.wording import listed

Content = dict[str, Any]

# Brand → how many members it has, for those brands of which the open scope tells.
_counts: list[Callable[[], dict[int, int]]] = []


def register_members(count: Callable[[], dict[int, int]]) -> None:
    """Let the app that keeps members say how many each brand has, as far as the scope shows it."""
    _counts.append(count)


def build(
    *,
    facts: Facts,
    tenant: Tenant,
    begin: dt.datetime,
    until: dt.datetime,
    sides: Iterable[int] | None,
) -> Content:
    """Return a record's content; SIDES are the brands whose part it is, None the whole group."""
    own = None if sides is None else frozenset(sides)
    found = lines(facts, begin=begin, until=until, sides=own)
    decisions = [
        one
        for one in facts.decisions
        if _is_concerned(one, facts, begin, until) and (own is None or one.brand_id in {None, *own})
    ]
    return {
        "group": tenant.name,
        "brands": [_brand(one) for one in facts.brands.values() if own is None or one.pk in own],
        "names": {str(pk): brand.name for pk, brand in facts.brands.items()},
        "lines": [_line(one, facts, own) for one in found],
        "decisions": [_decision(one) for one in reversed(decisions)],
        "notices": _notices(facts, begin, until),
        "contracts": _contracts(tenant, begin, until, own),
    }


def _moment(at: dt.datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _brand(brand: Brand) -> Content:
    return {
        "code": brand.code,
        "name": brand.name,
        "joined": _moment(brand.created_at),
        "left": _moment(brand.left_at),
        "left_to": brand.left_to,
        "left_contact": brand.left_contact,
    }


def _line(line: Line, facts: Facts, own: frozenset[int] | None) -> Content:
    recipients = line.recipients
    if own is not None and line.brand_id not in own:
        # With whom else a sibling shared is not this brand's business.
        recipients = [one for one in recipients if one in own]
    of = {change.pk: change.brand_id for change in facts.decisions}
    is_told = line.decision is not None and (own is None or of[line.decision] in {None, *own})
    return {
        "brand": line.brand_id,
        "recipients": recipients,
        "kinds": [kind.value for kind in line.kinds],
        "sight": line.sight.value,
        "mode": str(facts.modes(at=line.since)[line.brand_id]),
        "decision": line.decision if is_told else None,
        "notices": sorted(line.notices),
        "since": _moment(line.since),
        "until": _moment(line.until),
    }


def _is_concerned(change: ModeChange, facts: Facts, begin: dt.datetime, until: dt.datetime) -> bool:
    """Tell whether a decision held at any time between two instants."""
    if change.effective_at > until:
        return False
    if change.effective_at >= begin:
        return True
    later = [one for one in facts.decisions if one.brand_id == change.brand_id]
    # The latest effective first: the one that held at the beginning.
    held = next((one for one in later if one.effective_at <= begin), None)
    return held is not None and held.pk == change.pk


def _decision(change: ModeChange) -> Content:
    draft = change.draft
    return {
        "id": change.pk,
        "brand": change.brand_id,
        "mode": change.mode,
        "effective": _moment(change.effective_at),
        "recorded": _moment(change.created_at),
        "asked_by": draft.requested_by_name if draft else "",
        "decided_by": change.decided_by_name,
        "reason": change.reason,
    }


def _notices(facts: Facts, begin: dt.datetime, until: dt.datetime) -> list[Content]:
    return [
        {
            "id": one.notice.pk,
            "version": one.notice.version,
            "title": one.title,
            "purposes": one.notice.purposes,
            "names_group": one.notice.names_group,
            "brands": sorted(brand.pk for brand in (*one.brands, *one.left_brands)),
            "kinds": [kind.value for kind in one.kinds],
            "retention_months": one.notice.retention_months,
            "consent_months": one.notice.consent_months,
            "from": _moment(one.notice.effective_from),
            "ends": _moment(one.ends_at),
        }
        for one in facts.notices
        if one.notice.effective_from <= until and (one.ends_at is None or one.ends_at > begin)
    ]


def _contracts(
    tenant: Tenant, begin: dt.datetime, until: dt.datetime, own: frozenset[int] | None
) -> list[Content]:
    """Return the providers' contracts that held in the period, and who works under them."""
    rows = Engagement.objects.filter(
        tenant=tenant, starts_on__lte=until.date(), ends_on__gte=begin.date()
    ).select_related("provider")
    held = Q(grants__valid_from__lte=until) & (
        Q(grants__valid_until=None) | Q(grants__valid_until__gt=begin)
    )
    if own is not None:
        held &= Q(grants__level=Level.BRAND, grants__place_id__in=own)
        rows = rows.filter(held)
    rows = rows.annotate(people=Count("grants__user", filter=held, distinct=True))
    return [
        {
            "provider": str(row.provider),
            "purpose": row.purpose,
            "includes_contact": row.includes_contact,
            "starts": row.starts_on.isoformat(),
            "ends": row.ends_on.isoformat(),
            "people": row.people,
        }
        for row in rows.order_by("starts_on", "pk")
    ]


def digest(
    *,
    number: int,
    first_on: dt.date,
    last_on: dt.date,
    made_at: dt.datetime,
    made_by_name: str,
    content: Content,
) -> str:
    """Return SHA-256 over all that a record says: one changed letter gives another."""
    said = [
        number,
        first_on.isoformat(),
        last_on.isoformat(),
        made_at.astimezone(dt.UTC).isoformat(),
        made_by_name,
        content,
    ]
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# --- To be read ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """Be one line in words; `people` is None where the number is not told to the reader."""

    recipients: list[str]
    kinds: list[str]
    sight: str
    tone: str
    basis: list[str]
    people: int | None
    is_counted: bool
    since: dt.datetime
    until: dt.datetime | None


@dataclass(frozen=True)
class Part:
    """Be what one brand shared."""

    brand: str
    lines: list[Told]


def told(content: Content) -> list[Part]:
    """Return the lines in the reader's words, with today's numbers as far as the wall tells."""
    names = {int(pk): name for pk, name in content["names"].items()} | {HQ: _("HQ")}
    notices = {one["id"]: one for one in content["notices"]}
    decisions = {one["id"]: one for one in content["decisions"]}
    agreed = {(row.brand_id, row.notice_id): row.people for row in answers.standing()}
    members = {pk: number for count in _counts for pk, number in count().items()}
    told_of = {brand for brand, _notice in agreed}
    parts: dict[int, Part] = {}
    for line in content["lines"]:
        part = parts.setdefault(line["brand"], Part(names[line["brand"]], []))
        sight = Sight(line["sight"])
        is_of_people = bool(set(line["kinds"]) - {Kind.METRICS})
        people: int | None = None
        if sight is Sight.CONSENTED:
            numbers = [agreed.get((line["brand"], one), 0) for one in line["notices"]]
            if line["brand"] in told_of and None not in numbers:
                people = sum(number or 0 for number in numbers)
        elif is_of_people:
            people = members.get(line["brand"])
        part.lines.append(
            Told(
                recipients=[names[one] for one in line["recipients"]],
                kinds=[str(words.KINDS[Kind(one)]) for one in line["kinds"]],
                sight=str(words.SIGHTS[sight]),
                tone=words.TONES[sight],
                basis=_basis(line, decisions, notices),
                people=people,
                is_counted=is_of_people,
                since=dt.datetime.fromisoformat(line["since"]),
                until=dt.datetime.fromisoformat(line["until"]) if line["until"] else None,
            )
        )
    return list(parts.values())


def _basis(line: Content, decisions: dict[int, Content], notices: dict[int, Content]) -> list[str]:
    mode = Mode(line["mode"]).label
    decision = decisions.get(line["decision"])
    if decision is None:
        found = [_("Mode: %(mode)s") % {"mode": mode}]
    else:
        found = [
            _("Mode: %(mode)s, decision %(number)s") % {"mode": mode, "number": decision["id"]}
        ]
    versions = [notices[one]["version"] for one in line["notices"] if one in notices]
    if versions:
        found.append(_("Consent to notice %(versions)s") % {"versions": listed(versions)})
    return found


def worded(content: Content) -> Content:
    """Return decisions, notices and the rest with their codes in the reader's words."""
    names = {int(pk): name for pk, name in content["names"].items()}

    def at(text: str | None) -> dt.datetime | None:
        return dt.datetime.fromisoformat(text) if text else None

    return {
        "decisions": [
            {
                **one,
                "of": names[one["brand"]] if one["brand"] else _("Group"),
                "mode": Mode(one["mode"]).label if one["mode"] else _("as the group"),
                "effective": at(one["effective"]),
                # The first decision is written by no person, in English.
                "decided_by": _(one["decided_by"]) if one["decided_by"] else "",
                "reason": _(one["reason"]) if one["reason"] else "",
            }
            for one in content["decisions"]
        ],
        "notices": [
            {
                **one,
                "recipients": [
                    *([_("the group")] if one["names_group"] else []),
                    *(names[brand] for brand in one["brands"] if brand in names),
                ],
                "kinds": [str(words.KINDS[Kind(kind)]) for kind in one["kinds"]],
                "from": at(one["from"]),
                "ends": at(one["ends"]),
            }
            for one in content["notices"]
        ],
        "brands": [
            {**one, "joined": at(one["joined"]), "left": at(one["left"])}
            for one in content["brands"]
        ],
        "contracts": [
            {
                **one,
                "starts": dt.date.fromisoformat(one["starts"]),
                "ends": dt.date.fromisoformat(one["ends"]),
            }
            for one in content["contracts"]
        ],
    }
