"""Tags: the group's dictionary, the brands', and which word means which."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from brands.models import Brand
from brands.wall.request import GroupRequest
from members.models import GroupTag, Tag
from members.tag_services import MOST, TagRefused, tag_add, tag_map
from tenants.access import permission_required

_MAY_WRITE = "members.add_tag"


@permission_required("members.view_tag")
@require_safe
def tags(request: GroupRequest) -> HttpResponse:
    """Show the dictionaries that the person may read."""
    visible = request.visible
    of_brands = Tag.objects.filter(removed_at=None, store=None, notice=None)
    may_write = request.user.has_perm(_MAY_WRITE)
    owners = list(Brand.objects.filter(pk__in=visible.write_brands)) if may_write else []
    context = {
        "title": _("Tags"),
        "tags": of_brands.select_related("brand", "means").order_by("brand__code", "name")[:MOST],
        "group_tags": GroupTag.objects.filter(removed_at=None).order_by("kind", "name"),
        "owners": owners,
        "may_write_group": may_write and visible.writes_group,
        "write_brands": visible.write_brands if may_write else frozenset(),
    }
    return render(request, "members/tags.html", context)


@permission_required(_MAY_WRITE)
@require_POST
def tag_new(request: GroupRequest) -> HttpResponse:
    """Add a word to a dictionary."""
    visible, owner = request.visible, None
    if code := request.POST.get("brand", ""):
        owner = get_object_or_404(Brand, code=code, pk__in=visible.write_brands)
    elif not visible.writes_group:
        raise Http404
    try:
        made = tag_add(
            visible=visible,
            owner=owner,
            name=request.POST.get("name", ""),
            kind=request.POST.get("kind", ""),
            acting_user=request.user,
        )
    except TagRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("“%(name)s” was added.") % {"name": made.name})
    return redirect("members:tags")


@permission_required(_MAY_WRITE)
@require_POST
def tag_meaning(request: GroupRequest, tag_id: int) -> HttpResponse:
    """Say which of the group's tags a brand's tag means."""
    rows = Tag.objects.filter(brand_id__in=request.visible.write_brands)
    tag = get_object_or_404(rows.select_related("brand", "means"), pk=tag_id)
    name = request.POST.get("means", "")
    means = get_object_or_404(GroupTag, name=name, removed_at=None) if name else None
    try:
        tag_map(visible=request.visible, tag=tag, means=means, acting_user=request.user)
    except TagRefused as refused:
        messages.error(request, str(refused))
    return redirect("members:tags")
