"""Pages that belong to no app: errors, and the choice of a language."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.i18n import set_language as django_set_language

# Anyone may choose, before login too.
set_language = login_not_required(django_set_language)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404 for what is absent and for what is forbidden: nobody can tell which it was."""
    is_framed = getattr(request, "grant", None) and not request.headers.get("HX-Request")
    if is_framed and not request.path.startswith("/api/"):
        # The admin's own pages bring their frame along, and this is none of them.
        request.resolver_match = None
        return render(request, "404_framed.html", {"title": _("Not here")}, status=404)
    return render(request, "404.html", status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form was too old or came from elsewhere; nothing was changed."""
    return render(request, "403_csrf.html", status=403)
