"""Say why a member, and each field of theirs, is seen, masked, hidden, or not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brands.facts import Facts
from brands.wall.reasons import Answer, Link, Step, explain
from brands.wall.visibility import Kind, Sight, Viewer, Visible
from members.consent_history import channel_words
from members.models import Consent, MaskedContact, Profile
from members.reveal import Held
from tenants.models import Grant
from tenants.wording import listed

KINDS = (Kind.PROFILE, Kind.CONTACT, Kind.MASKED, Kind.ACTIVITY)
# Contact data as a page shows it; those after the third are masked to nobody but who may see
# them whole.
FIELDS: tuple[tuple[str, str | Promise], ...] = (
    ("name", gettext_lazy("Name")),
    ("phone", gettext_lazy("Phone")),
    ("email", gettext_lazy("E-mail")),
    ("card_no", gettext_lazy("Card")),
    ("unionid", gettext_lazy("WeChat unionid")),
    ("birthday", gettext_lazy("Birthday")),
)
MASKED_FIELDS = frozenset({"name", "phone", "email"})


@dataclass(frozen=True)
class Field:
    """Be one field of a member's contact data: its value as far as it is seen, and why."""

    name: str
    label: str
    value: str
    # shown, masked, hidden, or empty: nothing of the kind is kept.
    state: str
    reason: str
    # Whose chain of reasons it is.
    kind: Kind


def answers(
    profile: Profile, *, visible: Visible, facts: Facts, grant: Grant
) -> dict[Kind, Answer]:
    """Return kind of data → what the viewer sees of this member, with the chain of reasons."""
    answered = answer_link(profile, facts, visible.viewer)
    return {
        kind: explain(
            viewer=visible.viewer,
            brand_id=profile.brand_id,
            kind=kind,
            facts=facts,
            reader=visible.viewer,
            cell=visible.cell(profile.brand_id, kind),
            grant=grant,
            answered=answered,
        )
        for kind in KINDS
    }


def fields(
    held: Held | None,
    masked: MaskedContact | None,
    answers: Mapping[Kind, Answer],
) -> list[Field]:
    """Return every field of contact data, seen or not, with its reason in one sentence.

    HELD is the contact data of who may see it whole: masked until they reveal it.
    """
    found = []
    clear, mask = answers[Kind.CONTACT], answers[Kind.MASKED]
    for name, label in FIELDS:
        if held is not None:
            value = held.fields.get(name, "")
            reason = _("You may reveal it.") if value else _("The brand keeps none.")
            state = ("shown" if held.is_revealed else "masked") if value else "empty"
            found.append(Field(name, str(label), value, state, reason, Kind.CONTACT))
        elif masked is not None and name in MASKED_FIELDS:
            value = getattr(masked, name)
            reason = clear.reason if value else _("The brand keeps none.")
            state = "masked" if value else "empty"
            found.append(Field(name, str(label), value, state, reason, Kind.MASKED))
        else:
            reason = _why_hidden(clear, mask, masked)
            found.append(Field(name, str(label), "", "hidden", reason, clear.kind))
    return found


def _why_hidden(clear: Answer, mask: Answer, masked: MaskedContact | None) -> str:
    if masked is not None:
        return _("Name, phone and e-mail alone are shown masked.")
    if clear.cell.sight is Sight.CONSENTED:
        return _("This person has not agreed that you receive contact data.")
    if clear.is_open:
        return _("The brand keeps no contact data of this member.")
    return clear.reason if not mask.is_open else mask.reason


def answer_link(profile: Profile, facts: Facts, viewer: Viewer) -> Link:
    """Say what this person's answer is for this profile, as far as the viewer sees answers.

    What was answered at a brand out of sight is not told, and neither is that there is one.
    """
    notice = facts.notice(profile.notice_id)
    row = _current(profile)
    where = _where(row, viewer)
    if profile.notice_id is not None:
        if row is None or row.answered_notice_id != profile.notice_id or notice is None:
            return Link(Step.CONSENT, _("This person agreed to a notice that counts here."), True)
        return Link(
            Step.CONSENT,
            _("This person agreed to “%(notice)s” (%(where)s).")
            % {"notice": notice.notice, "where": where},
            True,
            since=row.answered_at,
            until=row.expires_at,
        )
    if row is None:
        return Link(Step.CONSENT, _("No answer of this person counts here."), False)
    if not row.is_given:
        text = _("This person said no (%(where)s).") % {"where": where}
        return Link(Step.CONSENT, text, False, since=row.answered_at)
    if row.expires_at is not None and row.expires_at <= timezone.now():
        text = _("This person's yes has expired (%(where)s).") % {"where": where}
        return Link(Step.CONSENT, text, False, since=row.answered_at, until=row.expires_at)
    # A no elsewhere, a guardian that is missing, or an expiry that was closed ahead.
    text = _("This person's yes (%(where)s) is not in force now.") % {"where": where}
    return Link(Step.CONSENT, text, False, since=row.answered_at)


def _where(row: Consent | None, viewer: Viewer) -> str:
    if row is None:
        return ""
    to = _("to the group") if row.is_to_group else _("to the brand")
    # How a brand came to know an answer is the brand's.
    is_own = row.brand_id in viewer.own_brands
    return listed([to, channel_words(row.channel)]) if row.channel and is_own else to


def _current(profile: Profile) -> Consent | None:
    """Return the latest answer that counts for the profile, of those that are seen."""
    own = Q(is_to_group=False) | Q(answered_notice__recipients=profile.brand_id)
    no_to_group = Q(person_id=profile.person_id, is_to_group=True, is_given=False)
    return (
        Consent.objects.filter((Q(profile_id=profile.pk) & own) | no_to_group)
        .order_by("-answered_at", "is_given", "-answered_notice_id")
        .first()
    )
