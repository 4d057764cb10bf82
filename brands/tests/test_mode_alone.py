"""One HQ admin alone opens nothing: not later either, and not by a second address."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.changes.drafts import DraftRefused
from brands.changes.rollback import change_undo
from brands.models import Brand, ModeChange, ModeDraft
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import mode_change
from tenants.context import tenant_transaction
from tenants.roles import Role
from tenants.services import GrantTerms, grant_add, grant_end, user_invite


@pytest.mark.parametrize("days", [0, 1], ids=["a roll-back", "a call-off"])
def test_taking_back_a_closing_does_not_open_on_the_day_the_group_opens(in_acme, cast, days):
    tea, then = Brand.objects.get(code="tea"), timezone.now() + dt.timedelta(days=1)
    mode_change(mode=Mode.BRAND_MAX, acting_user=None)
    mode_change(
        mode=Mode.BRAND_MAX, brand=tea, acting_user=None, effective_at=then if days else None
    )
    mode_change(mode=Mode.MEMBER_MAX, acting_user=None, effective_at=then)
    change_undo(
        change=ModeChange.objects.filter(brand=tea).latest("id"),
        acting_user=cast.group_admin,
        reason="It only closes",
    )
    modes = effective_modes(at=then + dt.timedelta(seconds=1))
    assert modes[tea.pk] is Mode.BRAND_MAX


def test_nobody_approves_their_own_draft_from_an_address_that_they_let_in(acme, cast, steps):
    with tenant_transaction(acme):
        alias, _new = user_invite(email="admin+2@example.com", acting_user=cast.group_admin)
        terms = GrantTerms(role=Role.HQ_ADMIN, tenant=acme)
        alias.acting_grant = grant_add(user=alias, terms=terms, acting_user=cast.group_admin)
    draft = steps.submitted("fan_max")
    with pytest.raises(DraftRefused):
        steps.approve(draft, alias)


def test_what_opens_on_a_later_day_is_drafted_for_that_day_and_said_before(
    acme, cast, visit, steps
):
    then = timezone.now() + dt.timedelta(days=1)
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea")
        mode_change(mode=Mode.BRAND_MAX, acting_user=None)
        closing = mode_change(mode=Mode.BRAND_MAX, brand=tea, acting_user=None)
        mode_change(mode=Mode.MEMBER_MAX, acting_user=None, effective_at=then)
    client, address = visit(cast.group_admin), f"/mode/changes/{closing.pk}/undo/"
    page = client.get(address).content.decode()
    assert "This opens data for someone" in page
    # What opens for whom on that day, though nothing moves today.
    assert "For HQ" in page
    client.post(address, {"reason": "It only closes"})
    with tenant_transaction(acme):
        draft = ModeDraft.objects.get()
    assert draft.effective_at == then
    preview = steps.preview(draft)
    assert preview.result["moved"] == [tea.pk]
    steps.assess(draft)
    steps.submit(draft)
    steps.approve(draft, cast.second_admin)
    with tenant_transaction(acme):
        assert effective_modes(at=then)[tea.pk] is Mode.MEMBER_MAX


def test_a_closing_that_is_to_come_is_called_off_by_one_where_all_stays_as_it_is(in_acme, cast):
    tea, then = Brand.objects.get(code="tea"), timezone.now() + dt.timedelta(days=1)
    closing = mode_change(mode=Mode.BRAND_MAX, brand=tea, acting_user=None, effective_at=then)
    made = change_undo(change=closing, acting_user=cast.group_admin, reason="Not yet")
    assert isinstance(made, ModeChange)
    assert effective_modes(at=then)[tea.pk] is Mode.MEMBER_MAX


def test_what_a_notice_may_open_tomorrow_is_not_taken_back_to_by_one(in_acme, cast):
    # No notice is in force: HQ sees less in fan-max today, and more as soon as there is one.
    for brand in Brand.objects.exclude(code="tea"):
        mode_change(mode=Mode.BRAND_MAX, brand=brand, acting_user=None)
    tea = Brand.objects.get(code="tea")
    mode_change(mode=Mode.FAN_MAX, brand=tea, acting_user=None)
    change = mode_change(mode=Mode.MEMBER_MAX, brand=tea, acting_user=None)
    made = change_undo(change=change, acting_user=cast.group_admin, reason="It only closes")
    assert isinstance(made, ModeDraft)


def test_nor_does_who_let_an_address_in_approve_what_it_asks_for(acme, cast, visit, steps):
    with tenant_transaction(acme):
        alias, _new = user_invite(email="admin+2@example.com", acting_user=cast.group_admin)
        terms = GrantTerms(role=Role.HQ_ADMIN, tenant=acme)
        grant = alias.acting_grant = grant_add(
            user=alias, terms=terms, acting_user=cast.group_admin
        )
    draft = steps.submitted("fan_max", by=alias)
    with tenant_transaction(acme):
        # Neither does it help to end the grant in between.
        grant_end(grant=grant, acting_user=cast.group_admin)
    steps.again(draft)
    with pytest.raises(DraftRefused, match="let admin.2@example.com in"):
        steps.approve(draft, cast.group_admin)
    address = f"/mode/drafts/{draft.pk}/"
    page = visit(cast.group_admin).get(address).content.decode()
    assert "neither of the two approves" in page
    assert 'value="approve"' not in page
    # Anybody else may, and reads who let whom in.
    page = visit(cast.second_admin).get(address).content.decode()
    assert "admin@example.com let admin+2@example.com in as HQ admin" in page
    assert 'value="approve"' in page
    steps.approve(draft, cast.second_admin)
