"""Who sees what: the wall's table for this group as it is now, and the reasons of one answer."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from brands import parties, words
from brands.facts import Facts, facts, supposed
from brands.models import Brand, BusinessUnit, ModeDraft
from brands.parties import Party
from brands.wall.reasons import Answer, explain
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind, Viewer
from tenants.access import permission_required

ME = "me"
MAY_READ_DRAFTS = "brands.view_modedraft"


@permission_required("brands.view_modechange")
def visibility(request: GroupRequest) -> HttpResponse:
    """Show the group's table, who sees one brand, and the reasons of the answer that is asked."""
    held = facts()
    visible = request.visible
    brands = list(held.brands.values())
    own = brands if visible.viewer.is_hq else [b for b in brands if b.pk in visible.viewer.brands]
    everyone = _everyone(request, held)
    chosen = _chosen_brand(request, brands, own)
    answer = then = None
    may_ask = True
    draft = _draft(request)
    if who := request.GET.get("who"):
        may_ask = _may_ask(request, chosen, everyone.get(who))
    if who and may_ask:
        answer = _answer(request, held, chosen, everyone.get(who))
        if draft is not None and draft.is_open:
            after = supposed(held, draft)
            then = _answer(request, after, chosen, everyone.get(who), is_today=False)
    context = {
        "title": _("Who sees what"),
        "kinds": [(kind.value, words.KINDS[kind]) for kind in Kind],
        "brands": brands,
        "mine": parties.alike(
            (
                one.name,
                str(visible.modes[one.pk].label),
                {kind: visible.cell(one.pk, kind) for kind in Kind},
            )
            for one in brands
        ),
        "overview": parties.overview(own, held) if visible.viewer.is_hq else [],
        "chosen": chosen,
        "chosen_mode": visible.modes[chosen.pk].label if chosen else "",
        "viewers": _viewers_of(chosen, held) if chosen in own else [],
        "everyone": everyone.values(),
        "asked_who": request.GET.get("who", ME),
        "asked_kind": request.GET.get("kind", Kind.PROFILE.value),
        "answer": answer,
        "may_ask": may_ask,
        "draft": draft,
        "then": then,
        "party": everyone.get(request.GET.get("who", "")),
    }
    return render(request, "brands/visibility.html", context)


def _draft(request: GroupRequest) -> ModeDraft | None:
    """Return the draft whose approval is supposed for a second answer; None where none is."""
    asked = request.GET.get("draft", "")
    if not asked:
        return None
    if not request.user.has_perm(MAY_READ_DRAFTS) or not (asked.isascii() and asked.isdigit()):
        raise Http404
    drafts = ModeDraft.objects.select_related("brand")
    # Longer numbers than the table's raise in the database.
    return get_object_or_404(drafts, pk=int(asked[:18]))


def _everyone(request: GroupRequest, held: Facts) -> dict[str, Party]:
    """Return key → whoever may be asked about: the person asking first."""
    brands = list(held.brands.values())
    me = Party(ME, _("You, as %(grant)s") % {"grant": request.grant}, request.visible.viewer)
    found = [
        me,
        *parties.hq_parties(),
        *(parties.unit_party(unit, brands) for unit in BusinessUnit.objects.order_by("code")),
        *(parties.brand_party(brand) for brand in brands),
        *(parties.store_party(brand) for brand in brands),
    ]
    return {one.key: one for one in found}


def _chosen_brand(request: GroupRequest, brands: list[Brand], own: list[Brand]) -> Brand | None:
    if asked := request.GET.get("of"):
        for brand in brands:
            if brand.code == asked:
                return brand
        raise Http404
    return own[0] if own else None


def _answer(
    request: GroupRequest,
    held: Facts,
    brand: Brand | None,
    party: Party | None,
    *,
    is_today: bool = True,
) -> Answer:
    """Return the answer that is asked for."""
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(request.GET.get("kind", ""))
    if brand is None or party is None or kind is None:
        raise Http404
    is_me = party.key == ME and is_today
    return explain(
        viewer=party.viewer,
        brand_id=brand.pk,
        kind=kind,
        facts=held,
        reader=request.visible.viewer,
        cell=request.visible.cell(brand.pk, kind) if is_me else None,
        grant=request.grant if is_me else None,
    )


def _may_ask(request: GroupRequest, brand: Brand | None, party: Party | None) -> bool:
    """Tell whether an answer is about one's own side; HQ asks about any two."""
    reader = request.visible.viewer
    if brand is None or party is None:
        raise Http404
    # What two others see of each other is between them and HQ.
    return reader.is_hq or brand.pk in reader.brands or _is_own(party, reader)


def _is_own(party: Party, reader: Viewer) -> bool:
    looked = party.viewer.brands | party.viewer.store_brands
    return party.key == ME or bool(looked) and looked <= reader.brands


def _viewers_of(brand: Brand, held: Facts) -> list[parties.Alike]:
    """Return who sees a brand, those together who see the same."""
    people = [
        parties.Party("", _("%(brand)s itself") % {"brand": brand.name}, _own(brand)),
        parties.store_party(brand),
        *parties.hq_parties(),
        *(parties.brand_party(one) for one in held.brands.values() if one.pk != brand.pk),
    ]
    return parties.alike(
        (one.name, "", parties.cells_of(one.viewer, brand.pk, held)) for one in people
    )


def _own(brand: Brand) -> Viewer:
    return Viewer(brands=frozenset({brand.pk}))
