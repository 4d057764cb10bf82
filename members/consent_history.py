"""Tell how a member stands to the notices, and everything that led there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from brands.wall.visibility import Kind, Sight, Visible
from members.models import Consent, ConsentEntry, Entry, Objection, Profile
from members.selectors import answer_seen

What = Entry.What
SHOWN = 200


# What no person wrote; every other channel stands as it was entered.
_CHANNELS = {"import": pgettext_lazy("channel", "import"), "api": pgettext_lazy("channel", "API")}


def channel_words(channel: str) -> str:
    """Return through what an answer came, in the reader's words."""
    return str(_CHANNELS.get(channel, channel))


class Stance(StrEnum):
    """How a member stands, as far as the viewer can know."""

    AGREES = "agrees"
    # Agrees, by an answer the viewer does not see.
    AGREES_ELSEWHERE = "agrees_elsewhere"
    SAID_NO = "said_no"
    EXPIRED = "expired"
    MINOR = "minor"
    # A yes stands here, and a no that the person gave elsewhere closes it.
    CLOSED_ELSEWHERE = "closed_elsewhere"
    NEVER = "never"


STANCES = {
    Stance.AGREES: _(
        "Agrees: where the modes share, the recipients that the notice names see the kinds of "
        "data that it names."
    ),
    Stance.AGREES_ELSEWHERE: _("Agrees, by an answer that was given where you do not see it."),
    Stance.SAID_NO: _(
        "Said no: consent opens this member to nobody until the no is taken back where it was "
        "given, or by an answer to the group."
    ),
    Stance.EXPIRED: _("The yes has expired: it opens nothing. The person can be asked again."),
    Stance.MINOR: _(
        "Under 14: only a guardian's yes counts (PIPL art. 31). Until then nothing is opened."
    ),
    Stance.CLOSED_ELSEWHERE: _(
        "A yes stands here, but a no that the person gave elsewhere in the group, or to the "
        "group, closes every membership. Asking again here would not open it."
    ),
    Stance.NEVER: _("Has answered no notice here: consent opens this member to nobody."),
}
STANCE_TONES = {
    Stance.AGREES: "good",
    Stance.AGREES_ELSEWHERE: "good",
    Stance.SAID_NO: "bad",
    Stance.EXPIRED: "warn",
    Stance.MINOR: "warn",
    Stance.CLOSED_ELSEWHERE: "bad",
    Stance.NEVER: "",
}
_TONES = {What.YES: "good", What.NO: "bad", What.OBJECTS: "warn", What.ALLOWS: ""}


@dataclass(frozen=True)
class Event:
    """Be one line of the history: an answer or objection, recorded, waiting or refused."""

    what: str
    at: dt.datetime
    notice: object = None
    channel: str = ""
    evidence: str = ""
    is_to_group: bool = False
    is_by_guardian: bool = False
    expires_at: dt.datetime | None = None
    # Of what was handed in and is not in the ledger.
    entry: ConsentEntry | None = None

    @property
    def word(self) -> str:
        """Return what was said, in words."""
        return str(What(self.what).label)

    @property
    def tone(self) -> str:
        """Return its colour."""
        return "" if self.entry is not None else _TONES[What(self.what)]

    @property
    def is_expired(self) -> bool:
        """Tell whether a yes has run out."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


@dataclass(frozen=True)
class History:
    """Be a member's stance and the events behind it, the latest first."""

    stance: Stance
    events: list[Event]
    objects: bool
    # Evidence may name the person, and how a brand came to know an answer is the brand's: both,
    # its channel too, are shown where contact data is by right and not by a notice.
    sees_evidence: bool

    @property
    def words(self) -> str:
        """Return the stance in words."""
        return str(STANCES[self.stance])

    @property
    def tone(self) -> str:
        """Return the stance's colour."""
        return STANCE_TONES[self.stance]


def history_of(profile: Profile, *, visible: Visible) -> History:
    """Return how a member stands and why, from the answers that the viewer sees."""
    consents = list(
        Consent.objects.filter(profile_id=profile.pk)
        .select_related("answered_notice")
        .order_by("-answered_at", "is_given", "-answered_notice_id")[:SHOWN]
    )
    objections = Objection.objects.filter(profile_id=profile.pk).order_by("-made_at", "-pk")[:SHOWN]
    handed_in = (
        ConsentEntry.objects.filter(profile_id=profile.pk, brand_id=profile.brand_id)
        .exclude(state=Entry.State.RECORDED)
        .select_related("answered_notice")
        .order_by("-pk")[:SHOWN]
    )
    events = [
        Event(
            what=What.YES if one.is_given else What.NO,
            at=one.answered_at,
            notice=one.answered_notice,
            channel=one.channel,
            evidence=one.evidence,
            is_to_group=one.is_to_group,
            is_by_guardian=one.is_by_guardian,
            expires_at=one.expires_at,
        )
        for one in consents
    ]
    events += [
        Event(
            what=What.OBJECTS if one.is_objecting else What.ALLOWS,
            at=one.made_at,
            channel=one.channel,
            evidence=one.evidence,
            is_to_group=one.is_to_group,
        )
        for one in objections
    ]
    events += [
        Event(
            what=one.what,
            at=one.answered_at,
            notice=one.answered_notice,
            channel=one.channel,
            evidence=one.evidence,
            is_by_guardian=one.is_by_guardian,
            entry=one,
        )
        for one in handed_in
    ]
    contact = visible.cell(profile.brand_id, Kind.CONTACT).sight
    return History(
        stance=_stance(profile, consents),
        events=sorted(events, key=lambda one: one.at, reverse=True),
        objects=profile.no_automation,
        sees_evidence=contact in (Sight.ALL, Sight.OWN_STORES),
    )


def _stance(profile: Profile, consents: list[Consent]) -> Stance:
    if profile.notice_id is not None:
        is_seen = Profile.objects.filter(answer_seen(), pk=profile.pk).exists()
        return Stance.AGREES if is_seen else Stance.AGREES_ELSEWHERE
    last = consents[0] if consents else None
    if last is not None and not last.is_given:
        return Stance.SAID_NO
    if (minor_until := profile.minor_until) and minor_until > timezone.localdate():
        return Stance.MINOR
    if last is None:
        return Stance.NEVER
    if last.expires_at is not None and last.expires_at <= timezone.now() + dt.timedelta(hours=3):
        # The hourly job closes a little ahead.
        return Stance.EXPIRED
    return Stance.CLOSED_ELSEWHERE
