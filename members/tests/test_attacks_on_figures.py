"""What a brand learns of one member of a sibling by making a sibling's figures move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone

from brands.models import Notice
from brands.modes import Mode
from brands.wall import scope
from members.models import AnswerMetric, GroupStratumRule, PoolMetric, Profile, StratumMetric
from members.services import consent_record, consent_withdraw, objection_record
from members.tests.attacks import HEAD, NOBODYS, THEIRS, count_anew
from tenants.context import tenant_transaction


@pytest.fixture
def bakery(acme, load, switch):
    """Give the bakery five members, one of them with THEIRS; the group is in fan-max, with a rule.

    None of them has agreed to anything: nobody but the bakery may read a row of theirs.
    """
    switch(Mode.FAN_MAX)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        GroupStratumRule.objects.create(
            favourable_orders=1, true_love_orders=2, decided_by_name="test"
        )
    rows = "".join(f"B{n},Other,1370013700{n},\n" for n in range(4))
    load("members", f"{HEAD}B9,Victim,{THEIRS},\n{rows}", brand="bakery")
    count_anew(acme)


@pytest.fixture
def strata_seen(cast, seeing) -> Callable[[str], list[tuple]]:
    """Return a function: what somebody reads of the bakery's figures of strata."""

    def read(who: str) -> list[tuple]:
        with seeing(getattr(cast, who)):
            rows = StratumMetric.objects.filter(brand__code="bakery")
            return list(rows.values_list("without", "passerby", "favourable", "true_love"))

    return read


def _of_tea(acme, act):
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return act(Profile.objects.get(brand__code="tea", member_no="T1"))


@pytest.mark.parametrize("how", ["orders of its own", "an objection"])
def test_no_brand_learns_by_a_siblings_strata_whether_a_phone_is_a_member_there(
    acme, bakery, load, strata_seen, how
):
    """Plant a row with somebody's phone, make it count, and look at the sibling's figure."""
    own = strata_seen("sibling_manager")
    load("members", f"{HEAD}T1,Fake,{THEIRS},\n")

    def act(row):
        if how == "an objection":
            return objection_record(profile=row, is_objecting=True, acting_user=None)
        Profile.objects.filter(pk=row.pk).update(orders=9, sales=9, last_order_at=timezone.now())
        return consent_record(
            profile=row, notice=Notice.objects.get(), is_given=True, acting_user=None
        )

    _of_tea(acme, act)
    count_anew(acme)
    assert strata_seen("brand_manager") == []
    # The control: the figure does move, and its own people and HQ read it.
    assert own == [(0, 5, 0, 0)]
    now = {who: strata_seen(who) for who in ("sibling_manager", "group_admin", "analyst")}
    assert len(now["sibling_manager"]) == 1
    assert now["sibling_manager"] != own
    assert now["group_admin"] == now["analyst"] == now["sibling_manager"]


def test_no_brand_learns_by_a_siblings_answers_whether_a_phone_is_a_member_there(
    acme, cast, bakery, load, visit, seeing
):
    """The same by a no in the planted row: the page of the notice counts one yes less."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        for row in Profile.objects.filter(brand__code="bakery"):
            consent_record(
                profile=row,
                notice=Notice.objects.get(),
                is_given=True,
                acting_user=None,
                at=timezone.now() - dt.timedelta(hours=2),
            )
        number = Notice.objects.get().pk

    def told(who: str) -> int | None:
        page = visit(getattr(cast, who)).get(f"/notices/{number}/")
        assert page.status_code == 200
        return dict((one.code, n) for one, n in page.context["people"]).get("bakery")

    heard, moved = [], []
    for phone in (NOBODYS, THEIRS):
        load("members", f"{HEAD}T1,Fake,{phone},\n")
        _of_tea(acme, lambda row: consent_withdraw(profile=row, acting_user=None))
        count_anew(acme)
        heard.append(told("brand_manager"))
        moved.append((told("sibling_manager"), told("group_admin")))
    assert heard == [None, None]
    # The control: it does move, and its own people and HQ read it.
    assert moved == [(5, 5), (4, 4)]
    with seeing(cast.brand_manager):
        assert {row.brand.code for row in AnswerMetric.objects.all()} == {"tea"}


def test_no_average_opens_figures_of_answers_or_strata(acme, cast, bakery, switch, seeing):
    """In member-max a sibling's figures are read for averages alone: of these there is none."""
    switch(Mode.MEMBER_MAX)
    with seeing(cast.brand_manager), scope.averaging():
        # The control: other figures of the bakery are there to be averaged.
        assert PoolMetric.objects.filter(brand__code="bakery").exists()
        assert not AnswerMetric.objects.exists()
        assert not StratumMetric.objects.exists()
    with seeing(cast.sibling_manager):
        assert AnswerMetric.objects.exists()
        assert StratumMetric.objects.exists()
