"""Find what a command names: a group, a brand."""

from __future__ import annotations

from django.core.management.base import CommandError

from brands.models import Brand
from tenants.models import Tenant


def find_tenant(name: str) -> Tenant:
    """Return an active group by its short name."""
    tenant = Tenant.objects.filter(schema_name=name, status=Tenant.Status.ACTIVE).first()
    if tenant is None:
        known = ", ".join(
            Tenant.objects.order_by("schema_name").values_list("schema_name", flat=True)
        )
        raise CommandError(f"There is no active group “{name}”. Groups: {known or 'none'}.")
    return tenant


def find_brand(code: str) -> Brand:
    """Return a brand of the current group by its code."""
    brand = Brand.objects.filter(code=code).first()
    if brand is None:
        known = ", ".join(Brand.objects.order_by("code").values_list("code", flat=True))
        raise CommandError(f"The group has no brand “{code}”. Brands: {known or 'none'}.")
    return brand
