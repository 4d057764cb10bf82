"""Say which notice stands on which profile, a second time, without looking at the product's SQL.

Answers are kept as they were given, each in its profile, and the rule is read out over them:
plain loops, one profile at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Mapping, Set
from dataclasses import dataclass, field

Key = Hashable


@dataclass(frozen=True)
class Notice:
    """What the rule needs of a notice: its number, the brands it names, its months."""

    id: int
    brands: frozenset[Key] = frozenset()
    months: int | None = None


@dataclass(frozen=True)
class Answer:
    """One answer, given in a profile, to its brand or to the group."""

    profile: Key
    at: dt.datetime
    # None for a no to nothing in particular.
    notice: int | None
    yes: bool
    to_group: bool = False
    guardian: bool = False


@dataclass
class Ledger:
    """All answers, and what is known of the profiles that gave them."""

    notices: Mapping[int, Notice]
    # Profile → its brand.
    brand_of: dict[Key, Key] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    # Profile → the day of the 14th birthday.
    fourteen: dict[Key, dt.date] = field(default_factory=dict)
    # The calendar on which an answer's day is read.
    day_of: Callable[[dt.datetime], dt.date] = dt.datetime.date

    def notice_of(
        self, profile: Key, persons: Set[Key], *, closed_until: dt.datetime
    ) -> int | None:
        """Return the notice that stands on a profile, PERSONS being all of its person's profiles.

        Everything that expires up to CLOSED_UNTIL is closed.
        """
        if any(self._says_no(one, persons) for one in persons):
            return None
        latest = self._latest(profile, persons)
        if latest is None or latest.notice is None:
            return None
        ends = months_later(latest.at, self.notices[latest.notice].months)
        return None if ends is not None and ends <= closed_until else latest.notice

    def _says_no(self, profile: Key, persons: Set[Key]) -> bool:
        latest = self._latest(profile, persons)
        return latest is not None and not latest.yes

    def _latest(self, profile: Key, persons: Set[Key]) -> Answer | None:
        counting = [one for one in self.answers if self._counts(one, profile, persons)]
        # At one instant a no is later than a yes, and of two yes the later notice's.
        return max(counting, key=lambda one: (one.at, not one.yes, one.notice or 0), default=None)

    def _counts(self, answer: Answer, profile: Key, persons: Set[Key]) -> bool:
        if answer.profile not in persons:
            return False
        if not answer.yes:
            return answer.to_group or answer.profile == profile
        if answer.profile != profile:
            return False
        assert answer.notice is not None
        named = self.notices[answer.notice].brands
        if answer.to_group and self.brand_of[profile] not in named:
            return False
        return answer.guardian or not self._is_minor(persons, self.day_of(answer.at))

    def _is_minor(self, persons: Set[Key], day: dt.date) -> bool:
        return any(one in self.fourteen and self.fourteen[one] > day for one in persons)


def months_later(at: dt.datetime, months: int | None) -> dt.datetime | None:
    """Return the same day some months later; the month's last day where it has no such day."""
    if months is None:
        return None
    at = at.astimezone(dt.UTC)
    year, month = at.year + (at.month - 1 + months) // 12, (at.month - 1 + months) % 12 + 1
    for day in (at.day, 30, 29, 28):
        try:
            return at.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
