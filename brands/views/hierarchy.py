"""The tree of the group."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from brands.hierarchy import tree
from brands.wall.request import GroupRequest
from tenants.access import permission_required


@permission_required("brands.view_brand")
@require_safe
def hierarchy(request: GroupRequest) -> HttpResponse:
    """Show units, brands and their sizes, as far as the person's part of the hierarchy goes."""
    units = tree(request.visible)
    totals = {
        "brands": sum(len(node.brands) for node in units),
        "stores": sum(node.stores for node in units),
        "guides": sum(node.guides for node in units),
    }
    return render(request, "brands/hierarchy.html", {"units": units, "totals": totals})
