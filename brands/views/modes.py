"""Today's mode, its history, and a change that says in words what it opens and closes."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from brands import selectors, services, words
from brands.forms import ModeForm
from brands.models import Brand, ModeChange
from brands.modes import Mode
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind, Viewer, decide
from tenants.access import permission_required

HISTORY_ROWS = 50


@dataclass
class Difference:
    """Be one kind of data of some brands that opens or closes for a viewer."""

    kind: str
    before: str
    after: str
    is_opening: bool
    brands: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ViewerDifferences:
    """Be everything that a change of mode opens and closes for one viewer."""

    viewer: str
    differences: list[Difference]

    @property
    def opened(self) -> int:
        """Return how many kinds of data open."""
        return sum(one.is_opening for one in self.differences)

    @property
    def closed(self) -> int:
        """Return how many kinds of data close."""
        return len(self.differences) - self.opened


def differences(
    brands: list[Brand], before: dict[int, Mode], after: dict[int, Mode]
) -> list[ViewerDifferences]:
    """Return what opens and closes for HQ and for each brand, from the wall's own table."""
    notices = selectors.notice_terms()
    viewers = [(_("HQ"), Viewer(is_hq=True))]
    viewers += [(brand.name, Viewer(brands=frozenset({brand.pk}))) for brand in brands]
    found = []
    for name, viewer in viewers:
        rows: dict[tuple, Difference] = {}
        for kind in Kind:
            for brand in brands:
                old = decide(viewer, brand.pk, kind, before, notices).sight
                new = decide(viewer, brand.pk, kind, after, notices).sight
                if old is new:
                    continue
                row = rows.setdefault(
                    (kind, old, new),
                    Difference(
                        kind=str(words.KINDS[kind]),
                        before=str(words.SIGHTS[old]),
                        after=str(words.SIGHTS[new]),
                        is_opening=words.RANKS[new] > words.RANKS[old],
                    ),
                )
                row.brands.append(brand.name)
        if rows:
            found.append(ViewerDifferences(name, list(rows.values())))
    return found


@permission_required("brands.view_modechange")
def mode(request: GroupRequest) -> HttpResponse:
    """Show today's mode of the group and of each brand, the history, and a form to change it."""
    default, overrides = selectors.group_mode(), selectors.brand_overrides()
    brands = list(Brand.objects.select_related("business_unit").order_by("code"))
    decisions = ModeChange.objects.select_related("brand")
    viewer = request.visible.viewer
    if not viewer.is_hq:
        # Why HQ keeps a sibling apart is between the two of them.
        decisions = decisions.filter(Q(brand=None) | Q(brand__in=viewer.brands))
    history = [
        (row, row.mode == (overrides.get(row.brand_id, "") if row.brand_id else default))
        for row in decisions[:HISTORY_ROWS]
    ]
    form = None
    if request.user.has_perm("brands.add_modechange"):
        wished = {name: request.GET[name] for name in ("brand", "mode") if name in request.GET}
        form = ModeForm(initial={"mode": default, **wished})
    context = {
        "title": _("Mode"),
        "default": default,
        "brands": [
            (brand, Mode(overrides[brand.pk] or default), bool(overrides[brand.pk]))
            for brand in brands
        ],
        "history": history,
        "form": form,
    }
    return render(request, "brands/mode.html", context)


@permission_required("brands.add_modechange")
def confirm(request: GroupRequest) -> HttpResponse:
    """Say what a change opens and closes (GET), then make it (POST)."""
    form = ModeForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        for error in [text for texts in form.errors.values() for text in texts]:
            messages.error(request, str(error))
        return redirect("brands:mode")
    brand, wished = form.cleaned_data["brand"], form.cleaned_data["mode"]
    if request.method == "POST":
        try:
            change = services.mode_change(
                mode=wished,
                brand=brand,
                acting_user=request.user,
                reason=form.cleaned_data["reason"],
            )
            messages.success(request, _("Done. %(change)s, from now on.") % {"change": change})
        except services.ModeUnchanged as error:
            messages.info(request, str(error))
        return redirect("brands:mode")
    default, overrides = selectors.group_mode(), selectors.brand_overrides()
    before = {pk: Mode(own or default) for pk, own in overrides.items()}
    held: str
    if brand is None:
        after = {pk: Mode(own or wished) for pk, own in overrides.items()}
        held = default
    else:
        after = {**before, brand.pk: Mode(wished or default)}
        held = overrides[brand.pk]
    brands = list(Brand.objects.order_by("code"))
    context = {
        "title": _("Change the mode?"),
        "form": form,
        "brand": brand,
        "held": Mode(held).label if held else _("as the group"),
        "wished": Mode(wished).label if wished else _("as the group"),
        "is_unchanged": held == wished,
        "moved": [
            (one, before[one.pk], after[one.pk])
            for one in brands
            if before[one.pk] is not after[one.pk]
        ],
        "kept": [one for one in brands if brand is None and overrides[one.pk]],
        "viewers": differences(brands, before, after),
    }
    return render(request, "brands/mode_confirm.html", context)
