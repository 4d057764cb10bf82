"""The rules of strata: whose is in force where, and a new version of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from brands.changes import follow_up
from brands.models import Brand
from brands.wall.request import GroupRequest
from brands.wall.visibility import Visible
from members import strata
from members.models import StratumThresholds
from members.stratum_forms import RuleForm
from members.stratum_rules import RuleRefused, may_write, rule_add
from tenants.access import permission_required

_GROUP = "group"
_Places = list[tuple[str, list[str]]]


@dataclass
class Shown:
    """Be one rule as the page shows it; the form is there for whoever may write it today."""

    name: str
    title: str
    rule: StratumThresholds | None
    # Where it is in force: in which words, for which brands.
    brands: _Places
    form: RuleForm | None


@permission_required("members.view_stratumrule")
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: GroupRequest) -> HttpResponse:
    """Show the rules that the person may read; append a version of one that is theirs to write."""
    posted: tuple[str, RuleForm] | None = None
    if request.method == "POST":
        name = request.POST.get("rule", "")
        brand = None if name == _GROUP else _own_brand(name, request.visible)
        form = RuleForm(request.POST, prefix=name)
        if form.is_valid() and _append(request, brand, form):
            return redirect("members:strata")
        posted = name, form
    may_add = request.user.has_perm("members.add_stratumrule")
    context = {
        "title": _("Strata"),
        "shown": _shown(request.visible, may_add=may_add, posted=posted),
        "state": strata.state_now(),
        "recomputing": follow_up.recomputing(),
    }
    return render(request, "members/strata.html", context, status=422 if posted else 200)


def _own_brand(code: str, visible: Visible) -> Brand:
    # NUL is no character of PostgreSQL's.
    return get_object_or_404(Brand, code=code.replace("\0", ""), pk__in=visible.write_brands)


def _append(request: GroupRequest, brand: Brand | None, form: RuleForm) -> bool:
    try:
        if not request.user.has_perm("members.add_stratumrule"):
            raise RuleRefused(_("Your role writes no rules. Nothing was changed."))
        rule_add(brand=brand, acting_user=request.user, **form.thresholds)
    except RuleRefused as refused:
        form.add_error(None, str(refused))
        return False
    messages.success(
        request, _("The rule is in force. Members get their strata by it within a few minutes.")
    )
    return True


def _shown(visible: Visible, *, may_add: bool, posted: tuple[str, RuleForm] | None) -> list[Shown]:
    now = strata.rules_now()
    own = visible.viewer.brands | visible.viewer.store_brands
    names = {brand.pk: brand for brand in Brand.objects.order_by("code")}
    by_group: dict[strata.Owner, list[str]] = {}
    for pk, brand in names.items():
        owner = strata.rule_owner(visible.modes[pk])
        if owner is not strata.Owner.BRAND and (visible.viewer.is_hq or pk in own):
            by_group.setdefault(owner, []).append(brand.name)
    places = [(str(strata.OWNERS[owner]), brands) for owner, brands in sorted(by_group.items())]
    found: list[tuple[str, str, StratumThresholds | None, _Places, Brand | None]] = [
        (_GROUP, _("The group's rule"), now.group, places, None)
    ]
    for pk in sorted(own, key=lambda pk: names[pk].code):
        brand = names[pk]
        is_in_force = strata.rule_owner(visible.modes[pk]) is strata.Owner.BRAND
        title = _("%(brand)s's own rule") % {"brand": brand.name}
        places = [(str(strata.OWNERS[strata.Owner.BRAND]), [brand.name])] if is_in_force else []
        found.append((brand.code, title, now.brands.get(pk), places, brand))
    shown = []
    for name, title, rule, brands, of in found:
        form = RuleForm.of(rule, prefix=name) if may_add and may_write(of) else None
        if posted and posted[0] == name:
            form = posted[1]
        shown.append(Shown(name, title, rule, brands, form))
    return shown
