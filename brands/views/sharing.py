"""Who sees what: the wall's table for this group, as it is now."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from brands import selectors, words
from brands.models import Brand
from brands.wall.request import GroupRequest
from brands.wall.visibility import Cell, Kind, Viewer, decide
from tenants.access import permission_required


def _words(cell: Cell) -> dict[str, object]:
    return {
        "sight": words.SIGHTS[cell.sight],
        "tone": words.TONES[cell.sight],
    }


@permission_required("brands.view_modechange")
def visibility(request: GroupRequest) -> HttpResponse:
    """Show what the person sees of each brand, and who sees one brand they may look at."""
    visible = request.visible
    brands = list(Brand.objects.order_by("code"))
    lookable = [one for one in brands if visible.viewer.is_hq or one.pk in visible.viewer.brands]
    asked = request.GET.get("brand")
    chosen = next((one for one in lookable if one.code == asked), lookable[0] if lookable else None)
    notices = selectors.notice_terms()
    viewers = []
    if chosen is not None:
        people = [
            (_("%(brand)s itself") % {"brand": chosen.name}, Viewer(brands=frozenset({chosen.pk}))),
            (
                _("A store of %(brand)s") % {"brand": chosen.name},
                Viewer(stores=frozenset({0}), store_brands=frozenset({chosen.pk})),
            ),
            (_("HQ"), Viewer(is_hq=True)),
            *(
                (one.name, Viewer(brands=frozenset({one.pk})))
                for one in brands
                if one.pk != chosen.pk
            ),
        ]
        for name, viewer in people:
            cells = [decide(viewer, chosen.pk, kind, visible.modes, notices) for kind in Kind]
            reasons = dict.fromkeys(words.REASONS[cell.reason] for cell in cells)
            viewers.append((name, [_words(cell) for cell in cells], list(reasons)))
    context = {
        "title": _("Who sees what"),
        "kinds": [words.KINDS[kind] for kind in Kind],
        "mine": [
            (one, visible.modes[one.pk], [_words(visible.cell(one.pk, kind)) for kind in Kind])
            for one in brands
        ],
        "lookable": lookable,
        "chosen": chosen,
        "chosen_mode": visible.modes[chosen.pk] if chosen else None,
        "viewers": viewers,
    }
    return render(request, "brands/visibility.html", context)
