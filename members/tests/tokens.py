"""A program with a token, for tests of the API."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable

from django.test import Client
from django.utils import timezone

from tenants import tokens
from tenants.models import ApiToken, Grant, TokenAction


def program(
    grant: Grant,
    *,
    actions: list[str] | None = None,
    brands: Iterable[int] = (),
    host: str = "acme.localhost",
) -> Client:
    """Return a client that sends a token of the grant, for all actions where none are named.

    For all brands of the grant, where none are named either.

    Made without the service, which gives no tokens to roles that have no business with the API:
    the wall must hold for them as well.
    """
    text = tokens.PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        grant=grant,
        name="Test",
        digest=tokens._digest(text),
        prefix=text[:10],
        brands={str(number): f"Brand {number}" for number in brands},
        actions=actions if actions is not None else list(TokenAction.values),
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    return Client(headers={"host": host, "authorization": f"Bearer {text}"})
