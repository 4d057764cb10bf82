"""What every page's template may use."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static

from tenants.sites import group_site, platform_site


def page(request: HttpRequest) -> dict[str, Any]:
    """Add who is acting, where, and through which mode; and what Unfold's frame draws."""
    context: dict[str, Any] = {
        "tenant": getattr(request, "tenant", None),
        "grant": getattr(request, "grant", None),
        "grants": getattr(request, "grants", []),
        "looking": getattr(request, "looking", None),
        "visible": getattr(request, "visible", None),
    }
    match = request.resolver_match
    # The admin adds its frame itself; a fragment has none; an early error has no person yet.
    is_framed = hasattr(request, "grant") and not request.headers.get("HX-Request")
    if is_framed and not (match and match.app_name == "admin"):
        # Unfold's tags render templates of their own in a page: one frame serves them all.
        frame = vars(request).get("sluice_frame")
        if frame is None:
            site = group_site if context["tenant"] else platform_site
            frame = vars(request)["sluice_frame"] = site.each_context(request)
        context = {**frame, **context}
    return context


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the project's own style sheet, for Unfold's list of styles."""
    return static("css/sluice.css")


def favicon(request: HttpRequest) -> str:
    """Return the address of the picture for the browser's tab."""
    return static("img/favicon.svg")


def subheader(request: HttpRequest) -> str:
    """Return the group's name, which stands below ours in the sidebar."""
    tenant = getattr(request, "tenant", None)
    return tenant.name if tenant else ""


def title_prefix(request: HttpRequest) -> str:
    """Return the group's name for the browser's tab."""
    tenant = getattr(request, "tenant", None)
    return f"{tenant.name} ·" if tenant else "Sluice ·"
