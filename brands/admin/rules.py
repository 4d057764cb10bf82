"""Notices and the history of the mode."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from brands.admin.scope import HierarchyAdmin
from brands.models import ModeChange, Notice
from brands.wall.visibility import Viewer
from tenants.admin_base import AuditedAdmin, ReadOnlyAdmin
from tenants.requests import AdminRequest
from tenants.sites import group_site


@admin.register(Notice, site=group_site)
class NoticeAdmin(AuditedAdmin):
    """Write notices; one in force is what people answered, so it is never changed or deleted."""

    never_deleted = True
    list_display = ["version", "title", "named", "covered", "effective_from"]
    search_fields = ["version", "title"]
    fieldsets = [
        (None, {"fields": ["version", "title", "purposes", "effective_from"]}),
        (_("Recipients"), {"fields": ["names_group", "recipients"]}),
        (
            _("Kinds of data"),
            {"fields": ["covers_profile", "covers_contact", "covers_activity"]},
        ),
    ]

    def get_queryset(self, request: AdminRequest) -> QuerySet[Notice]:
        """Bring the recipients along."""
        return super().get_queryset(request).prefetch_related("recipients")

    def has_change_permission(self, request: AdminRequest, obj: Notice | None = None) -> bool:
        """Refuse once the notice is in force: write a new version."""
        in_force = obj is not None and obj.effective_from <= timezone.now()
        return not in_force and super().has_change_permission(request, obj)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField, request: AdminRequest, **kwargs: Any
    ) -> Any:
        """Show the brands to tick."""
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("recipients"))
    def named(self, notice: Notice) -> str:
        """Name the recipients."""
        names = [brand.name for brand in notice.recipients.all()]
        return " · ".join([*([str(_("the group"))] if notice.names_group else []), *names])

    @admin.display(description=_("kinds of data"))
    def covered(self, notice: Notice) -> str:
        """Name the kinds of data."""
        kinds = [
            (notice.covers_profile, _("profiles")),
            (notice.covers_contact, _("contact data")),
            (notice.covers_activity, _("activity")),
        ]
        return " · ".join(str(word) for covers, word in kinds if covers)


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
