"""Carry a login from the platform's host to a group's."""

from __future__ import annotations

from django.contrib import auth
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tenants import services
from tenants.access import open_to_strangers
from tenants.middleware import GrantMiddleware
from tenants.requests import SluiceRequest
from tenants.selectors import enterable_grants


@open_to_strangers
@require_POST
def enter(request: SluiceRequest, grant_id: int) -> HttpResponse:
    """Send the person to the group of one of their grants, logged in there."""
    grant = next((g for g in enterable_grants(user=request.user) if g.pk == grant_id), None)
    if grant is None:
        raise Http404
    token = services.handoff_create(grant=grant, acting_user=request.user)
    host = grant.tenant.host if grant.tenant else ""
    return redirect(f"{request.scheme}://{host}/handoff/{token}/")


@login_not_required
@never_cache
@require_GET
def arrive(request: SluiceRequest, token: str) -> HttpResponse:
    """Log the person in under the grant they chose; a link that is no good changes nothing."""
    try:
        handoff = services.handoff_use(token=token, tenant=request.tenant)
    except services.HandoffRefused as refusal:
        return render(request, "tenants/handoff_refused.html", {"reason": refusal}, status=410)
    # Whoever was logged in here before must not leave anything behind in the new session.
    request.session.flush()
    auth.login(request, handoff.user, backend="tenants.backends.GrantBackend")
    request.session[GrantMiddleware.SESSION_KEY] = handoff.grant_id
    return redirect("/")
