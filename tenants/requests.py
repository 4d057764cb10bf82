"""Requests as the middlewares leave them, for annotations."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tenants.models import ApiToken, Grant, Tenant, User

# The admin's methods are declared for a plain HttpRequest, which an override cannot narrow.
AdminRequest = Any


class SluiceRequest(HttpRequest):
    """Be a request of a person who is logged in, at a group's host or the platform's."""

    user: User
    # None on the platform's host.
    tenant: Tenant | None
    host_brand_id: int | None
    grants: list[Grant]
    # None for a person without a grant at this host.
    grant: Grant | None
    # What HQ looks as (tenants.view_as); the grant above is then that of no person.
    looking: Any
    # What a program authenticates by; None for people.
    api_token: ApiToken | None
    # What the grant shows (brands.wall.visibility.Visible); None outside a group.
    visible: Any
