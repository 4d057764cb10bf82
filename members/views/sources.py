"""The sources of a brand's files: their ranks, their rules, their last imports."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from brands.wall.request import GroupRequest
from members.forms import SourceForm
from members.imports import rules
from members.imports.sources import (
    SourceRefused,
    source_change,
    source_create,
    source_remove,
    sources_of,
)
from members.models import ImportJob, ImportSource
from members.views.imports import may_import
from tenants.access import permission_required


@permission_required("members.add_importjob")
def import_sources(request: GroupRequest) -> HttpResponse:
    """List the sources of the person's brands; add one, rank one, remove one that is unused."""
    if not may_import(request):
        raise Http404
    is_new = request.method == "POST" and "source" not in request.POST
    form = SourceForm(request.POST if is_new else None, visible=request.visible)
    if request.method == "POST":
        try:
            said = _add(request, form) if is_new else _change(request)
        except SourceRefused as error:
            messages.error(request, str(error))
            return redirect("members:import_sources")
        if said:
            messages.success(request, said)
            return redirect("members:import_sources")
    kinds = dict(ImportJob.Kind.choices)
    sources = list(sources_of(request.visible.write_brands))
    context = {
        "title": _("Sources"),
        "form": form,
        "shows_brands": len(request.visible.write_brands) > 1,
        "sources": [
            (
                source,
                [kinds[kind] for kind in source.mappings if kind in kinds],
                [
                    (kinds[kind], rules.words(given))
                    for kind, given in source.rules.items()
                    if kind in kinds
                ],
            )
            for source in sources
        ],
    }
    return render(request, "members/import_sources.html", context)


def _add(request: GroupRequest, form: SourceForm) -> str:
    if not form.is_valid():
        return ""
    source = source_create(
        brand=form.cleaned_data["brand"],
        name=form.cleaned_data["name"],
        rank=form.cleaned_data["rank"],
        acting_user=request.user,
    )
    return _("%(source)s was added.") % {"source": source}


def _change(request: GroupRequest) -> str:
    """Rank or remove a source of one's own brands; 404 for any other."""
    number = request.POST["source"]
    own = ImportSource.objects.filter(brand__in=request.visible.write_brands, removed_at=None)
    source = get_object_or_404(own, pk=int(number) if number.isdecimal() else 0)
    if "remove" in request.POST:
        source_remove(source=source, acting_user=request.user)
        return _("%(source)s was removed.") % {"source": source}
    try:
        rank = int(request.POST.get("rank", ""))
    except ValueError as error:
        raise SourceRefused(_("A rank is a whole number. Nothing was changed.")) from error
    if not -100 <= rank <= 100:
        raise SourceRefused(_("A rank is a number from -100 to 100. Nothing was changed."))
    source_change(source=source, acting_user=request.user, rank=rank)
    return _("%(source)s now has rank %(rank)d.") % {"source": source, "rank": rank}
