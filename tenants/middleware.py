"""Find the group a host belongs to, and the grant a person acts under there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpResponse, HttpResponseNotFound
from django.shortcuts import redirect
from django.urls import set_urlconf
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import door, view_as
from tenants.accounts import grant_needs_second_factor, has_second_factor
from tenants.connection import connection
from tenants.models import Grant, Tenant, User
from tenants.requests import SluiceRequest
from tenants.selectors import current_grants, enterable_grants

Handler = Callable[[Any], HttpResponse]


class HostMiddleware:
    """Set the group, and the brand where the host names one; an unknown host is 404."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: SluiceRequest) -> HttpResponse:
        connection.set_schema_to_public()
        request.tenant = None
        request.host_brand_id = None
        try:
            host = request.get_host()
        except DisallowedHost:
            return HttpResponseNotFound()
        if host.split(":")[0] == settings.PLATFORM_HOST.split(":")[0]:
            request.urlconf = settings.PLATFORM_URLCONF
            set_urlconf(request.urlconf)
            return self.get_response(request)
        found = door.group_of(host.split(":")[0])
        if found is None:
            return HttpResponseNotFound()
        request.tenant, request.host_brand_id = found
        connection.set_tenant(request.tenant)
        try:
            # Times are read and written as the group's clocks show them.
            with timezone.override(request.tenant.time_zone):
                return self.get_response(request)
        finally:
            connection.set_schema_to_public()


class GrantMiddleware:
    """Authorise every request by a grant that holds now; a stranger to this host gets 404."""

    SESSION_KEY = "acting_grant"

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: SluiceRequest) -> HttpResponse:
        request.grants = []
        request.grant = request.looking = None
        if request.api_token is not None:
            # A program acts under its token's grant and no other.
            request.user = request.api_token.grant.user
            request.grant = request.user.acting_grant = request.api_token.grant
            request.grants = [request.grant]
            return self.get_response(request)
        # A stranger's is an AnonymousUser.
        user: Any = request.user
        if not user.is_authenticated:
            return self.get_response(request)
        request.grants = _grants_of(user, request.tenant)
        request.grant = user.acting_grant = self._chosen(request)
        looking = request.looking = view_as.current(request)
        if looking is None:
            return self.get_response(request)
        request.grant = user.acting_grant = looking.grant
        response = self.get_response(request)
        if view_as.SESSION_KEY not in request.session:
            # They left, logged out, or were logged in anew: the session is another one by now.
            view_as.ended(user=user, looking=looking)
        return response

    def process_view(
        self, request: SluiceRequest, view: Callable, args: tuple, kwargs: dict
    ) -> HttpResponse | None:
        """Refuse a person without a grant here, except on pages anyone may open."""
        if request.looking is not None and request.method not in view_as.SAFE:
            match = request.resolver_match
            if match is None or match.view_name not in view_as.LEFT_OPEN:
                return view_as.refusal(request)
        if not getattr(view, "login_required", True) or not request.user.is_authenticated:
            return None
        if request.grant is None and not getattr(view, "is_open_to_strangers", False):
            raise Http404
        return None

    def _chosen(self, request: SluiceRequest) -> Grant | None:
        chosen = request.session.get(self.SESSION_KEY)
        for grant in request.grants:
            if grant.pk == chosen:
                return grant
        return request.grants[0] if request.grants else None


def _grants_of(user: User, tenant: Tenant | None) -> list[Grant]:
    """Return the grants that hold now, asked for with the person a moment ago where they were."""
    if user.grants_found is not None and tenant is not None and user.grants_found[0] == tenant.pk:
        return user.grants_found[1]
    return current_grants(user=user, tenant=tenant)


class SecondFactorMiddleware:
    """Open no page but the set-up to a person whose role needs a second factor and has none."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: SluiceRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: SluiceRequest, view: Callable, args: tuple, kwargs: dict
    ) -> HttpResponse | None:
        """Send the person to the set-up page, unless the page is part of it or open to all."""
        if not settings.REQUIRE_SECOND_FACTOR or not request.user.is_authenticated:
            return None
        if not getattr(view, "login_required", True) or getattr(
            view, "is_open_without_second_factor", False
        ):
            return None
        grants = list(request.grants)
        if request.tenant is None:
            # The platform's host is the door to every group: any strong grant counts there.
            grants += enterable_grants(user=request.user)
        if not any(map(grant_needs_second_factor, grants)) or has_second_factor(request.user):
            return None
        messages.warning(
            request, _("Your role needs a second factor. Set it up to go on; nothing was changed.")
        )
        return redirect("mfa_activate_totp")
