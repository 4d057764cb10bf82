"""Work out strata a second time, slowly and person by person, and say where the kept ones differ.

Written from the decision in docs/decisions/0019 alone: it shares no code with `members.stratify`,
so that a mistake there is not made twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall.visibility import Kind, NoticeTerms
from members.models import BrandStratumRule, GroupStratumRule, Profile, StratumThresholds
from tenants.models import Tenant

_LETTERS = {Mode.FAN_MAX: "P", Mode.MEMBER_MAX: "G", Mode.BRAND_MAX: "B"}
_COLUMNS = (
    *("person_id", "id", "brand_id", "notice_id", "no_automation", "is_restricted"),
    *("orders", "sales", "last_order_at", "stratum", "stratum_source"),
)


@dataclass(frozen=True)
class _World:
    """Hold what the rule of each brand is, whose, and what the notices in force say."""

    modes: Mapping[int, Mode]
    rules: Mapping[int, StratumThresholds]
    notices: Mapping[int, NoticeTerms]


def strata_differing(*, tenant: Tenant) -> int:
    """Return how many members carry a stratum, or its source, that they should not.

    In the caller's transaction and bulk scope, where strata are not stale. Recency moves within the
    day: a stratum is right if it was at any instant of today.
    """
    world = _world_now()
    now = timezone.now()
    midnight = now.astimezone(ZoneInfo(tenant.time_zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    differing = 0
    for profiles in _persons():
        for one in profiles:
            source = _source(world, one)
            latest = _stratum(world, one, profiles, now)
            earliest = _stratum(world, one, profiles, midnight)
            is_right = latest <= one["stratum"] <= earliest and one["stratum_source"] == source
            differing += not is_right
    return differing


def figures_differing(cursor: CursorWrapper) -> int:
    """Return how many figures of strata are not what the members' own rows say."""
    cursor.execute(
        """
        WITH kept AS (
            SELECT brand_id, 0 AS stratum, without AS people FROM members_stratummetric
            UNION ALL SELECT brand_id, 1, passerby FROM members_stratummetric
            UNION ALL SELECT brand_id, 2, favourable FROM members_stratummetric
            UNION ALL SELECT brand_id, 3, true_love FROM members_stratummetric
        ), facts AS (
            SELECT brand_id, stratum, count(*) AS people FROM members_profile
            WHERE brand_id IN (SELECT brand_id FROM members_profile WHERE stratum > 0)
            GROUP BY brand_id, stratum
        )
        SELECT count(*) FROM kept FULL JOIN facts USING (brand_id, stratum)
        WHERE COALESCE(kept.people, 0) <> COALESCE(facts.people, 0)
        """
    )
    return cursor.fetchone()[0]


def _world_now() -> _World:
    modes = effective_modes()
    rules: dict[int, StratumThresholds] = {}
    of_group = GroupStratumRule.objects.order_by("pk").last()
    for brand, mode in modes.items():
        own = BrandStratumRule.objects.filter(brand_id=brand, store=None, notice=None)
        rule = own.order_by("pk").last() if mode is Mode.BRAND_MAX else of_group
        if rule is not None:
            rules[brand] = rule
    return _World(modes, rules, {notice.id: notice for notice in notice_terms()})


def _persons() -> Iterator[list[dict[str, Any]]]:
    rows = Profile.objects.order_by("person_id", "pk").values(*_COLUMNS)
    for _person, found in groupby(rows.iterator(), key=lambda row: row["person_id"]):
        yield list(found)


def _source(world: _World, one: dict[str, Any]) -> str:
    rule = world.rules.get(one["brand_id"])
    if rule is None or one["no_automation"] or one["is_restricted"]:
        return ""
    return f"{_LETTERS[world.modes[one['brand_id']]]}{rule.pk}"


def _stratum(
    world: _World, one: dict[str, Any], profiles: list[dict[str, Any]], at: dt.datetime
) -> int:
    if not _source(world, one):
        return 0
    rule = world.rules[one["brand_id"]]
    others = (row for row in profiles if not row["is_restricted"])
    counted = [one, *(other for other in others if _counts(world, one, other))]
    orders = sum(row["orders"] for row in counted)
    sales = sum(row["sales"] for row in counted)
    days = [row["last_order_at"] for row in counted if row["last_order_at"]]

    def reaches(least_orders: int, least_sales: int, within: int | None) -> bool:
        if orders < least_orders or sales < least_sales:
            return False
        return within is None or (bool(days) and max(days) >= at - dt.timedelta(days=within))

    if reaches(rule.true_love_orders, rule.true_love_sales, rule.true_love_days):
        return 3
    if reaches(rule.favourable_orders, rule.favourable_sales, rule.favourable_days):
        return 2
    return 1


def _counts(world: _World, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether OTHER's orders count in ONE's stratum: the three conditions, in their order."""
    brand = one["brand_id"]
    brands = (brand, other["brand_id"])
    if brand == other["brand_id"] or any(world.modes[pk] is not Mode.FAN_MAX for pk in brands):
        return False
    there = world.notices.get(other["notice_id"] or 0)
    if there is None or Kind.PROFILE not in there.kinds or brand not in there.brands:
        return False
    here = world.notices.get(one["notice_id"] or 0)
    if one["notice_id"] and here is None:
        # A notice that is not in force may come into force.
        return False
    if here is None or Kind.PROFILE not in here.kinds or here.id == there.id:
        return True
    readers = set(here.brands) - {brand}
    return readers <= set(there.brands) and (there.names_group or not here.names_group)
