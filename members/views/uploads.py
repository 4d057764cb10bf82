"""Upload a file, choose what of it is meant, and say which column is what."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members.forms import ColumnsForm, UploadForm, kinds_for
from members.import_forms import RULED_KINDS, RulesForm
from members.imports import rules, services
from members.imports.acts import import_check
from members.imports.contract import fields_open, leaves_contact_out
from members.imports.errors import ImportRefused
from members.imports.files import Preview
from members.imports.mapping import FIELDS
from members.imports.preview import RowShown, rows_plain, rows_shown
from members.imports.sources import mapping_for, source_named, source_remember
from members.imports.uploads import keep_upload
from members.models import ImportJob
from members.views.imports import may_import, own_job, sees_cells, sees_headings
from tenants.access import permission_required

# From here a job's columns may be chosen: nothing of it is written.
_CHOOSING = frozenset({ImportJob.State.UPLOADED, ImportJob.State.CHECKED})


@permission_required("members.add_importjob")
def import_upload(request: GroupRequest) -> HttpResponse:
    """Take a file and go on to its columns; a file that cannot be read is refused with why."""
    if not may_import(request):
        raise Http404
    given = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    initial = {"kind": request.GET.get("kind", ImportJob.Kind.MEMBERS)}
    form = UploadForm(*given, visible=request.visible, user=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        upload, brand = form.cleaned_data["file"], form.cleaned_data["brand"]
        path = keep_upload(upload, request.tenant.schema_name, brand.pk)
        try:
            with transaction.atomic():
                job = services.import_create(
                    brand=brand,
                    kind=form.cleaned_data["kind"],
                    path=path,
                    file_name=upload.name,
                    acting_user=request.user,
                    is_mapped_later=True,
                    source=form.cleaned_data["source"]
                    or source_named(
                        brand, form.cleaned_data["new_source"], acting_user=request.user
                    ),
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
            (label, [(one.label, one.is_required) for one in fields_open(kind, request.user)])
            for kind, label in kinds_for(request.user)
        ],
    }
    return render(request, "members/import_upload.html", context)


@permission_required("members.add_importjob")
def import_columns(request: GroupRequest, job_id: int) -> HttpResponse:
    """Show the first rows and what each would become, and ask which column is what.

    Asked by htmx, the table alone, for the columns as they are chosen now.
    """
    job = own_job(request, job_id)
    if job.kind not in dict(kinds_for(request.user)) or not sees_headings(request, job):
        raise Http404
    if job.state not in _CHOOSING or job.checkpoint:
        return redirect("members:import_watch", job.pk)
    if job.parts:
        return _choose_part(request, job)
    try:
        preview = services.import_preview(job)
    except ImportRefused as error:
        messages.error(request, str(error))
        return redirect("members:import_upload")
    is_part = bool(request.headers.get("HX-Request"))
    given = request.POST if request.method == "POST" else None
    form = ColumnsForm(
        given,
        kind=job.kind,
        headings=preview.headings,
        mapping=job.mapping,
        user=request.user,
    )
    # A program that posts columns alone leaves the rules as they are.
    ruled = given if given and "rules-wins" in given else None
    rules_form = RulesForm(ruled, job=job) if job.kind in RULED_KINDS else None
    is_valid = given is not None and form.is_valid()
    if rules_form is not None and rules_form.is_bound:
        is_valid = rules_form.is_valid() and is_valid
    if is_valid and not is_part:
        try:
            _begin(request, job, form, rules_form, preview)
            return redirect("members:import_watch", job.pk)
        except ImportRefused as error:
            form.add_error(None, str(error))
    mapping = form.mapping() if is_valid else job.mapping
    if rules_form is not None and rules_form.is_bound and is_valid:
        job.rules = rules.clean(rules_form.cleaned_data)
    shown, why = _shown(request, job, preview, mapping)
    context = {
        "title": _("Which column is what?"),
        "job": job,
        "form": form,
        "rules_form": rules_form,
        "rules": rules.words(job.rules) if rules_form is not None else [],
        "rows": shown,
        "why_plain": why,
        "shows_cells": sees_cells(request, job),
        "is_as_last": given is None and mapping_for(job.source, job.kind, preview.headings)[1],
        "required": [field.label for field in FIELDS[job.kind] if field.is_required],
    }
    template = "members/_import_preview.html" if is_part else "members/import_columns.html"
    return render(request, template, context)


@transaction.atomic
def _begin(
    request: GroupRequest,
    job: ImportJob,
    form: ColumnsForm,
    rules_form: RulesForm | None,
    preview: Preview,
) -> None:
    """Hand the job to the worker, to check it or to import it, and keep what was chosen."""
    mapping = form.mapping()
    chosen = rules_form.cleaned_data if rules_form is not None and rules_form.is_bound else None
    act = import_check if request.POST.get("act") == "check" else services.import_start
    act(job=job, acting_user=request.user, mapping=mapping, rules=chosen)
    # Who may not choose every column does not choose them for the others.
    if job.source is not None and not leaves_contact_out(request.user):
        source_remember(
            source=job.source, kind=job.kind, mapping=mapping, headings=preview.headings
        )


def _shown(
    request: GroupRequest, job: ImportJob, preview: Preview, mapping: dict[str, str]
) -> tuple[list[RowShown], str]:
    """Return the first rows with what each would become; as they are, with why, where unknown."""
    shows_cells = sees_cells(request, job)
    try:
        rows = rows_shown(
            tenant=request.tenant,
            job=job,
            preview=preview,
            mapping=mapping,
            shows_contact=shows_cells and job.brand_id in contact_brands(request),
        )
    except ImportRefused as error:
        return (rows_plain(preview) if shows_cells else []), str(error)
    return rows, ""


def contact_brands(request: GroupRequest) -> frozenset[int]:
    """Return the brands whose contact data the person may read."""
    return request.visible.kinds[Kind.CONTACT].all_brands


def _choose_part(request: GroupRequest, job: ImportJob) -> HttpResponse:
    """Ask which sheet of a workbook or which file of an archive is meant."""
    if request.method == "POST":
        try:
            services.import_take_part(
                job=job, part=request.POST.get("part", ""), acting_user=request.user
            )
            return redirect("members:import_columns", job.pk)
        except ImportRefused as error:
            messages.error(request, str(error))
    context = {
        "title": _("Which table is meant?"),
        "job": job,
        "is_workbook": any(part["is_sheet"] for part in job.parts),
    }
    return render(request, "members/import_part.html", context)
