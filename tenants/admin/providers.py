"""Service providers and their engagements."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from tenants.admin_base import AuditedAdmin, ScopedRelatedFilter
from tenants.models import Engagement, ServiceProvider
from tenants.requests import AdminRequest
from tenants.sites import platform_site


class EngagementInline(TabularInline):
    """Write a provider's contracts beside it."""

    model = Engagement
    fields = ["tenant", "purpose", "includes_contact", "starts_on", "ends_on"]
    extra = 0
    can_delete = False
    tab = True
    verbose_name_plural = _("engagements")


@admin.register(ServiceProvider, site=platform_site)
class ServiceProviderAdmin(AuditedAdmin):
    """Keep the companies that operate groups; one that is switched off loses all access at once."""

    never_deleted = True
    list_display = ["name", "is_active", "running", "operators"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    inlines = [EngagementInline]

    def get_queryset(self, request: AdminRequest) -> QuerySet[ServiceProvider]:
        """Add how many engagements run and how many people act for the provider."""
        today = timezone.now().date()
        return (
            super()
            .get_queryset(request)
            .annotate(
                running_count=Count(
                    "engagements",
                    filter=Q(engagements__starts_on__lte=today, engagements__ends_on__gte=today),
                    distinct=True,
                ),
                operator_count=Count("grants__user", distinct=True),
            )
        )

    @admin.display(description=_("engagements running"), ordering="running_count")
    def running(self, provider: Any) -> int:
        """Return how many engagements run today."""
        return provider.running_count

    @admin.display(description=_("people"), ordering="operator_count")
    def operators(self, provider: Any) -> int:
        """Return how many people have a grant at the provider."""
        return provider.operator_count


@admin.register(Engagement, site=platform_site)
class EngagementAdmin(AuditedAdmin):
    """Keep contracts between providers and groups; access ends with their last day."""

    never_deleted = True
    list_display = [
        "provider",
        "tenant",
        "purpose",
        "includes_contact",
        "starts_on",
        "ends_on",
        "days_left",
    ]
    list_display_links = ["provider", "tenant"]
    list_filter = [
        ("provider", ScopedRelatedFilter),
        ("tenant", ScopedRelatedFilter),
        "includes_contact",
    ]
    list_filter_submit = True
    list_select_related = ["provider", "tenant"]
    search_fields = ["provider__name", "tenant__name", "purpose"]
    ordering = ["ends_on"]

    @admin.display(description=_("days left"), ordering="ends_on")
    def days_left(self, engagement: Engagement) -> Any:
        """Return how many days the engagement still runs."""
        left = (engagement.ends_on - timezone.now().date()).days
        return left if left >= 0 else _("ended")
