"""Segments by API: what they ask for, and who is in them, to the reader."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from brands.models import Brand, Store
from members.api import shapes
from members.api.serializers import PageQuery
from members.api.shapes import described
from members.api.views import Body, GroupView, member_body
from members.models import BrandSegment, Profile
from members.segments import BRAND, GROUP, Filter, Shown, seen_as, segments_of, shown
from tenants.models import TokenAction

_SEGMENTS = TokenAction.READ_SEGMENTS


def _name(one: Shown) -> str:
    return f"{one.sort}-{one.segment.pk}"


class SegmentsView(GroupView):
    """List segments."""

    actions = {"GET": _SEGMENTS}

    @described(
        "List segments, and how many members each is to this token",
        shapes.obj(segments=shapes.array(shapes.SEGMENT)),
        needs=_SEGMENTS,
    )
    def get(self, request: Request) -> Response:
        """Return the segments that the token may read, by name."""
        visible = self.visible
        brands = dict(Brand.objects.values_list("pk", "code"))
        stores = dict(Store.objects.values_list("pk", "code"))
        found = []
        for one in shown(segments_of(visible), visible):
            asked = seen_as(one.segment, visible)
            found.append(
                {
                    "id": _name(one),
                    "name": one.segment.name,
                    "owner": (
                        brands[one.segment.brand_id]
                        if isinstance(one.segment, BrandSegment)
                        else "group"
                    ),
                    "words": one.words,
                    "rules": _rules(asked, brands, stores),
                    "is_open": one.is_open,
                    "count": one.count,
                }
            )
        return Response({"segments": found})


class SegmentMembersView(GroupView):
    """List who is in a segment."""

    actions = {"GET": _SEGMENTS}

    @described(
        "List the members of a segment that this token sees",
        shapes.page("members", shapes.MEMBER),
        query=PageQuery,
        refusals=(404,),
        needs=_SEGMENTS,
    )
    def get(self, request: Request, segment: str) -> Response:
        """Return a page of a segment's members, looked up now, through the wall."""
        visible = self.visible
        for one in segments_of(visible):
            if segment == f"{BRAND if isinstance(one, BrandSegment) else GROUP}-{one.pk}":
                rows = Profile.objects.filter(seen_as(one, visible).condition)
                rows = rows.select_related("brand", "store")
                taken, following = self.page(rows, self.asked(PageQuery))
                members = [member_body(row, None) for row in taken]
                return Response({"members": members, "next": following})
        raise Http404


def _rules(asked: Filter, brands: dict[int, str], stores: dict[int, str]) -> Body:
    """Return what a segment asks for; what it asks nothing about is left out."""
    rules: dict[str, Any] = {
        "brand": brands.get(asked.brand_id or 0),
        "store": stores.get(asked.store_id or 0),
        "since": asked.since.isoformat() if asked.since else None,
        "has_orders": asked.has_orders,
        "stratum": asked.stratum,
    }
    return {name: value for name, value in rules.items() if value is not None}
