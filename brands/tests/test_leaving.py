"""A brand leaves: it shares until that instant and never after, and its people act no more."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from brands.grounds import grounds
from brands.models import Brand, ModeFollowUp
from brands.modes import Mode
from brands.places import grant_places
from brands.selectors import effective_modes, notice_terms, viewer_of, visible_for_grant
from brands.services import mode_change
from brands.services.hierarchy import Leaving, LeavingRefused, brand_leave, brand_stay
from brands.wall.visibility import Kind, Sight
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Grant

SOLD = Leaving(to="Buyer Ltd", contact="privacy@buyer.example", reason="Sold")


@pytest.fixture
def tea(in_acme) -> Brand:
    """Return tea, in a group that is fan-max."""
    mode_change(mode=Mode.FAN_MAX, acting_user=None)
    return Brand.objects.get(code="tea")


def _sights(acme, user, brand: Brand) -> dict[Kind, Sight]:
    visible = visible_for_grant(user.acting_grant, k=acme.k)
    return {kind: visible.cell(brand.pk, kind).sight for kind in Kind}


def test_it_is_sharer_and_recipient_before_and_neither_after(tea, acme, cast):
    bakery = Brand.objects.get(code="bakery")
    # The controls: both ways before.
    assert _sights(acme, cast.sibling_manager, tea)[Kind.PROFILE] is Sight.CONSENTED
    assert _sights(acme, cast.group_admin, tea)[Kind.CONTACT] is Sight.CONSENTED
    assert _sights(acme, cast.brand_manager, bakery)[Kind.PROFILE] is Sight.CONSENTED
    assert _sights(acme, cast.brand_manager, tea)[Kind.CONTACT] is Sight.ALL
    assert any(tea.pk in terms.brands for terms in notice_terms())

    brand_leave(brand=tea, leaving=SOLD, acting_user=cast.group_admin)

    assert set(_sights(acme, cast.sibling_manager, tea).values()) == {Sight.NONE}
    assert _sights(acme, cast.group_admin, tea) == {
        kind: Sight.SUPPRESSED if kind is Kind.METRICS else Sight.NONE for kind in Kind
    }
    assert not any(tea.pk in terms.brands for terms in notice_terms())
    for name in ("brand_manager", "store_manager", "guide", "provider_operator"):
        user = getattr(cast, name)
        for brand in (tea, bakery):
            assert set(_sights(acme, user, brand).values()) == {Sight.NONE}, name
        grants = Grant.objects.current().filter(user=user, tenant=acme)
        assert not grants.exists(), name
    # The unit keeps its other brand; the other brands go on among themselves.
    assert viewer_of(cast.unit_manager.acting_grant, grounds()).brands == {bakery.pk}
    spa = Brand.objects.get(code="spa")
    assert _sights(acme, cast.sibling_manager, spa)[Kind.PROFILE] is Sight.CONSENTED


def test_no_decision_opens_it_again_and_nobody_is_let_in(tea, acme, cast):
    brand_leave(brand=tea, leaving=SOLD, acting_user=cast.group_admin)
    assert effective_modes()[tea.pk] is Mode.BRAND_MAX
    # Figures across brands are counted anew without it.
    assert ModeFollowUp.objects.filter(change__brand=tea, due_at__lte=timezone.now()).exists()
    mode_change(mode=Mode.FAN_MAX, brand=tea, acting_user=cast.group_admin)
    assert effective_modes()[tea.pk] is Mode.BRAND_MAX
    assert "tea" not in {place.code for place in grant_places()}
    assert "bakery" in {place.code for place in grant_places()}


def test_a_day_to_come_changes_nothing_until_it_is_there(tea, acme, cast):
    later = timezone.now() + dt.timedelta(days=3)
    brand_leave(brand=tea, leaving=Leaving(at=later, reason="Closes"), acting_user=cast.group_admin)
    assert _sights(acme, cast.sibling_manager, tea)[Kind.PROFILE] is Sight.CONSENTED
    assert effective_modes()[tea.pk] is Mode.FAN_MAX
    assert effective_modes(at=later)[tea.pk] is Mode.BRAND_MAX
    assert not any(tea.pk in terms.brands for terms in notice_terms(at=later))
    grant = Grant.objects.get(pk=cast.brand_manager.acting_grant.pk)
    assert grant.valid_until == later


def test_it_is_called_off_before_its_day_and_not_after(tea, acme, cast):
    later = timezone.now() + dt.timedelta(days=3)
    brand_leave(brand=tea, leaving=Leaving(at=later, reason="Closes"), acting_user=cast.group_admin)
    brand_stay(brand=tea, acting_user=cast.group_admin)
    tea.refresh_from_db()
    assert tea.left_at is None
    assert effective_modes(at=later)[tea.pk] is Mode.FAN_MAX
    with pytest.raises(LeavingRefused, match="not leaving"):
        brand_stay(brand=tea, acting_user=cast.group_admin)
    brand_leave(brand=tea, leaving=SOLD, acting_user=cast.group_admin)
    with pytest.raises(LeavingRefused, match="has left"):
        brand_stay(brand=tea, acting_user=cast.group_admin)
    actions = AuditEvent.objects.filter(target_type="brands.brand").values_list("action", flat=True)
    assert list(actions.order_by("pk")) == ["brand.leave", "brand.stay", "brand.leave"]


@pytest.mark.parametrize(
    ("leaving", "words"),
    [
        (Leaving(at=timezone.now() - dt.timedelta(hours=1)), "in the past"),
        (Leaving(to="Buyer Ltd"), "no contact"),
        (Leaving(contact="privacy@buyer.example"), "no new owner"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tea, cast, leaving, words):
    with pytest.raises(LeavingRefused, match=words):
        brand_leave(brand=tea, leaving=leaving, acting_user=cast.group_admin)
    tea.refresh_from_db()
    assert tea.left_at is None
    assert Grant.objects.current().filter(pk=cast.brand_manager.acting_grant.pk).exists()


def test_a_brand_does_not_leave_twice(tea, cast):
    brand_leave(brand=tea, leaving=SOLD, acting_user=cast.group_admin)
    with pytest.raises(LeavingRefused, match="already"):
        brand_leave(brand=tea, leaving=SOLD, acting_user=cast.group_admin)


def test_the_page_says_what_ends_and_lets_go_only_with_the_code(acme, cast, visit):
    client = visit(cast.group_admin)
    page = "/hierarchy/brands/tea/leave/"
    typed = {"to": "Buyer Ltd", "contact": "privacy@buyer.example", "reason": "Sold"}
    assert "Show what would end" in client.get(page).content.decode()
    shown = client.post(page, typed).content.decode()
    assert "Grants that end" in shown
    assert "Brand manager" in shown
    assert "Buyer Ltd takes their data over" in shown
    wrong = client.post(page, {**typed, "code": "bakery"}).content.decode()
    assert "not the brand" in wrong

    def left_at() -> dt.datetime | None:
        with tenant_transaction(acme):
            return Brand.objects.get(code="tea").left_at

    assert left_at() is None
    # A manager with the page open finds it gone, with an old bookmark too.
    manager = visit(cast.brand_manager)
    assert manager.get("/members/").status_code == 200
    assert client.post(page, {**typed, "code": "tea"}).status_code == 302
    assert left_at() is not None
    assert manager.get("/members/").status_code == 404
    assert "Left on" in client.get(page).content.decode()
    notices = client.get("/notices/").content.decode()
    assert '<s title="has left the group">Tea House</s>' in notices
    for name in ("analyst", "unit_manager", "sibling_manager"):
        assert visit(getattr(cast, name)).post(page, typed).status_code == 404
