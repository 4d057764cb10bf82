"""One HQ admin alone opens nothing: not later either, and not by a second address."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.changes.drafts import DraftRefused
from brands.changes.rollback import change_undo
from brands.models import Brand, ModeChange
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import mode_change
from tenants.context import tenant_transaction
from tenants.roles import Role
from tenants.services import GrantTerms, grant_add, user_invite


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


def test_nobody_approves_their_own_draft_from_an_address_that_they_let_in(
    acme, cast, seeing, steps
):
    with tenant_transaction(acme):
        alias, _new = user_invite(email="admin+2@example.com", acting_user=cast.group_admin)
        terms = GrantTerms(role=Role.HQ_ADMIN, tenant=acme)
        alias.acting_grant = grant_add(user=alias, terms=terms, acting_user=cast.group_admin)
    draft = steps.submitted("fan_max")
    with pytest.raises(DraftRefused):
        steps.approve(draft, alias)
