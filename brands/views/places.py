"""The homes of group, unit, brand and store, and the choice of the grant acted under."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from brands.models import Brand, Store
from tenants.access import permission_required
from tenants.middleware import GrantMiddleware
from tenants.roles import Level


def home(request: HttpRequest) -> HttpResponse:
    """Send everyone to the home of the place their grant is for."""
    level, place_id = Level(request.grant.level), request.grant.place_id
    if level is Level.BRAND:
        return redirect("brands:brand", get_object_or_404(Brand, pk=place_id).code)
    if level is Level.STORE:
        return redirect("brands:store", place_id)
    return redirect("brands:group")


@require_POST
def acting(request: HttpRequest) -> HttpResponse:
    """Act under another grant from now on."""
    chosen = next((one for one in request.grants if str(one.pk) == request.POST.get("grant")), None)
    if chosen is None:
        raise Http404
    request.session[GrantMiddleware.SESSION_KEY] = chosen.pk
    messages.success(request, _("You now act as %(grant)s.") % {"grant": chosen})
    return redirect("brands:home")


@permission_required("brands.view_dashboard")
def group(request: HttpRequest) -> HttpResponse:
    """Show the group, or the unit, that the person commands."""
    if request.grant.level not in (Level.GROUP, Level.UNIT):
        raise Http404
    return render(request, "brands/group.html", {"title": request.grant.place_name or _("Group")})


@permission_required("brands.view_dashboard")
def brand(request: HttpRequest, code: str) -> HttpResponse:
    """Show one brand."""
    found = get_object_or_404(Brand, code=code)
    return render(request, "brands/brand.html", {"title": found.name, "brand": found})


@permission_required("brands.view_dashboard")
def store(request: HttpRequest, store_id: int) -> HttpResponse:
    """Show one store, on a phone as well."""
    found = get_object_or_404(Store.objects.select_related("brand"), pk=store_id)
    return render(request, "brands/store.html", {"title": found.name, "store": found})
