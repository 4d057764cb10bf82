"""A switch of the mode, or a withdrawal, closes for every transaction that begins after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections

from brands.models import Brand, Notice
from brands.selectors import visible_for_grant
from brands.services import mode_change
from brands.tests.wall_rows import insert
from brands.wall import scope
from members.models import Profile
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User
from tenants.roles import Level, Role
from tenants.tests.committed import committed_group

READERS = 3
TURNS = 12


@pytest.fixture(scope="module")
def group(django_db_setup, django_db_blocker) -> Iterator[Tenant]:
    """Give a committed group with one brand whose members agreed to one notice."""
    with django_db_blocker.unblock(), committed_group("switched") as tenant:
        with tenant_transaction(tenant), connection.cursor() as cursor:
            brand = Brand.objects.create(code="tea", name="Tea")
            notice = Notice.objects.create(version="1", title="N", names_group=True)
            ids = range(1, 21)
            insert(cursor, "members_person", [{"id": pk} for pk in ids])
            insert(
                cursor,
                "members_profile",
                [
                    {
                        "id": pk,
                        "person_id": pk,
                        "brand_id": brand.pk,
                        "store_id": None,
                        "notice_id": notice.pk,
                        "member_no": str(pk),
                    }
                    for pk in ids
                ],
            )
        yield tenant


@pytest.fixture(scope="module")
def hq(group) -> Iterator[Grant]:
    """Give the group's HQ admin."""
    user = User.objects.create(email="hq@switched.example")
    yield Grant.objects.create(user=user, role=Role.HQ_ADMIN, level=Level.GROUP, tenant=group)
    # In the group's schema, where a guide could name the person.
    with tenant_transaction(group), scope.bulk(reason="test"):
        user.delete()


def _seen(group: Tenant, hq: Grant) -> int:
    """Read as a request does: grant and mode anew, then rows, in one transaction."""
    with tenant_transaction(group), scope.open(visible_for_grant(hq, k=group.k)):
        by_orm = Profile.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM members_profile")
            by_sql = cursor.fetchone()[0]
        # Another's commit may lie between the two statements.
        return max(by_orm, by_sql)


class Door:
    """Count the turns of a switch: an even number is closed, and the same one later is still."""

    turns = 0

    def turn(self) -> None:
        """Open what is closed, close what is open."""
        self.turns += 1


@contextmanager
def _reading(group: Tenant, hq: Grant, door: Door) -> Iterator[list[list[str]]]:
    """Let readers read in a circle; give what each saw that it should not have."""
    stop = threading.Event()
    seen: list[list[str]] = [[] for _ in range(READERS)]
    reads = [0] * READERS

    def read(number: int) -> None:
        try:
            while not stop.is_set():
                # Turned before the commit that opens and after the one that closes: the same even
                # number before and after the whole transaction means closed throughout.
                before = door.turns
                rows = _seen(group, hq)
                reads[number] += 1
                if before % 2 == 0 and door.turns == before and rows:
                    seen[number].append(f"{rows} rows after the close")
        except BaseException as error:
            seen[number].append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert all(reads), "a reader that never read proves nothing"


def _turn(
    group: Tenant, hq: Grant, open_up: Callable[[], object], close: Callable[[], object]
) -> None:
    door = Door()
    with tenant_transaction(group):
        close()
    with _reading(group, hq, door) as seen:
        for _ in range(TURNS):
            # Opened in the readers' eyes before the commit, so that an early sight is no fault.
            door.turn()
            with tenant_transaction(group):
                open_up()
            assert _seen(group, hq) == 20
            time.sleep(0.01)
            with tenant_transaction(group):
                close()
            door.turn()
            assert _seen(group, hq) == 0
            time.sleep(0.01)
    assert seen == [[] for _ in range(READERS)]


def test_no_transaction_after_a_switch_sees_what_it_closed(group, hq):
    with tenant_transaction(group):
        mode_change(mode="member_max", acting_user=None)
    _turn(
        group,
        hq,
        lambda: mode_change(mode="member_max", acting_user=None),
        lambda: mode_change(mode="brand_max", acting_user=None),
    )


def test_no_transaction_after_a_withdrawal_sees_who_withdrew(group, hq):
    with tenant_transaction(group):
        mode_change(mode="fan_max", acting_user=None)
        notice = Notice.objects.get()

    def agree(to: Notice | None) -> None:
        with scope.bulk(reason="test"):
            Profile.objects.update(notice=to)

    _turn(group, hq, lambda: agree(notice), lambda: agree(None))


def test_a_transaction_under_way_keeps_what_it_was_given_and_the_next_does_not(group, hq):
    with tenant_transaction(group), scope.bulk(reason="test"):
        Profile.objects.update(notice=Notice.objects.get())
        mode_change(mode="member_max", acting_user=None)
    closed = threading.Event()

    def close() -> None:
        try:
            with tenant_transaction(group):
                mode_change(mode="brand_max", acting_user=None)
            closed.set()
        finally:
            connections.close_all()

    other = threading.Thread(target=close)
    with tenant_transaction(group), scope.open(visible_for_grant(hq, k=group.k)):
        assert Profile.objects.count() == 20
        other.start()
        assert closed.wait(10)
        # A reader never waits for a switch, and a switch never for a reader.
        assert Profile.objects.count() == 20
    other.join(10)
    assert _seen(group, hq) == 0


def test_a_switch_writes_one_row_whatever_the_number_of_members(group, hq):
    with tenant_transaction(group), connection.cursor() as cursor:
        cursor.execute("SELECT max(xmin::text::bigint) FROM members_profile")
        before = cursor.fetchone()
        mode_change(mode="fan_max", acting_user=None)
        cursor.execute("SELECT max(xmin::text::bigint) FROM members_profile")
        assert cursor.fetchone() == before
