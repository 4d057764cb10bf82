"""Who is one person: a person's memberships, what waits for somebody, and the group's rules."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from brands.wall.request import GroupRequest
from members.identity.decisions import DecisionRefused, decision_enter, may_decide
from members.identity.open_persons import is_worked_out, same_person, shown_persons
from members.identity.rule_changes import RulesRefused, resolution_ask, rules_change
from members.identity.rules import rules_now
from members.models import (
    DecisionEntry,
    GroupPersonEntry,
    HotMetric,
    IdentityKind,
    PersonConflict,
    PersonEntry,
    PersonMerge,
    PersonSuggestion,
    Profile,
    ResolutionJob,
)
from members.person_forms import IdentityRuleForm
from members.selectors import masked_contacts
from tenants.access import permission_required

PAGE_ROWS = 25
_DECISIONS_SHOWN = 5
_MAY_DECIDE = "members.unmerge"


@dataclass
class Merged:
    """Be one merge or split as the page shows it: whom it moved, and the row that names it."""

    merge: PersonMerge
    moved: list[Profile]


def mates_of(profile: Profile, request: GroupRequest) -> QuerySet[Profile]:
    """Return the memberships of a member's person, as far as the viewer may know of them.

    HQ is shown whom the wall shows of the person that open brands' links make. A brand is shown its
    own members that its own links join, and so not told by them what a sibling knows.
    """
    rows = Profile.objects.select_related("brand", "store").order_by("brand__code", "pk")
    if request.visible.viewer.is_hq:
        return rows.filter(same_person(profile, request.visible))
    if profile.own_person_id is None:
        return rows.filter(pk=profile.pk)
    return rows.filter(brand_id=profile.brand_id, own_person_id=profile.own_person_id)


def _is_journal_told(request: GroupRequest) -> bool:
    """Tell whether the viewer is told of merges: HQ, while it reads every brand.

    A merge that is missing, since a closed brand's row had joined its two before, would tell of it.
    """
    return request.visible.viewer.is_hq and request.visible.group_without == frozenset()


def _journal(mates: list[Profile], request: GroupRequest) -> list[Merged]:
    """Return how these memberships came to be one person, the latest first."""
    if not _is_journal_told(request):
        return []
    by_pk = {mate.pk: mate for mate in mates}
    found: dict[tuple[Any, int, int], list[PersonMerge]] = defaultdict(list)
    for row in PersonMerge.objects.filter(profile_id__in=list(by_pk)).order_by("-at", "pk"):
        found[row.at, row.from_person_id, row.to_person_id].append(row)
    return [Merged(rows[0], [by_pk[row.profile_id] for row in rows]) for rows in found.values()]


def _entries(profile_ids: list[int]) -> list[DecisionEntry]:
    """Return the last decisions that were handed in about members."""
    found: list[DecisionEntry] = []
    for model in (PersonEntry, GroupPersonEntry):
        rows = model.objects.filter(profile_id__in=profile_ids).order_by("-pk")
        found += rows[:_DECISIONS_SHOWN]
    return sorted(found, key=lambda entry: entry.entered_at, reverse=True)[:_DECISIONS_SHOWN]


@permission_required(_MAY_DECIDE)
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: GroupRequest, profile_id: int) -> HttpResponse:
    """Show the memberships that are one person and how that came about; take a decision."""
    profile = get_object_or_404(Profile.objects.select_related("brand", "store"), pk=profile_id)
    if not may_decide(request.visible, profile) and not request.visible.viewer.is_looked_as:
        raise Http404
    mates = list(mates_of(profile, request))
    if request.method == "POST":
        try:
            _decide(request, profile, mates)
        except DecisionRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("It is handed in. A worker does it within moments."))
        return redirect("members:person", profile.pk)
    entries = _entries([mate.pk for mate in mates])
    masked = masked_contacts([mate.pk for mate in mates])
    context = {
        "title": _("One person"),
        "profile": profile,
        "mates": [(mate, masked.get(mate.pk)) for mate in mates],
        "merges": _journal(mates, request),
        "entries": entries,
        "is_waiting": any(entry.is_waiting for entry in entries),
        "is_hq": request.visible.viewer.is_hq,
        "is_journal_told": _is_journal_told(request),
        "is_worked_out": not request.visible.viewer.is_hq or is_worked_out(request.visible),
        "may_decide": request.user.has_perm(_MAY_DECIDE) and may_decide(request.visible, profile),
        "request_key": uuid.uuid4(),
    }
    return render(request, "members/person.html", context)


def _decide(request: GroupRequest, profile: Profile, mates: list[Profile]) -> None:
    if not request.user.has_perm(_MAY_DECIDE) or not may_decide(request.visible, profile):
        raise DecisionRefused(_("Your role decides nothing here. Nothing was changed."))
    given: dict[str, Any] = {
        "visible": request.visible,
        "profile": profile,
        "acting_user": request.user,
        "reason": request.POST.get("reason", "").replace("\0", ""),
        "request_key": _key(request.POST.get("request_key", "")),
        "what": "part",
    }
    if merge_id := request.POST.get("merge", ""):
        pks = {mate.pk for mate in mates}
        merge = PersonMerge.objects.filter(pk=_number(merge_id), profile_id__in=pks).first()
        if merge is None or not _is_journal_told(request):
            raise DecisionRefused(_("That merge is not there. Nothing was changed."))
        decision_enter(**given, merge=merge)
        return
    chosen = {_number(text) for text in request.POST.getlist("member")}
    second = [mate.pk for mate in mates if mate.pk in chosen]
    first = [mate.pk for mate in mates if mate.pk not in chosen]
    decision_enter(**given, first=first, second=second)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _key(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@permission_required(_MAY_DECIDE)
@require_http_methods(["GET", "HEAD", "POST"])
def persons(request: GroupRequest) -> HttpResponse:
    """List who may be one person and what contradicts; take a decision about a suggestion."""
    if request.method == "POST":
        try:
            if "conflict" in request.POST:
                _decide_conflict(request)
            else:
                _decide_suggestion(request)
        except DecisionRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("It is handed in. A worker does it within moments."))
        return redirect("members:persons")
    tab = "conflicts" if request.GET.get("tab") == "conflicts" else "suggestions"
    rows: QuerySet[Any]
    if tab == "suggestions":
        rows = PersonSuggestion.objects.select_related("brand", "store").order_by("pk")
    else:
        rows = _conflicts_told(request).order_by("-members", "cluster_id", "kind")
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "title": pgettext("page", "Persons"),
        "tab": tab,
        "page": page,
        "pairs": _pairs(request, list(page.object_list)) if tab == "suggestions" else [],
        "conflicts": _conflicts(request, list(page.object_list)) if tab == "conflicts" else [],
        "hot": list(HotMetric.objects.select_related("brand").order_by("brand__code", "kind"))
        if tab == "conflicts"
        else [],
        "has_likely": settings.LIKELY_SUGGESTIONS,
        "may_decide": request.user.has_perm(_MAY_DECIDE),
        "may_see_rules": request.user.has_perm("members.view_identityrule"),
    }
    return render(request, "members/persons.html", context)


def _conflicts_told(request: GroupRequest) -> QuerySet[PersonConflict]:
    """Return the conflicts that the viewer may know of; to HQ none while they are worked out."""
    if request.visible.viewer.is_hq and not is_worked_out(request.visible):
        return PersonConflict.objects.none()
    return PersonConflict.objects.all()


def _pairs(request: GroupRequest, rows: list[PersonSuggestion]) -> list[dict[str, Any]]:
    """Return the suggestions of which the viewer sees both members."""
    pks = [pk for row in rows for pk in (row.first_id, row.second_id)]
    seen = Profile.objects.select_related("store").in_bulk(pks)
    masked = masked_contacts(list(seen))
    shown = shown_persons(seen.values(), request.visible)
    waiting = {
        frozenset((*entry.first_side, *entry.second_side))
        for model in (PersonEntry, GroupPersonEntry)
        for entry in model.objects.filter(state=DecisionEntry.State.WAITING)
    }
    found = []
    for row in rows:
        first, second = seen.get(row.first_id), seen.get(row.second_id)
        if first is None or second is None:
            continue
        # HQ sees that they are one person already; a brand is not told by what.
        if request.visible.viewer.is_hq and shown[first.pk] == shown[second.pk]:
            continue
        found.append(
            {
                "row": row,
                "members": [(one, masked.get(one.pk)) for one in (first, second)],
                "is_waiting": frozenset((first.pk, second.pk)) in waiting,
                "may_decide": may_decide(request.visible, first),
            }
        )
    return found


def _conflicts(request: GroupRequest, rows: list[PersonConflict]) -> list[dict[str, Any]]:
    seen = Profile.objects.select_related("brand").in_bulk(
        [pk for row in rows for pk in row.profiles]
    )
    found = []
    for row in rows:
        members = [seen[pk] for pk in row.profiles if pk in seen]
        decides = len(members) > 1 and all(may_decide(request.visible, one) for one in members)
        found.append({"row": row, "members": members, "may_decide": decides})
    return found


def _decide_conflict(request: GroupRequest) -> None:
    # Not by its number: a conflict that was looked at anew has another one.
    cluster, _space, kind = request.POST["conflict"].partition(" ")
    cluster_id = _number(cluster.removeprefix("-")) * (-1 if cluster.startswith("-") else 1)
    row = _conflicts_told(request).filter(cluster_id=cluster_id, kind=kind).first()
    chosen = {_number(text) for text in request.POST.getlist("member")}
    members = Profile.objects.in_bulk(chosen & set(row.profiles if row else ()))
    if len(members) < 2 or not request.user.has_perm(_MAY_DECIDE):
        raise DecisionRefused(_("Nothing was changed: tick the memberships of one person."))
    first, *others = sorted(members)
    decision_enter(
        visible=request.visible,
        what="join",
        profile=members[first],
        acting_user=request.user,
        first=[first],
        second=others,
    )


def _decide_suggestion(request: GroupRequest) -> None:
    row = PersonSuggestion.objects.filter(pk=_number(request.POST.get("suggestion", ""))).first()
    seen = Profile.objects.in_bulk([row.first_id, row.second_id]) if row else {}
    if row is None or len(seen) < 2 or not request.user.has_perm(_MAY_DECIDE):
        raise DecisionRefused(_("That suggestion is not there any more. Nothing was changed."))
    decision_enter(
        visible=request.visible,
        what="join" if request.POST.get("act") == "join" else "part",
        profile=seen[row.first_id],
        acting_user=request.user,
        first=[row.first_id],
        second=[row.second_id],
    )


@permission_required("members.view_identityrule")
@require_http_methods(["GET", "HEAD", "POST"])
def person_rules(request: GroupRequest) -> HttpResponse:
    """Show what each identifier does in this group; change it, or resolve the group anew."""
    may_change = request.user.has_perm("members.change_identityrule")
    rules = rules_now()
    bound = request.POST if request.method == "POST" and "resolve" not in request.POST else None
    forms = [
        IdentityRuleForm(bound, prefix=kind.value, rule=rules[kind.value]) for kind in IdentityKind
    ]
    forms.sort(key=lambda form: form.rule.trust)
    status = 200
    if request.method == "POST":
        if not may_change:
            raise Http404
        try:
            if _act(request, forms, is_resolve="resolve" in request.POST):
                return redirect("members:person_rules")
        except RulesRefused as refused:
            messages.error(request, str(refused))
        status = 422
    jobs = list(ResolutionJob.objects.order_by("-pk")[:5])
    context = {
        "title": _("How persons are joined"),
        "forms": forms,
        "may_change": may_change,
        "jobs": jobs,
        "is_running": any(job.state != ResolutionJob.State.DONE for job in jobs),
    }
    return render(request, "members/person_rules.html", context, status=status)


def _act(request: GroupRequest, forms: list[IdentityRuleForm], *, is_resolve: bool) -> bool:
    """Do what was asked for; tell whether it could be read."""
    if is_resolve:
        resolution_ask(visible=request.visible, acting_user=request.user)
        messages.success(request, _("A worker looks at everybody anew. Its progress is below."))
        return True
    if not all([form.is_valid() for form in forms]):
        return False
    wanted = {form.rule.kind: form.wanted for form in forms}
    job = rules_change(visible=request.visible, wanted=wanted, acting_user=request.user)
    if job is None:
        messages.info(request, _("These rules are in force already. Nothing was changed."))
    else:
        messages.success(
            request,
            _("The rules are in force. A worker looks at everybody anew; its progress is below."),
        )
    return True
