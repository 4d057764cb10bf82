"""The door of the API: a token instead of a session, refusals as problems in words (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.http import HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from tenants import tokens
from tenants.models import ApiToken, TokenAction, User
from tenants.requests import SluiceRequest
from tenants.tokens import NEEDED

Handler = Callable[[Any], HttpResponse]

ROOT = "/api/"
PROBLEM = "application/problem+json"
# What a view needs that tells a program about its own token.
ANY_TOKEN = ""


class ApiMiddleware:
    """Let programs in by their token, and by nothing else; answer all refusals as problems.

    Stands before the session: no cookie opens the API, so no page elsewhere can use it through
    somebody's browser, and looking at the site as another role stays outside.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: SluiceRequest) -> HttpResponse:
        request.api_token = None
        if request.tenant is None or not request.path_info.startswith(ROOT):
            return self.get_response(request)
        request.COOKIES = {}
        scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            request.api_token = tokens.token_find(text=text.strip(), tenant=request.tenant)
        response = self.get_response(request)
        if response.status_code >= 400 and response.get("Content-Type") != PROBLEM:
            response = problem(response.status_code)
        patch_cache_control(response, private=True, no_store=True)
        return response


class TokenAuthentication(BaseAuthentication):
    """Authenticate by the token that the middleware found."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the grant's holder and the token."""
        token = cast(SluiceRequest, request._request).api_token
        return (token.grant.user, token) if token else None

    def authenticate_header(self, request: Request) -> str:
        """Return what a refusal asks for."""
        return 'Bearer realm="Sluice"'


class ActionPermission(BasePermission):
    """Ask for an action of the token, and for the permission it stands for.

    A view says in `actions` which action each of its methods needs, or ANY_TOKEN; one that says
    nothing is closed.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether token and role allow what was asked; say in words what is missing."""
        token = cast("ApiToken | None", request.auth)
        if token is None:
            return False
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        action = getattr(view, "actions", {}).get(method)
        if action is None:
            # A method that the view does not know is refused by name; one that it forgot, closed.
            return not hasattr(view, str(method).lower())
        if action == ANY_TOKEN:
            return True
        if action not in token.actions:
            raise exceptions.PermissionDenied(
                _("The token may not be used for this: it lacks the action “%(action)s”.")
                % {"action": str(action)}
            )
        if not request.user.has_perm(NEEDED[TokenAction(action)]):
            raise exceptions.PermissionDenied(_("The role of the token's grant has no such right."))
        return True


class TokenThrottle(SimpleRateThrottle):
    """Count requests by token; strangers are refused before anything is counted."""

    scope = "token"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """Return the key of the token's count."""
        token = request.auth
        return self.cache_format % {"scope": self.scope, "ident": token.pk} if token else None


def problem(status: int) -> JsonResponse:
    """Return a refusal that a program can tell apart and a person can read."""
    return JsonResponse(
        problem_body(status),
        status=status,
        content_type=PROBLEM,
        json_dumps_params={"ensure_ascii": False},
    )


def problem_body(status: int, detail: str = "", **more: Any) -> dict[str, Any]:
    """Return what a problem says: title, status, detail, and what else the case has."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    words = detail or DETAILS.get(status, lambda: "")()
    return {**body, "detail": words, **more} if words else {**body, **more}


DETAILS: dict[int, Callable[[], str]] = {
    401: lambda: _("Send a token that holds at this group: “Authorization: Bearer slc_…”."),
    404: lambda: _("There is nothing here that this token may see."),
    405: lambda: _("This address does not take this method."),
    500: lambda: _("Something failed here. Nothing was written. Try again later."),
}
