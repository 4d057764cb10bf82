"""Keep every hierarchy page inside the brands and stores of the person acting."""

from __future__ import annotations

from django.db.models import Model, Q, QuerySet

from brands.wall.visibility import Viewer
from tenants.admin_base import AuditedAdmin
from tenants.requests import AdminRequest


class HierarchyAdmin(AuditedAdmin):
    """Show HQ the whole hierarchy, and everyone else their own part of it.

    `brand_path` and `store_path` are the lookups from a row to its brand and its store; "" where
    a row has none.
    """

    brand_path = ""
    store_path = ""

    def get_queryset(self, request: AdminRequest) -> QuerySet:
        """Return the rows in the person's part of the hierarchy."""
        rows = super().get_queryset(request)
        viewer = request.visible.viewer
        return rows if viewer.is_hq else rows.filter(self.own(viewer)).distinct()

    def own(self, viewer: Viewer) -> Q:
        """Return which rows belong to the viewer's brands or stores."""
        own = Q(**{f"{self.brand_path}__in": viewer.brands}) if self.brand_path else Q(pk__in=[])
        if self.store_path and viewer.stores:
            own |= Q(**{f"{self.store_path}__in": viewer.stores})
        return own

    def has_change_permission(self, request: AdminRequest, obj: Model | None = None) -> bool:
        """Refuse a row outside the person's part, whatever the role permits."""
        return super().has_change_permission(request, obj) and self._holds(request, obj)

    def has_delete_permission(self, request: AdminRequest, obj: Model | None = None) -> bool:
        """Refuse a row outside the person's part, whatever the role permits."""
        return super().has_delete_permission(request, obj) and self._holds(request, obj)

    def _holds(self, request: AdminRequest, obj: Model | None) -> bool:
        if obj is None or obj.pk is None or request.visible.viewer.is_hq:
            return True
        return self.get_queryset(request).filter(pk=obj.pk).exists()
