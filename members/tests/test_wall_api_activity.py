"""Every cell of the wall's table as the API shows what members did, and what they are tagged."""

from __future__ import annotations

import pytest
from django.utils import timezone

from brands.models import Brand, ChannelAccount
from brands.tests.test_wall_pages import members  # noqa: F401  the members of every cell
from brands.tests.test_wall_table import means, set_modes
from brands.wall import scope
from members.models import BrandSegment, Event, ImportJob, ProfileTag, Tag, Touchpoint
from members.tests.test_wall_api_and_exports import MODES, _people, _said
from members.tests.tokens import program
from tenants.context import tenant_transaction


def _rows(made) -> None:
    """Give each member an event, a touchpoint and a tag, walled as the member is."""
    account = ChannelAccount.objects.create(kind="other", external_id="wall", name="Wall")
    tea = Brand.objects.get(code="tea")
    tag = Tag.objects.create(brand=tea, name="VIP-TAG")
    BrandSegment.objects.create(brand=tea, name="ALL-TEA", of_brand=tea, made_by_name="x")
    ImportJob.objects.create(brand=tea, kind="members", file_name="TEA-FILE")
    for member in made:
        placed = {
            "brand_id": member.row.brand,
            "store_id": member.row.store,
            "notice_id": member.row.notice,
            "profile_id": member.pk,
        }
        Event.objects.create(
            what="view", source="t", event_id=str(member.pk), occurred_at=timezone.now(), **placed
        )
        Touchpoint.objects.create(account=account, followed_at=timezone.now(), **placed)
        ProfileTag.objects.create(tag=tag, set_at=timezone.now(), **placed)


@pytest.mark.parametrize("modes", MODES, ids=" and ".join)
def test_the_api_shows_of_events_and_tags_what_the_table_says(members, acme, cast, modes):  # noqa: F811
    places, made = members
    with tenant_transaction(acme), scope.bulk(reason="test"):
        _rows(made)
        set_modes(places, *modes)
    for person, words in _people(modes).items():
        said, client = _said(words), program(getattr(cast, person).acting_grant)
        shown = {}
        for name in ("orders", "events", "touchpoints"):
            found = client.get(f"/api/v1/{name}/").json()
            # Whose role has no such right is told so.
            shown[name] = {row["member"] for row in found.get(name, [])}
        expected = {
            member.pk for member in made if means(said["activity"], "activity", member.row, places)
        }
        assert shown == dict.fromkeys(shown, expected), person
        profiles = {
            member.pk for member in made if means(said["profile"], "profile", member.row, places)
        }
        for member in made:
            tags = client.get(f"/api/v1/members/{member.pk}/tags/")
            assert (tags.status_code == 200) == (member.pk in profiles), (person, member.row)
        tags = client.get("/api/v1/tags/").json()["tags"]
        assert bool(tags) == (said["metrics"] == "all"), person
        for tag in tags:
            carried = client.get(f"/api/v1/tags/{tag['id']}/members/").json()["members"]
            assert {row["id"] for row in carried} == profiles, person
        for one in client.get("/api/v1/segments/").json().get("segments", []):
            assert said["metrics"] == "all", person
            inside = client.get(f"/api/v1/segments/{one['id']}/members/").json()["members"]
            assert {row["id"] for row in inside} == profiles, person
        jobs = client.get("/api/v1/jobs/imports/").json().get("imports", [])
        assert not jobs or said["metrics"] == "all", person
