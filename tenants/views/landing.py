"""The platform's first page: the clients and brands a person may enter."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants import selectors
from tenants.access import open_to_strangers
from tenants.requests import SluiceRequest
from tenants.roles import Role


@open_to_strangers
@require_safe
def landing(request: SluiceRequest) -> HttpResponse:
    """List what the person may enter, and for operators the groups they look after."""
    role = request.grant.role if request.grant else ""
    provider = request.grant.provider if request.grant else None
    context = {} if role == Role.PLATFORM_OPERATOR else _frame()
    context |= {
        "clients": selectors.clients(user=request.user),
        "groups": selectors.group_states() if role == Role.PLATFORM_OPERATOR else None,
        "engagements": (
            selectors.engagements_of(provider=provider)
            if role == Role.PROVIDER_OPERATOR and provider
            else None
        ),
    }
    return render(request, "tenants/landing.html", context)


def _frame() -> dict[str, Any]:
    """Return the frame of a person whom the platform's admin does not know."""
    here = {"title": _("Clients"), "icon": "apartment", "link": reverse("landing"), "active": True}
    section = {"title": _("Platform"), "items": [{**here, "has_permission": True}]}
    return {"has_permission": True, "sidebar_navigation": [section]}
