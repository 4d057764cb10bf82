"""Readers that race changes of the mode and withdrawals, and what each may not have seen.

**The clocks.** No wall clock is compared. Everything runs in one process, whose threads see each
other's assignments in order: what a reader finds in `Race.state` and `Race.withdrawn` before its
first statement was committed before that statement was sent, because the writer notes it after
COMMIT has returned (`transaction.on_commit`, or after the recording job). And what a reader finds
in `Race.begun` after its last row came was all that had been begun by then, because the writer
notes it before its first statement. So, however threads and server are scheduled:

* whoever withdrew before the transaction began must not be in it: a leak else;
* while the mode was closed before it began and no opening was begun until it ended, nothing of the
  brand may be in it: a leak else;
* whoever had not begun to withdraw when it ended, and the brand while it was open throughout, must
  be in it: the positive control, "hidden" else.

A read that a change overlaps proves nothing about that change, and is counted as overlapping.
Readers are threads with connections of their own; a switch, a withdrawal and each reader are
transactions of one real server, which decides alone what each of them sees.
"""

from __future__ import annotations

import itertools
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from django.db import connection, connections, transaction
from django.test import Client

from brands.changes.follow_up import follow_up_run, follow_ups_due
from brands.changes.rollback import change_undo
from brands.models import Brand
from brands.selectors import visible_for_grant
from brands.services import mode_change
from brands.wall import scope
from members.models import DailyMetric, Entry, Profile
from members.services import answer_enter, answers_record, consent_withdraw
from members.tests.tokens import program
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User

# What a reader looks at: a set of members, and whether the switching brand was seen.
Seen = tuple[set[int], bool | None]
SOON = 0.05
# What the writers wait between two changes, and readers at the most for the next one.
PAUSE, PATIENCE = 0.01, 1.0
# How many of the readers a commit wakes: all at once would only wait for each other.
WOKEN = 6
PANEL = "cached panel"
# How many reads of the brand lie wholly between two switches, where readers are fast enough.
STEADY = 2
# The day's sales of the switching brand, as pages write them.
SALES, MARK = 7_654_32, "7,654.32"
CLOSED, OPENING, OPEN, CLOSING = range(4)


@dataclass
class Race:
    """Hold what is raced about, and how far the writers are."""

    tenant: Tenant
    # The brand whose mode is switched, and its members.
    switching: int
    of_switching: frozenset[int]
    # Those who withdraw, or not: of another brand, which stays fan-max.
    members: frozenset[int]
    hq: User
    sibling: User
    manager: User
    # Turns of the switch times four, and where in the turn it is.
    state: int = CLOSED
    # Reads during which no switch was begun or committed.
    steady: int = 0
    begun: list[int] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    committed_at: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    committed: threading.Condition = field(default_factory=threading.Condition)
    stopping: threading.Event = field(default_factory=threading.Event)

    # --- Who changes ----------------------------------------------------------------------------

    def _reach(self, state: int) -> None:
        self.state = state
        self._wake()

    def _wake(self) -> None:
        """Let readers begin right after a commit, when what it closed was open a moment ago."""
        self.committed_at = time.monotonic()
        with self.committed:
            self.committed.notify(WOKEN)

    def switch(self, switches: int, withdrawals: int) -> None:
        """Open and close the brand, by the bare decision and by the roll-back in turns.

        In step with the withdrawals, which take longer: else they would go on alone.
        """
        for turn in range(switches // 2):
            patience = time.monotonic() + 5
            while len(self.withdrawn) * switches < withdrawals * turn * 2:
                if time.monotonic() > patience:
                    break
                time.sleep(PAUSE)
            self.state = 4 * turn + OPENING
            with tenant_transaction(self.tenant):
                # Before the service's own: it is called first once this is committed.
                transaction.on_commit(lambda turn=turn: self._reach(4 * turn + OPEN))
                opened = mode_change(mode="fan_max", brand=self._brand(), acting_user=None)
            self._await_reads(with_panel=turn % 4 == 0)
            self.state = 4 * turn + CLOSING
            with tenant_transaction(self.tenant):
                transaction.on_commit(lambda turn=turn: self._reach(4 * turn + 4 + CLOSED))
                if turn % 2:
                    with scope.open(visible_for_grant(self.hq.acting_grant, k=self.tenant.k)):
                        change_undo(change=opened, acting_user=self.hq, reason="Back")
                else:
                    mode_change(mode="brand_max", brand=self._brand(), acting_user=None)
            with self.lock:
                self.counts["switches"] += 2
            self._await_reads()

    def _await_reads(self, *, with_panel: bool = False) -> None:
        """Leave the brand as it is until a few reads lay wholly in between, or for two seconds.

        WITH_PANEL until the slower panel is among them: what is then kept of it must not be shown.
        """
        enough, patience = self.steady + STEADY, time.monotonic() + 2
        panels = self.counts[f"open brand: {PANEL}"] + with_panel
        while time.monotonic() < patience and (
            self.steady < enough or self.counts[f"open brand: {PANEL}"] < panels
        ):
            time.sleep(PAUSE)

    def _brand(self) -> Brand:
        return Brand.objects.get(pk=self.switching)

    def withdraw(self, count: int) -> None:
        """Let members withdraw one by one, by the ledger's service, or some at a time, by entry."""
        chosen = random.Random(count)  # noqa: S311 - which member comes next
        # The newest are on the lists' first pages: half of all withdraw from the top.
        newest = sorted(self.members, reverse=True)
        order = newest[: count // 2] + chosen.sample(newest[count // 2 :], count - count // 2)
        chosen.shuffle(order)
        rest = iter(order)
        while group := list(itertools.islice(rest, chosen.choice([1, 1, 2, 8, 16]))):
            self.begun.extend(group)
            if len(group) == 1:
                self._withdraw_one(group[0])
            else:
                self._withdraw_by_entries(group)
            with self.lock:
                self.counts["withdrawals"] += len(group)
            time.sleep(PAUSE)

    def _note(self, group: list[int]) -> None:
        self.withdrawn.extend(group)
        self._wake()

    def _withdraw_one(self, pk: int) -> None:
        with tenant_transaction(self.tenant), scope.bulk(reason="test"):
            transaction.on_commit(lambda: self._note([pk]))
            consent_withdraw(profile=Profile.objects.get(pk=pk), acting_user=None)

    def _withdraw_by_entries(self, group: list[int]) -> None:
        with tenant_transaction(self.tenant):
            visible = visible_for_grant(self.manager.acting_grant, k=self.tenant.k)
            with scope.open(visible):
                for profile in Profile.objects.filter(pk__in=group):
                    answer_enter(
                        visible=visible,
                        what=Entry.What.NO,
                        acting_user=self.manager,
                        profile=profile,
                        tells_worker=False,
                    )
        answers_record(tenant=self.tenant)
        self._note(group)

    def _follow_up(self) -> None:
        """Work out what follows the newest switch, as a worker does beside it."""
        while not self.stopping.wait(1):
            with tenant_transaction(self.tenant):
                due = follow_ups_due()
            if due:
                follow_up_run(tenant=self.tenant, follow_up_id=max(due))
                with self.lock:
                    self.counts["follow-ups of switches"] += 1

    # --- Who reads ------------------------------------------------------------------------------

    def read(self, way: str, look: Callable[[], Seen], *, is_whole: bool) -> None:
        """Read once and judge; IS_WHOLE where LOOK returns everything that it may see."""
        done, before, at = len(self.withdrawn), self.state, time.monotonic()
        is_soon = at - self.committed_at < SOON
        members, sees_brand = look()
        after, begun = self.state, len(self.begun)
        is_steady = before == after and before % 4 in (CLOSED, OPEN)
        faults = []
        if leaked := members.intersection(self.withdrawn[:done]):
            faults.append(f"{way}: {len(leaked)} who had withdrawn, {sorted(leaked)[:3]}")
        if is_steady and sees_brand is not None and before % 4 == CLOSED and sees_brand:
            faults.append(f"{way}: the brand, which was closed (turn {before // 4})")
        if is_steady and sees_brand is not None and before % 4 == OPEN and not sees_brand:
            faults.append(f"{way}: hidden, though the brand was open (turn {before // 4})")
        if is_whole and (hidden := self.members - members - set(self.begun[:begun])):
            faults.append(f"{way}: {len(hidden)} hidden who had not withdrawn")
        with self.lock:
            counts = self.counts
            counts["reads"] += 1
            counts[f"reads by {way}"] += 1
            counts["overlapped a switch"] += not is_steady
            counts["overlapped a withdrawal"] += begun > done
            counts["begun within 50 ms after a commit"] += is_soon
            if is_steady and sees_brand is not None:
                self.steady += 1
                counts[
                    f"closed brand: {way}" if before % 4 == CLOSED else f"open brand: {way}"
                ] += 1
            counts["withdrawn members that were looked for"] += done
            counts["members seen"] += len(members)
            self.faults += faults

    def _scoped(self, user: User, look: Callable[[], Seen]) -> Callable[[], Seen]:
        """Read as a request does: grant and mode anew, then rows, in one transaction."""

        def inside() -> Seen:
            grant = Grant.objects.select_related("engagement", "tenant").get(
                pk=user.acting_grant.pk
            )
            with (
                tenant_transaction(self.tenant),
                scope.open(visible_for_grant(grant, k=self.tenant.k)),
            ):
                return look()

        return inside

    def _by_sql(self) -> Seen:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM members_profile")
            found = {pk for (pk,) in cursor.fetchall()}
            cursor.execute(
                "SELECT count(*) FROM members_dailymetric WHERE brand_id = %s", [self.switching]
            )
            (figures,) = cursor.fetchone()
        return self._both(found, bool(figures))

    def _by_orm(self) -> Seen:
        found = set(Profile.objects.values_list("pk", flat=True))
        return self._both(found, DailyMetric.objects.filter(brand_id=self.switching).exists())

    def _both(self, found: set[int], has_figures: bool) -> Seen:
        """Say what was seen; of the brand rows and figures, which open and close together."""
        rows = found & self.of_switching
        if bool(rows) != has_figures or len(rows) not in (0, len(self.of_switching)):
            # Two looks in one transaction go by one scope: no commit lies between them.
            self.faults.append(f"{len(rows)} rows of the brand with figures {has_figures}")
        return found, bool(rows)

    def _by_page(self, client: Client) -> Seen:
        """Read the list, the member who withdrew last, and a panel that is cached."""
        asked = self.withdrawn[-1:]
        shown = client.get("/members/").content.decode()
        found = {int(pk) for pk in re.findall(r'href="/members/(\d+)/"', shown)}
        assert found, "somebody is always to be seen"
        for pk in asked:
            if client.get(f"/members/{pk}/").status_code != 404:
                found.add(pk)
        return found, None

    def _by_panel(self, client: Client) -> Seen:
        """Read the panel that compares brands: its figures are kept in the cache."""
        panel = client.get("/group/panels/brands_side_by_side/")
        assert panel.status_code == 200, panel.status_code
        return set(), MARK in panel.content.decode()

    def _by_api(self, client: Client) -> Seen:
        """Read the list, and the member who withdrew last."""
        asked = self.withdrawn[-1:]
        listed = client.get("/api/v1/members/?limit=100")
        assert listed.status_code == 200, listed.status_code
        found = {row["id"] for row in listed.json()["members"]}
        assert found, "somebody is always to be seen"
        for pk in asked:
            if client.get(f"/api/v1/members/{pk}/").status_code != 404:
                found.add(pk)
        return found, None

    # --- The race -------------------------------------------------------------------------------

    def _ways(self) -> Iterator[tuple[str, Callable[[], Seen], bool]]:
        """Yield the ways in turns; each page and program has a client of its own."""
        while True:
            yield "sql as HQ", self._scoped(self.hq, self._by_sql), True
            yield "orm as sibling", self._scoped(self.sibling, self._by_orm), True
            yield PANEL, partial(self._by_panel, self._page()), False
            yield "page", partial(self._by_page, self._page()), False
            yield "api", partial(self._by_api, program(self._grant(), host=self.host)), False
            yield "orm as HQ", self._scoped(self.hq, self._by_orm), True
            yield "sql as sibling", self._scoped(self.sibling, self._by_sql), True
            yield PANEL, partial(self._by_panel, self._page()), False

    @property
    def host(self) -> str:
        """Return the group's host."""
        return f"{self.tenant.schema_name}.localhost"

    def _grant(self) -> Grant:
        grant = self.hq.acting_grant
        assert grant is not None
        return grant

    def _page(self) -> Client:
        client = Client(headers={"host": self.host, "accept-language": "en"})
        client.force_login(self.hq, backend="tenants.backends.GrantBackend")
        return client

    def run(self, readers: int, switches: int, withdrawals: int, *, says: bool = False) -> None:
        """Let all run at once until both writers are through; SAYS how far they are."""
        ways = self._ways()
        # Threads that wait for each other's turn would let a change take seconds.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.001)
        writers = [
            threading.Thread(target=self._guarded, args=(self.switch, switches, withdrawals)),
            threading.Thread(target=self._guarded, args=(self.withdraw, withdrawals)),
        ]
        threads = [
            threading.Thread(target=self._guarded, args=(self._go_on, next(ways)))
            for _ in range(readers)
        ]
        worker = threading.Thread(target=self._guarded, args=(self._follow_up,))
        for thread in [*threads, *writers, worker]:
            thread.start()
        for thread in writers:
            while thread.is_alive():
                thread.join(20)
                if says:
                    names = ("switches", "withdrawals", "reads")
                    print(*(f"{self.counts[name]:,} {name}" for name in names), flush=True)
        self.stopping.set()
        for thread in [*threads, worker]:
            thread.join(60)
        sys.setswitchinterval(interval)
        self._settle()

    def _settle(self) -> None:
        """Read by every way with the brand open, then closed: in a short race some never met it."""
        turn = self.state // 4 + 1
        ways = list(itertools.islice(self._ways(), 7))
        for state, mode in ((OPEN, "fan_max"), (CLOSED, "brand_max")):
            with tenant_transaction(self.tenant):
                mode_change(mode=mode, brand=self._brand(), acting_user=None)
            self.state = 4 * turn + state
            for name, look, is_whole in ways:
                self.read(name, look, is_whole=is_whole)

    def _guarded(self, act: Callable[..., object], *args: object) -> None:
        try:
            act(*args)
        except BaseException as error:
            self.faults.append(f"{getattr(act, '__name__', act)}: {error!r}")
        finally:
            connections.close_all()

    def _go_on(self, way: tuple[str, Callable[[], Seen], bool]) -> None:
        name, look, is_whole = way
        while not self.stopping.is_set():
            self.read(name, look, is_whole=is_whole)
            with self.committed:
                self.committed.wait(PATIENCE)

    def lines(self) -> list[str]:
        """Say the counts."""
        return [
            *(f"{name:<44}{count:>12,}" for name, count in sorted(self.counts.items())),
            f"{'leaks, or hidden rows':<44}{len(self.faults):>12,}",
        ]
