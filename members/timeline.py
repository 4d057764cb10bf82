"""What a member's page shows of what they did: touchpoints, tags, the last events."""

from __future__ import annotations

from dataclasses import dataclass

from members.models import Event, Profile, ProfileTag, Touchpoint

EVENTS_SHOWN = 20


@dataclass(frozen=True)
class Timeline:
    """Be what the wall shows of a member's touchpoints, tags and last events."""

    touchpoints: list[Touchpoint]
    tags: list[ProfileTag]
    events: list[Event]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to show."""
        return not (self.touchpoints or self.tags or self.events)


def timeline_of(profile: Profile, *, sees_activity: bool) -> Timeline:
    """Return what a member did, the latest first, and the tags they carry now."""
    tags = ProfileTag.objects.filter(profile_id=profile.pk, is_set=True)
    tags = tags.select_related("tag__means").order_by("tag__name")
    if not sees_activity:
        return Timeline([], list(tags), [])
    touchpoints = Touchpoint.objects.filter(profile_id=profile.pk).select_related("account")
    events = Event.objects.filter(profile_id=profile.pk).select_related("account")
    return Timeline(
        list(touchpoints.order_by("-is_followed", "account_id")),
        list(tags),
        list(events.order_by("-occurred_at", "-pk")[:EVENTS_SHOWN]),
    )
