"""What members did, by API: orders, events, touchpoints and tags, read through the wall."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from members.api import shapes
from members.api.serializers import (
    EventQuery,
    OrderQuery,
    PageQuery,
    TagQuery,
    TouchpointQuery,
)
from members.api.shapes import described
from members.api.views import Body, GroupView, member_body, moment, order_body
from members.models import Event, GroupTag, Order, OrderLine, ProfileTag, Tag, Touchpoint
from tenants.models import TokenAction

_ORDERS, _EVENTS, _TAGS = TokenAction.READ_ORDERS, TokenAction.READ_EVENTS, TokenAction.READ_TAGS


class OrdersView(GroupView):
    """List orders."""

    actions = {"GET": _ORDERS}

    @described(
        "List orders, the newest first",
        shapes.page("orders", shapes.ORDER),
        query=OrderQuery,
        needs=_ORDERS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the orders that the wall shows, with their lines."""
        asked = self.asked(OrderQuery)
        lines = Prefetch("line_set", OrderLine.objects.order_by("line_no"), to_attr="shown")
        rows = Order.objects.select_related("brand", "store").prefetch_related(lines)
        rows = _narrow(rows, asked)
        if "since" in asked:
            rows = rows.filter(ordered_at__gte=asked["since"])
        if "order_no" in asked:
            rows = rows.filter(order_no=asked["order_no"])
        taken, following = self.page(rows, asked)
        return Response({"orders": [order_body(row) for row in taken], "next": following})


class EventsView(GroupView):
    """List events."""

    actions = {"GET": _EVENTS}

    @described(
        "List events, the newest first",
        shapes.page("events", shapes.EVENT),
        query=EventQuery,
        needs=_EVENTS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the events that the wall shows."""
        asked = self.asked(EventQuery)
        rows = _narrow(Event.objects.select_related("brand", "account"), asked)
        if "since" in asked:
            rows = rows.filter(occurred_at__gte=asked["since"])
        if "event" in asked:
            rows = rows.filter(what=asked["event"])
        taken, following = self.page(rows, asked)
        return Response({"events": [self._body(row) for row in taken], "next": following})

    @staticmethod
    def _body(event: Event) -> Body:
        return {
            "brand": event.brand.code,
            "member": event.profile_id,
            "event": event.what,
            "source": event.source,
            "event_id": event.event_id,
            "at": event.occurred_at.isoformat(),
            "received_at": event.received_at.isoformat(),
            "account": _account(event.account),
            "subject": event.subject,
            "scene": event.scene,
            "order_no": event.order_no,
            "amount": event.amount,
        }


class TouchpointsView(GroupView):
    """List touchpoints."""

    actions = {"GET": _EVENTS}

    @described(
        "List which channel accounts members follow",
        shapes.page("touchpoints", shapes.TOUCHPOINT),
        query=TouchpointQuery,
        needs=_EVENTS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the touchpoints that the wall shows, ended ones as well."""
        asked = self.asked(TouchpointQuery)
        rows = _narrow(Touchpoint.objects.select_related("brand", "account"), asked)
        if "state" in asked:
            rows = rows.filter(is_followed=asked["state"] == "followed")
        if "account" in asked:
            rows = rows.filter(account__external_id=asked["account"])
        taken, following = self.page(rows, asked)
        return Response({"touchpoints": [self._body(row) for row in taken], "next": following})

    @staticmethod
    def _body(touchpoint: Touchpoint) -> Body:
        return {
            "brand": touchpoint.brand.code,
            "member": touchpoint.profile_id,
            "account": _account(touchpoint.account),
            "state": "followed" if touchpoint.is_followed else "unfollowed",
            "followed_at": moment(touchpoint.followed_at),
            "unfollowed_at": moment(touchpoint.unfollowed_at),
            "scene": touchpoint.scene,
            "source": touchpoint.source,
        }


class TagsView(GroupView):
    """List the dictionaries of tags."""

    actions = {"GET": _TAGS}

    @described(
        "List tags of brands, and the group's that they may mean",
        shapes.page("tags", shapes.TAG, group_tags=shapes.array(shapes.GROUP_TAG)),
        query=TagQuery,
        needs=_TAGS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the brands' tags that the wall shows, and the group's whole dictionary.

        The group's come with the first page.
        """
        asked = self.asked(TagQuery)
        rows = Tag.objects.filter(removed_at=None).select_related("brand", "means")
        if "brand" in asked:
            rows = rows.filter(brand__code=asked["brand"])
        taken, following = self.page(rows, asked)
        of_group = [] if "after" in asked else GroupTag.objects.filter(removed_at=None)
        return Response(
            {
                "tags": [
                    {
                        "id": row.pk,
                        "brand": row.brand.code,
                        "name": row.name,
                        "kind": row.kind,
                        "means": row.means.name if row.means else None,
                    }
                    for row in taken
                ],
                "group_tags": [{"name": one.name, "kind": one.kind} for one in of_group],
                "next": following,
            }
        )


class TaggedView(GroupView):
    """List the members with a tag."""

    actions = {"GET": _TAGS}

    @described(
        "List the members who carry a tag",
        shapes.page("members", shapes.MEMBER),
        query=PageQuery,
        refusals=(404,),
        needs=_TAGS,
    )
    def get(self, request: Request, tag_id: int) -> Response:
        """Return a page of members who carry a tag now; 404 for a tag behind the wall."""
        tag = get_object_or_404(Tag, pk=tag_id, removed_at=None)
        rows = ProfileTag.objects.filter(tag_id=tag.pk, is_set=True)
        rows = rows.select_related("profile__brand", "profile__store")
        taken, following = self.page(rows, self.asked(PageQuery))
        members = [member_body(row.profile, None) for row in taken]
        return Response({"members": members, "next": following})


class MemberTagsView(GroupView):
    """List a member's tags."""

    actions = {"GET": _TAGS}

    @described(
        "List a member's tags",
        shapes.page("tags", shapes.CARRIED),
        query=PageQuery,
        refusals=(404,),
        needs=_TAGS,
    )
    def get(self, request: Request, profile_id: int) -> Response:
        """Return the tags that a member carries now."""
        profile = self.profile(profile_id)
        rows = ProfileTag.objects.filter(profile_id=profile.pk, is_set=True)
        asked = self.asked(PageQuery)
        taken, following = self.page(rows.select_related("tag__means"), asked)
        tags = [
            {
                "tag": row.tag.name,
                "tag_id": row.tag_id,
                "means": row.tag.means.name if row.tag.means else None,
                "set_at": moment(row.set_at),
                "source": row.source,
            }
            for row in taken
        ]
        return Response({"tags": tags, "next": following})


def _narrow(rows: Any, asked: Body) -> Any:
    if "brand" in asked:
        rows = rows.filter(brand__code=asked["brand"])
    if "member" in asked:
        rows = rows.filter(profile_id=asked["member"])
    return rows


def _account(account: Any) -> Body | None:
    if account is None:
        return None
    return {"kind": account.kind, "external_id": account.external_id, "name": account.name}
