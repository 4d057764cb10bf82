"""The platform's first page: the clients and brands a person may enter."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tenants import selectors
from tenants.access import open_to_strangers
from tenants.roles import Role


@open_to_strangers
@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """List what the person may enter, and for operators the groups they look after."""
    role = request.grant.role if request.grant else ""
    context = {
        "clients": selectors.clients(user=request.user),
        "groups": selectors.group_states() if role == Role.PLATFORM_OPERATOR else None,
        "engagements": (
            selectors.engagements_of(provider=request.grant.provider)
            if role == Role.PROVIDER_OPERATOR
            else None
        ),
    }
    return render(request, "tenants/landing.html", context)
