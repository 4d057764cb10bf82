"""Consents: one member's answers, a form to record another, and what came of it."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from brands.modes import Mode
from brands.wall.request import GroupRequest
from members.consent_forms import AnswerForm
from members.consent_history import history_of
from members.models import ConsentEntry, GroupConsentEntry, Profile
from members.selectors import masked_contacts
from members.services import AnswerRefused, answer_enter
from tenants.access import permission_required


def _profile(profile_id: int) -> Profile:
    return get_object_or_404(
        Profile.objects.select_related("brand", "store", "notice"), pk=profile_id
    )


def _is_own(request: GroupRequest, profile: Profile) -> bool:
    visible = request.visible
    return profile.brand_id in visible.write_brands or (
        profile.store_id is not None and profile.store_id in visible.write_stores
    )


def _is_for_group(request: GroupRequest, profile: Profile) -> bool:
    """Tell whether HQ may record what this member told the group: where its people are shared."""
    visible = request.visible
    return visible.writes_group and visible.modes[profile.brand_id] is Mode.FAN_MAX


def _may_answer(request: GroupRequest, profile: Profile) -> bool:
    return request.user.has_perm("members.add_consent") and (
        _is_own(request, profile) or _is_for_group(request, profile)
    )


@permission_required("members.view_consent")
def member_consents(request: GroupRequest, profile_id: int) -> HttpResponse:
    """Show a member's answers (GET); hand another one in (POST)."""
    profile = _profile(profile_id)
    may_answer = _may_answer(request, profile)
    if request.method == "POST" and not may_answer:
        raise Http404
    form = None
    if may_answer:
        given = request.POST if request.method == "POST" else None
        form = AnswerForm(
            given, brand_id=profile.brand_id, is_for_group=not _is_own(request, profile)
        )
    if form is not None and form.is_bound and form.is_valid():
        to_group = not _is_own(request, profile)
        data = form.cleaned_data
        try:
            entry = answer_enter(
                visible=request.visible,
                what=data["what"],
                acting_user=request.user,
                profile=profile,
                notice=data["notice"],
                at=data["at"],
                channel=data["channel"],
                evidence=data["evidence"],
                is_by_guardian=data["is_by_guardian"],
                minor_until=data.get("minor_until"),
                to_group=to_group,
                request_key=data["request_key"],
            )
            where = "group" if to_group else "own"
            page = reverse("members:consents_of", args=[profile.pk])
            return redirect(f"{page}?{where}={entry.pk}")
        except AnswerRefused as error:
            form.add_error(None, str(error))
    masked = masked_contacts([profile.pk]).get(profile.pk)
    context = {
        "title": getattr(masked, "name", "")
        or _("Member %(number)s") % {"number": profile.member_no},
        "profile": profile,
        "history": history_of(profile, visible=request.visible),
        "form": form,
        "is_for_group": may_answer and not _is_own(request, profile),
        "entry": _entry_asked(request, profile),
    }
    return render(request, "members/consents_of.html", context)


def _entry_asked(
    request: GroupRequest, profile: Profile
) -> ConsentEntry | GroupConsentEntry | None:
    """Return the answer that was just handed in, where the address names it."""
    own, group = request.GET.get("own", ""), request.GET.get("group", "")
    if own.isdecimal():
        rows = ConsentEntry.objects.filter(pk=own, profile_id=profile.pk)
        return rows.select_related("answered_notice").first()
    if group.isdecimal():
        rows = GroupConsentEntry.objects.filter(pk=group, profile_id=profile.pk)
        return rows.select_related("answered_notice").first()
    return None


@permission_required("members.view_consent")
@require_GET
def entry_state(request: GroupRequest, entry_id: int) -> HttpResponse:
    """Say what came of an answer that was handed in; asked by htmx while one waits."""
    entry = get_object_or_404(
        ConsentEntry.objects.filter(profile__isnull=False).select_related("answered_notice"),
        pk=entry_id,
    )
    return _entry(request, entry)


@permission_required("members.view_consent")
@require_GET
def group_entry_state(request: GroupRequest, group_entry_id: int) -> HttpResponse:
    """Say what came of an answer to the group; asked by htmx while one waits."""
    entry = get_object_or_404(
        GroupConsentEntry.objects.filter(profile__isnull=False).select_related("answered_notice"),
        pk=group_entry_id,
    )
    return _entry(request, entry)


def _entry(request: GroupRequest, entry: ConsentEntry | GroupConsentEntry) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        where = "own" if isinstance(entry, ConsentEntry) else "group"
        page = reverse("members:consents_of", args=[entry.profile_id])
        return redirect(f"{page}?{where}={entry.pk}")
    if entry.is_waiting:
        return render(request, "members/_consent_entry.html", {"entry": entry})
    response = HttpResponse()
    # The page shows the outcome with the history as it is now.
    response["HX-Refresh"] = "true"
    return response
