"""A switch of the mode, or a withdrawal, closes for every transaction that begins after it.

`make race` runs the race at its full size (SLUICE_RACE=readers,switches,withdrawals) and prints
its counts.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from brands.models import Brand, Notice, Store
from brands.modes import Mode
from brands.selectors import visible_for_grant
from brands.services import mode_change
from brands.tests.race import SALES, Race
from brands.tests.wall_rows import insert
from brands.wall import scope
from members.models import Profile
from tenants.api import TokenThrottle
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User
from tenants.roles import Level, Role
from tenants.tests.committed import committed_group

SIZE = os.environ.get("SLUICE_RACE", "")
READERS, SWITCHES, WITHDRAWALS = map(int, SIZE.split(",")) if SIZE else (6, 8, 16)
# Fewer than the smallest cell that HQ is shown in brand-max.
OF_SWITCHING = 8
# More than a page of a list holds stay to the end.
STAYING = 120


@pytest.fixture(scope="module")
def group(django_db_setup, django_db_blocker) -> Iterator[Tenant]:
    """Give a committed group: one brand in brand-max, two in fan-max, members who agreed."""
    with django_db_blocker.unblock(), committed_group("switched") as tenant:
        with tenant_transaction(tenant), connection.cursor() as cursor:
            tea, bakery, _spa = (
                Brand.objects.create(code=code, name=code.title())
                for code in ("tea", "bakery", "spa")
            )
            notice = Notice.objects.create(
                version="1", title="N", names_group=True, covers_profile=True
            )
            notice.recipients.set(Brand.objects.all())
            mode_change(mode=Mode.FAN_MAX, acting_user=None)
            mode_change(mode=Mode.BRAND_MAX, brand=tea, acting_user=None)
            agreed = timezone.now() - dt.timedelta(hours=1)
            rows = [
                {"id": pk, "brand_id": tea.pk if pk <= OF_SWITCHING else bakery.pk}
                for pk in range(1, OF_SWITCHING + WITHDRAWALS + STAYING + 1)
            ]
            insert(cursor, "members_person", [{"id": row["id"]} for row in rows])
            walled = {"store_id": None, "notice_id": notice.pk}
            insert(
                cursor,
                "members_profile",
                [
                    {**row, **walled, "person_id": row["id"], "member_no": str(row["id"])}
                    for row in rows
                ],
            )
            insert(
                cursor,
                "members_consent",
                [
                    {
                        **walled,
                        "brand_id": row["brand_id"],
                        "profile_id": row["id"],
                        "person_id": row["id"],
                        "answered_notice_id": notice.pk,
                        "is_given": True,
                        "answered_at": agreed,
                    }
                    for row in rows
                ],
            )
            day = timezone.now().date() - dt.timedelta(days=3)
            figures = {"brand_id": tea.pk, "store_id": None, "day": day, "orders": OF_SWITCHING}
            figures |= {"sales": SALES, "buyers": OF_SWITCHING}
            insert(cursor, "members_dailymetric", [figures])
        yield tenant


@pytest.fixture(scope="module")
def people(group) -> Iterator[dict[str, User]]:
    """Give the group's HQ admin, and the managers of the two brands that are not switched."""
    with tenant_transaction(group), scope.bulk(reason="test"):
        places = {brand.code: brand for brand in Brand.objects.all()}
        # Left behind by a race that was killed: a kept database would refuse them for good.
        User.objects.filter(email__endswith="@switched.example").delete()
    found = {}
    for name, role in (
        ("hq", Role.HQ_ADMIN),
        ("bakery", Role.BRAND_MANAGER),
        ("spa", Role.BRAND_MANAGER),
    ):
        place = places.get(name)
        user = User.objects.create(email=f"{name}@switched.example", name=name, language="en")
        user.acting_grant = Grant.objects.create(
            user=user,
            role=role,
            level=Level.BRAND if place else Level.GROUP,
            tenant=group,
            place_id=place.pk if place else None,
            place_name=str(place or ""),
        )
        found[name] = user
    yield found
    # In the group's schema, where a guide could name the person.
    with tenant_transaction(group), scope.bulk(reason="test"):
        for user in found.values():
            user.delete()


@pytest.fixture(scope="module")
def tea(group) -> Brand:
    """Return the brand whose mode is switched."""
    with tenant_transaction(group):
        return Brand.objects.get(code="tea")


def _seen(group: Tenant, people: dict[str, User]) -> int:
    """Count the switching brand's members, as a request of HQ does."""
    grant = people["hq"].acting_grant
    with tenant_transaction(group), scope.open(visible_for_grant(grant, k=group.k)):
        return Profile.objects.filter(brand__code="tea").count()


def test_no_transaction_after_a_switch_or_a_withdrawal_sees_what_it_closed(
    group, people, tea, monkeypatch
):
    monkeypatch.setattr(TokenThrottle, "THROTTLE_RATES", {"token": "1000000/min"})
    # What follows a switch is a worker's, beside the race and not in the switch's own thread.
    monkeypatch.setattr("brands.services.modes.follow_up_enqueue", lambda pk: None)
    with tenant_transaction(group), scope.bulk(reason="test"):
        rows = list(Profile.objects.values_list("pk", "brand__code", "brand_id"))
    race = Race(
        group,
        switching=tea.pk,
        of_switching=frozenset(pk for pk, code, _ in rows if code == "tea"),
        members=frozenset(pk for pk, code, _ in rows if code == "bakery"),
        hq=people["hq"],
        sibling=people["spa"],
        manager=people["bakery"],
    )
    race.run(READERS, SWITCHES, WITHDRAWALS, says=bool(SIZE))
    if SIZE:
        print("\n" + "\n".join(race.lines()))
    assert race.faults == []
    assert (race.counts["switches"], race.counts["withdrawals"]) == (SWITCHES, WITHDRAWALS)
    for way in ("sql as HQ", "sql as sibling", "orm as HQ", "orm as sibling", "cached panel"):
        assert race.counts[f"closed brand: {way}"], way
        assert race.counts[f"open brand: {way}"], way


def test_a_transaction_under_way_keeps_what_it_was_given_and_the_next_does_not(group, people, tea):
    with tenant_transaction(group):
        mode_change(mode="member_max", brand=tea, acting_user=None)
    closed = threading.Event()

    def close() -> None:
        try:
            with tenant_transaction(group):
                mode_change(mode="brand_max", brand=tea, acting_user=None)
            closed.set()
        finally:
            connections.close_all()

    other = threading.Thread(target=close)
    grant = people["hq"].acting_grant
    with tenant_transaction(group), scope.open(visible_for_grant(grant, k=group.k)):
        of_tea = Profile.objects.filter(brand=tea)
        assert of_tea.count() == OF_SWITCHING
        other.start()
        assert closed.wait(10)
        # A reader never waits for a switch, and a switch never for a reader.
        assert of_tea.count() == OF_SWITCHING
    other.join(10)
    assert _seen(group, people) == 0


class _BreaksError(Exception):
    pass


@pytest.mark.parametrize("ending", ["well", "breaks", "undone"])
def test_a_whole_transactions_scope_ends_with_it_and_leaves_nothing_set(group, people, ending):
    names = ", ".join(f"current_setting('{name}', true)" for name in scope.SETTING_NAMES)

    def settings() -> tuple:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT current_user, {names}")
            user, *values = cursor.fetchone()
            return user, *(value or "" for value in values)

    def write_in_scope() -> None:
        grant = people["bakery"].acting_grant
        with scope.transaction_of(lambda: visible_for_grant(grant, k=group.k)):
            user, in_group, *_others = settings()
            assert (user == before[0], in_group) == (False, group.schema_name)
            # Not even a savepoint of its own is around the block.
            assert connection.savepoint_ids == []
            assert Profile.objects.filter(brand__code="bakery").exists()
            assert not Profile.objects.filter(brand__code="tea").exists()
            Store.objects.create(brand=bakery, code=ending, name="Written")
            if ending == "breaks":
                raise _BreaksError
            if ending == "undone":
                transaction.set_rollback(True)

    connection.set_tenant(group)
    try:
        before = settings()
        with transaction.atomic():
            bakery = Brand.objects.get(code="bakery")
        if ending == "breaks":
            with pytest.raises(_BreaksError):
                write_in_scope()
        else:
            write_in_scope()
        assert not scope.is_open()
        assert settings() == before
        with transaction.atomic():
            assert settings() == before
            with scope.bulk(reason="test"):
                found, _counted = Store.objects.filter(code=ending).delete()
            assert found == (ending == "well")
    finally:
        connection.set_schema_to_public()


def test_a_switch_writes_one_row_whatever_the_number_of_members(group):
    with tenant_transaction(group), connection.cursor() as cursor:
        cursor.execute("SELECT max(xmin::text::bigint) FROM members_profile")
        before = cursor.fetchone()
        mode_change(mode="member_max", acting_user=None)
        cursor.execute("SELECT max(xmin::text::bigint) FROM members_profile")
        assert cursor.fetchone() == before
