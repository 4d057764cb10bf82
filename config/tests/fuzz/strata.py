"""Who has which stratum, in the words of docs/decisions/0019 and without the product's code.

Beside equality with the oracle it is asked of every stratum that somebody reads: are all the orders
that it counts of rows that this reader may read?
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import rule

from brands.models import Brand
from brands.tests import oracle
from config.tests.fuzz.modes import Modes
from config.tests.fuzz.stage import BRANDS, MANAGERS, Member
from config.tests.fuzz.world import Facts
from members.models import Profile
from members.stratify import refresh_if_stale
from members.stratum_rules import RuleRefused, rule_add

NONE, PASSERBY, FAVOURABLE, TRUE_LOVE = range(4)
LETTERS = {"fan_max": "P", "member_max": "G", "brand_max": "B"}
# After these the strata are right at once, by themselves: what they touch, they work out.
AT_ONCE = {"answer", "withdraw", "objection", "buy", "link", "birthday", "engage", "end grant"}


@dataclass(frozen=True)
class Rule:
    """One version of a rule: from so many orders and fen, the last within so many days."""

    number: int
    orders: tuple[int, int]
    fen: tuple[int, int]
    days: tuple[int | None, int | None]

    def stratum(self, bought: Iterable[tuple[int, dt.date]], today: dt.date) -> int:
        """Return the stratum of who has bought this."""
        bought = list(bought)
        last = max((day for _fen, day in bought), default=None)
        for value, level in ((TRUE_LOVE, 1), (FAVOURABLE, 0)):
            within = self.days[level]
            is_recent = within is None or (last is not None and (today - last).days <= within)
            spent = sum(fen for fen, _day in bought)
            if len(bought) >= self.orders[level] and spent >= self.fen[level] and is_recent:
                return value
        return PASSERBY


@dataclass(frozen=True)
class Wanted:
    """What a member's stratum is, by which rule, and whose orders elsewhere are in it or not."""

    value: int
    source: str
    counted: frozenset[Member] = frozenset()
    withheld: frozenset[Member] = frozenset()


class Strata(Modes):
    """Write rules of strata and look what comes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str | None, Rule] = {}
        self.is_stratified = False

    def _step(self, name: str) -> None:
        super()._step(name)
        if name not in AT_ONCE:
            self.is_stratified = False

    @rule(
        code=st.sampled_from([None, None, *BRANDS]),
        orders=st.tuples(st.integers(1, 4), st.integers(0, 4)),
        fen=st.sampled_from([(0, 0), (0, 500_00), (30_00, 300_00)]),
        days=st.sampled_from([(None, None), (None, None), (None, 20), (120, 20)]),
    )
    def stratify(
        self,
        code: str | None,
        orders: tuple[int, int],
        fen: tuple[int, int],
        days: tuple[int | None, int | None],
    ) -> None:
        """Write a version of the group's rule or of a brand's, or be refused."""
        self._write_rule(code, orders, fen, days)

    def _write_rule(
        self,
        code: str | None,
        orders: tuple[int, int],
        fen: tuple[int, int] = (0, 0),
        days: tuple[int | None, int | None] = (None, None),
    ) -> None:
        who = MANAGERS[code] if code else "group_admin"
        if who in self.ended:
            return
        self._step("rule of strata")
        fewest, more = orders
        may = code is None or self._effective()[code] == "brand_max"
        try:
            with self._seeing(who):
                made = rule_add(
                    brand=Brand.objects.get(code=code) if code else None,
                    acting_user=self.stage.people[who],
                    favourable_orders=fewest,
                    true_love_orders=fewest + more,
                    favourable_sales=fen[0],
                    true_love_sales=fen[1],
                    favourable_days=days[0],
                    true_love_days=days[1],
                )
        except RuleRefused:
            assert not may
            return
        assert may
        self.rules[code] = Rule(made.pk, (fewest, fewest + more), fen, days)

    # --- The oracle -----------------------------------------------------------------------------

    def _wanted(self, world: oracle.World, facts: Facts) -> dict[Member, Wanted]:
        """Return what everybody's stratum has to be."""
        modes = self._effective()
        return {
            member: self._wanted_of(member, persons, modes, world, facts)
            for persons in self._persons()
            for member in persons
        }

    def _wanted_of(
        self,
        member: Member,
        persons: set[Member],
        modes: dict[str, str],
        world: oracle.World,
        facts: Facts,
    ) -> Wanted:
        code = member[0]
        mode = modes[code]
        applied = self.rules.get(code if mode == "brand_max" else None)
        if applied is None or any(self.objects.get(one) for one in persons):
            return Wanted(NONE, "")
        elsewhere = {one for one in persons if one[0] != code and self.orders.get(one)}
        counted = {
            one
            for one in elsewhere
            if mode == modes[one[0]] == "fan_max"
            and self._may_be_told(self._row_of(member, facts), self._row_of(one, facts), world)
        }
        bought = [order for one in (member, *counted) for order in self._bought(one)]
        # By the calendar of the group, and by the real day: it is the database that looks.
        today = self.clock.real().astimezone(self.stage.zone).date()
        return Wanted(
            applied.stratum(bought, today),
            f"{LETTERS[mode]}{applied.number}",
            frozenset(counted),
            frozenset(elsewhere - counted),
        )

    def _bought(self, member: Member) -> Iterable[tuple[int, dt.date]]:
        return self.orders.get(member, {}).values()

    def _row_of(self, member: Member, facts: Facts) -> oracle.Row:
        return facts[Profile][str(self.ids[member])]

    @staticmethod
    def _may_be_told(here: oracle.Row, there: oracle.Row, world: oracle.World) -> bool:
        """Say whether orders there may count here: whoever is shown this row is shown that one."""
        theirs = world.notices.get(there.notice) if there.notice is not None else None
        if theirs is None or "profile" not in theirs.kinds or here.brand not in theirs.brands:
            return False
        if here.notice is None:
            return True
        ours = world.notices.get(here.notice)
        # One that is not in force may come into force.
        if ours is None:
            return False
        if "profile" not in ours.kinds:
            return True
        readers: set[object] = {*ours.brands, *(["the group"] if ours.group else [])}
        told: set[object] = {here.brand, *theirs.brands, *(["the group"] if theirs.group else [])}
        return readers <= told

    # --- What is read ---------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Let the product's sweep work strata out anew, if it finds that it has to."""
        if not self.is_stratified:
            refresh_if_stale(tenant=self.stage.tenant)
            self.is_stratified = True

    def _read_strata(
        self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts
    ) -> None:
        """Compare the strata that a viewer reads."""
        with self._seeing(who), connection.cursor() as cursor:
            cursor.execute("SELECT id, stratum, stratum_source FROM members_profile")
            seen = {pk: (stratum, source) for pk, stratum, source in cursor.fetchall()}
        allowed = with_sums = without = 0
        for member, wanted in self._wanted(world, facts).items():
            pk = self.ids[member]
            if pk not in seen:
                continue
            allowed += 1
            assert seen[pk] == (wanted.value, wanted.source), (
                f"{who} reads {seen[pk]} as stratum of {member}: {wanted}; rules {self.rules}, "
                f"modes {self._effective()}, notices {world.notices}, row "
                f"{self._row_of(member, facts)}, orders {self.orders.get(member)}, elsewhere "
                f"{[(one, self._row_of(one, facts)) for one in wanted.counted | wanted.withheld]}"
            )
            for other in wanted.counted:
                assert self._may_know(world, viewer, member, self._row_of(other, facts)), (
                    f"{who} reads in the stratum of {member} what {other} bought"
                )
            if wanted.value:
                with_sums += bool(wanted.counted)
                without += bool(wanted.withheld)
        count: Any = self.stage.tally.add
        count("stratum", "sql", allowed=allowed, denied=len(self.ids) - allowed)
        count("elsewhere", "stratum", allowed=with_sums, denied=without)

    def _may_know(
        self, world: oracle.World, viewer: oracle.Viewer, member: Member, row: oracle.Row
    ) -> bool:
        """Say whether a reader of a stratum may read a row that it counts."""
        if viewer.store is not None:
            # Store staff are told by their brand what their brand may read.
            viewer = oracle.Viewer("the brand", brands=frozenset({self.brands[member[0]]}))
        return oracle.may_read(world, viewer, "profile", row)
