"""Today's mode, what is asked for, its history, and how the last decision is taken back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from brands import selectors
from brands.changes import drafts, follow_up, rollback
from brands.changes.differences import differences
from brands.changes.errors import DraftRefused
from brands.changes.reading import in_words
from brands.changes.worlds import worlds
from brands.forms import DraftForm, UndoForm
from brands.models import Brand, ModeChange, ModeDraft
from brands.modes import Mode
from brands.services import ModeUnchanged
from brands.wall.request import GroupRequest
from tenants.access import permission_required

HISTORY_ROWS = 50
MAY_READ = "brands.view_modechange"
MAY_READ_DRAFTS = "brands.view_modedraft"
MAY_ACT = "brands.add_modechange"


@dataclass(frozen=True)
class HistoryRow:
    """Be one decision in the history, and where it stands now."""

    change: ModeChange
    is_in_force: bool
    is_to_come: bool
    is_called_off: bool
    is_call_off: bool
    # The last decision that stands for its brand, or the group, which alone can be taken back.
    is_last: bool


def history(rows: list[ModeChange], now: dt.datetime) -> list[HistoryRow]:
    """Return decisions, the latest effective first, each with where it stands."""
    in_force: dict[int | None, int] = {}
    last: dict[int | None, int] = {}
    call_offs = {
        row.pk: row.undoes_id
        for row in rows
        if row.undoes is not None and row.undoes.effective_at == row.effective_at
    }
    called_off = set(call_offs.values())
    for row in rows:
        if row.effective_at <= now:
            in_force.setdefault(row.brand_id, row.pk)
        if row.pk not in call_offs and row.pk not in called_off:
            last[row.brand_id] = max(last.get(row.brand_id, 0), row.pk)
    return [
        HistoryRow(
            change=row,
            is_in_force=in_force.get(row.brand_id) == row.pk,
            is_to_come=row.effective_at > now,
            is_called_off=row.pk in called_off,
            is_last=last.get(row.brand_id) == row.pk,
            is_call_off=row.pk in call_offs,
        )
        for row in rows
    ]


@permission_required(MAY_READ)
def mode(request: GroupRequest) -> HttpResponse:
    """Show today's mode of the group and of each brand, what is asked for, and the history."""
    default, overrides = selectors.group_mode(), selectors.brand_overrides()
    modes = request.visible.modes
    brands = list(Brand.objects.select_related("business_unit").order_by("code"))
    decisions = ModeChange.objects.select_related("brand", "undoes", "draft")
    viewer = request.visible.viewer
    if not viewer.is_hq:
        # Why HQ keeps a sibling apart is between the two of them.
        decisions = decisions.filter(Q(brand=None) | Q(brand__in=viewer.brands))
    asked: list[ModeDraft] = []
    if request.user.has_perm(MAY_READ_DRAFTS):
        asked = list(ModeDraft.objects.select_related("brand")[:HISTORY_ROWS])
    context = {
        "title": _("Mode"),
        "default": default,
        "brands": [
            (brand, Mode(modes.get(brand.pk, default)), bool(overrides.get(brand.pk)))
            for brand in brands
        ],
        "history": history(list(decisions[:HISTORY_ROWS]), timezone.now()),
        "open_drafts": [one for one in asked if one.is_open],
        "closed_drafts": [one for one in asked if not one.is_open],
        "may_read_drafts": request.user.has_perm(MAY_READ_DRAFTS),
        "may_act": request.user.has_perm(MAY_ACT),
        "recomputing": follow_up.recomputing(),
    }
    return render(request, "brands/mode.html", context)


@permission_required(MAY_ACT)
def draft_new(request: GroupRequest) -> HttpResponse:
    """Ask for another mode: a form, then the draft's own page."""
    if request.method == "POST":
        form = DraftForm(request.POST)
        if form.is_valid():
            try:
                draft = drafts.draft_create(acting_user=request.user, **form.cleaned_data)
            except (DraftRefused, ModeUnchanged) as error:
                form.add_error(None, str(error))
            else:
                return redirect("brands:mode_draft", draft.pk)
    else:
        names = ("brand", "mode", "reason")
        wished = {name: request.GET[name] for name in names if name in request.GET}
        form = DraftForm(initial={"mode": selectors.group_mode(), **wished})
    context = {"title": _("Ask for another mode"), "form": form}
    return render(request, "brands/mode_draft_form.html", context)


@permission_required(MAY_ACT)
def draft_edit(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Change what a draft asks for; its preview is made anew then."""
    draft = get_object_or_404(ModeDraft.objects.select_related("brand"), pk=draft_id)
    if draft.state != ModeDraft.State.DRAFT or draft.requested_by_id != request.user.pk:
        messages.error(
            request,
            _("Only %(name)s can change this draft, and only before it is submitted.")
            % {"name": draft.requested_by_name},
        )
        return redirect("brands:mode_draft", draft.pk)
    held: dict[str, Any] = {
        "mode": draft.mode,
        "reason": draft.reason,
        "effective_at": draft.effective_at,
    }
    form = DraftForm(request.POST or None, initial=held, is_for_fixed=True)
    if request.method == "POST" and form.is_valid():
        try:
            drafts.draft_change(draft=draft, acting_user=request.user, **form.cleaned_data)
        except (DraftRefused, ModeUnchanged) as error:
            form.add_error(None, str(error))
        else:
            return redirect("brands:mode_draft", draft.pk)
    context = {"title": _("Change the draft"), "form": form, "draft": draft}
    return render(request, "brands/mode_draft_form.html", context)


@permission_required(MAY_ACT)
def undo(request: GroupRequest, change_id: int) -> HttpResponse:
    """Say what taking the last decision back does (GET), then do it, or draft it (POST)."""
    change = get_object_or_404(ModeChange.objects.select_related("brand"), pk=change_id)
    form = UndoForm(request.POST or None)
    try:
        found = rollback.undoing(change)
        if request.method == "POST" and form.is_valid():
            made = rollback.change_undo(
                change=change, acting_user=request.user, reason=form.cleaned_data["reason"]
            )
            return _undone(request, made, found)
    except (DraftRefused, ModeUnchanged) as error:
        messages.error(request, str(error))
        return redirect("brands:mode")
    names = dict(Brand.objects.values_list("pk", "name"))
    viewers = []
    if found.needs_second or not found.is_call_off:
        world = worlds(
            brand_id=change.brand_id, mode=found.mode, at=found.drafted_for, undoes=change
        )
        viewers = in_words(differences(world.before, world.after, world.notices), names)
    context = {
        "title": _("Call the change off?") if found.is_call_off else _("Take the change back?"),
        "change": change,
        "undoing": found,
        "viewers": viewers,
        "form": form,
    }
    return render(request, "brands/mode_undo.html", context)


def _undone(
    request: GroupRequest, made: ModeChange | ModeDraft, found: rollback.Undoing
) -> HttpResponse:
    if isinstance(made, ModeDraft):
        messages.info(
            request,
            _("This opens data, so it is a draft: a second HQ admin has to approve it."),
        )
        return redirect("brands:mode_draft", made.pk)
    if found.is_call_off:
        messages.success(request, _("Called off. The mode stays as it is."))
    else:
        messages.success(request, _("Done. %(change)s, from now on.") % {"change": made})
    return redirect("brands:mode")
