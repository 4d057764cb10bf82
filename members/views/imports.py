"""List imports, watch one come in, stop it or let it go on, fetch the rows that did not."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members.folders import StrangePath
from members.imports import services
from members.imports.errors import ImportRefused
from members.imports.mapping import FIELDS
from members.imports.report import rejected_file
from members.models import ImportJob
from tenants.access import permission_required

_PER_PAGE = 30


def _jobs(request: GroupRequest) -> QuerySet[ImportJob]:
    """Return the imports a person may know of: their own brands', for HQ what the mode shows."""
    jobs = ImportJob.objects.select_related("brand")
    if request.visible.viewer.is_hq:
        return jobs
    return jobs.filter(brand_id__in=request.visible.viewer.brands)


def own_job(request: GroupRequest, job_id: int) -> ImportJob:
    """Return an import of a brand the person works for; 404 for any other."""
    return get_object_or_404(
        _jobs(request).filter(brand__in=request.visible.write_brands), pk=job_id
    )


def sees_cells(request: GroupRequest, job: ImportJob) -> bool:
    """Tell whether the person may read a file's rows, whatever its columns: there may be names.

    Who may see no contact data reads an orders file of their own alone.
    """
    if job.brand_id not in request.visible.write_brands:
        return False
    # The same person under another contract is another asker.
    is_own = (
        job.created_by_id == request.user.pk
        and job.grant_id == request.grant.pk
        and job.kind == ImportJob.Kind.ORDERS
    )
    return is_own or job.brand_id in request.visible.kinds[Kind.CONTACT].all_brands


@permission_required("members.view_importjob")
@require_GET
def imports(request: GroupRequest) -> HttpResponse:
    """List imports, the newest first."""
    page = Paginator(_jobs(request).order_by("-pk"), _PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "members/import_list.html",
        {
            "title": _("Imports"),
            "page": page,
            "may_import": may_import(request),
            "shows_brands": len(request.visible.viewer.brands) != 1,
        },
    )


def may_import(request: GroupRequest) -> bool:
    """Tell whether the person may bring files in for some brand."""
    return bool(request.visible.write_brands) and request.user.has_perm("members.add_importjob")


def _watched(request: GroupRequest, job: ImportJob) -> dict[str, object]:
    is_own = job.brand_id in request.visible.write_brands
    may_act = is_own and request.user.has_perm("members.add_importjob")
    return {
        "title": {
            ImportJob.Kind.ORDERS: _("Import of orders"),
            ImportJob.Kind.CONSENTS: _("Import of answers to notices"),
        }.get(ImportJob.Kind(job.kind), _("Import of members")),
        "job": job,
        "percent": round(100 * job.progress),
        "is_waiting": job.state in {ImportJob.State.QUEUED, ImportJob.State.RUNNING},
        "rows_per_second": _rows_per_second(job),
        "may_cancel": may_act
        and (not job.is_finished or job.state == ImportJob.State.FAILED)
        and not job.is_cancel_asked,
        "may_start": may_act and job.state == ImportJob.State.FAILED,
        "has_rejected": bool(job.rows_rejected) and sees_cells(request, job),
        # A file without a heading line has its first member for headings: they are cells too.
        "columns": [
            (field.label, job.mapping[field.name])
            for field in FIELDS[job.kind]
            if field.name in job.mapping and sees_cells(request, job)
        ],
    }


def _rows_per_second(job: ImportJob) -> int | None:
    rate = job.bytes_per_second
    done = job.checkpoint
    return round(rate * job.rows_read / done) if rate and done else None


@permission_required("members.view_importjob")
@require_GET
def import_watch(request: GroupRequest, job_id: int) -> HttpResponse:
    """Show how far an import is and what became of its rows; asked by htmx, that part alone."""
    job = get_object_or_404(_jobs(request), pk=job_id)
    if job.state == ImportJob.State.UPLOADED and job.brand_id in request.visible.write_brands:
        return redirect("members:import_columns", job.pk)
    is_part = bool(request.headers.get("HX-Request"))
    template = "members/_import_progress.html" if is_part else "members/import_watch.html"
    return render(request, template, _watched(request, job))


@permission_required("members.add_importjob")
@require_POST
def import_cancel(request: GroupRequest, job_id: int) -> HttpResponse:
    """Ask an import to stop; what it has written stays."""
    job = services.import_cancel(job=own_job(request, job_id), acting_user=request.user)
    if job.state == ImportJob.State.CANCELLED:
        messages.success(request, _("The import is cancelled. Rows it had written stay."))
    else:
        messages.info(
            request, _("The import stops after the rows it is writing now; written rows stay.")
        )
    return redirect("members:import_watch", job.pk)


@permission_required("members.add_importjob")
@require_POST
def import_again(request: GroupRequest, job_id: int) -> HttpResponse:
    """Let a stopped import go on where it stopped."""
    job = own_job(request, job_id)
    try:
        services.import_start(job=job, acting_user=request.user)
    except ImportRefused as error:
        messages.error(request, str(error))
    return redirect("members:import_watch", job.pk)


@permission_required("members.view_importjob")
@require_GET
def import_rejected(request: GroupRequest, job_id: int) -> FileResponse:
    """Give back the rows that were not imported, with their reasons."""
    job = own_job(request, job_id)
    if not job.rejected_path or not sees_cells(request, job):
        raise Http404
    try:
        file = rejected_file(job, request.tenant.schema_name).open("rb")
    except (OSError, StrangePath) as error:
        raise Http404 from error
    name = f"{job.file_name.removesuffix('.csv')}-rejected.csv"
    return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv")
