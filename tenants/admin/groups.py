"""Groups and their hosts."""

from __future__ import annotations

import zoneinfo
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Field
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tenants import audit, tasks
from tenants.admin_base import AuditedAdmin, ScopedRelatedFilter
from tenants.models import Domain, Grant, Tenant
from tenants.places import find_place, place_code
from tenants.provisioning import tenant_request
from tenants.requests import AdminRequest
from tenants.roles import Level
from tenants.sites import platform_site

_WAITING = {Tenant.Status.REQUESTED, Tenant.Status.PROVISIONING}


def provision_after_commit(tenant: Tenant) -> None:
    """Hand the setting up of a group to the owner role's worker, once the wish is written."""
    transaction.on_commit(partial(tasks.provision_tenant.delay, tenant.pk))


@admin.register(Tenant, site=platform_site)
class TenantAdmin(AuditedAdmin):
    """Set groups up, watch how it goes, suspend and resume them."""

    never_deleted = True
    list_display = ["name", "state", "site", "currency", "time_zone", "created_at"]
    list_filter = ["status", "currency"]
    search_fields = ["name", "schema_name"]
    actions_submit_line = ["try_again", "resume"]
    _wishes = ["name", "schema_name", "currency", "locale", "time_zone", "k"]

    def get_fields(self, request: AdminRequest, obj: Tenant | None = None) -> list[str]:
        """Show the state of a group that was asked for."""
        return ["progress", *self._wishes, "site"] if obj else self._wishes

    def formfield_for_dbfield(self, db_field: Field, request: AdminRequest, **kwargs: Any) -> Any:
        """Offer what the product speaks and the time zones there are; explain the short name."""
        if db_field.name == "locale":
            return forms.ChoiceField(
                label=capfirst(db_field.verbose_name),
                choices=settings.LANGUAGES,
                initial=db_field.default,
                widget=UnfoldAdminSelectWidget,
            )
        if db_field.name == "time_zone":
            zones = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
            return forms.ChoiceField(
                label=capfirst(db_field.verbose_name),
                choices=[(name, name) for name in zones if not name.startswith("Etc/")],
                initial=db_field.default,
                widget=UnfoldAdminSelect2Widget,
            )
        if db_field.name == "schema_name":
            kwargs["help_text"] = _(
                "Lower-case letters, digits and _. It names the schema and begins the host: "
                "acme becomes acme%(suffix)s. It cannot be changed later."
            ) % {"suffix": settings.GROUP_HOST_SUFFIX}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: AdminRequest, obj: Tenant | None = None) -> list[str]:
        """Keep the short name: the schema and the host are called so."""
        return ["progress", "schema_name", "site"] if obj else []

    def get_urls(self) -> list[URLPattern]:
        """Add the fragment that says how the setting up goes, and the page that suspends."""
        state = path(
            "<int:tenant_id>/state/",
            self.admin_site.admin_view(self.state_view),
            name="tenants_tenant_state",
        )
        suspend = path(
            "<int:tenant_id>/suspend/",
            self.admin_site.admin_view(self.suspend_view),
            name="tenants_tenant_suspend",
        )
        return [state, suspend, *super().get_urls()]

    def has_provision_permission(self, request: AdminRequest, object_id: object = None) -> bool:
        """Allow those who may set groups up.

        A method and no permission's name: for a name Unfold's check would read the database before
        there is one.
        """
        return request.user.has_perm("tenants.provision_tenant")

    def state_view(self, request: AdminRequest, tenant_id: int) -> HttpResponse:
        """Return the state alone; the page asks every second while it may change."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        tenant = Tenant.objects.filter(pk=tenant_id).first()
        if tenant is None:
            raise Http404
        return render(request, "tenants/_progress.html", self._progress(tenant))

    def suspend_view(self, request: AdminRequest, tenant_id: int) -> HttpResponse:
        """Say in numbers who loses access, and close the group's site on confirmation."""
        if not self.has_provision_permission(request):
            raise PermissionDenied
        tenant = Tenant.objects.filter(pk=tenant_id, status=Tenant.Status.ACTIVE).first()
        if tenant is None:
            raise Http404
        if request.method == "POST":
            self._move(request, tenant, Tenant.Status.SUSPENDED, "tenant.suspend")
            messages.warning(
                request,
                _("The group's site is closed to everyone. “Resume the group” opens it again."),
            )
            return redirect("admin:tenants_tenant_change", tenant.pk)
        grants = Grant.objects.current().filter(tenant=tenant)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Suspend %s?") % tenant,
            "group": tenant,
            "people": grants.values("user").distinct().count(),
            "engagements": grants.exclude(engagement=None).values("engagement").distinct().count(),
            "hosts": tenant.domains.count(),
        }
        return render(request, "tenants/suspend.html", context)

    def _progress(self, tenant: Tenant) -> dict[str, Any]:
        return {
            "group": tenant,
            "is_waiting": tenant.status in _WAITING,
            "state_url": reverse("admin:tenants_tenant_state", args=[tenant.pk]),
        }

    @admin.display(description=_("state"))
    def progress(self, tenant: Tenant) -> SafeString:
        """Show the state, and follow it while it may change."""
        return render_to_string("tenants/_progress.html", self._progress(tenant))

    @admin.display(description=_("status"), ordering="status")
    def state(self, tenant: Tenant) -> SafeString:
        """Show the status as a badge."""
        return render_to_string("tenants/_status.html", {"group": tenant})

    @admin.display(description=_("host"))
    def site(self, tenant: Tenant) -> str:
        """Name the group's host."""
        if not tenant.is_active:
            return tenant.host
        return format_html('<a class="s-link" href="//{0}/">{0}</a>', tenant.host)

    def save_model(
        self, request: AdminRequest, obj: Tenant, form: forms.ModelForm, change: bool
    ) -> None:
        """Write a new group down as a wish and let a job fulfil it."""
        if change:
            super().save_model(request, obj, form, change)
            return
        wish = {name: form.cleaned_data[name] for name in self._wishes}
        tenant = tenant_request(acting_user=request.user, **wish)
        provision_after_commit(tenant)
        obj.pk = tenant.pk
        obj.refresh_from_db()

    def log_addition(self, request: AdminRequest, obj: Tenant, message: Any) -> None:
        """Leave the record to the request itself."""

    def response_add(
        self, request: AdminRequest, obj: Tenant, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stay on the group's page, where its state is followed."""
        request.POST = request.POST.copy()
        request.POST["_continue"] = "1"
        return super().response_add(request, obj, post_url_continue)

    def get_actions_submit_line(self, request: AdminRequest, object_id: int) -> list[Any]:
        """Offer only the acts that the group's status has room for."""
        tenant = Tenant.objects.filter(pk=object_id).first()
        fitting = {
            "failed": "try_again",
            "requested": "try_again",
            "suspended": "resume",
        }.get(tenant.status if tenant else "")
        return [
            one
            for one in super().get_actions_submit_line(request, object_id)
            if fitting and one.action_name.endswith(f"_{fitting}")
        ]

    @action(description=_("Try again"), permissions=["provision"])
    def try_again(self, request: AdminRequest, obj: Tenant) -> None:
        """Start the setting up anew."""
        self._move(request, obj, Tenant.Status.REQUESTED, "tenant.retry")
        provision_after_commit(obj)

    @action(description=_("Resume the group"), permissions=["provision"])
    def resume(self, request: AdminRequest, obj: Tenant) -> None:
        """Open the group's site again."""
        self._move(request, obj, Tenant.Status.ACTIVE, "tenant.resume")

    def _move(self, request: AdminRequest, tenant: Tenant, status: str, act: str) -> None:
        before = tenant.status
        tenant.status, tenant.status_note = status, ""
        tenant.save(update_fields=["status", "status_note"])
        # The form's own event leaves out what this act changed: the act has its own.
        if remembered := getattr(request, "_audit_before", None):
            remembered.update(status=status, status_note="")
        audit.record(
            acting_user=request.user,
            action=act,
            target=tenant,
            tenant=tenant,
            changes={"status": [before, status]},
        )


class DomainForm(forms.ModelForm):
    """Take a host name and, for a brand's own host, the brand's code."""

    brand_code = forms.CharField(
        label=_("Brand"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The code of the brand whose own host this is; empty for the whole group."),
    )

    class Meta:
        model = Domain
        fields = ["domain", "tenant", "is_primary"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.brand_id:
            self.initial["brand_code"] = place_code(
                tenant=self.instance.tenant, level=Level.BRAND, place_id=self.instance.brand_id
            )

    def clean_domain(self) -> str:
        """Refuse what is no host name, or the platform's own."""
        host = self.cleaned_data["domain"].strip().lower()
        if not all(label.strip("-") and len(label) < 64 for label in host.split(".")) or not (
            host.replace(".", "").replace("-", "").isalnum() and host.isascii()
        ):
            raise ValidationError(
                _("Write a host name only, such as tea.acme.example: no port, no path.")
            )
        if host == settings.PLATFORM_HOST.split(":")[0]:
            raise ValidationError(_("This host is the platform's own."))
        return host

    def clean(self) -> dict[str, Any] | None:
        """Find the brand by its code in the group's schema."""
        cleaned = super().clean() or self.cleaned_data
        tenant, code = cleaned.get("tenant"), cleaned.get("brand_code")
        self.instance.brand_id = None
        if tenant and code:
            place = (
                find_place(tenant=tenant, level=Level.BRAND, code=code)
                if tenant.is_active
                else None
            )
            if place is None:
                self.add_error("brand_code", _("This group has no brand with this code."))
            else:
                self.instance.brand_id = place.id
        return cleaned


@admin.register(Domain, site=platform_site)
class DomainAdmin(AuditedAdmin):
    """Bind hosts to groups and brands."""

    form = DomainForm
    fields = ["domain", "tenant", "brand_code", "is_primary"]
    list_display = ["domain", "tenant", "is_primary", "is_brand_host"]
    list_filter = [("tenant", ScopedRelatedFilter), "is_primary"]
    list_select_related = ["tenant"]
    search_fields = ["domain", "tenant__name"]

    def has_delete_permission(self, request: AdminRequest, obj: Domain | None = None) -> bool:
        """Keep a group's primary host: without it nobody reaches the group."""
        return not (obj and obj.is_primary) and super().has_delete_permission(request, obj)

    @admin.display(description=_("a brand's own"), boolean=True)
    def is_brand_host(self, domain: Domain) -> bool:
        """Tell whether the host names a brand."""
        return domain.brand_id is not None
