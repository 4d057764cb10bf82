"""Make the copy of everything that is held about a person: a page to read and the same as JSON."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brands.formatting import day, moment, money
from brands.models import NoticeText
from brands.wall import scope
from brands.wall.visibility import Visible
from members import contacts, strata
from members.keys import group_keys
from members.models import (
    BrandStratumRule,
    Consent,
    Contact,
    GroupPersonRequest,
    GroupStratumRule,
    PersonMerge,
    PersonRequest,
    Profile,
    StratumThresholds,
)
from members.rights.places import PLACES, Place
from tenants import audit_words
from tenants.models import AuditEvent, Tenant

# What every walled row says again of its membership.
_COPIES = frozenset({"id", "brand", "profile", "person", "pk"})
_MONEY = frozenset({"sales", "amount", "refunded"})
# The system's own bookkeeping: in data.json, and no help to whoever reads the page.
_NOT_ON_PAGE = frozenset({"own_person_id", "source_rank", "import_id", "as_of", "request_key"})
# A row with more cells than these is written as a list, not as a line of a table.
_WIDEST = 7
_OF_MEMBER = ("members.profile", "members.contact", "members.maskedcontact")
CONTACT_NAMES = {
    "name": "Name",
    "phone": "Phone",
    "email": "E-mail",
    "card_no": "Card number",
    "unionid": "WeChat unionid",
    "birthday": "Birthday",
}


def make(
    *,
    tenant: Tenant,
    profiles: Sequence[Profile],
    visible: Visible,
    request: PersonRequest | GroupPersonRequest,
) -> bytes:
    """Return a zip of `index.html` and `data.json`, in the group's language.

    What the asker's wall shows and nothing else; in the caller's bulk scope, which adds what no
    viewer reads: when memberships were joined, and who looked.
    """
    with translation.override(tenant.locale), timezone.override(tenant.time_zone):
        data: dict[str, Any] = {
            "group": tenant.name,
            "made_at": timezone.now().isoformat(timespec="seconds"),
            "received_at": request.received_at.isoformat(timespec="seconds"),
            "memberships": [_membership(one, visible, tenant) for one in profiles],
        }
        page = render_to_string(
            "members/rights_copy.html",
            {
                "copy": data,
                "memberships": [
                    {**one, "tables": [_readable(table) for table in one["tables"]]}
                    for one in data["memberships"]
                ],
                "language": tenant.locale,
                "made_at": timezone.now(),
            },
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.html", page)
        archive.writestr("data.json", json.dumps(data, ensure_ascii=False, indent=1))
    return packed.getvalue()


def _membership(profile: Profile, visible: Visible, tenant: Tenant) -> dict[str, Any]:
    with scope.open(visible):
        found = {
            "brand": profile.brand.name,
            "contact": _contact(profile),
            "stratum": _stratum(profile),
            "tables": [table for one in PLACES if (table := _table(one, profile))],
            "notices": _notices(profile, tenant.locale),
            # The kind of what joined them, where the asker sees every brand it joined: in whose
            # rows else the person is found is no asker's to know.
            "joined": [
                {"at": moment(at), "by": cause.partition(" ")[0]}
                for at, cause in PersonMerge.objects.filter(profile=profile)
                .order_by("pk")
                .values_list("at", "cause")
            ],
        }
    found["looked"] = [
        {"at": moment(one.at), "what": audit_words.act(one.action), "as": one.role}
        for one in AuditEvent.objects.filter(
            tenant=tenant, target_type__in=_OF_MEMBER, target_id=str(profile.pk)
        ).order_by("number")
    ]
    return found


def _readable(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table as the page shows it: columns that say something, wide rows as lists."""
    # Every walled row says again what its membership agreed to.
    hidden = _NOT_ON_PAGE if table["name"] == Profile._meta.label else _NOT_ON_PAGE | {"notice"}
    told = [
        number
        for number, name in enumerate(table["fields"])
        if name not in hidden and any(row[number] for row in table["rows"])
    ]
    labels = [table["labels"][number] for number in told]
    rows = [[row[number] for number in told] for row in table["rows"]]
    if len(told) <= _WIDEST:
        return {"title": table["title"], "labels": labels, "rows": rows}
    lists = [[pair for pair in zip(labels, row, strict=True) if pair[1]] for row in rows]
    return {"title": table["title"], "lists": lists}


def _contact(profile: Profile) -> list[dict[str, str]]:
    contact = Contact.objects.filter(profile_id=profile.pk).first()
    fields = contacts.unseal(group_keys(), contact) if contact else {}
    return [
        {"name": name, "label": _(label), "value": fields[name]}
        for name, label in CONTACT_NAMES.items()
        if fields.get(name)
    ]


def _stratum(profile: Profile) -> dict[str, str]:
    """Return the stratum, whose rule gave it, and what that rule asks (PIPL art. 24, 48)."""
    source = profile.stratum_source
    if not source:
        return {}
    model = BrandStratumRule if source[0] == strata.Owner.BRAND else GroupStratumRule
    rule: StratumThresholds | None = model.objects.filter(pk=int(source[1:])).first()
    return {
        "stratum": str(profile.get_stratum_display()),
        "by": strata.owner_words(source),
        "rule": rule_words(rule) if rule else "",
    }


def rule_words(rule: StratumThresholds) -> str:
    """Return what both strata ask, without the conditions that a rule leaves out."""
    return "; ".join(
        _("%(name)s: %(conditions)s") % {"name": name, "conditions": ", ".join(asked)}
        for name, asked in (
            (
                _("Favourable"),
                _asked(rule.favourable_orders, rule.favourable_sales, rule.favourable_days),
            ),
            (
                _("True-love"),
                _asked(rule.true_love_orders, rule.true_love_sales, rule.true_love_days),
            ),
        )
    )


def _asked(orders: int, sales: int, days: int | None) -> list[str]:
    asked = [ngettext("at least %(n)d order", "at least %(n)d orders", orders) % {"n": orders}]
    if sales:
        asked.append(_("sales of at least %(sales)s") % {"sales": money(sales)})
    if days:
        asked.append(
            ngettext("the last order within %(n)d day", "the last order within %(n)d days", days)
            % {"n": days}
        )
    return asked


def _notices(profile: Profile, language: str) -> list[dict[str, str]]:
    ids = Consent.objects.filter(profile_id=profile.pk).values_list("answered_notice_id", flat=True)
    texts = NoticeText.objects.filter(notice_id__in=list(ids)).select_related("notice")
    best: dict[int, NoticeText] = {}
    for text in texts.order_by("notice_id", "language"):
        if text.notice_id not in best or text.language == language:
            best[text.notice_id] = text
    return [
        {
            "version": text.notice.version,
            "purposes": text.notice.purposes,
            "title": text.title,
            "text": text.text,
        }
        for text in best.values()
    ]


def _table(one: Place, profile: Profile) -> dict[str, Any] | None:
    if not one.lookup:
        return None
    fields = [field for field in one.model._meta.concrete_fields if _is_told(field, one)]
    related = [field.name for field in fields if field.is_relation]
    manager: Any = one.model._default_manager
    rows = manager.filter(**{one.lookup: [profile.pk]}).order_by("pk")
    listed = [
        [_value(row, field) for field in fields]
        for row in (rows.select_related(*related) if related else rows)
    ]
    if not listed:
        return None
    return {
        "name": one.label,
        "title": str(one.model._meta.verbose_name_plural),
        "fields": [field.name for field in fields],
        "labels": [str(field.verbose_name) for field in fields],
        "rows": listed,
    }


def _is_told(field: Any, one: Place) -> bool:
    return (
        field.name not in one.hidden
        and field.name not in _COPIES
        and not isinstance(field, models.BinaryField)
    )


def _value(row: Any, field: Any) -> str:
    value = getattr(row, field.name)
    if value is None or value == "":
        return ""
    if field.choices:
        return str(getattr(row, f"get_{field.name}_display")())
    if field.name in _MONEY:
        return money(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dt.datetime):
        return moment(value)
    return day(value) if isinstance(value, dt.date) else str(value)
