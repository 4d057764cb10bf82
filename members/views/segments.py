"""Segments: the filters of the member list that are kept, and what is done with each."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from brands.changes import follow_up
from brands.models import Brand
from brands.wall.request import GroupRequest
from members import segments as seen
from members.member_list import MemberFilter
from members.models import BrandSegment, GroupSegment
from members.segment_services import (
    SegmentRefused,
    segment_create,
    segment_remove,
    segment_rename,
)
from tenants.access import permission_required

PAGE_ROWS = 25
_MAY_WRITE = "members.add_segment"


@permission_required("members.view_segment")
@require_safe
def segments(request: GroupRequest) -> HttpResponse:
    """List the segments that the person may read, with what each is to them now."""
    kept = Paginator(seen.segments_of(request.visible), PAGE_ROWS)
    page = kept.get_page(request.GET.get("page"))
    context = {
        "title": _("Segments"),
        "page": page,
        "shown": seen.shown(page.object_list, request.visible),
        "may_add": request.user.has_perm(_MAY_WRITE) and bool(seen.owners(request.visible)),
        "recomputing": follow_up.recomputing(),
    }
    return render(request, "members/segments.html", context)


@permission_required(_MAY_WRITE)
@require_POST
def segment_new(request: GroupRequest) -> HttpResponse:
    """Keep the filter that is set in the member list."""
    form = MemberFilter(request.POST, visible=request.visible)
    if not form.is_valid():
        messages.error(request, _("The filter could not be read. Nothing was kept: set it anew."))
        return redirect("members:list")
    asked = seen.Filter.asked(form.cleaned_data)
    name = request.POST.get("name", "")
    try:
        made = segment_create(
            owner=_owner(request), name=name, asked=asked, acting_user=request.user
        )
    except SegmentRefused as refused:
        messages.error(request, str(refused))
        return _in_list(asked)
    messages.success(request, _("“%(name)s” is kept.") % {"name": made.name})
    return redirect("members:segments")


@permission_required("members.view_segment")
@require_http_methods(["GET", "HEAD", "POST"])
def group_segment(request: GroupRequest, group_segment_id: int) -> HttpResponse:
    """Open a segment of the group in the member list; rename or remove it."""
    if not request.visible.viewer.is_hq:
        raise Http404
    kept = GroupSegment.objects.filter(removed_at=None)
    return _answer(request, get_object_or_404(kept, pk=group_segment_id))


@permission_required("members.view_segment")
@require_http_methods(["GET", "HEAD", "POST"])
def brand_segment(request: GroupRequest, brand_segment_id: int) -> HttpResponse:
    """Open a brand's segment in the member list; rename or remove it."""
    kept = BrandSegment.objects.filter(removed_at=None, store=None, notice=None)
    return _answer(request, get_object_or_404(kept.select_related("brand"), pk=brand_segment_id))


def _owner(request: GroupRequest) -> Brand | None:
    """Return whose the segment will be: who may keep for one owner alone need not say."""
    possible = [value for value, _name in seen.owners(request.visible)]
    value = request.POST.get("owner") or (possible[0] if len(possible) == 1 else "")
    if value not in possible:
        raise Http404
    if value == seen.GROUP and request.visible.writes_group:
        return None
    return get_object_or_404(Brand, code=value, pk__in=request.visible.write_brands)


def _answer(request: GroupRequest, segment: seen.Segment) -> HttpResponse:
    if request.method != "POST":
        return _opened(request, segment)
    if not request.user.has_perm(_MAY_WRITE):
        raise Http404
    if isinstance(segment, BrandSegment) and (segment.brand_id not in request.visible.write_brands):
        raise Http404
    try:
        if request.POST.get("act") == "remove":
            segment_remove(segment=segment, acting_user=request.user)
            words = _("“%(name)s” is removed. No member was changed.")
        else:
            name = request.POST.get("name", "")
            segment_rename(segment=segment, name=name, acting_user=request.user)
            words = _("The segment is called “%(name)s” now.")
        messages.success(request, words % {"name": segment.name})
    except SegmentRefused as refused:
        messages.error(request, str(refused))
    return redirect("members:segments")


def _opened(request: GroupRequest, segment: seen.Segment) -> HttpResponse:
    asked = seen.seen_as(segment, request.visible)
    if not seen.is_open(asked, request.visible):
        messages.warning(request, _("The mode shows you no member where this segment looks."))
        return redirect("members:segments")
    return _in_list(asked)


def _in_list(asked: seen.Filter) -> HttpResponse:
    return redirect(f"{reverse('members:list')}?{urlencode(asked.parameters())}")
