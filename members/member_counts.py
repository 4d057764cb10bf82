"""How many members a list has: exact where that is cheap, else an estimate that says so.

An estimate is worked out of rows that the reader sees: the planner's own would tell a brand how
members of its siblings are spread, since its statistics are the whole table's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, Max, Min, Q, QuerySet
from django.db.models.expressions import RawSQL

from brands.wall.visibility import Kind, Visible
from members.models import PoolMetric, Profile

# Counted one by one; further costs more than the answer is worth.
COUNTED_UP_TO = 1000
# No count holds a page up for longer: milliseconds of the server, for each of its steps.
BUDGET_MS = 150
# Places in the table at which a sample is taken, and rows at each.
_PLACES, _ROWS = 40, 250

Found = TypeVar("Found")


@dataclass(frozen=True)
class Counted:
    """Be a number of members: exact, about, or more than."""

    number: int
    # exact; kept: members alone, as the kept figures say; about; more than
    how: str

    @property
    def is_exact(self) -> bool:
        """Tell whether the number is the number."""
        return self.how == "exact"


def count_members(rows: QuerySet[Profile], *, is_filtered: bool, visible: Visible) -> Counted:
    """Count the members of a list, filtered or all of them."""
    whole = _whole(visible)
    if whole is not None and not is_filtered:
        return whole
    number = _within(lambda: rows.order_by()[: COUNTED_UP_TO + 1].count())
    if number is not None and number <= COUNTED_UP_TO:
        return Counted(number, "exact")
    estimate = None
    if whole is not None:
        total = whole.number
        estimate = _within(lambda: _estimate(rows, total))
    if estimate is not None and estimate > COUNTED_UP_TO:
        return Counted(rounded(estimate), "about")
    # Neither was counted in time: there may be few or many.
    return Counted(COUNTED_UP_TO if number is not None else 0, "more")


def _whole(visible: Visible) -> Counted | None:
    """Return the figure kept of whole brands or stores; None where it says less than the list."""
    sets = visible.kinds[Kind.PROFILE]
    if visible.look is not None or sets.consented_brands:
        return None
    places = Q(store=None, brand_id__in=sets.all_brands)
    if sets.stores:
        places |= Q(store_id__in=sets.stores)
    figures = list(PoolMetric.objects.filter(places).values_list("members", flat=True))
    total = sum(figures)
    # Of fewer a count is cheap, and right also while figures wait for an import.
    return Counted(total, "kept") if total > COUNTED_UP_TO else None


def _estimate(rows: QuerySet[Profile], total: int) -> int | None:
    """Return how many of the TOTAL are in ROWS, by samples at even places of the table."""
    everybody = Profile.objects.order_by()
    ends = everybody.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return 0
    step = max((ends["last"] - ends["first"]) // _PLACES, 1)
    samples = [
        everybody.filter(pk__range=(first := ends["first"] + step * place, first + step - 1))
        .order_by("pk")
        .values("pk")[:_ROWS]
        for place in range(_PLACES)
    ]
    taken = samples[0].union(*samples[1:], all=True) if len(samples) > 1 else samples[0]
    looked_at = [row["pk"] for row in taken]
    if not looked_at:
        return None
    # One array: thousands of parameters cost more than the count.
    is_looked_at = RawSQL(  # noqa: S611 - a constant of the code
        '"members_profile"."id" = ANY(%s)', [looked_at], output_field=BooleanField()
    )
    fitting = rows.filter(is_looked_at).order_by().count()
    return round(total * fitting / len(looked_at)) if fitting else None


def rounded(number: int) -> int:
    """Return a number with two digits that say something."""
    if number < 100:
        return number
    power = 10 ** (int(math.log10(number)) - 1)
    return round(number / power) * power


def _within(count: Callable[[], Found]) -> Found | None:
    """Return what is counted inside the budget, else None; the transaction goes on either way."""
    found: Found | None = None
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {BUDGET_MS}")
            found = count()
            # Only so is the former limit there again.
            transaction.set_rollback(True)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "57014":
            raise
        return None
    return found
