"""A brand leaves the group: what closes, in numbers, before it does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from brands.models import Brand, ChannelAccount, Store
from brands.modes import Mode
from brands.notice_forms import moment_widget
from brands.notices import NoticeFacts, notice_facts
from brands.selectors import Standing, effective_modes
from brands.services.hierarchy import (
    Leaving,
    LeavingRefused,
    brand_leave,
    brand_stay,
    grants_at,
    leaving_problems,
)
from brands.wall.request import GroupRequest
from tenants.access import permission_required


class LeavingForm(forms.Form):
    """Ask from when a brand leaves, to whom, why, and once more whether that is meant."""

    at = forms.DateTimeField(
        label=gettext_lazy("Leaves"),
        required=False,
        widget=moment_widget(),
        help_text=gettext_lazy("Empty: at once."),
    )
    to = forms.CharField(
        label=gettext_lazy("New owner"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Name of the company. Empty: nobody takes the brand over."),
    )
    contact = forms.CharField(
        label=gettext_lazy("Contact of the new owner"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("How the members reach it."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=400, widget=forms.Textarea(attrs={"rows": 2})
    )
    code = forms.CharField(max_length=40, required=False)

    @property
    def leaving(self) -> Leaving:
        """Return what was asked for."""
        data = self.cleaned_data
        return Leaving(
            at=data["at"],
            to=data["to"].strip(),
            contact=data["contact"].strip(),
            reason=data["reason"].strip(),
        )


@dataclass(frozen=True)
class Closing:
    """Count what ends when a brand leaves; None where the number is not told."""

    mode: Mode
    # Its members who agree, and so are shown to others today, where its mode shows them at all.
    members: int | None
    # Members of other brands who agreed to a notice that names it, where both modes share.
    siblings_members: int | None
    notices: list[NoticeFacts]
    # Role → grants at the brand and its stores.
    grants: list[tuple[str, int]]
    providers: list[str]
    stores: int
    accounts: int


def closing_of(brand: Brand) -> Closing:
    """Return what ends when a brand leaves, by today's figures as the open scope tells them."""
    modes = effective_modes()
    facts = [one for one in notice_facts() if one.standing is Standing.IN_FORCE]
    naming = [one for one in facts if brand.pk in {named.pk for named in one.brands}]
    sharing = {pk for pk, mode in modes.items() if mode is Mode.FAN_MAX and pk != brand.pk}
    is_sharing = modes[brand.pk] is Mode.FAN_MAX
    grants = grants_at(brand)
    return Closing(
        mode=modes[brand.pk],
        members=_sum([one.people.get(brand.pk, 0) for one in facts]) if is_sharing else 0,
        siblings_members=_sum(
            [one.people.get(pk, 0) for one in naming for pk in sharing if is_sharing]
        ),
        notices=naming,
        grants=sorted(Counter(grant.get_role_display() for grant in grants).items()),
        providers=sorted(
            {grant.engagement.provider.name for grant in grants if grant.engagement is not None}
        ),
        stores=Store.objects.filter(brand=brand, is_active=True).count(),
        accounts=ChannelAccount.objects.filter(brand=brand, is_active=True).count(),
    )


def _sum(numbers: list[int | None]) -> int | None:
    return None if None in numbers else sum(number or 0 for number in numbers)


@permission_required("brands.change_brand")
def leave(request: GroupRequest, code: str) -> HttpResponse:
    """Ask when and to whom (GET), say what closes (POST), and let go (POST with the code)."""
    brand = get_object_or_404(Brand, code=code)
    form = LeavingForm(request.POST if request.method == "POST" else None)
    closing, is_asked = None, False
    if form.is_bound and form.is_valid():
        if wrong := leaving_problems(brand, form.leaving):
            form.add_error(None, wrong)
        else:
            typed = form.cleaned_data["code"].strip()
            if typed == brand.code:
                return _let_go(request, brand, form.leaving)
            closing, is_asked = closing_of(brand), True
            if typed:
                form.add_error("code", _("That is not the brand's code. Nothing was changed."))
    context = {
        "title": _("%(brand)s leaves the group") % {"brand": brand.name},
        "brand": brand,
        "form": form,
        "closing": closing,
        "is_asked": is_asked,
        "has_left": brand.left_at is not None and brand.left_at <= timezone.now(),
    }
    return render(request, "brands/brand_leave.html", context)


def _let_go(request: GroupRequest, brand: Brand, leaving: Leaving) -> HttpResponse:
    try:
        brand_leave(brand=brand, leaving=leaving, acting_user=request.user)
        messages.success(request, _("Done. What follows is on this page."))
    except LeavingRefused as error:
        messages.error(request, str(error))
    return redirect("brands:brand_leave", brand.code)


@permission_required("brands.change_brand")
@require_POST
def stay(request: GroupRequest, code: str) -> HttpResponse:
    """Call a leaving off before its day."""
    brand = get_object_or_404(Brand, code=code)
    try:
        brand_stay(brand=brand, acting_user=request.user)
        messages.success(
            request,
            _("It stays. Grants that were cut short stay so: give new ones where needed."),
        )
    except LeavingRefused as error:
        messages.error(request, str(error))
    return redirect("brands:brand_leave", brand.code)
