"""The dictionaries of tags: HQ writes the group's, a brand its own, and says which mean which."""

from __future__ import annotations

import pytest

from brands.models import Brand
from brands.wall import scope
from members.models import GroupTag, Tag
from members.tag_services import TagRefused, tag_add, tag_map
from tenants.context import tenant_transaction


def test_a_brands_tag_means_one_of_the_groups(acme, cast, visit):
    hq, tea, bakery = (
        visit(getattr(cast, name)) for name in ("group_admin", "brand_manager", "sibling_manager")
    )
    hq.post("/tags/new/", {"name": "VIP", "kind": "value"})
    for name in ("VIP", "Loves tea"):
        assert tea.post("/tags/new/", {"brand": "tea", "name": name}).status_code == 302
    assert bakery.post("/tags/new/", {"brand": "tea", "name": "Mine"}).status_code == 404
    assert tea.post("/tags/new/", {"name": "Group's"}).status_code == 404
    with tenant_transaction(acme), scope.bulk(reason="test"):
        # What has the group's name means the group's.
        named = dict(Tag.objects.values_list("name", "means__name"))
        assert named == {"VIP": "VIP", "Loves tea": None}
        other = Tag.objects.get(name="Loves tea").pk
        assert GroupTag.objects.count() == 1
    address = f"/tags/{other}/meaning/"
    assert bakery.post(address, {"means": "VIP"}).status_code == 404
    assert tea.post(address, {"means": "VIP"}).status_code == 302
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Tag.objects.get(pk=other).means.name == "VIP"
    assert "Loves tea" in tea.get("/tags/").content.decode()


def test_a_dictionary_refuses_what_is_there_and_what_is_not_ones_own(acme, cast, seeing):
    with seeing(cast.brand_manager) as opened:
        own, theirs = (Brand.objects.get(code=code) for code in ("tea", "bakery"))
        said = {"visible": opened.visible, "kind": "", "acting_user": cast.brand_manager}
        made = tag_add(owner=own, name="VIP", **said)
        for owner, name in ((own, "VIP"), (theirs, "VIP"), (None, "VIP"), (own, "")):
            with pytest.raises(TagRefused):
                tag_add(owner=owner, name=name, **said)
        del said["kind"]
        assert tag_map(tag=made, means=None, **said).means is None
