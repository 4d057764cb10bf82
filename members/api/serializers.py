"""What the API takes: fields with their limits, and nothing that is not a field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from members.models import Entry, Event, Identity

PAGE_ROWS, MOST_PAGE_ROWS = 100, 500


class StrictSerializer(serializers.Serializer):
    """Refuse a field that is not known: a slip of the pen must not be passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the cleaned fields; raises ValidationError for an unknown one."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(
                {str(name)[:60]: [_("There is no such field.")] for name in unknown}
            )
        return super().to_internal_value(data)


class PlainCharField(serializers.CharField):
    """Take text without NUL, which PostgreSQL does not know."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raises ValidationError for a NUL in it."""
        text = super().to_internal_value(data)
        if "\0" in text:
            raise serializers.ValidationError(_("The text has a NUL in it."))
        return text


class MomentField(serializers.DateTimeField):
    """Take an instant; one at the very edge of time is refused like any other slip."""

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        """Return the instant in a time zone; raises ValidationError where that is out of time."""
        try:
            return super().enforce_timezone(value)
        except OverflowError:
            self.fail("overflow")


class PageQuery(StrictSerializer):
    """Ask for a page: after which cursor, how many rows."""

    after = PlainCharField(required=False, max_length=80)
    limit = serializers.IntegerField(default=PAGE_ROWS, min_value=1, max_value=MOST_PAGE_ROWS)


class MemberQuery(PageQuery):
    """Ask which members to list."""

    brand = PlainCharField(required=False, max_length=40)
    store = PlainCharField(required=False, max_length=40)
    member_no = PlainCharField(required=False, max_length=64)
    since = serializers.DateField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a store without its brand: its code is one brand's only."""
        if "store" in attrs and "brand" not in attrs:
            raise serializers.ValidationError({"store": [_("Name the store's brand as well.")]})
        return attrs


class ActivityQuery(PageQuery):
    """Ask for rows about members: of a brand, of one member."""

    brand = PlainCharField(required=False, max_length=40)
    member = serializers.IntegerField(required=False, min_value=1, max_value=2**62)


class OrderQuery(ActivityQuery):
    """Ask which orders to list."""

    since = MomentField(required=False)
    order_no = PlainCharField(required=False, max_length=64)


class EventQuery(ActivityQuery):
    """Ask which events to list."""

    since = MomentField(required=False)
    event = serializers.ChoiceField(required=False, choices=Event.What.values)


class TouchpointQuery(ActivityQuery):
    """Ask which touchpoints to list."""

    state = serializers.ChoiceField(required=False, choices=["followed", "unfollowed"])
    account = PlainCharField(required=False, max_length=64)


class TagQuery(PageQuery):
    """Ask which tags to list."""

    brand = PlainCharField(required=False, max_length=40)


class JobQuery(StrictSerializer):
    """Ask for a page of jobs that are known by a UUID."""

    after = serializers.UUIDField(required=False)
    limit = serializers.IntegerField(default=PAGE_ROWS, min_value=1, max_value=MOST_PAGE_ROWS)


class IdentityField(StrictSerializer):
    """Take an identifier: its kind and its text."""

    kind = serializers.ChoiceField(choices=Identity.Kind.values)
    value = PlainCharField(max_length=254)


class AnswerSerializer(StrictSerializer):
    """Take one answer of one member to one notice, or their word on automated decisions."""

    answer = serializers.ChoiceField(choices=Entry.What.values)
    profile = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    brand = PlainCharField(required=False, max_length=40)
    member_no = PlainCharField(required=False, max_length=64)
    identity = IdentityField(required=False)
    notice = PlainCharField(required=False, max_length=20)
    answered_at = MomentField(required=False)
    channel = PlainCharField(default="api", max_length=40)
    evidence = PlainCharField(default="", max_length=200, allow_blank=True)
    is_by_guardian = serializers.BooleanField(default=False)
    minor_until = serializers.DateField(required=False)
    to_group = serializers.BooleanField(default=False)
    key = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an answer that names no member, or names one twice."""
        if len({"profile", "member_no", "identity"} & set(attrs)) != 1:
            raise serializers.ValidationError(
                _("Name the member once: by “profile”, “member_no” or “identity”.")
            )
        return attrs


class AnswersSerializer(StrictSerializer):
    """Take answers, for the description alone: each line is read by itself."""

    answers = AnswerSerializer(many=True)
