"""Upload a file and say which column is what."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from brands.wall.request import GroupRequest
from members.forms import ColumnsForm, UploadForm
from members.import_forms import RULED_KINDS, RulesForm
from members.imports import services
from members.imports.acts import import_check
from members.imports.errors import ImportRefused
from members.imports.mapping import FIELDS
from members.imports.rules import words
from members.imports.uploads import keep_upload
from members.models import ImportJob
from members.views.imports import may_import, own_job, sees_cells
from tenants.access import permission_required


@permission_required("members.add_importjob")
def import_upload(request: GroupRequest) -> HttpResponse:
    """Take a file and go on to its columns; a file that cannot be read is refused with why."""
    if not may_import(request):
        raise Http404
    given = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    initial = {"kind": request.GET.get("kind", ImportJob.Kind.MEMBERS)}
    form = UploadForm(*given, visible=request.visible, initial=initial)
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        path = keep_upload(upload, request.tenant.schema_name, form.cleaned_data["brand"].pk)
        try:
            with transaction.atomic():
                job = services.import_create(
                    brand=form.cleaned_data["brand"],
                    kind=form.cleaned_data["kind"],
                    path=path,
                    file_name=upload.name,
                    acting_user=request.user,
                    is_mapped_later=True,
                )
        except ImportRefused as error:
            path.unlink(missing_ok=True)
            form.add_error("file", str(error))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        else:
            return redirect("members:import_columns", job.pk)
    context = {
        "title": _("Import a file"),
        "form": form,
        "headings": [
            (label, [(field.label, field.is_required) for field in FIELDS[kind]])
            for kind, label in ImportJob.Kind.choices
        ],
    }
    return render(request, "members/import_upload.html", context)


@permission_required("members.add_importjob")
def import_columns(request: GroupRequest, job_id: int) -> HttpResponse:
    """Show the first rows and ask which column is what; then hand the job to the worker."""
    job = own_job(request, job_id)
    if job.state != ImportJob.State.UPLOADED:
        return redirect("members:import_watch", job.pk)
    try:
        preview = services.import_preview(job)
    except ImportRefused as error:
        messages.error(request, str(error))
        return redirect("members:import_upload")
    form = ColumnsForm(
        request.POST if request.method == "POST" else None,
        kind=job.kind,
        headings=preview.headings,
        mapping=job.mapping,
    )
    given = request.POST if request.method == "POST" else None
    rules = RulesForm(given, job=job) if job.kind in RULED_KINDS else None
    if request.method == "POST" and form.is_valid() and (rules is None or rules.is_valid()):
        act = import_check if request.POST.get("act") == "check" else services.import_start
        try:
            act(
                job=job,
                acting_user=request.user,
                mapping=form.mapping(),
                rules=rules.cleaned_data if rules else None,
            )
            return redirect("members:import_watch", job.pk)
        except ImportRefused as error:
            form.add_error(None, str(error))
    context = {
        "title": _("Which column is what?"),
        "job": job,
        "form": form,
        "rules_form": rules,
        "rules": words(job.rules) if rules else [],
        "rows": preview.rows if sees_cells(request, job) else [],
        "required": [field.label for field in FIELDS[job.kind] if field.is_required],
    }
    return render(request, "members/import_columns.html", context)
