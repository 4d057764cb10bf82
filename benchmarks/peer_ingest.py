"""The peer of `ingest`: a serializer of Django REST framework for each event."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from members.models import Event, Profile


class EventSerializer(serializers.Serializer):
    """Validate one event and write it unless it is there."""

    event = serializers.ChoiceField(choices=Event.What.choices)
    id = serializers.CharField(max_length=120)
    source = serializers.CharField(max_length=40)
    at = serializers.DateTimeField()
    member_no = serializers.CharField(max_length=64)
    subject = serializers.CharField(max_length=120, required=False, allow_blank=True)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """Find the member."""
        brand_id = self.context["brand_id"]
        profile = Profile.objects.filter(brand_id=brand_id, member_no=data["member_no"]).first()
        if profile is None:
            raise serializers.ValidationError("The brand has no such member.")
        return {**data, "profile": profile}

    def create(self, data: dict[str, Any]) -> Event:
        """Write the event, or return the one that is there."""
        profile = data["profile"]
        event, _created = Event.objects.get_or_create(
            brand_id=profile.brand_id,
            source=data["source"],
            event_id=data["id"],
            defaults={
                "what": data["event"],
                "store_id": profile.store_id,
                "notice_id": profile.notice_id,
                "profile": profile,
                "occurred_at": data["at"],
                "subject": data.get("subject", ""),
            },
        )
        return event


def ingest_one(line: dict[str, Any], brand_id: int) -> None:
    """Take one event in."""
    serializer = EventSerializer(data=line, context={"brand_id": brand_id})
    serializer.is_valid(raise_exception=True)
    serializer.save()
