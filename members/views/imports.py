"""List imports; watch one come in, pause it, take it back; fetch and mend the rows that did not."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from brands.models import Guide, Store
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members.folders import StrangePath
from members.import_forms import RULED_KINDS, MendForm
from members.imports import services
from members.imports.acts import import_mend, import_pause, import_undo
from members.imports.errors import ImportRefused
from members.imports.mapping import FIELDS
from members.imports.report import rejected_file
from members.imports.rules import words
from members.imports.undo import undo_preview, undone_until, why_not_undone
from members.imports.uploads import keep_upload
from members.models import ImportJob, Order, Profile
from tenants.access import permission_required

_PER_PAGE = 30


def _jobs(request: GroupRequest) -> QuerySet[ImportJob]:
    """Return the imports a person may know of: their own brands', for HQ what the mode shows."""
    jobs = ImportJob.objects.select_related("brand", "source")
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
    is_orders = job.kind == ImportJob.Kind.ORDERS and _brought(request, job)
    return is_orders or job.brand_id in request.visible.kinds[Kind.CONTACT].all_brands


def _brought(request: GroupRequest, job: ImportJob) -> bool:
    """Tell whether the person brought a file; under another contract they are another."""
    return job.created_by_id == request.user.pk and job.grant_id == request.grant.pk


def sees_headings(request: GroupRequest, job: ImportJob) -> bool:
    """Tell whether the person may read a file's first line, which may be a member."""
    return sees_cells(request, job) or (
        job.brand_id in request.visible.write_brands and _brought(request, job)
    )


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


_TITLES = {
    ImportJob.Kind.MEMBERS: gettext_lazy("Import of members"),
    ImportJob.Kind.ORDERS: gettext_lazy("Import of orders"),
    ImportJob.Kind.CONSENTS: gettext_lazy("Import of answers to notices"),
}
# Why something stays that its import is taken back of.
_KEPT = {
    "changed": gettext_lazy("changed since, by a later import or by hand"),
    "orders": gettext_lazy("have orders"),
    "answers": gettext_lazy("answered a notice: answers are never deleted"),
    "decisions": gettext_lazy("were joined or parted by a person’s decision"),
    "events": gettext_lazy("have events, follows or tags"),
    "used": gettext_lazy("have staff, members, orders or somebody’s access"),
}


def _watched(request: GroupRequest, job: ImportJob) -> dict[str, object]:
    State = ImportJob.State
    is_own = job.brand_id in request.visible.write_brands
    may_act = is_own and request.user.has_perm("members.add_importjob")
    has_rejected = bool(job.rows_rejected or job.report.get("rejected"))
    rate = job.rows_per_second
    title = _("Taking an import back") if job.undoes_id else _TITLES.get(ImportJob.Kind(job.kind))
    return {
        "title": title or _("Import of %(what)s") % {"what": job.get_kind_display()},
        "job": job,
        "percent": round(100 * job.progress),
        "is_waiting": job.is_at_work,
        "rows_per_second": round(rate) if rate else None,
        "time_left": _time_left(job.seconds_left),
        "waits_for": _waits_for(request, job),
        "may_cancel": may_act
        and job.state not in {State.DONE, State.CANCELLED}
        and not job.is_cancel_asked,
        "may_pause": may_act
        and job.state in {State.QUEUED, State.RUNNING}
        and not job.is_pause_asked
        and job.phase != "figures",
        "may_start": may_act and job.state in {State.FAILED, State.PAUSED, State.CHECKED},
        "has_rejected": has_rejected and sees_cells(request, job),
        "hides_rejected": has_rejected and not sees_cells(request, job),
        # A file without a heading line has its first member for headings: they are cells too.
        "columns": [
            (field.label, job.mapping[field.name])
            for field in FIELDS[job.kind]
            if field.name in job.mapping and sees_cells(request, job)
        ],
        "rules": words(job.rules) if job.kind in RULED_KINDS and not job.undoes_id else [],
        "found": _found(job) if job.state == State.CHECKED and job.report else None,
        "kept": _kept(job) if job.undoes_id else [],
        "mend_form": MendForm() if may_act and job.is_finished and job.rows_rejected else None,
        "mendings": list(job.mendings.filter(brand=job.brand_id).order_by("pk")),
        "undoings": list(job.undoings.filter(brand=job.brand_id).order_by("pk")),
        "undone_until": undone_until(job) if may_act and not why_not_undone(job) else None,
    }


def _time_left(seconds: float | None) -> str:
    """Say how long it takes yet, in the unit that one thinks of it in."""
    if seconds is None:
        return ""
    if seconds < 90:
        return _("%(count)d s left") % {"count": round(seconds)}
    if seconds < 90 * 60:
        return _("%(count)d min left") % {"count": round(seconds / 60)}
    return _("%(count)d h left") % {"count": round(seconds / 3600)}


def _waits_for(request: GroupRequest, job: ImportJob) -> ImportJob | None:
    """Return the import of the same brand and kind that writes while this one waits."""
    if job.state != ImportJob.State.RUNNING or job.phase != "waits":
        return None
    others = _jobs(request).filter(brand=job.brand_id, kind=job.kind, state=ImportJob.State.RUNNING)
    return others.exclude(pk=job.pk).first()


def _found(job: ImportJob) -> dict[str, object]:
    """Return what a check found, in the words of the page."""
    labels = {field.name: field.label for field in FIELDS[job.kind]}
    labels["store_id"] = labels.get("store_code", "")
    fields = sorted(job.report.get("fields", {}).items(), key=lambda pair: -pair[1])
    return {
        **job.report,
        "fields": [(labels.get(name) or name, count) for name, count in fields],
        "reasons": [
            {**reason, "field": labels.get(reason["field"], "")}
            for reason in job.report.get("reasons", [])
        ],
    }


def _kept(job: ImportJob) -> list[tuple[str, int]]:
    """Return why and how often something stayed as it is while an import was taken back."""
    return [(str(_KEPT[why]), count) for why, count in job.report.get("kept", {}).items()]


@permission_required("members.view_importjob")
@require_GET
def import_watch(request: GroupRequest, job_id: int) -> HttpResponse:
    """Show how far an import is and what became of its rows; asked by htmx, that part alone."""
    job = get_object_or_404(_jobs(request), pk=job_id)
    if job.state == ImportJob.State.UPLOADED and sees_headings(request, job):
        return redirect("members:import_columns", job.pk)
    is_part = bool(request.headers.get("HX-Request"))
    if is_part and not job.is_at_work:
        # What can be done with it now stands outside of the part that is asked for.
        return HttpResponse(headers={"HX-Refresh": "true"})
    template = "members/_import_progress.html" if is_part else "members/import_watch.html"
    return render(request, template, {**_watched(request, job), **_stayed(job)})


def _stayed(job: ImportJob) -> dict[str, object]:
    """Return how many stayed while an import was taken back, and the first: (where, what)."""
    ids = job.report.get("kept_ids", []) if job.undoes_id else []
    if not ids:
        return {}
    return {"stayed": _named(job, ids), "stays": sum(job.report["kept"].values())}


def _named(job: ImportJob, ids: list[int]) -> list[tuple[str, str]]:
    if job.kind == ImportJob.Kind.ORDERS:
        numbers = Order.objects.filter(pk__in=ids).order_by("pk").values_list("order_no", flat=True)
        return [("", number) for number in numbers]
    if job.kind == ImportJob.Kind.STORES:
        return [("", str(store)) for store in Store.objects.filter(pk__in=ids).order_by("code")]
    if job.kind == ImportJob.Kind.STAFF:
        return [("", str(guide)) for guide in Guide.objects.filter(pk__in=ids).order_by("staff_no")]
    members = Profile.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "member_no")
    return [(reverse("members:detail", args=[pk]), number) for pk, number in members]


@permission_required("members.add_importjob")
@require_POST
def import_cancel(request: GroupRequest, job_id: int) -> HttpResponse:
    """Ask an import to stop; what it has written stays."""
    job = own_job(request, job_id)
    has_written = bool(job.checkpoint)
    job = services.import_cancel(job=job, acting_user=request.user)
    if job.state == ImportJob.State.CHECKING:
        messages.info(request, _("The check stops. Nothing was written."))
    elif job.state != ImportJob.State.CANCELLED:
        messages.info(
            request, _("The import stops after the rows it is writing now; written rows stay.")
        )
    elif has_written:
        messages.success(request, _("The import is cancelled. Rows it had written stay."))
    else:
        messages.success(request, _("The import is cancelled. Nothing was written."))
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


@permission_required("members.add_importjob")
@require_POST
def import_halt(request: GroupRequest, job_id: int) -> HttpResponse:
    """Ask an import to pause after the rows it is writing."""
    job = own_job(request, job_id)
    try:
        import_pause(job=job, acting_user=request.user)
    except ImportRefused as error:
        messages.error(request, str(error))
    return redirect("members:import_watch", job.pk)


@permission_required("members.add_importjob")
def import_take_back(request: GroupRequest, job_id: int) -> HttpResponse:
    """Show what would go if an import were taken back; then have it taken back."""
    job = own_job(request, job_id)
    if why := why_not_undone(job):
        messages.error(request, why)
        return redirect("members:import_watch", job.pk)
    if request.method == "POST":
        try:
            undoing = import_undo(job=job, acting_user=request.user)
        except ImportRefused as error:
            messages.error(request, str(error))
            return redirect("members:import_watch", job.pk)
        return redirect("members:import_watch", undoing.pk)
    context = {
        "title": _("Take this import back?"),
        "job": job,
        "until": undone_until(job),
        "preview": undo_preview(job),
    }
    return render(request, "members/import_undo.html", context)


@permission_required("members.add_importjob")
@require_POST
def import_mended(request: GroupRequest, job_id: int) -> HttpResponse:
    """Take the mended rejected rows of an import in, by its columns and rules."""
    job = own_job(request, job_id)
    form = MendForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, _("Choose the mended file. Nothing was imported."))
        return redirect("members:import_watch", job.pk)
    upload = form.cleaned_data["file"]
    path = keep_upload(upload, request.tenant.schema_name, job.brand_id)
    try:
        with transaction.atomic():
            mending = import_mend(
                job=job, path=path, file_name=upload.name, acting_user=request.user
            )
    except ImportRefused as error:
        messages.error(request, str(error))
        return redirect("members:import_watch", job.pk)
    finally:
        path.unlink(missing_ok=True)
    return redirect("members:import_watch", mending.pk)


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
