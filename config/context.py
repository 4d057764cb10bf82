"""What every page's template may use."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def page(request: HttpRequest) -> dict[str, Any]:
    """Add who is acting, where, and through which mode."""
    return {
        "tenant": getattr(request, "tenant", None),
        "grant": getattr(request, "grant", None),
        "grants": getattr(request, "grants", []),
        "visible": getattr(request, "visible", None),
    }


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the project's own style sheet, for Unfold's list of styles."""
    return static("css/sluice.css")
