"""Members by stratum, from kept figures."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from brands import dashboard
from brands.dashboard import Ask, Page
from brands.models import Brand
from members.models import Stratum, StratumMetric
from members.panels.asked import share
from members.strata import formers_now, owner_words
from members.strata_figures import MIXED


@dataclass(frozen=True)
class BrandStrata:
    """Be the people of one brand by stratum, in the order of the panel's strata."""

    name: str
    strata: tuple[str, ...]
    people: tuple[int, ...]
    # Whose rule it is by; "" where several are mixed.
    rule: str
    is_former: bool

    @property
    def cells(self) -> list[tuple[str, int, float | None]]:
        """Return (stratum, people, share of the brand's people) for each."""
        total = sum(self.people)
        return [
            (stratum, number, share(number, total))
            for stratum, number in zip(self.strata, self.people, strict=True)
        ]


@dataclass(frozen=True)
class StrataOfMembers:
    """Hold the brands whose strata are counted and shown."""

    brands: tuple[BrandStrata, ...]
    # Their names; people without a stratum have a column only where there are any.
    strata: tuple[str, ...]
    counted_at: dt.datetime | None
    # Brands in brand-max, which tell nobody else.
    silent: tuple[str, ...]

    @property
    def is_former(self) -> bool:
        """Tell whether some of the strata are by the rule of before."""
        return any(one.is_former for one in self.brands)

    @property
    def chart(self) -> dict[str, object]:
        """Return what the chart draws: all the brands together."""
        totals = [
            sum(numbers) for numbers in zip(*(one.people for one in self.brands), strict=True)
        ]
        return {
            "kind": "bar",
            "unit": "count",
            "labels": list(self.strata),
            "series": [{"name": str(_("People")), "values": totals}],
        }


@dashboard.panel(
    title=_("Strata"),
    pages={Page.GROUP, Page.BRAND},
    template="members/panels/strata_of_members.html",
    is_wide=True,
    position=45,
    # A newer rule marks what is shown at once.
    is_kept=False,
)
def strata_of_members(ask: Ask) -> StrataOfMembers:
    """Return how many people of each brand are in each stratum, as they were counted last."""
    rows = list(
        StratumMetric.objects.filter(brand_id__in=ask.brand_ids, store_id=None).order_by("brand_id")
    )
    former = formers_now()
    has_without = any(row.without for row in rows)
    strata = (str(_("Without")), *(str(one.label) for one in list(Stratum)[1:]))
    strata = strata if has_without else strata[1:]
    names = dict(Brand.objects.filter(pk__in=ask.brand_ids).values_list("pk", "name"))
    return StrataOfMembers(
        brands=tuple(
            BrandStrata(
                name=names[row.brand_id],
                strata=strata,
                people=(row.without, row.passerby, row.favourable, row.true_love)[
                    0 if has_without else 1 :
                ],
                rule="" if row.source == MIXED else owner_words(row.source),
                is_former=former.marks(row.source, row.brand_id),
            )
            for row in rows
        ),
        strata=strata,
        counted_at=min((row.counted_at for row in rows), default=None),
        silent=tuple(
            names[pk]
            for pk in sorted(ask.brand_ids)
            if ask.visible.viewer.is_hq and pk not in ask.visible.told_brands
        ),
    )
