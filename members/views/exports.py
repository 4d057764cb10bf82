"""Ask for a file of members, watch it being made, fetch it while it still holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from brands.models import Brand
from brands.wall.request import GroupRequest
from members import member_list
from members.exports import files, job, services
from members.exports.errors import ExportOutdated, ExportRefused
from members.exports.rows import Columns
from members.exports.services import MAY_EXPORT
from members.models import ExportJob
from tenants.access import permission_required

_PER_PAGE = 30


def _own_job(request: GroupRequest, export_id: UUID) -> ExportJob:
    """Return an export that the person asked for under the grant acted under; else 404."""
    own = ExportJob.objects.of(grant=request.grant, user=request.user)
    return get_object_or_404(own, pk=export_id)


def _filter_rows(filters: dict[str, str], request: GroupRequest) -> list[tuple[str, str]]:
    """Return label and value of each filter, in words."""
    form = member_list.MemberFilter(filters, visible=request.visible)
    form.is_valid()
    rows = []
    for name, value in form.cleaned_data.items():
        if not value:
            continue
        choices = dict(getattr(form.fields[name], "choices", [])) if name == "ordered" else {}
        rows.append((str(form.fields[name].label), str(choices.get(value, value))))
    return rows


@permission_required(MAY_EXPORT)
@require_GET
def exports(request: GroupRequest) -> HttpResponse:
    """List the person's own exports, the newest first."""
    own = ExportJob.objects.of(grant=request.grant, user=request.user)
    page = Paginator(own.order_by("-created_at"), _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "members/export_list.html", {"title": _("Exports"), "page": page})


@permission_required(MAY_EXPORT)
def export_new(request: GroupRequest) -> HttpResponse:
    """Say what the file would hold; asked by POST, have it made."""
    given = request.POST if request.method == "POST" else request.GET
    filters = services.filters_asked(given.dict(), request.visible)
    if request.method == "POST":
        return _ask(request, filters)
    try:
        counted = job.members_counted(filters, request.visible)
    except ExportRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("members:list")
    context = {
        "title": _("Export members"),
        "filters": filters,
        "filter_rows": _filter_rows(filters, request),
        "counted": counted,
        "columns": Columns.of(request.visible).headings(),
        "back": f"{reverse('members:list')}?{urlencode(filters)}",
        "days": services.KEPT.days,
        "is_looked_as": request.visible.viewer.is_looked_as,
    }
    return render(request, "members/export_new.html", context)


def _ask(request: GroupRequest, filters: dict[str, str]) -> HttpResponse:
    try:
        made = services.export_create(
            filters=filters, visible=request.visible, acting_user=request.user
        )
    except ExportRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("members:exports")
    return redirect("members:export_watch", made.pk)


def _watched(request: GroupRequest, watched: ExportJob) -> dict[str, Any]:
    names = dict(Brand.objects.filter(pk__in=map(int, watched.brands)).values_list("pk", "name"))
    return {
        "title": _("Export of members"),
        "job": watched,
        "percent": round(100 * watched.progress),
        "rows_by_brand": sorted(
            ((names.get(int(brand), brand), rows) for brand, rows in watched.brands.items()),
            key=lambda row: -row[1],
        ),
        "filter_rows": _filter_rows(services.filters_of(watched), request),
    }


@permission_required(MAY_EXPORT)
@require_GET
def export_watch(request: GroupRequest, export_id: UUID) -> HttpResponse:
    """Show how far an export is; asked by htmx, that part alone."""
    watched = _own_job(request, export_id)
    is_part = bool(request.headers.get("HX-Request"))
    template = "members/_export_progress.html" if is_part else "members/export_watch.html"
    return render(request, template, _watched(request, watched))


@permission_required(MAY_EXPORT)
@require_POST
def export_cancel(request: GroupRequest, export_id: UUID) -> HttpResponse:
    """Stop an export, or throw its file away."""
    services.export_cancel(job=_own_job(request, export_id), acting_user=request.user)
    messages.success(request, _("The export is cancelled; no file of it is kept."))
    return redirect("members:export_watch", export_id)


@permission_required(MAY_EXPORT)
@require_POST
def export_again(request: GroupRequest, export_id: UUID) -> HttpResponse:
    """Ask again for what an export was asked with, as far as it can be seen now."""
    filters = services.filters_of(_own_job(request, export_id))
    return _ask(request, services.filters_asked(filters, request.visible))


@permission_required(MAY_EXPORT)
@require_POST
def export_file(request: GroupRequest, export_id: UUID) -> FileResponse | HttpResponse:
    """Hand the file out, if it is what the person may see at this moment; else say why not."""
    own = _own_job(request, export_id)
    try:
        handed = services.export_check(job=own, visible=request.visible, acting_user=request.user)
    except ExportOutdated as reason:
        context = {"title": _("This file is gone"), "job": own, "reason": reason}
        return render(request, "members/export_gone.html", context, status=410)
    except ExportRefused as reason:
        messages.warning(request, str(reason))
        return redirect("members:export_watch", own.pk)
    try:
        file = files.file_of(handed.job, request.tenant.schema_name).open("rb")
    except OSError as error:
        raise Http404 from error
    return FileResponse(
        file, as_attachment=True, filename=handed.name, content_type="text/csv; charset=utf-8"
    )
