"""The hierarchy as places at which roles are granted."""

from __future__ import annotations

from brands.models import Brand, BusinessUnit, Store
from tenants.places import Place
from tenants.roles import Level


def grant_places() -> list[Place]:
    """Return every unit, brand and store of the current group."""
    units = [
        Place(Level.UNIT, pk, code, name)
        for pk, code, name in BusinessUnit.objects.values_list("pk", "code", "name")
    ]
    brands = [
        Place(Level.BRAND, pk, code, name)
        for pk, code, name in Brand.objects.values_list("pk", "code", "name")
    ]
    stores = [
        Place(Level.STORE, pk, f"{brand_code}/{code}", f"{brand_name} · {name}")
        for pk, code, name, brand_code, brand_name in Store.objects.values_list(
            "pk", "code", "name", "brand__code", "brand__name"
        )
    ]
    return units + brands + stores
