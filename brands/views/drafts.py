"""One draft of a change of mode, from what is asked down to what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from brands import words
from brands.changes import drafts, follow_up, staleness
from brands.changes.assessments import digest_of
from brands.changes.errors import DraftRefused
from brands.changes.figures import figure
from brands.changes.reading import read_preview
from brands.changes.registry import recomputes
from brands.changes.rollback import last_standing
from brands.forms import AssessmentForm
from brands.models import ImpactAssessment, ModeChange, ModeDraft, ModeFollowUp, ModePreview
from brands.services import ModeUnchanged
from brands.views.modes import MAY_ACT, MAY_READ_DRAFTS
from brands.wall.request import GroupRequest
from tenants.access import permission_required

State = ModeDraft.State
_KIND_WORDS = {str(kind): name for kind, name in words.KINDS.items()}


def _draft(draft_id: int) -> ModeDraft:
    rows = ModeDraft.objects.select_related("brand", "decided_by", "follows", "change__follow_up")
    return get_object_or_404(rows, pk=draft_id)


@permission_required(MAY_READ_DRAFTS)
@require_GET
def draft(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Show a draft whole: what is asked, preview, assessment, decision, what happened."""
    found = _draft(draft_id)
    assessments = list(found.assessments.order_by("-number"))
    preview = _previewed(request, found)
    change = getattr(found, "change", None)
    context = {
        "title": str(found),
        "draft": found,
        **preview,
        "assessments": assessments,
        "assessment_fits": bool(
            assessments and preview["preview"] and assessments[0].outline == preview["outline"]
        ),
        **_rights(request, found, assessments),
        "change": change,
        "call_off": change.undone_by.first() if change else None,
        "is_to_come": bool(change and change.effective_at > timezone.now()),
        "is_last": bool(change and last_standing(change.brand_id) == change),
        **_followed(change),
    }
    return render(request, "brands/mode_draft.html", context)


def _rights(
    request: GroupRequest, found: ModeDraft, assessments: list[ImpactAssessment]
) -> dict[str, Any]:
    may_act = request.user.has_perm(MAY_ACT)
    is_requester = found.requested_by_id == request.user.pk
    is_author = any(one.written_by_id == request.user.pk for one in assessments)
    admitted, barring = [], ""
    if may_act and found.submitted_at is not None:
        admitted = drafts.admissions(found, found.decided_by or request.user)
        if not is_requester and not is_author:
            barring = drafts.bars(found, request.user, admitted)
    return {
        "may_act": may_act,
        "is_requester": is_requester,
        "is_author": is_author,
        "may_approve": may_act and not is_requester and not is_author and not barring,
        "barring": barring,
        "admissions": admitted,
    }


def _previewed(request: GroupRequest, found: ModeDraft) -> dict[str, Any]:
    """Return what the preview's part of the page shows."""
    preview = drafts.latest_preview(found)
    if preview is not None and preview.number < found.preview_ended:
        # A newer one was made in other modes than today's.
        preview = None
    is_done = preview is not None and preview.state == ModePreview.State.DONE
    names = drafts.stale(found, preview) if preview and is_done and found.is_open else []
    return {
        "draft": found,
        "preview": preview,
        "outline": preview.outline if preview else "",
        "is_out_of_sight": preview is None and found.preview_ended > 0,
        "is_waiting": drafts.is_under_way(found),
        "is_done": is_done,
        "stale": staleness.words(names) if names else "",
        "reading": read_preview(preview, request.visible) if preview and is_done else None,
        "may_act": request.user.has_perm(MAY_ACT),
    }


def _followed(change: ModeChange | None) -> dict[str, Any]:
    """Return what the follow-up's part of the page shows."""
    row = getattr(change, "follow_up", None) if change else None
    if row is None:
        return {"follow_up": None}
    return {
        "follow_up": row,
        "steps": [
            (recomputes[step["name"]].label, step)
            for step in row.steps
            if step["name"] in recomputes
        ],
        "is_following": row.due_at <= timezone.now() and row.state != ModeFollowUp.State.DONE,
        "will_try_again": row.attempts < follow_up.MOST_ATTEMPTS,
    }


@permission_required(MAY_READ_DRAFTS)
@require_GET
def draft_followed(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Show how far the recomputation after an approved draft is: one part of its page."""
    found = _draft(draft_id)
    context = {"draft": found, **_followed(getattr(found, "change", None))}
    return render(request, "brands/_mode_follow_up.html", context)


@permission_required(MAY_READ_DRAFTS)
def draft_preview(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Show the preview's part of the page (GET), or ask for a new preview (POST)."""
    found = _draft(draft_id)
    if request.method == "POST":
        if not request.user.has_perm(MAY_ACT):
            raise Http404
        return _step(
            request, found, lambda: drafts.preview_ask(draft=found, acting_user=request.user)
        )
    context = _previewed(request, found)
    response = render(request, "brands/_mode_preview.html", context)
    if context["is_done"] and request.headers.get("HX-Request"):
        # What the preview makes possible stands further down the page.
        response["HX-Refresh"] = "true"
    return response


@permission_required(MAY_ACT)
def assessment(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Write the impact assessment: keep it unfinished, or make it a document."""
    found = _draft(draft_id)
    if found.state != State.DRAFT:
        messages.error(request, _("The assessment is written before the draft is submitted."))
        return redirect("brands:mode_draft", found.pk)
    form = AssessmentForm(request.POST or None, initial=found.assessment or None)
    if request.method == "POST":
        try:
            if "keep" in request.POST:
                text = AssessmentForm.unfinished(request.POST)
                drafts.assessment_keep(draft=found, acting_user=request.user, text=text)
                messages.success(request, _("Kept, unfinished."))
                return redirect("brands:mode_draft", found.pk)
            if form.is_valid():
                written = dict(form.cleaned_data)
                years: int = written.pop("years")
                drafts.assessment_finish(
                    draft=found, acting_user=request.user, text=written, years=years
                )
                return redirect("brands:mode_draft", found.pk)
        except DraftRefused as error:
            form.add_error(None, str(error))
    preview = _previewed(request, found)
    context = {"title": _("Impact assessment"), "form": form, **preview}
    return render(request, "brands/mode_assessment_form.html", context)


@permission_required(MAY_READ_DRAFTS)
@require_GET
def assessment_document(request: GroupRequest, assessment_id: int) -> HttpResponse:
    """Show an impact assessment as the document it is, ready to be printed."""
    rows = ImpactAssessment.objects.select_related("draft__brand")
    found = get_object_or_404(rows, pk=assessment_id)
    asked_at = found.asked.get("effective_at", "")
    context = {
        "title": _("Impact assessment"),
        "assessment": found,
        "persons": [
            (name, figure(kept) if kept is not None else None) for name, kept in found.persons
        ],
        "kinds": [_KIND_WORDS.get(kind, kind) for kind in found.kinds],
        "recipients": [name or _("HQ") for name in found.recipients],
        "mode": dict(ModeDraft._meta.get_field("mode").flatchoices).get(found.asked.get("mode")),
        "effective_at": dt.datetime.fromisoformat(asked_at) if asked_at else None,
        "is_whole": digest_of(found) == found.digest,
    }
    return render(request, "brands/mode_assessment.html", context)


@permission_required(MAY_ACT)
@require_POST
def draft_decide(request: GroupRequest, draft_id: int) -> HttpResponse:
    """Take the next step of a draft: submit, take back, withdraw, reject or approve."""
    found = _draft(draft_id)
    note = request.POST.get("note", "")[:400]
    user = request.user
    number = request.POST.get("preview", "")
    steps: dict[str, Callable[[], ModeDraft]] = {
        "submit": lambda: drafts.draft_submit(draft=found, acting_user=user),
        "reopen": lambda: drafts.draft_reopen(draft=found, acting_user=user),
        "withdraw": lambda: drafts.draft_withdraw(draft=found, acting_user=user, note=note),
        "reject": lambda: drafts.draft_reject(draft=found, acting_user=user, note=note),
        "approve": lambda: drafts.draft_approve(
            draft=found,
            acting_user=user,
            note=note,
            preview_number=int(number) if number.isascii() and number.isdigit() else 0,
        ),
    }
    step = steps.get(request.POST.get("step", ""))
    if step is None:
        messages.error(request, _("There is no such step. Nothing was changed."))
        return redirect("brands:mode_draft", found.pk)
    return _step(request, found, step)


def _step(request: GroupRequest, found: ModeDraft, step: Callable[[], ModeDraft]) -> HttpResponse:
    try:
        after = step()
    except (DraftRefused, ModeUnchanged) as error:
        messages.error(request, str(error))
    else:
        if after.state != found.state:
            _say(request, after)
    return redirect("brands:mode_draft", found.pk)


def _say(request: GroupRequest, after: ModeDraft) -> None:
    if after.state == State.APPROVED:
        at_once = after.effective_at is None
        said = (
            _("Approved. The very next page that anyone opens follows the new mode.")
            if at_once
            else _(
                "Approved. The new mode holds from its date on; until then it can be called off."
            )
        )
        messages.success(request, said)
    elif after.state == State.OVERTAKEN:
        messages.warning(request, _("Overtaken: %(why)s") % {"why": after.decision_note})
    else:
        messages.success(
            request, _("The draft is now: %(state)s.") % {"state": after.get_state_display()}
        )
