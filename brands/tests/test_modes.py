"""The mode page, the confirm page that says what opens and closes, and who sees what."""

from __future__ import annotations

import pytest

from brands import selectors
from brands.models import Brand, ModeChange
from brands.modes import Mode
from brands.services import mode_change
from brands.views.modes import differences
from tenants.context import tenant_transaction
from tenants.models import AuditEvent


def _modes(acme) -> dict[str, str]:
    with tenant_transaction(acme):
        modes = selectors.effective_modes()
        return {brand.code: modes[brand.pk] for brand in Brand.objects.all()}


def _differences(acme, *, before: dict[str, Mode], after: dict[str, Mode]) -> dict[str, set]:
    """Return viewer → {(kind, brand, opens)}."""
    with tenant_transaction(acme):
        brands = list(Brand.objects.order_by("code"))
        found = differences(
            brands,
            {brand.pk: before[brand.code] for brand in brands},
            {brand.pk: after[brand.code] for brand in brands},
        )
    return {
        one.viewer: {
            (row.kind, brand, row.is_opening) for row in one.differences for brand in row.brands
        }
        for one in found
    }


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
    assert visit(cast.group_admin).get("/mode/").context["form"] is not None
    for who in ("analyst", "unit_manager", "brand_manager", "provider_operator"):
        client = visit(getattr(cast, who))
        assert client.get("/mode/").context["form"] is None, who
        assert client.get("/mode/confirm/", {"mode": "fan_max"}).status_code == 404, who
        assert client.post("/mode/confirm/", {"mode": "fan_max"}).status_code == 404, who
    for who in ("store_manager", "guide"):
        assert visit(getattr(cast, who)).get("/mode/").status_code == 404, who


def test_the_confirm_page_says_what_would_change_and_changes_nothing(acme, cast, visit):
    before = _modes(acme)
    text = visit(cast.group_admin).get("/mode/confirm/", {"mode": "fan_max"}).content.decode()
    assert "Change the mode now" in text
    assert "3 brands change their mode" in text
    assert _modes(acme) == before


def test_a_confirmed_change_holds_at_once_and_is_written_down(acme, cast, visit):
    client = visit(cast.group_admin)
    response = client.post("/mode/confirm/", {"mode": "fan_max", "reason": "Spring"}, follow=True)
    assert "Fan-maximizing" in response.content.decode()
    assert set(_modes(acme).values()) == {Mode.FAN_MAX}
    with tenant_transaction(acme):
        change = ModeChange.objects.first()
        assert (change.reason, change.decided_by) == ("Spring", cast.group_admin)
    assert AuditEvent.objects.filter(action="mode.change", user=cast.group_admin).count() == 1


def test_a_brand_gets_a_mode_of_its_own_and_gives_it_back(acme, cast, visit):
    client = visit(cast.group_admin)
    client.post("/mode/confirm/", {"brand": "spa", "mode": "brand_max"})
    assert _modes(acme)["spa"] == Mode.BRAND_MAX
    response = client.get("/mode/confirm/", {"brand": "spa", "mode": ""})
    assert "as the group" in response.content.decode()
    client.post("/mode/confirm/", {"brand": "spa", "mode": ""})
    assert _modes(acme)["spa"] == Mode.MEMBER_MAX


def test_going_back_is_the_form_filled_with_what_held_before(acme, cast, visit):
    client = visit(cast.group_admin)
    client.post("/mode/confirm/", {"mode": "fan_max"})
    text = client.get("/mode/").content.decode()
    assert 'href="?mode=member_max#change"' in text
    form = client.get("/mode/", {"mode": "member_max"}).context["form"]
    assert form.initial["mode"] == "member_max"
    client.post("/mode/confirm/", {"mode": "member_max"})
    assert set(_modes(acme).values()) == {Mode.MEMBER_MAX}


def test_a_mode_that_holds_already_is_said_and_not_written_again(acme, cast, visit):
    client = visit(cast.group_admin)
    with tenant_transaction(acme):
        count = ModeChange.objects.count()
    assert "holds already" in client.get("/mode/confirm/", {"mode": "member_max"}).content.decode()
    response = client.post("/mode/confirm/", {"mode": "member_max"}, follow=True)
    assert "holds already" in response.content.decode()
    with tenant_transaction(acme):
        assert ModeChange.objects.count() == count


@pytest.mark.parametrize(
    "wrong", [{"mode": ""}, {"mode": "open"}, {"brand": "nowhere", "mode": "fan_max"}]
)
def test_a_change_that_makes_no_sense_is_refused_in_words(acme, cast, visit, wrong):
    before = _modes(acme)
    client = visit(cast.group_admin)
    for send in (client.get, client.post):
        response = send("/mode/confirm/", wrong, follow=True)
        assert response.redirect_chain[-1][0] == "/mode/"
        assert list(response.context["messages"])
    assert _modes(acme) == before


def test_opening_the_group_names_what_opens_and_closes_for_each_viewer(acme):
    found = _differences(
        acme,
        before=dict.fromkeys(("tea", "bakery", "spa"), Mode.MEMBER_MAX),
        after=dict.fromkeys(("tea", "bakery", "spa"), Mode.FAN_MAX),
    )
    assert ("Contact data", "Spa", True) in found["HQ"]
    assert ("Profiles", "Spa", False) in found["HQ"]
    assert ("Profiles", "Spa", True) in found["Tea House"]
    assert ("Masked contact data", "Bakery", True) in found["Tea House"]
    assert not any(brand == "Tea House" for _kind, brand, _opens in found["Tea House"])
    assert not any(kind == "Contact data" for kind, _brand, _opens in found["Tea House"])


def test_closing_one_brand_closes_it_for_the_others_and_the_others_for_it(acme):
    open_all = dict.fromkeys(("tea", "bakery", "spa"), Mode.FAN_MAX)
    found = _differences(acme, before=open_all, after={**open_all, "spa": Mode.BRAND_MAX})
    assert {brand for _kind, brand, _opens in found["Tea House"]} == {"Spa"}
    assert {brand for _kind, brand, _opens in found["Spa"]} == {"Tea House", "Bakery"}
    assert not any(opens for rows in found.values() for _kind, _brand, opens in rows)


def test_who_sees_what_says_the_walls_own_answers(acme, cast, visit):
    response = visit(cast.group_admin).get("/visibility/", {"brand": "spa"})
    rows = {
        viewer: [str(cell["sight"]) for cell in cells]
        for viewer, cells, _reasons in response.context["viewers"]
    }
    assert rows["HQ"] == ["All", "All", "Nothing", "Nothing", "Nothing"]
    assert rows["Tea House"] == ["Averages", "Nothing", "Nothing", "Nothing", "Nothing"]
    assert rows["Spa itself"] == ["All"] * 5
    assert rows["A store of Spa"] == ["Own stores"] * 5


def test_a_brand_looks_only_at_who_sees_itself(cast, visit):
    response = visit(cast.brand_manager).get("/visibility/", {"brand": "spa"})
    assert response.context["chosen"].code == "tea"
    assert [brand.code for brand in response.context["lookable"]] == ["tea"]


def test_a_provider_reads_that_the_contract_leaves_contact_data_out(cast, visit):
    response = visit(cast.provider_operator).get("/visibility/")
    tea = next(cells for brand, _mode, cells in response.context["mine"] if brand.code == "tea")
    assert [str(cell["sight"]) for cell in tea] == ["All", "All", "Nothing", "Nothing", "All"]


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
