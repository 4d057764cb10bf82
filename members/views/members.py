"""The member list and one member's page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from brands.changes import follow_up
from brands.facts import facts
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind
from members import member_list, segments, selectors, strata, why
from members.identity.decisions import may_decide
from members.models import Profile
from tenants.access import permission_required


@permission_required("members.view_profile")
def members(request: GroupRequest) -> HttpResponse:
    """List the members that the wall shows, fifty at a time; the address holds the state."""
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
        sort=asked.get("sort", ""),
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    masked = selectors.masked_contacts([row.pk for row in page.rows])
    saving = None
    if not asked.get("q") and request.user.has_perm("members.add_segment"):
        saving = segments.saving(asked, visible=request.visible)
    is_filtered = any(value for name, value in asked.items() if name != "sort")
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
    profile = get_object_or_404(
        Profile.objects.select_related("brand", "store", "guide", "notice").annotate(
            is_answer_seen=selectors.answer_seen()
        ),
        pk=profile_id,
    )
    visible = request.visible
    contact = selectors.contact_fields(profile)
    masked = None if contact else selectors.masked_contacts([profile.pk]).get(profile.pk)
    sees_orders = request.user.has_perm("members.view_order")
    answers = why.answers(profile, visible=visible, facts=facts(), grant=request.grant)
    activity = answers[Kind.ACTIVITY]
    context = {
        "title": _name(contact, masked, profile),
        "profile": profile,
        "contact": contact,
        "fields": why.fields(contact, masked, answers),
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
        "notice": profile.notice if profile.is_answer_seen else None,
        "orders": selectors.orders_of(profile) if sees_orders else [],
        "orders_reason": activity.reason,
        "siblings": selectors.siblings_of(profile),
        "may_decide": request.user.has_perm("members.unmerge") and may_decide(visible, profile),
        "answers": answers.values(),
        "orders_are_open": sees_orders and activity.is_open,
    }
    return render(request, "members/detail.html", context)


def _name(contact: dict[str, str] | None, masked: object, profile: Profile) -> str:
    if contact and contact.get("name"):
        return contact["name"]
    return getattr(masked, "name", "") or _("Member %(number)s") % {"number": profile.member_no}
