"""How a group guards contact data: what it asks of who reveals it, and its keys."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from brands.wall.request import GroupRequest
from members import reveal
from members.models import GroupKey, KeyRotation
from members.rotation import RotationRefused, rotation_ask
from tenants.access import permission_required

_SHOWN = 10


@permission_required("members.guard_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def contact_data(request: GroupRequest) -> HttpResponse:
    """Show the rule of revealing and the group's keys; change the rule, or ask for a new key."""
    if request.method == "POST":
        if request.POST.get("act") == "rotate":
            _rotate(request)
        else:
            needs = request.POST.get("needs_reason") == "on"
            reveal.reveal_rule_set(needs_reason=needs, acting_user=request.user)
            messages.success(
                request,
                _("Who reveals contact data gives a reason from now on.")
                if needs
                else _("Who reveals contact data need not say why from now on."),
            )
        return redirect("members:contact_data")
    rotations = list(KeyRotation.objects.all()[:_SHOWN])
    context = {
        "title": _("Contact data"),
        "needs_reason": reveal.needs_reason(),
        "keys": GroupKey.objects.order_by("purpose", "-version"),
        "rotations": rotations,
        "is_rotating": any(one.is_open for one in rotations),
    }
    return render(request, "members/contact_data.html", context)


def _rotate(request: GroupRequest) -> None:
    try:
        rotation_ask(acting_user=request.user)
    except RotationRefused as refused:
        messages.error(request, str(refused))
        return
    # Where no worker hears of it, the scheduler does within the hour.
    transaction.on_commit(partial(_send, request.tenant.schema_name), robust=True)
    messages.success(
        request, _("A new key is made, and everything is sealed with it while the group works.")
    )


def _send(schema_name: str) -> None:
    from members.tasks import rotate_keys

    rotate_keys.apply_async(headers={"_schema_name": schema_name})
