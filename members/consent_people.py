"""List the members of a brand of one's own who would have to be asked, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import Brand
from brands.selectors import notice_terms
from members.consent_gap import Need, State
from members.models import Consent, Contact, MaskedContact, Profile

PER_PAGE = 50


@dataclass(frozen=True)
class ToAsk:
    """Be one member to ask: why, and what they answered last in this brand."""

    profile: Profile
    why: str
    masked: MaskedContact | None = None
    last: Consent | None = None

    @property
    def words(self) -> str:
        """Return the reason in words."""
        return str(WHY_WORDS[self.why])


@dataclass(frozen=True)
class ToAskPage:
    """Be one page of the members to ask."""

    rows: list[ToAsk] = field(default_factory=list)
    next_after: int | None = None


# Reason → which of the members without a notice it is; a brand knows its own answers alone.
WHYS = {
    State.NEVER: Q(says_yes=None, is_minor=False),
    State.WITHDRAWN: Q(says_yes=False),
    State.MINOR: Q(is_minor=True) & ~Q(says_yes=False),
    # Expired, or closed by a no that the person gave elsewhere in the group.
    State.EXPIRED: Q(says_yes=True, is_minor=False),
}
WORDS = "words"
WHY_WORDS = {
    WORDS: _("Agreed to a notice that does not say enough"),
    State.NEVER: _("Has not answered here"),
    State.WITHDRAWN: _("Said no here"),
    State.MINOR: _("Under 14, a guardian has to answer"),
    State.EXPIRED: _("The yes has expired, or a no given elsewhere closes it"),
}


def lacking(brand: Brand, *, need: Need, why: str = "") -> QuerySet:
    """Return the members of a brand of one's own who lack what is needed, for one reason or any."""
    if need.is_nothing:
        return Profile.objects.none()
    doing = [one.id for one in notice_terms() if need.is_met_by(one)]
    rows = Profile.objects.filter(brand_id=brand.pk).annotate(
        says_yes=Subquery(_answers_here().values("is_given")[:1]),
        is_minor=Exists(
            Contact.objects.filter(profile_id=OuterRef("pk"), minor_until__gt=timezone.localdate())
        ),
    )
    if why == WORDS:
        return rows.exclude(notice=None).exclude(notice_id__in=doing)
    if why in WHYS:
        rows = rows.filter(WHYS[State(why)], notice=None)
        # Few beside those who never answered: found by their answers, not among all members.
        few = _few(brand, why)
        return rows if few is None else rows.filter(pk__in=few)
    return rows.filter(Q(notice=None) | ~Q(notice_id__in=doing))


def _few(brand: Brand, why: str) -> QuerySet | None:
    """Return the numbers of all members who may lack a notice for this reason; None: most."""
    if why == State.WITHDRAWN:
        return Consent.objects.filter(brand_id=brand.pk, is_given=False).values("profile_id")
    if why == State.EXPIRED:
        # Each answer carries the notice that its member has now.
        return Consent.objects.filter(brand_id=brand.pk, is_given=True, notice=None).values(
            "profile_id"
        )
    if why == State.MINOR:
        return Contact.objects.filter(
            brand_id=brand.pk, minor_until__gt=timezone.localdate()
        ).values("profile_id")
    return None


def _answers_here() -> QuerySet:
    """Return a member's answers in this brand, the one that holds first."""
    return Consent.objects.filter(profile_id=OuterRef("pk")).order_by(
        "-answered_at", "is_given", "-answered_notice_id"
    )


def page_to_ask(brand: Brand, *, need: Need, why: str = "", after: int = 0) -> ToAskPage:
    """Return a page of the members to ask, by their number, those after one of them."""
    found = list(
        lacking(brand, need=need, why=why).filter(pk__gt=after).order_by("pk")[: PER_PAGE + 1]
    )
    shown = found[:PER_PAGE]
    numbers = [profile.pk for profile in shown]
    masked = MaskedContact.objects.in_bulk(numbers)
    answered = Consent.objects.filter(profile_id__in=numbers).select_related("answered_notice")
    last: dict[int, Consent] = {}
    for one in answered.order_by("profile_id", "-answered_at", "is_given", "-answered_notice_id"):
        last.setdefault(one.profile_id, one)
    return ToAskPage(
        rows=[
            ToAsk(profile, _why(profile), masked.get(profile.pk), last.get(profile.pk))
            for profile in shown
        ],
        next_after=shown[-1].pk if len(found) > PER_PAGE else None,
    )


def _why(profile: Any) -> str:
    if profile.notice_id is not None:
        return WORDS
    if profile.says_yes is False:
        return State.WITHDRAWN
    if profile.is_minor:
        return State.MINOR
    return State.EXPIRED if profile.says_yes else State.NEVER
