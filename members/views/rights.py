"""What people ask of their data: the list with its deadlines, a new request, one and its steps."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, F, IntegerField, Value, When
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from brands.wall.request import GroupRequest
from members.models import GroupPersonRequest, PersonRequest, Profile
from members.models.rights import Request
from members.rights import requests, rules
from members.rights.certificates import digest
from members.rights.errors import RightsRefused
from members.rights_forms import RequestForm, RuleForm, StepForm
from members.selectors import masked_contacts
from tenants.access import permission_required

VIEW, ADD = "members.view_personrequest", "members.add_personrequest"
_PER_PAGE = 50
_OPEN = (Request.State.RECEIVED, Request.State.QUEUED, Request.State.RUNNING)


def _model(request: GroupRequest) -> Any:
    """Return the requests that the viewer deals with: the group's, or those of its brands."""
    return GroupPersonRequest if request.visible.viewer.is_hq else PersonRequest


@permission_required(VIEW)
@require_GET
def rights(request: GroupRequest) -> HttpResponse:
    """List requests: open ones first, by the day on which they must be answered."""
    model = _model(request)
    is_done = Case(
        When(state__in=_OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    rows = model.objects.annotate(is_done=is_done)
    due = Case(When(is_done=0, then=F("due_at")))
    ordered = rows.order_by("is_done", due.asc(nulls_last=True), "-pk")
    if model is PersonRequest:
        ordered = ordered.select_related("brand")
    is_hq_admin = request.visible.writes_group and request.user.has_perm(ADD)
    context = {
        "title": _("Persons' rights"),
        "page": Paginator(ordered, _PER_PAGE).get_page(request.GET.get("page")),
        "is_group": model is GroupPersonRequest,
        "late": rows.filter(is_done=0, due_at__lt=timezone.now()).count(),
        "rule": rules.rule_now(),
        "rule_form": RuleForm(instance=rules.rule_now()) if is_hq_admin else None,
    }
    return render(request, "members/rights_list.html", context)


@permission_required(ADD)
@require_POST
def rights_rule(request: GroupRequest) -> HttpResponse:
    """Append a version of what the group promises; HQ alone."""
    if not request.visible.writes_group:
        raise Http404
    form = RuleForm(request.POST)
    if form.is_valid():
        rules.rule_set(**form.cleaned_data, acting_user=request.user)
        messages.success(request, _("This holds from now on. Deadlines of before stay."))
    else:
        messages.error(
            request, " ".join(str(one) for found in form.errors.values() for one in found)
        )
    return redirect("members:rights")


@permission_required(ADD)
def rights_new(request: GroupRequest, profile_id: int) -> HttpResponse:
    """Hand in what a member asked."""
    profile = get_object_or_404(Profile.objects.select_related("brand"), pk=profile_id)
    whose = requests.may_ask(request.visible, profile)
    if not whose and not request.visible.viewer.is_looked_as:
        raise Http404
    form = RequestForm(
        request.POST if request.method == "POST" else None,
        is_own=whose == "own",
        is_restricted=profile.is_restricted,
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = requests.request_enter(
                visible=request.visible,
                profile=profile,
                what=data["what"],
                through=data["through"],
                received_at=data["received_at"],
                checked=data["checked"],
                right=form.right if data["what"] == Request.What.CORRECTION else None,
                is_for_group=data.get("is_for_group", False),
                request_key=data["request_key"],
                acting_user=request.user,
            )
            return redirect(_address(made))
        except RightsRefused as refusal:
            form.add_error(None, str(refusal))
    masked = masked_contacts([profile.pk]).get(profile.pk)
    context = {
        "title": _("What the person asks"),
        "profile": profile,
        "name": getattr(masked, "name", "") or profile.member_no,
        "form": form,
        "is_group": whose == "group",
        "rule": rules.rule_now(),
    }
    return render(request, "members/rights_new.html", context)


def _address(one: PersonRequest | GroupPersonRequest) -> str:
    if isinstance(one, PersonRequest):
        return reverse("members:rights_request", args=[one.pk])
    return reverse("members:rights_group_request", args=[one.pk])


@permission_required(VIEW)
def rights_request(request: GroupRequest, person_request_id: int) -> HttpResponse:
    """Show a brand's request and take its next step."""
    own = PersonRequest.objects.select_related("brand")
    return _watch(request, get_object_or_404(own, pk=person_request_id))


@permission_required(VIEW)
def rights_group_request(request: GroupRequest, group_person_request_id: int) -> HttpResponse:
    """Show a request to the group and take its next step."""
    return _watch(request, get_object_or_404(GroupPersonRequest, pk=group_person_request_id))


def _may_act(request: GroupRequest, one: PersonRequest | GroupPersonRequest) -> bool:
    if not request.user.has_perm(ADD):
        return False
    if isinstance(one, PersonRequest):
        return one.brand_id in request.visible.write_brands
    return request.visible.writes_group


def _watch(request: GroupRequest, one: PersonRequest | GroupPersonRequest) -> HttpResponse:
    if request.method == "POST":
        return _act(request, one)
    if "certificate" in request.GET and one.certificate:
        response = HttpResponse(
            json.dumps(one.certificate, ensure_ascii=False, indent=1),
            content_type="application/json",
        )
        name = f"certificate-{one.certificate_no}.json"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    profile = Profile.objects.filter(pk=one.profile_id).select_related("brand").first()
    masked = masked_contacts([profile.pk]).get(profile.pk) if profile else None
    steps = requests.steps_of(one)
    may_act = _may_act(request, one)
    context = {
        "title": one.get_what_display(),
        "one": one,
        "profile": profile,
        "name": getattr(masked, "name", "") or (profile.member_no if profile else ""),
        "steps": steps,
        "may_act": may_act,
        "form": StepForm(),
        "waits": one.state in _OPEN and (one.checked or bool(steps)),
        "may_fetch": bool(one.path)
        and may_act
        and one.entered_by_id == request.user.pk
        and not any(step.what == "fetched" for step in steps),
        "counts": sorted((one.certificate or {}).get("counts", {}).items()),
        "digest": digest(one.certificate) if one.certificate else "",
        "is_group": isinstance(one, GroupPersonRequest),
    }
    is_part = bool(request.headers.get("HX-Request"))
    template = "members/_rights_state.html" if is_part else "members/rights_watch.html"
    if is_part and not context["waits"]:
        response = HttpResponse()
        response["HX-Refresh"] = "true"
        return response
    return render(request, template, context)


def _act(request: GroupRequest, one: PersonRequest | GroupPersonRequest) -> HttpResponse:
    if not _may_act(request, one):
        raise Http404
    act, form = request.POST.get("act", ""), StepForm(request.POST)
    form.is_valid()
    data = form.cleaned_data
    try:
        if act == "check" and data.get("checked"):
            requests.request_check(request=one, checked=data["checked"], acting_user=request.user)
        elif act == "refuse":
            requests.request_refuse(
                request=one, reason=data.get("reason", ""), acting_user=request.user
            )
        elif act == "fetch":
            packed = requests.copy_fetch(
                request=one, acting_user=request.user, schema_name=request.tenant.schema_name
            )
            response = HttpResponse(packed, content_type="application/zip")
            response["Content-Disposition"] = f'attachment; filename="copy-{one.pk}.zip"'
            return response
        else:
            messages.error(request, _("Nothing was changed: the form was not complete."))
    except RightsRefused as refusal:
        messages.error(request, str(refusal))
    return redirect(_address(one))
