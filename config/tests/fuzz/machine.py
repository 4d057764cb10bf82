"""The machine itself: how a run begins, and who reads after each step by which ways."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from config.tests.fuzz.exports import Exports
from config.tests.fuzz.stage import BRANDS, MODES, PEOPLE, Member
from members.models import Entry

# Every so many steps the dear ways are taken as well.
STRATA_EVERY = 2
LOOK_EVERY = 3
EXPORT_EVERY = 3


def _card(seed: int, number: int) -> int:
    """Return the card of a member at the start; the same in every brand, so that they are one.

    A card that many share is hot and links nobody: a few members share a few.
    """
    return (seed + number) % 4 if number < 5 else 10 + number


class Group(Exports):
    """Change the group and read it."""

    @initialize(
        wanted=st.tuples(*[st.sampled_from(["fan_max", *MODES])] * 2),
        seed=st.integers(0, 99),
        has_rule=st.booleans(),
        named=st.frozensets(st.sampled_from(BRANDS), min_size=1),
        to_group=st.booleans(),
    )
    def begin(
        self,
        wanted: tuple[str, str],
        seed: int,
        has_rule: bool,
        named: frozenset[str],
        to_group: bool,
    ) -> None:
        """Import members and orders of every brand, let some agree, and choose first modes."""
        # Hypothesis begins with the simplest run of all, which shows the least.
        assume((seed, has_rule, wanted) != (0, False, ("fan_max", "fan_max")))
        numbers = list(range(1, self.stage.members + 1))
        for code in BRANDS:
            rows = [
                self._row(code, number, card=_card(seed, number), store=number % 3)
                for number in numbers
            ]
            self._import(code, rows)
            self._buy(code, numbers, fen=12_50, days=[5, 50])
        first = min(self.notices)
        self._publish(to_group, named, frozenset({"profile"}))
        # One person's answers differ from brand to brand.
        agreed: dict[int, list[Member]] = {}
        for turn, code in enumerate(BRANDS):
            for number in numbers:
                answer = (None, first, max(self.notices))[(turn * (number % 2) + number) % 3]
                if answer is not None:
                    agreed.setdefault(answer, []).append((code, number))
        for notice, members in agreed.items():
            # A notice is agreed to once it is there.
            at = self.clock.now() - dt.timedelta(hours=2 if notice == first else 0)
            self._answer(members, Entry.What.YES, notice, at)
        self._decide(None, wanted[0], 0)
        self._decide("bakery", wanted[1], 0)
        if has_rule:
            # Two orders of one's own are favourable, a third somewhere is true-love.
            self._write_rule(None, (2, 1))

    def check_invariants(self, *args: Any, **kwargs: Any) -> None:
        """Read as the next viewer, after every step."""
        super().check_invariants(*args, **kwargs)
        if not self.ids:
            return
        who = PEOPLE[self.turn % len(PEOPLE)]
        self.turn += 1
        self._read(who)

    def _read(self, who: str) -> None:
        reads_strata = self.turn % STRATA_EVERY == 0
        if reads_strata:
            # First of all: it writes figures anew, which the facts below are read from.
            self._sweep()
        world, viewer, facts = self._world(), self._viewer(who), self._facts()
        self._fetch(who, world, viewer, facts)
        # A grant that has ended is refused before any scope: only pages and API have an answer.
        if viewer.name != "nobody":
            self._read_rows(who, world, viewer, facts)
            if reads_strata:
                self._read_strata(who, world, viewer, facts)
            if self.turn % EXPORT_EVERY == 0:
                self._read_export(who, world, viewer, facts)
        if self.turn % LOOK_EVERY == 0:
            self._read_look(world, facts)
        self._read_pages(who, world, viewer, facts)
        self._read_api(who, world, viewer, facts)
