"""The hierarchy as places at which roles are granted."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from brands.models import Brand, BusinessUnit, Store
from brands.wall.visibility import Visible
from tenants.places import Place
from tenants.roles import Level


def grant_places() -> list[Place]:
    """Return every unit, brand and store of the current group; none of a brand that left."""
    staying = Brand.objects.filter(Q(left_at=None) | Q(left_at__gt=timezone.now()))
    units = [
        Place(Level.UNIT, pk, code, name)
        for pk, code, name in BusinessUnit.objects.values_list("pk", "code", "name")
    ]
    brands = [
        Place(Level.BRAND, pk, code, name)
        for pk, code, name in staying.values_list("pk", "code", "name")
    ]
    stores = [
        Place(Level.STORE, pk, f"{brand_code}/{code}", f"{brand_name} · {name}")
        for pk, code, name, brand_code, brand_name in Store.objects.filter(
            brand__in=staying
        ).values_list("pk", "code", "name", "brand__code", "brand__name")
    ]
    return units + brands + stores


def brands_shown(visible: Visible) -> list[Place]:
    """Return the brands of which rows or figures are shown, in the order of their codes."""
    brands = Brand.objects.filter(pk__in=visible.shown_brands).order_by("code")
    return [
        Place(Level.BRAND, pk, code, name)
        for pk, code, name in brands.values_list("pk", "code", "name")
    ]
