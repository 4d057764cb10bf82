"""Views of the member list: kept, opened, let open first, removed."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from brands.wall.request import GroupRequest
from members import segments
from members.member_list import MemberFilter
from members.models import OwnView
from members.own_views import view_change, view_create
from members.segment_services import SegmentRefused
from members.views.segments import segment_new
from tenants.access import permission_required


@permission_required("members.view_profile")
@require_POST
def view_new(request: GroupRequest) -> HttpResponseBase:
    """Keep what is set in the member list: for oneself, or as a segment for who is named."""
    if request.POST.get("owner", segments.OWN) != segments.OWN:
        return segment_new(request)
    form = MemberFilter(request.POST, visible=request.visible)
    if not form.is_valid():
        messages.error(request, _("The filter could not be read. Nothing was kept: set it anew."))
        return redirect("members:list")
    asked = segments.Filter.asked(form.cleaned_data)
    try:
        view = view_create(
            name=request.POST.get("name", ""),
            asked=asked,
            opens_first=request.POST.get("opens_first") == "on",
            acting_user=request.user,
        )
    except SegmentRefused as refused:
        messages.error(request, str(refused))
        return redirect(f"{reverse('members:list')}?{urlencode(asked.parameters())}")
    messages.success(request, _("“%(name)s” is kept.") % {"name": view.name})
    return opened(view)


@permission_required("members.view_profile")
@require_http_methods(["GET", "HEAD", "POST"])
def own_view(request: GroupRequest, own_view_id: int) -> HttpResponse:
    """Open a view of one's own in the member list; let it open first, or remove it."""
    view = get_object_or_404(OwnView.objects.filter(removed_at=None), pk=own_view_id)
    if request.method != "POST":
        return opened(view)
    act = request.POST.get("act", "")
    if act in ("remove", "first", "none"):
        view_change(view=view, act=act)
    if act == "remove":
        messages.success(request, _("“%(name)s” is removed.") % {"name": view.name})
        return redirect(f"{reverse('members:list')}?all=1")
    return opened(view)


def opened(view: OwnView) -> HttpResponse:
    """Return the way to the member list as a view keeps it."""
    asked = segments.Filter.of(view).parameters() | {"view": str(view.pk)}
    return redirect(f"{reverse('members:list')}?{urlencode(asked)}")
