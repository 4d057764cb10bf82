"""What is left for HQ of a closed brand's strata when pool figures are taken from them: nothing."""

from __future__ import annotations

from brands.models import Brand
from brands.modes import Mode
from brands.wall import scope
from members.models import BrandStratumRule, PoolMetric, Profile, StratumMetric
from members.tests.attacks import count_anew
from members.tests.pools import fill
from tenants.context import tenant_transaction


def test_nothing_small_is_left_of_passersby_and_members_who_never_bought(
    acme, cast, switch, seeing
):
    """Objectors have no stratum: 12 of them bought and 3 never did. HQ works out the 3."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        BrandStratumRule.objects.create(
            brand=Brand.objects.get(code="tea"),
            favourable_orders=1,
            true_love_orders=2,
            decided_by_name="test",
        )
    switch(Mode.BRAND_MAX)
    fill(acme, "tea", members=30, orders=0, first=1)
    fill(acme, "tea", members=20, orders=1, first=100)
    fill(acme, "tea", members=20, orders=3, first=200)
    bought = fill(acme, "tea", members=12, orders=1, first=300)
    never = fill(acme, "tea", members=3, orders=0, first=400)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Profile.objects.filter(pk__in=[*bought, *never]).update(no_automation=True) == 15
    count_anew(acme)

    def told(who: str) -> tuple[int, list[int]]:
        with seeing(getattr(cast, who)):
            pools = PoolMetric.objects.filter(brand__code="tea", store=None)
            strata = StratumMetric.objects.filter(brand__code="tea")
            return pools.count(), list(strata.values_list("passerby", flat=True))

    # Pool figures of large cells are told; strata, of which the 3 could be worked out, are not.
    assert told("group_admin") == (1, [])
    assert told("brand_manager") == (1, [30])
    assert told("sibling_manager") == (0, [])
    switch(Mode.MEMBER_MAX)
    assert told("group_admin") == (1, [30])
