"""Sharing records: those that were issued, a new one to look at, and each as a document."""

from __future__ import annotations

import datetime as dt

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from brands.facts import facts
from brands.models import Brand, SharingRecord
from brands.records.content import Content, build, told, worded
from brands.services.records import record_is_intact, record_issue
from brands.wall.request import GroupRequest
from tenants.access import permission_required

MAY_SEE = "brands.view_sharingrecord"
MAY_ISSUE = "brands.add_sharingrecord"
DEFAULT_DAYS = 90
LONGEST_YEARS = 10
LISTED = 100


def _day_input() -> forms.DateInput:
    # A browser's field of days understands ISO alone, whatever the page's language.
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class PeriodForm(forms.Form):
    """Ask for the first and the last day of a record."""

    first = forms.DateField(label=gettext_lazy("First day"), widget=_day_input())
    last = forms.DateField(label=gettext_lazy("Last day"), widget=_day_input())

    def clean(self) -> dict:
        """Refuse days in the wrong order, days to come, and more years than anybody reads."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first"), cleaned.get("last")
        if not first or not last:
            return cleaned
        if first > last:
            raise forms.ValidationError(_("The first day is after the last one. Swap them."))
        if last > timezone.localdate():
            raise forms.ValidationError(
                _("What will be shared is not decided yet. Choose a last day up to today.")
            )
        if first < last - dt.timedelta(days=LONGEST_YEARS * 366):
            raise forms.ValidationError(
                _("A record covers %(years)d years at most. Make one for each part.")
                % {"years": LONGEST_YEARS}
            )
        return cleaned


def _own(request: GroupRequest) -> list[Brand] | None:
    """Return the brands whose part the person may read; None for all of the group."""
    viewer = request.visible.viewer
    if viewer.is_hq:
        return None
    return list(Brand.objects.filter(pk__in=viewer.brands).order_by("code"))


def _named(*sides: list[str]) -> list[list[str]]:
    # HQ's records have no sides: nothing to look up.
    names = dict(Brand.objects.values_list("code", "name")) if any(sides) else {}
    return [[names.get(code, code) for code in codes] for codes in sides]


def _readable(record: SharingRecord, own: list[Brand] | None) -> bool:
    return own is None or bool(record.sides) and set(record.sides) <= {one.code for one in own}


def _content(request: GroupRequest, first: dt.date, last: dt.date) -> Content:
    """Return the record of a period, up to this moment where it is not over."""
    own = _own(request)
    held = facts()
    zone = timezone.get_current_timezone()
    begin = dt.datetime.combine(first, dt.time.min, zone)
    end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time.min, zone)
    return build(
        facts=held,
        tenant=request.tenant,
        begin=begin,
        until=min(end, held.at),
        sides=None if own is None else [one.pk for one in own],
    )


@permission_required(MAY_SEE)
@require_safe
def records(request: GroupRequest) -> HttpResponse:
    """List the records that were issued, and ask for the period of a new one."""
    own = _own(request)
    today = timezone.localdate()
    form = PeriodForm(initial={"first": today - dt.timedelta(days=DEFAULT_DAYS), "last": today})
    rows = SharingRecord.objects.defer("content")
    if own is not None:
        rows = rows.filter(sides__contained_by=[one.code for one in own]).exclude(sides=[])
    listed = list(rows[:LISTED])
    sides = _named(*(one.sides for one in listed))
    context = {
        "title": _("Sharing record"),
        "form": form,
        "records": list(zip(listed, sides, strict=True)),
    }
    return render(request, "brands/sharing_records.html", context)


@permission_required(MAY_SEE)
@require_safe
def draft(request: GroupRequest) -> HttpResponse:
    """Show the record of a period as it would be issued now."""
    form = PeriodForm(request.GET)
    if not form.is_valid():
        for error in [text for texts in form.errors.values() for text in texts]:
            messages.error(request, str(error))
        return redirect("brands:sharing_records")
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    content = _content(request, first, last)
    return _document(request, content, first, last)


@permission_required(MAY_ISSUE)
@require_POST
def issue(request: GroupRequest) -> HttpResponse:
    """Issue the record of a period: numbered, dated, and never changed again."""
    form = PeriodForm(request.POST)
    if not form.is_valid():
        for error in [text for texts in form.errors.values() for text in texts]:
            messages.error(request, str(error))
        return redirect("brands:sharing_records")
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    own = _own(request)
    record = record_issue(
        first_on=first,
        last_on=last,
        sides=[one.code for one in own or ()],
        content=_content(request, first, last),
        acting_user=request.user,
    )
    messages.success(request, _("Issued as %(record)s.") % {"record": record})
    return redirect("brands:sharing_record", record.number)


@permission_required(MAY_SEE)
@require_safe
def record(request: GroupRequest, number: int) -> HttpResponse:
    """Show an issued record; 404 for one that is another brand's."""
    found = get_object_or_404(SharingRecord, number=number)
    if not _readable(found, _own(request)):
        raise Http404
    return _document(request, found.content, found.first_on, found.last_on, found)


def _document(
    request: GroupRequest,
    content: Content,
    first: dt.date,
    last: dt.date,
    issued: SharingRecord | None = None,
) -> HttpResponse:
    own = _own(request)
    context = {
        "title": (
            _("Sharing record %(record)s") % {"record": issued}
            if issued
            else _("Sharing record, not issued yet")
        ),
        "record": issued,
        "is_intact": issued is not None and record_is_intact(issued),
        "group": content["group"],
        "sides": _named(issued.sides if issued else [one.code for one in own or ()])[0],
        "first": first,
        "last": last,
        "read_at": timezone.now(),
        "parts": told(content),
        **{f"record_{name}": rows for name, rows in worded(content).items()},
    }
    return render(request, "brands/sharing_record.html", context)
