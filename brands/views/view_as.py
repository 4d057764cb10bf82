"""Let HQ look at the site as a role at a place, and leave."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from brands.models import Brand, BusinessUnit, Store
from brands.view_as import wish_of
from brands.wall.request import GroupRequest
from tenants import view_as
from tenants.access import permission_required
from tenants.roles import LEVELS, Role


class LookForm(forms.Form):
    """Ask as whom to look: a role, its place by number, and a contract where there is one."""

    role = forms.ChoiceField(choices=[(role.value, role.label) for role in view_as.ROLES])
    place = forms.IntegerField(min_value=1)
    engagement = forms.IntegerField(min_value=1, required=False)


@permission_required(view_as.PERMISSION)
def look(request: GroupRequest) -> HttpResponse:
    """Offer what HQ may look as (GET); look as it for 15 minutes (POST)."""
    if request.method == "POST":
        return _begin(request)
    brands = Brand.objects.order_by("code")
    chosen = None
    if asked := request.GET.get("brand"):
        chosen = get_object_or_404(Brand, code=asked)
    context = {
        "title": _("Look as someone else"),
        "units": BusinessUnit.objects.order_by("code"),
        "brands": brands,
        "chosen": chosen,
        "stores": Store.objects.filter(brand=chosen).order_by("code") if chosen else [],
        "store_roles": [Role.STORE_MANAGER, Role.GUIDE],
        "engagements": list(view_as.engagements_now(request.tenant)),
        "minutes": view_as.MINUTES,
        "off": "" if view_as.is_set_up() else view_as.IS_OFF,
    }
    return render(request, "brands/view_as.html", context)


def _begin(request: GroupRequest) -> HttpResponse:
    if not view_as.is_set_up():
        messages.error(request, view_as.IS_OFF)
        return redirect("brands:view_as")
    form = LookForm(request.POST)
    wish = None
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        wish = wish_of(
            tenant=request.tenant,
            role=role,
            level=next(iter(LEVELS[role])),
            place_id=form.cleaned_data["place"],
            engagement_id=form.cleaned_data["engagement"],
        )
    if wish is None:
        messages.error(
            request,
            _("There is no such place or contract in this group now. You still act as yourself."),
        )
        return redirect("brands:view_as")
    looking = view_as.begin(
        request,
        role=wish.role,
        place_id=wish.place.pk,
        place_name=str(wish.place),
        engagement=wish.engagement,
    )
    messages.success(
        request,
        _("You look at the site as %(grant)s for %(minutes)d minutes.")
        % {"grant": looking.grant, "minutes": looking.minutes_left},
    )
    return redirect("brands:home")


@require_POST
def leave(request: GroupRequest) -> HttpResponse:
    """Act as oneself again; the middleware writes it down."""
    if request.session.pop(view_as.SESSION_KEY, None) is None:
        messages.info(request, _("You act as yourself already."))
    else:
        messages.success(request, _("You act as yourself again."))
    return redirect("brands:home")
