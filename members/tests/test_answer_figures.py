"""How members stand, counted: every member once, told to the brand itself and to HQ alone."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, Notice
from brands.modes import Mode
from brands.wall import scope
from members.answer_figures import count_answers, count_if_stale
from members.consent_gap import consent_gap, latest_figures, standing_answers
from members.figures import compare
from members.models import AnswerMetric, Contact, Person, Profile
from members.rollups import finish_pending
from members.services import consent_record, consent_withdraw
from tenants.context import tenant_transaction


@pytest.fixture
def standing(acme):
    """Return a function that makes members of a brand who stand as named, and counts."""

    def make(brand: str, **numbers: int) -> None:
        with tenant_transaction(acme), scope.bulk(reason="test"):
            place = Brand.objects.get(code=brand)
            notice = Notice.objects.get(version="1")
            for state, number in numbers.items():
                for _each in range(number):
                    _member(place, notice, state)
        count_answers(tenant=acme)

    return make


def _member(brand: Brand, notice: Notice, state: str) -> Profile:
    number = Profile.objects.count()
    profile = Profile.objects.create(
        brand=brand, person=Person.objects.create(), member_no=f"{brand.code}{number}"
    )
    now = timezone.now()
    if state == "minor":
        Contact.objects.create(
            profile=profile,
            brand=brand,
            sealed=b"",
            fingerprint=b"",
            minor_until=timezone.localdate() + dt.timedelta(days=9),
        )
    if state in ("given", "withdrawn", "expired"):
        ago = dt.timedelta(days=800 if state == "expired" else 3)
        consent_record(
            profile=profile, notice=notice, is_given=True, acting_user=None, at=now - ago
        )
    if state == "withdrawn":
        consent_withdraw(profile=profile, acting_user=None)
    return profile


def _counted(acme, brand: str) -> dict[str, int]:
    with tenant_transaction(acme), scope.bulk(reason="test"):
        rows = AnswerMetric.objects.filter(brand__code=brand)
        return {row.state: row.people for row in rows}


def test_every_member_is_counted_once_by_how_they_stand(acme, standing):
    with tenant_transaction(acme):
        Notice.objects.update(
            consent_months=12, effective_from=timezone.now() - dt.timedelta(days=900)
        )
    standing("tea", given=4, withdrawn=3, expired=2, minor=1, never=5)
    assert _counted(acme, "tea") == {
        "given": 4,
        "withdrawn": 3,
        "expired": 2,
        "minor": 1,
        "never": 5,
    }


def test_a_no_in_one_brand_counts_in_every_brand_of_the_person(acme, standing):
    standing("tea", given=2)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        first = Profile.objects.order_by("pk").first()
        bakery = Brand.objects.get(code="bakery")
        other = Profile.objects.create(brand=bakery, person_id=first.person_id, member_no="b1")
        consent_withdraw(profile=other, acting_user=None)
    count_answers(tenant=acme)
    assert _counted(acme, "tea") == {"given": 1, "withdrawn": 1}
    assert _counted(acme, "bakery") == {"withdrawn": 1}


def test_it_is_counted_anew_only_where_answers_changed(acme, standing):
    standing("tea", given=2)
    assert count_if_stale(tenant=acme) == 0
    with tenant_transaction(acme), scope.bulk(reason="test"):
        consent_withdraw(profile=Profile.objects.order_by("pk").first(), acting_user=None)
    assert count_if_stale(tenant=acme) > 0
    assert _counted(acme, "tea") == {"given": 1, "withdrawn": 1}


def test_hq_is_told_of_an_open_brand_and_nothing_of_a_closed_one(
    acme, standing, switch, seeing, cast
):
    standing("tea", given=13, withdrawn=2, never=12)
    standing("bakery", given=3, never=4)
    tea, bakery = _ids(acme, "tea", "bakery")

    def told(who: str) -> dict[int, dict[str, int]]:
        with seeing(getattr(cast, who)) as opened:
            figures = latest_figures(opened.visible)
            return {pk: {row.state: row.people for row in rows} for pk, rows in figures.items()}

    of_tea, of_bakery = {"given": 13, "withdrawn": 2, "never": 12}, {"given": 3, "never": 4}
    assert told("group_admin") == {tea: of_tea, bakery: of_bakery}
    switch(Mode.BRAND_MAX, "tea")
    assert told("group_admin") == {bakery: of_bakery}
    with seeing(cast.group_admin):
        standing_now = {row.brand_id: row.people for row in standing_answers()}
    assert standing_now == {tea: None, bakery: 3}
    # The brands themselves read theirs in every mode, and siblings in none.
    for mode in (Mode.BRAND_MAX, Mode.FAN_MAX):
        switch(mode)
        assert told("brand_manager") == {tea: of_tea}
        assert told("sibling_manager") == {bakery: of_bakery}
        assert told("unit_manager").keys() <= {tea, bakery}


def _ids(acme, *codes: str) -> list[int]:
    with tenant_transaction(acme):
        return [Brand.objects.get(code=code).pk for code in codes]


def test_the_gap_says_who_agreed_to_too_little_and_who_is_covered(
    acme, standing, seeing, cast, switch
):
    standing("tea", given=3, never=2)
    with tenant_transaction(acme):
        narrow = Notice.objects.create(
            version="0",
            title="Tea alone",
            effective_from=timezone.now() - dt.timedelta(days=90),
        )
        narrow.recipients.set(Brand.objects.filter(code="tea"))
    with tenant_transaction(acme), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        _member(tea, narrow, "given")
        # A brand that joins is named by no notice of before.
    count_answers(tenant=acme)

    def row(**asked: object) -> tuple[int, int, int, str]:
        with seeing(cast.group_admin) as opened:
            gap = consent_gap(opened.visible, mode=Mode.FAN_MAX, **asked)
            found = next(one for one in gap.rows if one.brand.code == "tea")
            return found.covered, found.words, found.never, str(found.notice or "")

    assert row() == (3, 1, 2, "1 – Group notice")
    with tenant_transaction(acme):
        Brand.objects.create(code="new", name="New")
    assert row() == (0, 4, 2, "")
    # Alone in fan-max, tea shares with HQ only: the new brand need not be named.
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea")
    assert row(brand=tea) == (3, 1, 2, "1 – Group notice")
    with seeing(cast.group_admin) as opened:
        gap = consent_gap(opened.visible, mode=Mode.MEMBER_MAX)
        assert {(one.covered, one.to_ask) for one in gap.rows if one.people} == {(6, 0)}


def test_progress_is_told_day_by_day_of_brands_told_in_full(acme, standing, seeing, cast, switch):
    standing("tea", given=11, never=12)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        AnswerMetric.objects.update(day=timezone.localdate() - dt.timedelta(days=9))
        profile = Profile.objects.filter(notice=None).first()
        consent_record(
            profile=profile, notice=Notice.objects.get(), is_given=True, acting_user=None
        )
    assert count_if_stale(tenant=acme) > 0

    def days(mode: Mode) -> list[tuple[int, int]]:
        switch(mode)
        with seeing(cast.group_admin) as opened:
            gap = consent_gap(opened.visible, mode=Mode.FAN_MAX)
        assert bool(gap.chart) == bool(gap.days)
        return [(covered, every) for _day, covered, every in gap.days]

    assert days(Mode.FAN_MAX) == [(11, 23), (12, 23)]
    assert days(Mode.BRAND_MAX) == []


def test_a_figure_that_is_not_what_the_facts_say_is_found(acme, standing):
    standing("tea", given=2, never=3)
    finish_pending(tenant=acme)
    assert not any(compare(tenant=acme).values())
    with tenant_transaction(acme), scope.bulk(reason="test"):
        AnswerMetric.objects.filter(state="never").update(people=4)
    differing = {name: number for name, number in compare(tenant=acme).items() if number}
    assert differing == {"figures of answers": 2}
