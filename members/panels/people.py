"""Persons across brands, and a store's members."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from brands import dashboard
from brands.dashboard import Ask, Page
from members.models import GroupMetric, MaskedContact, Profile
from tenants.roles import Level

TOP_MEMBERS = 10


@dataclass(frozen=True)
class PersonsByBrands:
    """Hold how many persons are in how many brands, brands in brand-max left out."""

    rows: tuple[tuple[int, int], ...]
    left_out: int

    @property
    def shares(self) -> list[tuple[int, int, float]]:
        """Return (brands, persons, share of the persons shown)."""
        total = sum(persons for _brands, persons in self.rows)
        return [(brands, persons, persons / total) for brands, persons in self.rows]

    @property
    def chart(self) -> dict[str, object]:
        """Return what the chart draws."""
        return {
            "kind": "bar",
            "unit": "count",
            "labels": [str(brands) for brands, _persons in self.rows],
            "series": [
                {"name": str(_("Persons")), "values": [persons for _brands, persons in self.rows]}
            ],
        }


@dashboard.panel(
    title=_("Persons by number of brands"),
    pages={Page.GROUP},
    template="members/panels/persons_by_brands.html",
    levels=frozenset({Level.GROUP}),
    is_wide=True,
    position=50,
)
def persons_by_brands(ask: Ask) -> PersonsByBrands:
    """Return how many persons are members of exactly so many brands."""
    rows = GroupMetric.objects.order_by("brands").values_list("brands", "persons")
    return PersonsByBrands(rows=tuple(rows), left_out=len(ask.visible.group_without or ()))


@dataclass(frozen=True)
class TopMember:
    """Be one member with the most sales."""

    id: int
    name: str
    member_no: str
    orders: int
    sales: int
    last_order_at: dt.datetime | None


@dashboard.panel(
    title=_("Members who bought most"),
    pages={Page.STORE},
    template="members/panels/top_members.html",
    permission="members.view_profile",
    is_kept=False,
    position=60,
)
def top_members(ask: Ask) -> tuple[TopMember, ...]:
    """Return the store's members with the highest sales, up to now."""
    profiles = list(
        Profile.objects.filter(
            brand_id__in=ask.brand_ids, store_id=ask.store_id, orders__gt=0
        ).order_by("-sales", "-id")[:TOP_MEMBERS]
    )
    names = dict(
        MaskedContact.objects.filter(profile_id__in=[one.pk for one in profiles]).values_list(
            "profile_id", "name"
        )
    )
    return tuple(
        TopMember(
            id=one.pk,
            name=names.get(one.pk, ""),
            member_no=one.member_no,
            orders=one.orders,
            sales=one.sales,
            last_order_at=one.last_order_at,
        )
        for one in profiles
    )
