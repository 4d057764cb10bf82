"""What every admin page of ours does: audit each write, answer 404, keep choices in scope."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import BaseModelFormSet, ModelForm
from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter

from tenants import audit
from tenants.audit_telling import reader_of
from tenants.models import AuditEvent, Tenant
from tenants.requests import AdminRequest

Snapshot = dict[str, Any]

_HISTORY_LENGTH = 200


def snapshot(row: models.Model) -> Snapshot:
    """Return a row's fields as the audit writes them; never a password."""
    values: Snapshot = {}
    for field in row._meta.concrete_fields:
        if field.primary_key or field.name in {"password", "last_login"}:
            continue
        value = getattr(row, field.name if field.is_relation else field.attname)
        if not isinstance(value, bool | int | type(None)):
            value = value.isoformat() if hasattr(value, "isoformat") else str(value)
        values[field.name] = value
    for field in row._meta.many_to_many:
        values[field.name] = sorted(str(other) for other in getattr(row, field.name).all())
    return values


def differences(before: Snapshot, after: Snapshot) -> dict[str, list[Any]]:
    """Return field → [before, after] for what differs; an absent side is None."""
    return {
        name: [before.get(name), after.get(name)]
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


class ScopedRelatedFilter(RelatedDropdownFilter):
    """Offer in a filter only what the related admin would list."""

    def field_choices(
        self, field: models.ForeignKey, request: AdminRequest, model_admin: ModelAdmin
    ) -> list[tuple[Any, str]]:
        """Return the choices that the person's scope holds."""
        related = model_admin.admin_site._registry.get(field.related_model)
        if related is None:
            return []
        return [(row.pk, str(row)) for row in related.get_queryset(request)]


class AuditedAdmin(ModelAdmin):
    """Record every write with before and after; show what is out of scope as absent.

    `never_deleted` says that rows stay: they are switched off or ended instead.
    """

    view_on_site = False
    list_per_page = 50
    list_filter_sheet = True
    warn_unsaved_form = True
    never_deleted = False

    # --- Scope ------------------------------------------------------------------------------

    def has_delete_permission(self, request: AdminRequest, obj: Any = None) -> bool:
        """Refuse where rows stay."""
        return not self.never_deleted and super().has_delete_permission(request, obj)

    def _get_obj_does_not_exist_redirect(
        self, request: AdminRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        # A stranger must not be able to tell an object out of scope from one that never was.
        raise Http404

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: AdminRequest, **kwargs: Any
    ) -> Any:
        """Limit the choices to what the person could open in this admin."""
        kwargs = self._scoped(db_field, request, kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField, request: AdminRequest, **kwargs: Any
    ) -> Any:
        """Limit the choices to what the person could open in this admin."""
        kwargs = self._scoped(db_field, request, kwargs)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _scoped(
        self,
        db_field: models.ForeignKey | models.ManyToManyField,
        request: AdminRequest,
        options: dict[str, Any],
    ) -> dict[str, Any]:
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if related is None or "queryset" in options:
            return options
        return {**options, "queryset": related.get_queryset(request)}

    # --- Audit ------------------------------------------------------------------------------

    def save_model(self, request: AdminRequest, obj: Any, form: Any, change: Any) -> None:
        """Save, remembering how the row was before."""
        self._remember(request, obj, change)
        super().save_model(request, obj, form, change)

    def _remember(self, request: AdminRequest, obj: models.Model, change: bool) -> None:
        before = snapshot(self.model._default_manager.get(pk=obj.pk)) if change else {}
        request._audit_before = before

    def save_formset(
        self, request: AdminRequest, form: ModelForm, formset: BaseModelFormSet, change: bool
    ) -> None:
        """Save the rows of an inline and record each that changed."""
        # Read apart from the forms' own instances, which lose their key when they are deleted.
        model: Any = formset.model
        rows = model._default_manager.filter(
            pk__in=[one.instance.pk for one in formset.initial_forms]
        )
        before = {row.pk: (row, snapshot(row)) for row in rows}
        gone = [one.instance.pk for one in formset.deleted_forms]
        super().save_formset(request, form, formset, change)
        for row in formset.new_objects:
            self._record(request, "add", row, {}, snapshot(row))
        for row, _fields in formset.changed_objects:
            self._record(request, "change", row, before[row.pk][1], snapshot(row))
        for key in gone:
            if key in before:
                self._record(request, "delete", *before[key], {})

    def log_addition(self, request: AdminRequest, obj: Any, message: Any) -> None:
        """Record that a person added a row."""
        self._record(request, "add", obj, {}, snapshot(obj))

    def log_change(self, request: AdminRequest, obj: Any, message: Any) -> None:
        """Record that a person changed a row, if anything differs."""
        before = getattr(request, "_audit_before", {})
        self._record(request, "change", obj, before, snapshot(obj))

    def log_deletions(self, request: AdminRequest, queryset: Iterable[models.Model]) -> None:
        """Record the rows that a person is about to delete."""
        for row in queryset:
            self._record(request, "delete", row, snapshot(row), {})

    def _record(
        self,
        request: AdminRequest,
        act: str,
        row: models.Model,
        before: Snapshot,
        after: Snapshot,
    ) -> None:
        changes = differences(before, after)
        if not changes and act == "change":
            return
        audit.record(
            acting_user=request.user,
            action=f"{row._meta.model_name}.{act}",
            target=row,
            changes=changes,
            tenant=row if isinstance(row, Tenant) else getattr(row, "tenant", None),
        )

    def history_view(
        self, request: AdminRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the audit's events about this row."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        events = AuditEvent.objects.filter(target_type=self.opts.label_lower, target_id=str(row.pk))
        if request.tenant is not None:
            events = events.filter(tenant=request.tenant)
        context = {
            **self.admin_site.each_context(request),
            "title": _("History: %s") % row,
            "subtitle": None,
            "opts": self.opts,
            "original": row,
            "object": row,
            "events": [reader_of(request).read(event) for event in events[:_HISTORY_LENGTH]],
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/audit_history.html", context)


class ReadOnlyAdmin(AuditedAdmin):
    """Show rows that nobody writes by hand."""

    def has_add_permission(self, request: AdminRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: AdminRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: AdminRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
