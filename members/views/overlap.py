"""The overlap of brands: how many persons they share."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from brands.changes import follow_up
from brands.wall.request import GroupRequest
from members.overlap.shown import overview
from tenants.access import permission_required


@permission_required("members.view_overlap")
def overlap(request: GroupRequest) -> HttpResponse:
    """Show the persons that every two brands share, and the sets of brands that persons are in."""
    context = {
        "title": _("Overlap of brands"),
        "overview": overview(request.visible),
        "recomputing": follow_up.recomputing(),
    }
    return render(request, "members/overlap.html", context)
