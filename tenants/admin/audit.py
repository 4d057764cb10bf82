"""Read the audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList as UnfoldList

from tenants import audit, audit_checks, audit_words, tasks
from tenants.admin_base import ReadOnlyAdmin
from tenants.audit_chain import FAULTS
from tenants.audit_telling import reader_of
from tenants.models import AuditEvent
from tenants.requests import AdminRequest
from tenants.sites import group_site, platform_site


class KindFilter(admin.AllValuesFieldListFilter):
    """Offer the kinds of rows by their names."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Name each kind."""
        for choice in super().choices(changelist):
            yield {**choice, "display": audit_words.kind(str(choice["display"]))}


class ToldList(UnfoldList):
    """List events as their reader may know them."""

    result_list: Any

    def get_results(self, request: AdminRequest) -> None:
        """Read the page's events to the reader."""
        super().get_results(request)
        reader = reader_of(request)
        self.result_list = [reader.read(event) for event in self.result_list]


@admin.register(AuditEvent, site=platform_site)
@admin.register(AuditEvent, site=group_site)
class AuditEventAdmin(ReadOnlyAdmin):
    """Show who did what, as which role; a group sees its own events only."""

    list_before_template = "tenants/_audit_chain.html"
    list_display = ["at", "who", "role", "act", "kind", "what", "change_list"]
    list_display_links = ["at"]
    # The audit only grows: no page counts it.
    paginator = InfinitePaginator
    show_full_result_count = False
    list_filter = [("at", RangeDateFilter), ("target_type", KindFilter)]
    list_filter_submit = True
    search_fields = ["user_name", "action", "target_name", "target_id"]
    search_help_text = _("Search by person, act or what it was done to")
    fields = [
        "number",
        "at",
        "who",
        "role",
        "engagement",
        "action",
        "kind",
        "target_id",
        "what",
        "change_list",
    ]

    def get_queryset(self, request: AdminRequest) -> QuerySet[AuditEvent]:
        """Return the group's own events; on the platform those about the platform's own rows."""
        events = super().get_queryset(request)
        if request.tenant is not None:
            return events.filter(tenant=request.tenant)
        return events.filter(Q(tenant=None) | Q(target_type__startswith="tenants."))

    def get_changelist(self, request: AdminRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that tells its events as the reader may know them."""
        return ToldList

    def get_object(
        self, request: AdminRequest, object_id: str, from_field: str | None = None
    ) -> AuditEvent | None:
        """Return an event as the reader may know it."""
        event = super().get_object(request, object_id, from_field)
        return reader_of(request).read(event) if event is not None else None

    def get_search_results(
        self, request: AdminRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Look for a term in what the reader is told alone."""
        if search_term:
            queryset = reader_of(request).open_to(queryset)
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the filters that are offered: any other would find by what is not told."""
        return lookup.startswith(("at_", "target_type"))

    def get_urls(self) -> list[URLPattern]:
        """Add the check of the chain and its file."""
        added = [
            path(f"{act}/", self.admin_site.admin_view(view), name=f"tenants_auditevent_{act}")
            for act, view in (("verify", self.verify_view), ("export", self.export_view))
        ]
        return [*added, *super().get_urls()]

    def changelist_view(
        self, request: AdminRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say above the list when the chain was checked, and with what result."""
        check = audit_checks.last_check(request.tenant)
        count = audit_checks.parts(request.tenant)
        site = self.admin_site.name
        context = {
            "audit_check": check,
            "audit_fault": (
                gettext(FAULTS[check.fault]) % {"number": check.fault_number}
                if check and check.fault in FAULTS
                else ""
            ),
            "audit_parts": range(1, count + 1),
            "audit_verify_url": reverse("admin:tenants_auditevent_verify", current_app=site),
            "audit_export_url": reverse("admin:tenants_auditevent_export", current_app=site),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def verify_view(self, request: AdminRequest) -> HttpResponse:
        """Ask a worker to check the chain; by POST only."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            check = audit_checks.check_ask(tenant=request.tenant, acting_user=request.user)
            transaction.on_commit(lambda: tasks.check_audit.delay(check.pk), robust=True)
            messages.info(
                request, _("The chain is being checked. Load the page again to see the result.")
            )
        return redirect(
            reverse("admin:tenants_auditevent_changelist", current_app=self.admin_site.name)
        )

    def export_view(self, request: AdminRequest) -> HttpResponseBase:
        """Give one part of the chain out as a file, with numbers and seals."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        part = request.GET.get("part", "1")
        if not part.isdecimal() or not 1 <= int(part) <= audit_checks.parts(request.tenant):
            raise Http404
        name = request.tenant.schema_name if request.tenant else "platform"
        audit.record(
            acting_user=request.user, action="audit.export", changes={"part": [None, int(part)]}
        )
        return FileResponse(
            audit_checks.file_of(request.tenant, int(part), reader_of(request)),
            as_attachment=True,
            filename=f"audit-{name}-{part}.csv",
        )

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

    @admin.display(description=_("what"))
    def what(self, event: AuditEvent) -> str:
        """Name what it was done to; not sorted by, as it may not be told."""
        return event.target_name

    @admin.display(description=_("changes"))
    def change_list(self, event: AuditEvent) -> SafeString:
        """Write the changes as words."""
        return render_to_string("tenants/_changes.html", {"rows": event.change_rows})
