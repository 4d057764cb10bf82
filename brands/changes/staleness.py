"""Tell what changed since a preview was made."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import Brand, ChannelAccount, Generation, ModeChange
from brands.selectors import brand_overrides, group_mode, notice_terms
from tenants.models import Grant, Tenant
from tenants.wording import listed

# In the words of the page: “… changed since”.
WORDS = {
    "figures": _("members, orders or figures"),
    "answers": _("people's answers"),
    "modes": _("a mode"),
    "notices": _("a notice"),
    "brands": _("the brands"),
    "grants": _("a grant"),
    "channels": _("a channel account"),
}


def fingerprint(*, tenant: Tenant, at: dt.datetime | None) -> dict[str, str]:
    """Return name → digest of everything that a preview of a change at an instant rests on."""
    now = timezone.now()
    at = max(at or now, now)
    counters = Generation.objects.filter(pk=Generation.ONLY).values_list("number", "answers")
    figures, answers = counters.first() or (0, 0)
    newest = ModeChange.objects.order_by("-id").values_list("pk", flat=True).first()
    modes = [
        [
            group_mode(at=instant),
            {pk: own for pk, own in brand_overrides(at=instant).items() if own},
        ]
        for instant in (now, at)
    ]
    notices = [
        [one.id, one.names_group, sorted(one.brands), sorted(one.kinds)]
        for instant in (now, at)
        for one in notice_terms(at=instant)
    ]
    brands = Brand.objects.order_by("pk").values_list("pk", "is_active", "left_at")
    channels = ChannelAccount.objects.order_by("pk").values_list(
        "pk", "brand", "kind", "part", "open_platform_account", "is_active"
    )
    return {
        "figures": str(figures),
        "answers": str(answers),
        "modes": _digest([newest, modes]),
        "notices": _digest(notices),
        "brands": _digest(list(brands)),
        "grants": _grants(tenant),
        "channels": _digest(list(channels)),
    }


def changed(made: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of what is another now than when the fingerprint was made."""
    return [name for name in WORDS if made.get(name) != now.get(name)]


def words(names: list[str]) -> str:
    """Say in a list what changed."""
    return listed(WORDS[name] for name in names)


def _grants(tenant: Tenant) -> str:
    rows = (
        Grant.objects.current()
        .filter(tenant=tenant)
        .order_by("pk")
        .values_list("pk", "user", "role", "level", "place_id", "engagement__includes_contact")
    )
    return _digest(list(rows))


def _digest(rows: Any) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:20]
