"""The history of the mode."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brands.admin.scope import HierarchyAdmin
from brands.models import ModeChange
from brands.wall.visibility import Viewer
from tenants.admin_base import ReadOnlyAdmin
from tenants.sites import group_site


@admin.register(ModeChange, site=group_site)
class ModeChangeAdmin(ReadOnlyAdmin, HierarchyAdmin):
    """Show every decision about the mode; they are made on the mode page."""

    list_display = ["effective_at", "whose", "mode", "reason", "decided_by_name"]
    list_display_links = ["effective_at"]
    list_select_related = ["brand"]
    list_filter = ["mode"]
    fields = ["whose", "mode", "effective_at", "reason", "decided_by_name", "created_at"]

    def own(self, viewer: Viewer) -> Q:
        """Return the decisions about the group and about the viewer's own brands."""
        return Q(brand=None) | Q(brand__in=viewer.brands)

    @admin.display(description=_("of"), ordering="brand__name")
    def whose(self, change: ModeChange) -> str:
        """Name the brand, or the group."""
        return str(change.brand or _("The group"))
