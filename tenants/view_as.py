"""Let HQ look at its site as another role: the unsaved grant that is acted under, and its end.

What is looked as lives in the session of one host, under the grant of HQ that began it. Every
request asks again whether it still holds: it ends with its 15 minutes, with that grant, with the
engagement looked through, with the session.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import audit
from tenants.models import Engagement, Grant, Tenant, User
from tenants.requests import SluiceRequest
from tenants.roles import LEVELS, PERMISSIONS, Level, Role
from tenants.sites import group_site

SESSION_KEY = "view_as"
MINUTES = 15
PERMISSION = "tenants.view_as"
ROLES = (Role.UNIT_MANAGER, Role.BRAND_MANAGER, Role.STORE_MANAGER, Role.GUIDE)
# The only pages that take a form meanwhile.
LEFT_OPEN = frozenset({"brands:view_as_leave", "account_logout", "admin:logout", "set_language"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What an installation whose settings name no role for it cannot offer.
IS_OFF = gettext_lazy(
    "Looking as another role is not set up here (LOOK_ROLE in the operating guide). You act as "
    "yourself."
)

_ENDED: dict[str, Promise] = {
    "time": gettext_lazy("The %(minutes)d minutes are over. You act as yourself again."),
    "engagement": gettext_lazy(
        "The contract that you looked through has ended. You act as yourself again."
    ),
    "off": IS_OFF,
}


@dataclass(frozen=True)
class Looking:
    """Be what HQ looks as: the grant acted under, HQ's own grant, and until when."""

    grant: Grant
    by: Grant
    until: dt.datetime

    @property
    def minutes_left(self) -> int:
        """Return the minutes left, begun ones counted whole."""
        left = (self.until - timezone.now()).total_seconds()
        return max(1, -int(-left // 60))


def is_set_up() -> bool:
    """Tell whether the settings name the database's role that looks."""
    return bool(settings.LOOK_ROLE)


def is_about_the_session(request: SluiceRequest) -> bool:
    """Tell whether what is asked for deals with the person's session, and shows no data."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return False
    if request.method not in SAFE:
        return match.view_name in LEFT_OPEN
    return not getattr(match.func, "login_required", True)


def begin(
    request: SluiceRequest,
    *,
    role: Role,
    place_id: int,
    place_name: str,
    engagement: Engagement | None = None,
) -> Looking:
    """Look as a role at a place from now on, for 15 minutes; the place must be the group's."""
    own = request.grant
    if own is None or own.pk is None or role not in ROLES:
        raise PermissionError("Nobody looks on from where they look already.")
    until = timezone.now() + dt.timedelta(minutes=MINUTES)
    if own.valid_until is not None:
        until = min(until, own.valid_until)
    kept = {
        "grant": own.pk,
        "role": str(role),
        "place_id": place_id,
        "place_name": place_name[:120],
        "engagement": engagement.pk if engagement else None,
        "until": until.isoformat(),
    }
    looked_as = _grant(request, own, kept, engagement)
    request.session[SESSION_KEY] = kept
    audit.record(
        acting_user=request.user,
        action="view_as.look",
        target=own,
        target_name=_name(looked_as),
        changes={"until": ["", until.isoformat(timespec="seconds")]},
    )
    return Looking(looked_as, own, until)


def current(request: SluiceRequest) -> Looking | None:
    """Return what is looked as in this session, now; end and audit what holds no longer."""
    kept = request.session.get(SESSION_KEY)
    if kept is None:
        return None
    own = next((grant for grant in request.grants if grant.pk == kept["grant"]), None)
    if own is None or PERMISSION not in PERMISSIONS[Role(own.role)]:
        # The grant has ended, or this session was carried to another host: nothing to look from.
        request.session.pop(SESSION_KEY)
        messages.info(request, _("Your access as HQ has ended, and your look as another role too."))
        return None
    engagement = None
    is_held = True
    if kept["engagement"] is not None:
        engagement = engagements_now(request.tenant).filter(pk=kept["engagement"]).first()
        is_held = engagement is not None
        if not is_held:
            # Over: wanted for its name in the audit alone.
            engagement = Engagement.objects.filter(pk=kept["engagement"]).first()
    looked_as = _grant(request, own, kept, engagement)
    until = parse_datetime(kept["until"])
    over = ""
    if until is None or timezone.now() >= until:
        over = "time"
    elif not is_held:
        over = "engagement"
    elif not is_set_up():
        over = "off"
    if until is None or over:
        request.session.pop(SESSION_KEY)
        ended(user=request.user, looking=Looking(looked_as, own, until or timezone.now()))
        messages.info(request, str(_ENDED[over]) % {"minutes": MINUTES})
        return None
    return Looking(looked_as, own, until)


def refusal(request: SluiceRequest) -> HttpResponse:
    """Say that nothing is changed and no file is given out while HQ looks as another role."""
    # The admin brings its frame itself, which a page of ours in its place has to do as well.
    context = {**group_site.each_context(request), "title": _("Only looking")}
    return render(request, "tenants/looking_refused.html", context, status=403)


def ended(*, user: User, looking: Looking) -> None:
    """Audit that HQ acts as itself again."""
    acting = user.acting_grant
    user.acting_grant = looking.by
    with transaction.atomic():
        audit.record(
            acting_user=user,
            action="view_as.look_end",
            target=looking.by,
            target_name=_name(looking.grant),
        )
    user.acting_grant = acting


def engagements_now(tenant: Tenant | None) -> QuerySet[Engagement]:
    """Return the contracts that hold now with a group."""
    today = timezone.now().date()
    return Engagement.objects.filter(
        tenant=tenant, starts_on__lte=today, ends_on__gte=today, provider__is_active=True
    ).select_related("provider")


def _name(grant: Grant) -> str:
    return f"{grant} · {grant.engagement.provider}" if grant.engagement else str(grant)


def _grant(request: SluiceRequest, own: Grant, kept: dict, engagement: Engagement | None) -> Grant:
    """Return the grant that stands in no table: nobody holds it, so nobody can pass it on."""
    role = Role(kept["role"])
    level: Level = next(iter(LEVELS[role]))
    return Grant(
        user=request.user,
        role=role,
        level=level,
        tenant=own.tenant,
        place_id=kept["place_id"],
        place_name=kept["place_name"],
        engagement=engagement,
        valid_until=parse_datetime(kept["until"]),
    )
