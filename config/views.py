"""Pages that belong to no app: errors, and the choice of a language."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.i18n import set_language as django_set_language

# Anyone may choose, before login too.
set_language = login_not_required(django_set_language)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404 for what is absent and for what is forbidden: a stranger cannot tell."""
    return render(request, "404.html", status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form was too old or came from elsewhere; nothing was changed."""
    return render(request, "403_csrf.html", status=403)
