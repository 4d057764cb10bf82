"""Read the audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.paginator import InfinitePaginator

from tenants import audit_words
from tenants.admin_base import ReadOnlyAdmin
from tenants.models import AuditEvent
from tenants.requests import AdminRequest
from tenants.sites import group_site, platform_site


class KindFilter(admin.AllValuesFieldListFilter):
    """Offer the kinds of rows by their names."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Name each kind."""
        for choice in super().choices(changelist):
            yield {**choice, "display": audit_words.kind(str(choice["display"]))}


@admin.register(AuditEvent, site=platform_site)
@admin.register(AuditEvent, site=group_site)
class AuditEventAdmin(ReadOnlyAdmin):
    """Show who did what, as which role; a group sees its own events only."""

    list_display = ["at", "who", "role", "act", "kind", "target_name", "change_list"]
    list_display_links = ["at"]
    # The audit only grows: no page counts it.
    paginator = InfinitePaginator
    show_full_result_count = False
    list_filter = [("at", RangeDateFilter), ("target_type", KindFilter)]
    list_filter_submit = True
    search_fields = ["user_name", "action", "target_name", "target_id"]
    search_help_text = _("Search by person, act or what it was done to")
    fields = [
        "at",
        "who",
        "role",
        "engagement",
        "action",
        "kind",
        "target_id",
        "target_name",
        "change_list",
    ]

    def get_queryset(self, request: AdminRequest) -> QuerySet[AuditEvent]:
        """Return the group's own events; on the platform those about the platform's own rows."""
        events = super().get_queryset(request)
        if request.tenant is not None:
            return events.filter(tenant=request.tenant)
        return events.filter(Q(tenant=None) | Q(target_type__startswith="tenants."))

    @admin.display(description=_("who"), ordering="user_name")
    def who(self, event: AuditEvent) -> str:
        """Name the person; what no person did is kept in English."""
        return event.user_name if event.user_id else gettext(event.user_name)

    @admin.display(description=_("act"), ordering="action")
    def act(self, event: AuditEvent) -> str:
        """Say what was done; the event's own page has the code."""
        return event.act

    @admin.display(description=_("kind"), ordering="target_type")
    def kind(self, event: AuditEvent) -> str:
        """Name the kind of row it was about."""
        return event.kind

    @admin.display(description=_("changes"))
    def change_list(self, event: AuditEvent) -> SafeString:
        """Write the changes as words."""
        return render_to_string("tenants/_changes.html", {"rows": event.change_rows})
