"""How long rows are kept, what would go today, and the approval of rules that take members."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brands.models import Brand, Notice
from brands.wall.request import GroupRequest
from members import retention
from members.models import RetentionCertificate, RetentionCount
from members.models.retention import Purpose
from members.rights.errors import RightsRefused
from tenants.access import permission_required

VIEW, ADD = "members.view_retentionrule", "members.add_retentionrule"
# As many certificates are listed, the newest first.
_CERTIFICATES = 100
# The page follows a count for so long: one that takes longer has no worker, or many millions.
_FOLLOWED = dt.timedelta(minutes=10)


class DaysForm(forms.Form):
    """Ask for how long the rows of a purpose are kept."""

    purpose = forms.ChoiceField(choices=Purpose.choices, widget=forms.HiddenInput)
    days = forms.IntegerField(
        label=gettext_lazy("Days"), min_value=1, max_value=36_500, required=False
    )


@permission_required(VIEW)
def rules(request: GroupRequest) -> HttpResponse:
    """Show the rules with what would go by them (GET); set, approve or count (POST)."""
    if request.method == "POST":
        return _act(request)
    if number := request.GET.get("certificate"):
        return _certificate(number)
    brands = dict(Brand.objects.values_list("pk", "name"))
    counts: dict[str, list[tuple[str, int]]] = {}
    counted_at = None
    for row in RetentionCount.objects.order_by("brand_id"):
        counted_at = row.counted_at
        if row.about != "counted":
            counts.setdefault(row.about, []).append((brands.get(row.brand_id, "–"), row.rows))
    may_change = request.user.has_perm(ADD) and request.visible.writes_group
    standings = retention.standings()
    versions = dict(Notice.objects.values_list("pk", "version"))
    ended = [
        (versions.get(int(about.partition(":")[2]), "–"), found, sum(n for _brand, n in found))
        for about, found in sorted(counts.items())
        if about.startswith("notice:")
    ]
    context: dict[str, Any] = {
        "title": _("Retention"),
        "rows": [
            {
                "standing": one,
                "label": one.purpose.label,
                "most": retention.MOST_DAYS.get(one.purpose),
                "counts": counts.get(one.purpose, []),
                "is_counted": one.purpose in retention.COUNTED,
                "total": sum(number for _brand, number in counts.get(one.purpose, [])),
                "form": DaysForm(initial={"purpose": one.purpose, "days": one.days}),
                "may_approve": may_change
                and one.needs_approval
                and one.rule is not None
                and one.rule.decided_by_id != request.user.pk,
            }
            for one in standings
        ],
        "ended": ended,
        "counted_at": counted_at,
        "is_counting": _is_counting(request.GET.get("asked", ""), counted_at),
        "may_change": may_change,
        "certificates": [
            (one, brands.get(one.brand_id, "–"), one.content.get("counts", {}))
            for one in RetentionCertificate.objects.order_by("-pk")[:_CERTIFICATES]
        ],
        "is_hq": request.visible.viewer.is_hq,
    }
    return render(request, "members/rights_retention.html", context)


def _is_counting(asked: str, counted_at: dt.datetime | None) -> bool:
    """Tell whether the count that was asked for, in seconds of the epoch, is not done yet."""
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 12):
        return False
    if not retention.is_told_of_any():
        return False
    now, since = timezone.now().timestamp(), int(asked)
    is_lately = now - _FOLLOWED.total_seconds() < since <= now
    return is_lately and (counted_at is None or counted_at.timestamp() < since)


def _certificate(number: str) -> HttpResponse:
    """Give a certificate out, as the audit keeps its digest."""
    one = get_object_or_404(RetentionCertificate, number=number)
    text = json.dumps(one.content, ensure_ascii=False, indent=1)
    response = HttpResponse(text, content_type="application/json")
    name = f"certificate-{one.number}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _act(request: GroupRequest) -> HttpResponse:
    if not (request.user.has_perm(ADD) and request.visible.writes_group):
        raise Http404
    act, form = request.POST.get("act", ""), DaysForm(request.POST)
    is_counting = False
    try:
        if act == "count":
            retention.count_enqueue()
            is_counting = True
            messages.success(request, _("It is being counted. The figures follow by themselves."))
        elif not form.is_valid():
            messages.error(request, _("Nothing was changed: give a whole number of days."))
        elif act == "approve":
            retention.rule_approve(purpose=form.cleaned_data["purpose"], acting_user=request.user)
            messages.success(request, _("Approved: it runs each night from now on."))
        elif act == "set":
            retention.rule_set(**form.cleaned_data, acting_user=request.user)
            retention.count_enqueue()
            is_counting = True
            messages.success(request, _("Set. What would go by it is being counted."))
    except RightsRefused as refusal:
        messages.error(request, str(refusal))
    place = reverse("members:retention")
    return redirect(f"{place}?asked={int(timezone.now().timestamp())}" if is_counting else place)
