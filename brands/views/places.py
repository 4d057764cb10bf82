"""The homes of group, unit, brand and store, their panels, and the choice of the grant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from brands import dashboard
from brands.changes import follow_up
from brands.dashboard import Ask, Page
from brands.models import Brand, Store
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind, Sight, Visible
from tenants.access import permission_required
from tenants.middleware import GrantMiddleware
from tenants.roles import Level

MAY_SEE = "brands.view_dashboard"


@dataclass(frozen=True)
class Place:
    """Be the group or unit, the brand, or the store that a page is about."""

    page: Page
    title: str
    brands: tuple[Brand, ...]
    store: Store | None
    address: str
    # URL name and arguments of the place's panels.
    panel_view: str
    panel_arguments: tuple[object, ...]

    @property
    def brand(self) -> Brand | None:
        """Return the one brand of a brand's or a store's page."""
        return self.brands[0] if self.page is not Page.GROUP else None


def opens_brand(visible: Visible, brand_id: int) -> bool:
    """Tell whether the viewer may open a brand's home: HQ, and those who act for the brand."""
    return visible.viewer.is_hq or brand_id in visible.viewer.brands


def opens_store(visible: Visible, store: Store) -> bool:
    """Tell whether the viewer may open a store's home: its own people, its brand's, maybe HQ."""
    viewer = visible.viewer
    if store.pk in viewer.stores or store.brand_id in viewer.brands:
        return True
    return viewer.is_hq and visible.cell(store.brand_id, Kind.METRICS).sight is Sight.ALL


def home(request: GroupRequest) -> HttpResponse:
    """Send everyone to the home of the place their grant is for."""
    level, place_id = Level(request.grant.level), request.grant.place_id
    if level is Level.BRAND:
        return redirect("brands:brand", get_object_or_404(Brand, pk=place_id).code)
    if level is Level.STORE:
        return redirect("brands:store", place_id)
    return redirect("brands:group")


@require_POST
def acting(request: GroupRequest) -> HttpResponse:
    """Act under another of the person's grants here from now on."""
    chosen = next((one for one in request.grants if str(one.pk) == request.POST.get("grant")), None)
    if chosen is None:
        raise Http404
    request.session[GrantMiddleware.SESSION_KEY] = chosen.pk
    messages.success(request, _("You now act as %(grant)s.") % {"grant": chosen})
    return redirect("brands:home")


@permission_required(MAY_SEE)
def group(request: GroupRequest) -> HttpResponse:
    """Show the group, or the unit, that the person commands."""
    return _page(request, _group_place(request))


@permission_required(MAY_SEE)
def group_panel(request: GroupRequest, name: str) -> HttpResponse:
    """Show one panel of the group or unit."""
    return _panel(request, _group_place(request), name)


@permission_required(MAY_SEE)
def brand(request: GroupRequest, code: str) -> HttpResponse:
    """Show one brand to HQ and to those who act for it."""
    return _page(request, _brand_place(request, code))


@permission_required(MAY_SEE)
def brand_panel(request: GroupRequest, code: str, name: str) -> HttpResponse:
    """Show one panel of a brand."""
    return _panel(request, _brand_place(request, code), name)


@permission_required(MAY_SEE)
def store(request: GroupRequest, store_id: int) -> HttpResponse:
    """Show one store, made for a phone."""
    return _page(request, _store_place(request, store_id))


@permission_required(MAY_SEE)
def store_panel(request: GroupRequest, store_id: int, name: str) -> HttpResponse:
    """Show one panel of a store."""
    return _panel(request, _store_place(request, store_id), name)


def _group_place(request: GroupRequest) -> Place:
    brands = Brand.objects.order_by("code")
    if request.grant.level == Level.UNIT:
        brands = brands.filter(pk__in=request.visible.viewer.brands)
        title = request.grant.place_name
    elif request.visible.viewer.is_hq:
        title = request.tenant.name
    else:
        raise Http404
    address = reverse("brands:group")
    return Place(Page.GROUP, title, tuple(brands), None, address, "brands:group_panel", ())


def _brand_place(request: GroupRequest, code: str) -> Place:
    found = get_object_or_404(Brand.objects.select_related("business_unit"), code=code)
    if not opens_brand(request.visible, found.pk):
        raise Http404
    address = reverse("brands:brand", args=[code])
    return Place(Page.BRAND, found.name, (found,), None, address, "brands:brand_panel", (code,))


def _store_place(request: GroupRequest, store_id: int) -> Place:
    found = get_object_or_404(Store.objects.select_related("brand__business_unit"), pk=store_id)
    if not opens_store(request.visible, found):
        raise Http404
    address = reverse("brands:store", args=[store_id])
    return Place(
        Page.STORE, found.name, (found.brand,), found, address, "brands:store_panel", (store_id,)
    )


def _context(request: GroupRequest, place: Place) -> dict[str, Any]:
    period, is_read = dashboard.period_asked(request.GET)
    if not is_read:
        messages.warning(
            request,
            _("These dates could not be read, so the last %(days)s days are shown.")
            % {"days": dashboard.DEFAULT_DAYS},
        )
    return {
        "title": place.title,
        "place": place,
        "period": period,
        "recomputing": follow_up.recomputing(),
    }


def _page(request: GroupRequest, place: Place) -> HttpResponse:
    panels = dashboard.panels_of(place.page, user=request.user, level=request.grant.level)
    query = request.GET.urlencode()
    context = {
        **_context(request, place),
        "panels": [
            (
                one,
                reverse(place.panel_view, args=[*place.panel_arguments, one.name])
                + (f"?{query}" if query else ""),
            )
            for one in panels
        ],
        "days_offered": dashboard.DAYS_OFFERED,
    }
    return render(request, "brands/place.html", context)


def _panel(request: GroupRequest, place: Place, name: str) -> HttpResponse:
    panels = dashboard.panels_of(place.page, user=request.user, level=request.grant.level)
    found = next((one for one in panels if one.name == name), None)
    if found is None:
        raise Http404
    context = _context(request, place)
    ask = Ask(
        page=place.page,
        brand_ids=tuple(one.pk for one in place.brands),
        store_id=place.store.pk if place.store else None,
        period=context["period"],
        visible=request.visible,
    )
    context |= {"panel": found, "answer": dashboard.answer(found, ask)}
    template = found.template
    if context["recomputing"] and found.name in context["recomputing"].panels:
        template = "brands/_panel_marked.html"
    context["panel_template"] = template
    is_fragment = bool(request.headers.get("HX-Request"))
    return render(request, template if is_fragment else "brands/panel.html", context)
