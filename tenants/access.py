"""Guard views: what a person may not open does not exist for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]


def permission_required(permission: str) -> Callable[[View], View]:
    """Answer 404 unless the grant acted under has the permission."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            # Looking as a role, HQ opens the role's pages, and is refused when it acts on them.
            holds = getattr(request.user, "holds", request.user.has_perm)
            if not holds(permission):
                raise Http404
            return view(request, *args, **kwargs)

        guarded.required_permission = permission  # type: ignore[attr-defined]
        return guarded

    return guard


def open_to_strangers(view: View) -> View:
    """Let a logged-in person without a grant at this host open the view."""
    view.is_open_to_strangers = True  # type: ignore[attr-defined]
    return view
