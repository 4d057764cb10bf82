"""Whose rule gives a stratum, whose orders count in it, and that it ends with what it rests on."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from brands.changes import follow_up
from brands.changes.registry import affected_counters
from brands.models import Brand, ModeFollowUp, Notice, NoticeEnding
from brands.modes import Mode
from brands.wall import scope
from members.figures import compare
from members.models import (
    BrandStratumRule,
    GroupStratumRule,
    Person,
    Profile,
    StrataState,
    Stratum,
    StratumMetric,
)
from members.rollups import finish_pending
from members.services import consent_record, consent_withdraw, objection_record
from members.strata import Owner, formers_now, rule_owner, rules_now
from members.strata_check import figures_differing, strata_differing
from members.strata_figures import count_if_due
from members.stratify import has_rules, is_stale, refresh_if_stale, strata_refresh
from members.stratum_rules import RuleRefused, rule_add
from members.tests.pools import fill
from tenants.context import tenant_transaction

NOW = timezone.now()
RULE = {"favourable_orders": 2, "true_love_orders": 5}
LONG_AGO = NOW - dt.timedelta(days=400)


@pytest.fixture
def rule(acme) -> Callable[..., None]:
    """Return a function that appends a rule: of the group, or of a brand."""

    def write(brand: str | None = None, **thresholds: int) -> None:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            found = Brand.objects.get(code=brand) if brand else None
            model = BrandStratumRule if brand else GroupStratumRule
            of = {"brand": found} if brand else {}
            model.objects.create(**of, decided_by_name="test", **{**RULE, **thresholds})

    return write


@pytest.fixture
def person(acme) -> Callable[..., dict[str, int]]:
    """Return a function: brand → orders, for one person; it returns brand → profile."""

    def make(agrees: dict[str, Notice] | None = None, **orders: int) -> dict[str, int]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            one = Person.objects.create()
            made = {
                code: Profile.objects.create(
                    brand=Brand.objects.get(code=code),
                    person=one,
                    member_no=f"{code}-{one.pk}",
                    orders=number,
                    sales=number * 100_00,
                    last_order_at=NOW - dt.timedelta(days=3) if number else None,
                )
                for code, number in orders.items()
            }
            for code, notice in (agrees or {}).items():
                consent_record(
                    profile=made[code],
                    notice=notice,
                    is_given=True,
                    acting_user=None,
                    at=NOW - dt.timedelta(hours=2),
                )
            return {code: profile.pk for code, profile in made.items()}

    return make


@pytest.fixture
def strata(acme) -> Callable[..., dict[str, int]]:
    """Return a function that reads brand → stratum of a person's profiles."""

    def read(profiles: dict[str, int]) -> dict[str, int]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            rows = dict(
                Profile.objects.filter(pk__in=profiles.values()).values_list("pk", "stratum")
            )
        return {code: rows[pk] for code, pk in profiles.items()}

    return read


def _notice(acme, version: str, *codes: str, group: bool = False, profile: bool = True) -> Notice:
    with tenant_transaction(acme):
        notice = Notice.objects.create(
            version=version,
            title=version,
            names_group=group,
            covers_profile=profile,
            effective_from=NOW - dt.timedelta(days=1),
        )
        notice.recipients.set(Brand.objects.filter(code__in=codes))
    return notice


def test_the_mode_says_whose_rule_it_is(acme, rule, person, strata, switch):
    assert [rule_owner(mode) for mode in Mode] == [Owner.PERSON, Owner.GROUP, Owner.BRAND]
    everyone = _notice(acme, "all", "tea", "bakery", "spa", group=True)
    one = person({"tea": everyone, "bakery": everyone}, tea=3, bakery=2, spa=1)
    strata_refresh(tenant=acme)
    assert strata(one) == {"tea": 0, "bakery": 0, "spa": 0}  # nobody has made a rule
    rule()
    rule("spa", favourable_orders=1)
    strata_refresh(tenant=acme)
    assert strata(one) == {"tea": 2, "bakery": 2, "spa": 1}
    switch(Mode.FAN_MAX)
    switch(Mode.BRAND_MAX, "spa")
    strata_refresh(tenant=acme)
    # Three orders and two are five; the spa goes by its own rule and its own order.
    assert strata(one) == {"tea": 3, "bakery": 3, "spa": 2}
    switch(Mode.BRAND_MAX, "tea")
    strata_refresh(tenant=acme)
    assert strata(one) == {"tea": 0, "bakery": 2, "spa": 2}


def test_orders_elsewhere_count_only_where_everybody_who_reads_the_stratum_may_read_them(
    acme, rule, person, strata, switch
):
    rule()
    switch(Mode.FAN_MAX)
    everyone = _notice(acme, "all", "tea", "bakery", "spa", group=True)
    to_tea = _notice(acme, "to tea", "tea")
    to_spa = _notice(acme, "to spa", "spa")
    contact = _notice(acme, "no profile", "tea", profile=False)
    cases = {
        # What the bakery's row agrees to, what the tea's row agrees to → whether it counts in tea.
        "the control": ({"bakery": everyone}, 3),
        "nothing is agreed": ({}, 1),
        "to another brand": ({"bakery": to_spa}, 1),
        "not to profiles": ({"bakery": contact}, 1),
        "to tea alone, and tea shows its row to nobody": ({"bakery": to_tea}, 3),
        "to tea alone, and tea shows its row to all": ({"bakery": to_tea, "tea": everyone}, 1),
        "to all, and tea shows its row to all": ({"bakery": everyone, "tea": everyone}, 3),
        "tea's own yes opens nothing of the bakery": ({"tea": everyone}, 1),
    }
    made = {name: person(agrees, tea=1, bakery=4) for name, (agrees, _) in cases.items()}
    strata_refresh(tenant=acme)
    found = {name: strata(profiles)["tea"] for name, profiles in made.items()}
    assert found == {name: expected for name, (_, expected) in cases.items()}


def test_a_stratum_ends_in_one_transaction_with_the_yes_it_rested_on(
    acme, rule, person, strata, switch
):
    rule()
    switch(Mode.FAN_MAX)
    everyone = _notice(acme, "all", "tea", "bakery", group=True)
    one, other = (person({"bakery": everyone}, tea=1, bakery=4) for _ in range(2))
    strata_refresh(tenant=acme)
    assert (strata(one)["tea"], strata(other)["tea"]) == (3, 3)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        profile = Profile.objects.get(pk=one["bakery"])
        consent_withdraw(profile=profile, acting_user=None)
        assert Profile.objects.get(pk=one["tea"]).stratum == Stratum.PASSERBY
    assert (strata(one)["tea"], strata(other)["tea"]) == (1, 3)
    # Notices that end are found by the sweep.
    assert refresh_if_stale(tenant=acme) == 0
    with tenant_transaction(acme):
        NoticeEnding.objects.create(notice=everyone, ends_at=timezone.now())
    assert refresh_if_stale(tenant=acme) == 1
    assert strata(other)["tea"] == 1


def test_who_objects_to_automated_decisions_has_no_stratum(acme, rule, person, strata):
    rule()
    one = person(tea=3, bakery=3)
    strata_refresh(tenant=acme)
    assert strata(one) == {"tea": 2, "bakery": 2}

    def object_to(is_objecting: bool) -> None:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            profile = Profile.objects.get(pk=one["tea"])
            objection_record(profile=profile, is_objecting=is_objecting, acting_user=None)

    object_to(True)
    assert strata(one) == {"tea": 0, "bakery": 0}
    strata_refresh(tenant=acme)
    assert strata(one) == {"tea": 0, "bakery": 0}
    object_to(False)
    assert strata(one) == {"tea": 2, "bakery": 2}


def test_thresholds_are_of_orders_sales_and_days(acme, rule, person, strata):
    rule(favourable_days=90, true_love_days=30, true_love_sales=600_00)
    few, rich, gone = person(tea=5), person(tea=6), person(tea=9)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        Profile.objects.filter(pk=gone["tea"]).update(last_order_at=LONG_AGO)
    strata_refresh(tenant=acme)
    assert [strata(one)["tea"] for one in (few, rich, gone)] == [2, 3, 1]


def test_members_who_buy_get_their_stratum_with_the_figures(acme, rule):
    rule()
    fill(acme, "tea", members=3, orders=5)
    fill(acme, "spa", members=2, orders=0, first=20)
    finish_pending(tenant=acme)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        found = Profile.objects.order_by("brand__code", "pk").values_list("brand__code", "stratum")
        assert list(found) == [("spa", 1)] * 2 + [("tea", 3)] * 3


def test_strata_of_before_are_marked_until_the_change_is_followed(acme, rule, person, switch):
    rule()
    rule("tea", favourable_orders=9, true_love_orders=9)
    one = person(tea=3)
    strata_refresh(tenant=acme)

    def marked() -> bool:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            tea = Profile.objects.get(pk=one["tea"])
            return formers_now().marks(tea.stratum_source, tea.brand_id)

    assert not marked()
    switch(Mode.BRAND_MAX, "tea")
    assert marked()
    with tenant_transaction(acme):
        row = ModeFollowUp.objects.order_by("-pk").first()
        assert "strata" in follow_up.recomputes
    follow_up.follow_up_run(tenant=acme, follow_up_id=row.pk)
    assert not marked()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        profile = Profile.objects.get(pk=one["tea"])
        assert profile.stratum == Stratum.PASSERBY
        assert profile.stratum_source[0] == Owner.BRAND
        assert not is_stale(tenant=acme)
        # A newer version makes all of them stale.
        state = StrataState.objects.get()
        assert state.done == state.total
    rule("tea")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert is_stale(tenant=acme)


def test_a_preview_says_whose_strata_change_and_where_no_rule_is_written(acme, rule, person):
    person(tea=3, spa=1)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        tea, bakery, spa = (Brand.objects.get(code=code).pk for code in ("tea", "bakery", "spa"))
        before = {tea: Mode.FAN_MAX, bakery: Mode.MEMBER_MAX, spa: Mode.FAN_MAX}
        after = {**before, tea: Mode.BRAND_MAX}
        count = affected_counters["strata"].count
        assert list(count(before, after)) == []  # no rule at all
    rule()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        moved, stays = count(before, after)
        assert (moved.brand_id, moved.count, moved.is_people) == (tea, 1, True)
        assert "the brand's own rule" in moved.words
        assert "nobody will have a stratum" in moved.words
        assert (stays.brand_id, stays.count) == (spa, 1)
    rule("tea")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert "nobody" not in next(iter(count(before, after))).words
        assert list(count(before, before)) == []


def test_hq_writes_the_groups_rule_and_a_brand_its_own_in_brand_max(acme, cast, seeing, switch):
    def write(user, code: str | None) -> None:
        with seeing(user):
            found = Brand.objects.get(code=code) if code else None
            rule_add(brand=found, acting_user=user, **RULE)

    write(cast.group_admin, None)
    for user, code in [
        (cast.brand_manager, None),
        (cast.brand_manager, "tea"),  # its rule is HQ's in this mode
        (cast.group_admin, "tea"),
    ]:
        with pytest.raises(RuleRefused, match="Nothing was changed"):
            write(user, code)
    switch(Mode.BRAND_MAX, "tea")
    write(cast.brand_manager, "tea")
    for user in (cast.group_admin, cast.sibling_manager):
        with pytest.raises(RuleRefused):
            write(user, "tea")
        with seeing(user):
            assert rules_now().brands == {}
            assert rules_now().group is not None
            # What the service refuses, the database refuses too.
            with pytest.raises(ProgrammingError), transaction.atomic():
                BrandStratumRule.objects.create(
                    brand=Brand.objects.get(code="tea"), decided_by_name="x", **RULE
                )
    with seeing(cast.brand_manager):
        assert len(rules_now().brands) == 1
        with pytest.raises(RuleRefused, match="at least as many orders"):
            rule_add(
                brand=Brand.objects.get(code="tea"),
                acting_user=cast.brand_manager,
                favourable_orders=5,
                true_love_orders=2,
            )


def test_the_page_shows_the_rules_that_one_may_read_and_takes_a_version_of_ones_own(
    acme, cast, visit, switch
):
    asked = {
        "rule": "tea",
        "tea-favourable_orders": 2,
        "tea-favourable_sales": "49.50",
        "tea-true_love_orders": 7,
        "tea-true_love_sales": "77.70",
    }
    manager, hq = visit(cast.brand_manager), visit(cast.group_admin)
    refused = manager.post("/strata/", asked)
    assert refused.status_code == 422
    assert "HQ writes this brand" in refused.content.decode()
    assert visit(cast.sibling_manager).post("/strata/", asked).status_code == 404
    switch(Mode.BRAND_MAX, "tea")
    assert manager.post("/strata/", asked).status_code == 302
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert BrandStratumRule.objects.get().true_love_sales == 77_70
    own = manager.get("/strata/").content.decode()
    assert "77.70" in own
    for client in (hq, visit(cast.sibling_manager)):
        assert "77.70" not in client.get("/strata/").content.decode()
    group = {name.replace("tea-", "group-"): value for name, value in asked.items()}
    assert hq.post("/strata/", {**group, "rule": "group"}).status_code == 302
    assert "77.70" in visit(cast.sibling_manager).get("/strata/").content.decode()
    low = {**group, "rule": "group", "group-true_love_orders": 1}
    answer = hq.post("/strata/", low)
    assert "at least as many orders" in answer.content.decode()


def test_the_list_is_filtered_by_stratum_and_marks_those_of_before(acme, cast, visit, rule, switch):
    rule()
    fill(acme, "tea", members=2, orders=5)
    fill(acme, "tea", members=1, orders=1, first=10)
    client = visit(cast.brand_manager)
    text = client.get("/members/?stratum=3").content.decode()
    assert "TEA-1<" in text
    assert "TEA-10" not in text
    assert "TEA-10" in client.get("/members/?stratum=1").content.decode()
    assert "by the rule of before" not in text
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no="TEA-1").pk
    assert "inside the brand" in client.get(f"/members/{pk}/").content.decode()
    switch(Mode.BRAND_MAX, "tea")
    assert "by the rule of before" in client.get("/members/?stratum=3").content.decode()
    assert "by the rule of before" in client.get(f"/members/{pk}/").content.decode()


def test_a_sibling_that_leaves_and_a_notice_that_ends_make_the_whole_person_stale(
    acme, rule, person, strata, switch
):
    rule()
    switch(Mode.FAN_MAX)
    everyone = _notice(acme, "all", "tea", "bakery", "spa", group=True)
    one = person({"bakery": everyone, "spa": everyone}, tea=1, bakery=2, spa=2)
    strata_refresh(tenant=acme)
    assert strata(one)["tea"] == 3

    def is_old(code: str = "tea") -> tuple[bool, bool]:
        """Return whether all strata are stale, and whether a reader finds this one marked."""
        with tenant_transaction(acme), scope.bulk(reason="test"):
            profile = Profile.objects.get(pk=one[code])
            marks = formers_now().marks(profile.stratum_source, profile.brand_id)
            return is_stale(tenant=acme), marks

    assert is_old() == (False, False)
    # Tea stays where it is, and so does its rule; the spa's orders count no longer.
    switch(Mode.BRAND_MAX, "spa")
    assert is_old() == (True, True)
    assert refresh_if_stale(tenant=acme) == 2
    assert strata(one) == {"tea": 2, "bakery": 2, "spa": 0}
    assert is_old() == (False, False)
    with tenant_transaction(acme):
        NoticeEnding.objects.create(notice=everyone, ends_at=timezone.now())
    assert is_old() == (True, True)
    assert refresh_if_stale(tenant=acme) == 1
    assert strata(one)["tea"] == 1
    assert is_old() == (False, False)
    # A brand in member-max rests on no notice.
    switch(Mode.MEMBER_MAX)
    switch(Mode.FAN_MAX, "bakery")
    refresh_if_stale(tenant=acme)
    with tenant_transaction(acme):
        NoticeEnding.objects.create(
            notice=Notice.objects.order_by("pk").first(), ends_at=timezone.now()
        )
    assert is_old("tea") == (True, False)
    assert is_old("bakery") == (True, True)


def test_strata_and_their_figures_are_checked_by_a_second_slow_computation(
    acme, rule, person, switch
):
    """Persons at random, in every mode: the set-based strata are those of the slow check."""
    rule(favourable_days=90, true_love_days=90)
    rule("spa", favourable_orders=1, true_love_orders=3)
    notices = [
        _notice(acme, "all", "tea", "bakery", "spa", group=True),
        _notice(acme, "to tea", "tea"),
        _notice(acme, "brands", "tea", "bakery"),
        _notice(acme, "no profile", "tea", "bakery", group=True, profile=False),
    ]
    chance = random.Random(7)  # noqa: S311 - a test
    for _ in range(30):
        codes = chance.sample(("tea", "bakery", "spa"), chance.randint(1, 3))
        agrees = {code: chance.choice(notices) for code in codes if chance.random() < 0.7}
        person(agrees, **{code: chance.randint(0, 5) for code in codes})
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert has_rules()
        old = list(Profile.objects.order_by("pk").values_list("pk", flat=True)[::4])
        Profile.objects.filter(pk__in=old).update(last_order_at=LONG_AGO)

    def differing() -> tuple[int, int]:
        with tenant_transaction(acme), scope.bulk(reason="test"), connection.cursor() as cursor:
            return strata_differing(tenant=acme), figures_differing(cursor)

    for mode, spa in [(Mode.FAN_MAX, ""), (None, Mode.BRAND_MAX), (Mode.MEMBER_MAX, "")]:
        if mode:
            switch(mode)
        if spa:
            switch(spa, "spa")
        assert differing()[0] > 0  # the control: not yet worked out
        strata_refresh(tenant=acme)
        assert differing() == (0, 0)
    found = compare(tenant=acme)
    assert (found["strata"], found["figures of strata"]) == (0, 0)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        wrong = Profile.objects.filter(stratum=1).first()
        Profile.objects.filter(pk=wrong.pk).update(stratum=3)
    found = compare(tenant=acme)
    assert (found["strata"], found["figures of strata"]) == (1, 2)


def test_a_withdrawal_is_counted_with_the_next_sweep(acme, rule, person, switch):
    rule()
    switch(Mode.FAN_MAX)
    everyone = _notice(acme, "all", "tea", "bakery", group=True)
    one = person({"bakery": everyone}, tea=1, bakery=4)
    strata_refresh(tenant=acme)

    def counted() -> tuple[int, ...]:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            rows = StratumMetric.objects.filter(brand__code="tea")
            return rows.values_list("without", "passerby", "favourable", "true_love").get()

    assert counted() == (0, 0, 0, 1)
    assert count_if_due(tenant=acme) == 0
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_withdraw(profile=Profile.objects.get(pk=one["bakery"]), acting_user=None)
    assert count_if_due(tenant=acme) == 1
    assert counted() == (0, 1, 0, 0)
    assert count_if_due(tenant=acme) == 0


def test_the_panel_tells_strata_of_a_brand_in_brand_max_to_nobody_else(
    acme, cast, visit, rule, switch
):
    rule()
    rule("tea", favourable_orders=1, true_love_orders=4)
    for first, (members, orders) in enumerate([(20, 0), (15, 2), (12, 5)]):
        fill(acme, "tea", members=members, orders=orders, first=1 + 100 * first)
    address = "panels/strata_of_members/"
    hq, brand = visit(cast.group_admin), visit(cast.brand_manager)

    def told(client, place: str) -> str:
        return client.get(f"{place}{address}").content.decode()

    for client, place in ((hq, "/group/"), (brand, "/brands/tea/")):
        text = told(client, place)
        assert "[20, 15, 12]" in text
        assert "by the rule of before" not in text
    switch(Mode.BRAND_MAX, "tea")
    assert "by the rule of before" in told(brand, "/brands/tea/")
    strata_refresh(tenant=acme)
    text = told(hq, "/group/")
    assert "Tea House: a brand in brand-max tells" in " ".join(text.split())
    assert "s-table" not in text
    assert "[20, 15, 12]" in told(brand, "/brands/tea/")
    assert told(visit(cast.sibling_manager), "/brands/tea/").count("s-table") == 0
