"""Read the group's tree: units, brands, and how many stores and guides each brand has."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Count, Q

from brands.models import Brand, BusinessUnit
from brands.modes import Mode
from brands.wall.visibility import Visible


@dataclass(frozen=True)
class BrandNode:
    """Be one brand of the tree."""

    brand: Brand
    mode: Mode
    open_stores: int
    closed_stores: int
    guides: int
    accounts: int


@dataclass(frozen=True)
class UnitNode:
    """Be one unit with its brands; `unit` is None for brands directly below the group."""

    unit: BusinessUnit | None
    brands: list[BrandNode] = field(default_factory=list)

    @property
    def stores(self) -> int:
        """Return the open stores of all brands."""
        return sum(node.open_stores for node in self.brands)

    @property
    def guides(self) -> int:
        """Return the guides of all brands."""
        return sum(node.guides for node in self.brands)


def tree(visible: Visible) -> list[UnitNode]:
    """Return the part of the hierarchy that the viewer manages, or all of it for HQ.

    Units without brands are there for HQ, so that one can see what is still to be filled.
    """
    viewer = visible.viewer
    own = Q() if viewer.is_hq or viewer.brands else Q(stores__in=viewer.stores)
    open_stores = own & Q(stores__is_active=True)
    brands = (
        Brand.objects.filter(is_active=True)
        .select_related("business_unit")
        .annotate(
            open_total=Count("stores", filter=open_stores, distinct=True),
            closed_total=Count("stores", filter=own & Q(stores__is_active=False), distinct=True),
            guide_total=Count(
                "stores__guides",
                filter=open_stores & Q(stores__guides__is_active=True),
                distinct=True,
            ),
            account_total=Count("channel_accounts", distinct=True),
        )
        .order_by("name")
    )
    if not viewer.is_hq:
        brands = brands.filter(pk__in=viewer.brands | viewer.store_brands)
    nodes: dict[int | None, UnitNode] = {}
    if viewer.is_hq:
        nodes = {unit.pk: UnitNode(unit) for unit in BusinessUnit.objects.order_by("name")}
    for brand in brands:
        unit = nodes.setdefault(brand.business_unit_id, UnitNode(brand.business_unit))
        unit.brands.append(
            BrandNode(
                brand,
                visible.modes[brand.pk],
                brand.open_total,
                brand.closed_total,
                brand.guide_total,
                brand.account_total,
            )
        )
    # Brands directly below the group come last.
    return sorted(nodes.values(), key=lambda node: (node.unit is None, str(node.unit)))
