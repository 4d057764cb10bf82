"""The site without what makes it Sluice's: for the limit and the peer of `page`.

One group, found once; one grant for each login, found once; what it sees worked out once; no
setting, no role, no policy: the owner's connection. The views, templates and queries are the
product's own, explicit filters by brand included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from brands.selectors import visible_for_grant
from brands.wall import scope
from tenants.connection import connection
from tenants.models import Domain
from tenants.selectors import current_grants

CONSTANT = "/constant/"
Handler = Callable[[HttpRequest], HttpResponse]


def constant_middleware(get_response: Handler) -> Handler:
    """Answer one address at once, before anything else runs: what gunicorn itself costs."""

    def handle(request: HttpRequest) -> HttpResponse:
        return HttpResponse("constant") if request.path == CONSTANT else get_response(request)

    return handle


def host_middleware(get_response: Handler) -> Handler:
    """Take the group of the first request for that of every request."""
    found: list[Any] = []

    def handle(request: Any) -> HttpResponse:
        if not found:
            connection.set_schema_to_public()
            host = request.get_host().split(":")[0]
            found.append(Domain.objects.select_related("tenant").get(domain=host).tenant)
        request.tenant, request.host_brand_id, request.api_token = found[0], None, None
        connection.set_tenant(request.tenant)
        with timezone.override(request.tenant.time_zone):
            return get_response(request)

    return handle


def wall_middleware(get_response: Handler) -> Handler:
    """Give each login the grant and the view that its first request had; one transaction, bare."""
    known: dict[int, Any] = {}

    def handle(request: Any) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            request.grants, request.grant, request.visible, request.looking = [], None, None, None
            return get_response(request)
        with transaction.atomic():
            if user.pk not in known:
                grants = current_grants(user=user, tenant=request.tenant)
                known[user.pk] = grants, visible_for_grant(grants[0], k=request.tenant.k)
            request.grants, request.visible = known[user.pk]
            request.grant = user.acting_grant = request.grants[0]
            request.looking = None
            # Managers ask for a scope; this one was never sent to the server.
            unsent = scope.Scope(request.visible, connection.schema_name)
            token = scope._current.set(unsent)
            try:
                return get_response(request)
            finally:
                scope._current.reset(token)

    return handle
