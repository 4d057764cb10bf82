"""The member list and one member's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from brands.changes import follow_up
from brands.facts import facts
from brands.wall.reasons import Answer
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members import member_list, reveal, segments, selectors, strata, why
from members.identity.decisions import may_decide
from members.models import Profile
from members.own_views import own_views
from members.rights.requests import may_ask
from members.timeline import timeline_of
from members.views.own_views import opened
from tenants.access import permission_required

# Filters that stand folded up until one of them is set.
_MORE = ("tier", "sales_from", "sales_to", "last_from", "last_to", "tag", "channel")


@permission_required("members.view_profile")
def members(request: GroupRequest) -> HttpResponse:
    """List the members that the wall shows, fifty at a time; the address holds the state."""
    kept = own_views()
    if not request.GET and (first := next((one for one in kept if one.is_default), None)):
        return opened(first)
    form = member_list.MemberFilter(request.GET, visible=request.visible)
    asked = form.cleaned_data if form.is_valid() else {}
    unread = set(form.errors)
    if closed := form.closed_brand():
        # With its stores: those are chosen among the stores of the brand.
        unread -= {"brand", "store"}
        text = _("“%(brand)s” shares no members with you now. That filter was left out.")
        messages.warning(request, text % {"brand": closed})
    if unread:
        messages.warning(request, _("Some filters could not be read and were left out."))
    if form.errors:
        asked = form.cleaned_data
    page = member_list.page_of(
        member_list.members_asked(asked, visible=request.visible),
        asked=asked,
        visible=request.visible,
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    masked = selectors.masked_contacts([row.pk for row in page.rows])
    saving = None
    if not asked.get("q"):
        may_add = request.user.has_perm("members.add_segment")
        saving = segments.saving(asked, visible=request.visible, may_add=may_add)
    is_filtered = any(value not in (None, "") for name, value in asked.items() if name != "sort")
    contact = request.visible.kinds[Kind.CONTACT]
    masks = request.visible.kinds[Kind.MASKED]
    shows_strata = bool(asked.get("stratum")) or any(row.stratum for row in page.rows)
    former = strata.formers_now() if shows_strata else None
    formers = {
        row.pk for row in page.rows if former and former.marks(row.stratum_source, row.brand_id)
    }
    context = {
        "title": _("Members"),
        "form": form,
        "page": page,
        "rows": [(row, masked.get(row.pk)) for row in page.rows],
        "is_filtered": is_filtered,
        "saving": saving,
        "asks_more": any(asked.get(name) not in (None, "") for name in _MORE),
        "views": kept,
        "view": next((one for one in kept if str(one.pk) == request.GET.get("view")), None),
        "shows_strata": shows_strata,
        "formers": formers,
        "recomputing": follow_up.recomputing() if shows_strata else None,
        "finds_contact": bool(contact.brands or contact.stores),
        "shows_stores": not request.visible.viewer.stores,
        "shows_names": bool(masks.brands or masks.stores),
    }
    return render(request, "members/list.html", context)


@permission_required("members.view_profile")
def member(request: GroupRequest, profile_id: int) -> HttpResponse:
    """Show one member as far as the wall shows them; 404 where it does not."""
    profile = _profile(profile_id)
    return render(request, "members/detail.html", _page(request, profile))


@permission_required(reveal.PERMISSION)
@require_POST
def member_contact(request: GroupRequest, profile_id: int) -> HttpResponse:
    """Reveal a member's contact data in this one answer; 404 where the wall hides it."""
    profile = _profile(profile_id)
    refused, held = "", None
    try:
        held = reveal.contact_reveal(
            profile=profile, reason=request.POST.get("reason", ""), acting_user=request.user
        )
        if held is None:
            raise Http404
    except reveal.RevealRefused as error:
        refused = str(error)
    status = 422 if refused else 200
    more = {"refused": refused, "reason": request.POST.get("reason", "")}
    if not request.headers.get("HX-Request"):
        context = {**_page(request, profile, held), **more}
        return render(request, "members/detail.html", context, status=status)
    answers = why.answers(profile, visible=request.visible, facts=facts(), grant=request.grant)
    context = {**_contact(request, profile, held, answers), **more, "profile": profile}
    # htmx swaps nothing in for an error, and the refusal is what is to be read.
    return render(request, "members/_contact.html", context)


def _profile(profile_id: int) -> Any:
    rows = Profile.objects.select_related("brand", "store", "guide", "notice")
    return get_object_or_404(rows.annotate(is_answer_seen=selectors.answer_seen()), pk=profile_id)


def _contact(
    request: GroupRequest,
    profile: Profile,
    held: reveal.Held | None,
    answers: Mapping[Kind, Answer],
) -> dict[str, Any]:
    """Return what the card of contact data says: masks, but of what was revealed just now."""
    held = held or reveal.held_masked(profile)
    masked = selectors.masked_contacts([profile.pk]).get(profile.pk)
    may_reveal = (
        held is not None
        and not held.is_revealed
        and any(held.fields.values())
        and request.user.has_perm(reveal.PERMISSION)
    )
    return {
        "held": held,
        "masked": masked,
        "fields": why.fields(held, masked, answers),
        "may_reveal": may_reveal,
        "needs_reason": may_reveal and reveal.needs_reason(),
    }


def _page(request: GroupRequest, profile: Any, held: reveal.Held | None = None) -> dict[str, Any]:
    visible = request.visible
    sees_orders = request.user.has_perm("members.view_order")
    answers = why.answers(profile, visible=visible, facts=facts(), grant=request.grant)
    activity = answers[Kind.ACTIVITY]
    contact = _contact(request, profile, held, answers)
    return {
        **contact,
        "title": _name(contact["masked"], profile),
        "profile": profile,
        "average": round(profile.sales / profile.orders) if profile.orders else None,
        "stratum_owner": strata.owner_words(profile.stratum_source),
        "is_former_stratum": bool(profile.stratum)
        and strata.formers_now().marks(profile.stratum_source, profile.brand_id),
        "recomputing": follow_up.recomputing() if profile.stratum else None,
        "consents": (
            selectors.consents_of(profile)
            if request.user.has_perm("members.view_consent")
            else None
        ),
        # How a brand came to know an answer is the brand's.
        "is_own": profile.brand_id in visible.viewer.own_brands,
        "may_ask": request.user.has_perm("members.add_personrequest")
        and bool(may_ask(visible, profile)),
        "notice": profile.notice if profile.is_answer_seen else None,
        "orders": selectors.orders_of(profile) if sees_orders else [],
        "orders_reason": activity.reason,
        "timeline": timeline_of(profile, sees_activity=sees_orders),
        "siblings": selectors.siblings_of(profile, visible),
        "may_decide": request.user.has_perm("members.unmerge") and may_decide(visible, profile),
        "answers": answers.values(),
        "orders_are_open": sees_orders and activity.is_open,
    }


def _name(masked: object, profile: Profile) -> str:
    return getattr(masked, "name", "") or _("Member %(number)s") % {"number": profile.member_no}
