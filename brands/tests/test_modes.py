"""The mode page, and the form that asks for another mode."""

from __future__ import annotations

import pytest

from brands.models import Brand, ModeDraft
from brands.modes import Mode
from brands.services import mode_change
from tenants.context import tenant_transaction


def test_the_mode_page_says_each_brands_mode_and_whether_it_is_its_own(acme, cast, visit):
    with tenant_transaction(acme):
        mode_change(mode=Mode.BRAND_MAX, brand=Brand.objects.get(code="spa"), acting_user=None)
    response = visit(cast.group_admin).get("/mode/")
    assert response.status_code == 200
    rows = {brand.code: (mode, is_own) for brand, mode, is_own in response.context["brands"]}
    assert rows == {
        "tea": (Mode.MEMBER_MAX, False),
        "bakery": (Mode.MEMBER_MAX, False),
        "spa": (Mode.BRAND_MAX, True),
    }


def test_only_an_hq_admin_is_offered_a_change(cast, visit):
    offered = visit(cast.group_admin).get("/mode/").content.decode()
    assert 'href="/mode/drafts/new/"' in offered
    assert "Take back" in offered
    for who in ("analyst", "unit_manager", "brand_manager", "provider_operator"):
        text = visit(getattr(cast, who)).get("/mode/").content.decode()
        assert "/mode/drafts/new/" not in text, who
        assert "Take back" not in text, who
        assert ("Asked for" in text) == (who == "analyst")
    for who in ("store_manager", "guide"):
        assert visit(getattr(cast, who)).get("/mode/").status_code == 404, who


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "", "reason": "Why"},
        {"mode": "open", "reason": "Why"},
        {"brand": "nowhere", "mode": "fan_max", "reason": "Why"},
        {"mode": "fan_max", "reason": ""},
        {"mode": "fan_max", "reason": "Why", "effective_at": "2020-01-01T00:00"},
        {"mode": "fan_max", "reason": "Why", "effective_at": "tomorrow"},
        {"mode": "member_max", "reason": "Why"},
    ],
)
def test_a_draft_form_that_makes_no_sense_is_given_back_in_words(acme, cast, visit, wrong):
    response = visit(cast.group_admin).post("/mode/drafts/new/", wrong)
    assert response.status_code == 200
    assert response.context["form"].errors
    with tenant_transaction(acme):
        assert not ModeDraft.objects.exists()


def test_the_form_begins_with_what_the_address_wishes(cast, visit):
    form = visit(cast.group_admin).get("/mode/drafts/new/", {"mode": "fan_max", "brand": "spa"})
    assert form.context["form"].initial == {"mode": "fan_max", "brand": "spa"}


def test_a_brand_reads_why_its_own_mode_changed_and_not_why_a_siblings_did(acme, cast, visit):
    with tenant_transaction(acme):
        for code, why in (("tea", "Joint venture"), ("spa", "To be sold")):
            brand = Brand.objects.get(code=code)
            mode_change(mode=Mode.BRAND_MAX, brand=brand, acting_user=None, reason=why)
    page = visit(cast.brand_manager).get("/mode/").content.decode()
    assert "Joint venture" in page
    assert "To be sold" not in page
    everything = visit(cast.group_admin).get("/mode/").content.decode()
    assert "Joint venture" in everything
    assert "To be sold" in everything
