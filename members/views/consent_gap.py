"""The consents of a brand or a group: recent answers, figures, and who would have to be asked."""

from __future__ import annotations

import datetime as dt

from django.db.models import Sum
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from brands.models import Brand
from brands.modes import Mode
from brands.notices import KIND_WORDS, notice_facts
from brands.selectors import notices_in_force
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members.consent_forms import GapForm
from members.consent_gap import (
    ALL_KINDS,
    State,
    consent_gap,
    days_chart,
    first_day,
    latest_figures,
    modes_wished,
    need_of,
    silent_brands,
    telling_brands,
)
from members.consent_people import WHY_WORDS, page_to_ask
from members.models import AnswerMetric, Consent, ConsentEntry, Entry
from tenants.access import permission_required

_ANSWERS_SHOWN = 20
_ENTRIES_SHOWN = 20


@permission_required("brands.view_notice")
@require_GET
def consents(request: GroupRequest) -> HttpResponse:
    """Show how members stand to the notices, what was answered last, and what waits."""
    visible = request.visible
    sees_answers = request.user.has_perm("members.view_consent")
    agreeing = _agreeing(request)
    context = {
        "title": _("Consents"),
        "notices": notice_facts(),
        "brands": _by_brand(request),
        "silent": silent_brands(visible),
        "days": agreeing,
        "chart": days_chart(_("Agree"), agreeing),
        "sees_answers": sees_answers,
        # How a brand came to know an answer is the brand's.
        "own_brands": visible.viewer.own_brands,
        "answers": list(
            Consent.objects.select_related("profile", "brand", "answered_notice").order_by("-pk")[
                :_ANSWERS_SHOWN
            ]
        )
        if sees_answers
        else [],
        "entries": list(
            ConsentEntry.objects.filter(brand_id__in=visible.write_brands)
            .exclude(state=Entry.State.RECORDED)
            .select_related("answered_notice", "profile", "brand")
            .order_by("-pk")[:_ENTRIES_SHOWN]
        )
        if sees_answers
        else [],
    }
    return render(request, "members/consents.html", context)


def _by_brand(request: GroupRequest) -> list[tuple[Brand, dict[str, int | None]]]:
    """Return brand → how many members stand in which way; None where it is not counted yet."""
    figures = latest_figures(request.visible)
    found = []
    for brand in Brand.objects.filter(pk__in=telling_brands(request.visible)).order_by("code"):
        rows = figures.get(brand.pk, [])
        counts: dict[str, int | None] = {
            state: sum(row.people for row in rows if row.state == state) if rows else None
            for state in State
        }
        counts["all"] = sum(row.people for row in rows) if rows else None
        found.append((brand, counts))
    return found


def _agreeing(request: GroupRequest) -> list[tuple[dt.date, int]]:
    """Return, day by day, how many agree, of the brands that are told in full."""
    rows = AnswerMetric.objects.filter(
        brand_id__in=telling_brands(request.visible),
        state=State.GIVEN,
        day__gte=first_day(),
    )
    return list(rows.values_list("day").annotate(total=Sum("people")).order_by("day"))


def _asked(request: GroupRequest) -> tuple[Mode, Brand | None, frozenset[Kind]]:
    """Return what the address asks about; 404 for a mode, brand or kind that does not exist."""
    given = request.GET.copy()
    given.setdefault("mode", Mode.FAN_MAX)
    form = GapForm(given)
    if not form.is_valid():
        raise Http404
    brand = None
    if code := form.cleaned_data["brand"]:
        brand = get_object_or_404(Brand, code=code)
        viewer = request.visible.viewer
        if not viewer.is_hq and brand.pk not in viewer.brands:
            raise Http404
    kinds = frozenset(Kind(kind) for kind in form.cleaned_data["kind"]) or ALL_KINDS
    return Mode(form.cleaned_data["mode"]), brand, kinds


@permission_required("brands.view_notice")
@require_GET
def gap(request: GroupRequest) -> HttpResponse:
    """Say who would have to be asked so that a mode shows all it could, and how far it is."""
    mode, brand, kinds = _asked(request)
    found = consent_gap(request.visible, mode=mode, brand=brand, kinds=kinds)
    viewer = request.visible.viewer
    offered = Brand.objects.order_by("code")
    may_write = request.user.has_perm("brands.add_notice")
    base = None
    if may_write and found.notice is None:
        # Its words are a start for those of the next version.
        base = notices_in_force().order_by("-effective_from", "-pk").first()
    context = {
        "title": _("Consent gap"),
        "gap": found,
        "mode": mode,
        "modes": list(Mode),
        "brand": brand,
        "brands": [one for one in offered if viewer.is_hq or one.pk in viewer.brands],
        "kinds": [(kind, KIND_WORDS[kind], kind in kinds) for kind in KIND_WORDS],
        "needs_nothing": all(row.need.is_nothing for row in found.rows),
        "may_write": may_write,
        "base": base,
        "may_list": request.user.has_perm("members.view_consent"),
    }
    return render(request, "members/consent_gap.html", context)


@permission_required("members.view_consent")
@require_GET
def gap_people(request: GroupRequest, code: str) -> HttpResponse:
    """List the members of a brand of one's own who would have to be asked, with their reasons."""
    mode, asked, kinds = _asked(request)
    brand = get_object_or_404(Brand, code=code)
    if brand.pk not in request.visible.viewer.brands:
        raise Http404
    why, after = request.GET.get("why", ""), request.GET.get("after", "0")
    need = need_of(brand.pk, modes_wished(mode, asked), kinds)
    page = page_to_ask(
        brand,
        need=need,
        why=why,
        after=int(after) if after.isdecimal() and len(after) < 19 else 0,
    )
    found = consent_gap(request.visible, mode=mode, brand=asked, kinds=kinds)
    context = {
        "title": _("Members to ask"),
        "brand": brand,
        "mode": mode,
        "page": page,
        "gap": next((row for row in found.rows if row.brand.pk == brand.pk), None),
        "why": why,
        "whys": list(WHY_WORDS.items()),
    }
    return render(request, "members/consent_gap_people.html", context)
