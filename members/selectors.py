"""Read members, and say what of them is seen and why."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Prefetch, Q, Sum

from brands import dashboard
from brands.modes import Mode
from brands.wall.visibility import FEWEST_AVERAGED, Kind, Sight, Visible
from members import contacts
from members.identity.in_sight import joined_in_sight, sees_all_members
from members.identity.open_persons import same_person
from members.keys import group_keys
from members.models import Consent, Contact, MaskedContact, Order, OrderLine, PoolMetric, Profile

ORDERS_SHOWN = 20


@dataclass(frozen=True)
class Seen:
    """Hold how many members a viewer sees, by the way in which they are seen; None: not asked."""

    modes: tuple[Mode, ...]
    own: int | None
    own_store: int | None
    # HQ and profiles without names.
    pseudonymous: int
    pseudonymous_brands: int
    # People who agreed to a notice that names the viewer.
    agreed: int
    agreed_brands: int
    # Brands of which only figures, or only averages, are seen.
    figures_only: int
    averages_only: int
    is_hq: bool
    # HQ looks as another role: of its rows, those that HQ sees.
    is_look: bool = False


def seen(visible: Visible) -> Seen:
    """Return how many members the viewer sees, and how; kept a while under the scope."""
    return dashboard.kept("seen", "", lambda: _seen(visible))


def _seen(visible: Visible) -> Seen:
    viewer, profile = visible.viewer, visible.kinds[Kind.PROFILE]
    pseudonymous = profile.all_brands - viewer.brands
    pools = PoolMetric.objects.filter(brand_id__in=profile.all_brands, store_id=None)
    members = dict(pools.values_list("brand_id", "members"))
    own_store = None
    # Of its own a brand sees all; HQ that looks as the brand may not.
    own = viewer.brands & profile.all_brands if viewer.is_looked_as else viewer.brands
    if profile.stores if viewer.is_looked_as else viewer.stores:
        own_store = PoolMetric.objects.filter(store_id__in=viewer.stores).aggregate(
            total=Sum("members", default=0)
        )["total"]
    agreed = 0
    if profile.consented_brands:
        agreed = Profile.objects.filter(brand_id__in=profile.consented_brands).count()
    sights = {pk: visible.cell(pk, Kind.METRICS).sight for pk in visible.modes}
    without_profiles = [
        pk for pk in visible.modes if visible.cell(pk, Kind.PROFILE).sight is Sight.NONE
    ]
    averaged = sum(sights[pk] is Sight.AVERAGES for pk in without_profiles)
    own_modes = {visible.modes[pk] for pk in viewer.brands | viewer.store_brands}
    modes = set(visible.modes.values()) if viewer.is_hq else own_modes
    return Seen(
        modes=tuple(mode for mode in Mode if mode in modes),
        own=sum(members.get(pk, 0) for pk in own) if own else None,
        own_store=own_store,
        pseudonymous=sum(members.get(pk, 0) for pk in pseudonymous),
        pseudonymous_brands=len(pseudonymous),
        agreed=agreed,
        agreed_brands=len(profile.consented_brands),
        figures_only=sum(sights[pk] in (Sight.ALL, Sight.SUPPRESSED) for pk in without_profiles),
        # Of too few brands no average is shown, so none is claimed.
        averages_only=averaged if averaged >= FEWEST_AVERAGED else 0,
        is_hq=viewer.is_hq,
        is_look=viewer.is_looked_as,
    )


def contact_fields(profile: Profile) -> dict[str, str] | None:
    """Return a member's contact data in the clear; None where the wall hides it or none is kept.

    Nor of whoever asked that it be kept and used for nothing: then masks are shown.
    """
    if profile.is_restricted:
        return None
    contact = Contact.objects.filter(profile_id=profile.pk).first()
    if contact is None:
        return None
    fields = contacts.unseal(group_keys(), contact)
    return {**fields, "is_generated": "yes" if contact.is_generated else ""}


def masked_contacts(profile_ids: list[int]) -> dict[int, MaskedContact]:
    """Return profile id → contact data with its middle hidden, where the wall shows it."""
    return MaskedContact.objects.in_bulk(profile_ids)


def consents_of(profile: Profile) -> list[Consent]:
    """Return a member's answers to notices, the latest first."""
    return list(
        Consent.objects.filter(profile_id=profile.pk)
        .select_related("answered_notice")
        .order_by("-answered_at", "-id")
    )


def answer_seen() -> Exists:
    """Return the condition that an answer which says so is seen of a member's current notice.

    It may have been given to a brand that the viewer must not know the person belongs to.
    """
    return Exists(
        Consent.objects.filter(
            person_id=OuterRef("person_id"), answered_notice_id=OuterRef("notice_id"), is_given=True
        )
    )


def orders_of(profile: Profile) -> list[Order]:
    """Return a member's last orders with their lines and stores."""
    return list(
        Order.objects.filter(profile_id=profile.pk)
        .select_related("store")
        .prefetch_related(
            Prefetch("line_set", queryset=OrderLine.objects.order_by("line_no"), to_attr="shown")
        )
        .order_by("-ordered_at", "-id")[:ORDERS_SHOWN]
    )


def siblings_of(profile: Profile, visible: Visible) -> list[Profile]:
    """Return the same person's memberships of other brands, as far as the wall shows them.

    Two of the viewer's own are shown as one person where identifiers that the viewer reads join
    them: what only a brand out of sight knows of them is not told.
    """
    is_hq = visible.viewer.is_hq or visible.look is not None
    is_same = same_person(profile, visible) if is_hq else Q(person_id=profile.person_id)
    rows = Profile.objects.filter(is_same).exclude(pk=profile.pk)
    mates = list(rows.select_related("brand", "store").order_by("brand__code", "id"))
    # Two members of one brand may be joined by what only a brand out of sight knows of them.
    found = [one for one in mates if one.brand_id != profile.brand_id]
    own = visible.viewer.brands
    if is_hq or profile.brand_id not in own or sees_all_members(visible):
        return found
    if all(one.brand_id not in own for one in found):
        return found
    joined = joined_in_sight(profile, [one for one in mates if one.brand_id in own])
    return [one for one in found if one.brand_id not in own or one.pk in joined]
