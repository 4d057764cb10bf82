"""Say why: from the wall's answer for one brand and one kind back to what it rests on.

The one place where an answer gets its reasons. "Who sees what", a member's page, the sharing
record and the preview of a change read it; one template draws it (brands/_chain.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brands import words
from brands.facts import Facts, is_in_force
from brands.modes import Mode
from brands.notices import NoticeFacts, has_left
from brands.wall.visibility import Cell, Kind, Reason, Sight, Viewer, decide
from tenants.models import Grant

# Of the notices that open nothing here, the newest few explain enough.
_OTHER_NOTICES = 3
_BY_MODE = frozenset(
    {
        Reason.HQ_FAN_MAX,
        Reason.HQ_MEMBER_MAX,
        Reason.HQ_BRAND_MAX,
        Reason.SIBLINGS_FAN_MAX,
        Reason.VIEWER_NOT_FAN_MAX,
        Reason.SIBLING_MEMBER_MAX,
        Reason.SIBLING_BRAND_MAX,
        Reason.NO_NOTICE,
    }
)
_OF_BOTH_MODES = frozenset(
    {Reason.SIBLINGS_FAN_MAX, Reason.VIEWER_NOT_FAN_MAX, Reason.SIBLING_MEMBER_MAX}
)


class Step(StrEnum):
    """What a link of the chain is about."""

    GRANT = "grant"
    LOOK = "look"
    CONTRACT = "contract"
    LEFT = "left"
    MODE = "mode"
    NOTICE = "notice"
    CONSENT = "consent"
    RULE = "rule"


@dataclass(frozen=True)
class Link:
    """Be one link of a chain of reasons; `opens` is None for what decides nothing by itself."""

    step: Step
    words: str
    opens: bool | None = None
    since: datetime | date | None = None
    until: datetime | date | None = None
    address: str = ""

    @property
    def title(self) -> str:
        """Return what the link is about, in words."""
        return str(words.STEPS[self.step])

    @property
    def tone(self) -> str:
        """Return the link's colour."""
        return {True: "good", False: "bad", None: ""}[self.opens]


@dataclass(frozen=True)
class Answer:
    """Be what somebody sees of one brand's data of one kind, and why."""

    kind: Kind
    brand_id: int
    cell: Cell
    chain: tuple[Link, ...]

    @property
    def kind_words(self) -> str:
        """Return the kind of data in words."""
        return str(words.KINDS[self.kind])

    @property
    def sight(self) -> str:
        """Return how much is seen, in words."""
        return str(words.SIGHTS[self.cell.sight])

    @property
    def tone(self) -> str:
        """Return the colour of how much is seen."""
        return words.TONES[self.cell.sight]

    @property
    def reason(self) -> str:
        """Return the reason in one sentence."""
        return str(words.REASONS[self.cell.reason])

    @property
    def is_open(self) -> bool:
        """Tell whether anything is seen."""
        return self.cell.sight is not Sight.NONE


def explain(
    *,
    viewer: Viewer,
    brand_id: int,
    kind: Kind,
    facts: Facts,
    reader: Viewer,
    cell: Cell | None = None,
    grant: Grant | None = None,
    answered: Link | None = None,
) -> Answer:
    """Return what VIEWER sees of a brand's data of one kind, with the chain of its reasons.

    READER is who reads the chain: why HQ keeps a brand apart is told to the two of them alone.
    CELL is the answer where it is known already (a look met with HQ's, a token's); GRANT is the
    one acted under, and ANSWERED what the one member has answered, where it is about one.
    """
    if cell is None:
        cell = decide(viewer, brand_id, kind, facts.modes(), facts.terms())
    chain: list[Link] = [*_of_grant(grant, kind, viewer)]
    if cell.reason in _BY_MODE:
        chain.append(_of_mode(brand_id, facts, reader, cell))
        if cell.reason in _OF_BOTH_MODES or (cell.reason is Reason.NO_NOTICE and viewer.brands):
            chain += [_of_mode(one, facts, reader, None) for one in sorted(viewer.brands)]
        if cell.sight is Sight.CONSENTED or cell.reason is Reason.NO_NOTICE:
            chain += _of_notices(cell, kind, viewer, facts)
            if answered is not None:
                chain.append(answered)
    elif answered is not None:
        # It decides nothing for those who see the brand's rows in every mode, and for nobody else.
        chain.append(Link(answered.step, answered.words, None, answered.since, answered.until))
    opens = cell.sight is not Sight.NONE
    chain.append(Link(Step.RULE, str(words.REASONS[cell.reason]), opens))
    return Answer(kind, brand_id, cell, tuple(chain))


def _of_grant(grant: Grant | None, kind: Kind, viewer: Viewer) -> Iterator[Link]:
    if viewer.is_looked_as:
        yield Link(
            Step.LOOK,
            _("You look as this role: shown are the rows that both it and HQ see."),
            until=grant.valid_until if grant else None,
        )
    if grant is None:
        return
    if not viewer.is_looked_as:
        yield Link(
            Step.GRANT,
            _("You act as %(grant)s.") % {"grant": grant},
            True,
            since=grant.valid_from,
            until=grant.valid_until,
        )
    if grant.engagement is not None:
        contract = grant.engagement
        says = {"provider": contract.provider, "purpose": contract.purpose}
        if contract.includes_contact:
            text = _("Through %(provider)s's contract: %(purpose)s; contact data is part of it.")
        else:
            text = _("Through %(provider)s's contract: %(purpose)s; without contact data.")
        is_closing = kind in (Kind.CONTACT, Kind.MASKED) and not contract.includes_contact
        yield Link(
            Step.CONTRACT,
            text % says,
            not is_closing,
            since=contract.starts_on,
            until=contract.ends_on,
        )


def _of_mode(brand_id: int, facts: Facts, reader: Viewer, cell: Cell | None) -> Link:
    """Say which mode a brand has, and by whose decision; CELL only for the data's own brand."""
    brand = facts.brands[brand_id]
    says: dict[str, object] = {"brand": brand.name, "mode": facts.modes()[brand_id].label}
    opens = None
    if cell is not None:
        opens = facts.modes()[brand_id] is not Mode.BRAND_MAX
        if cell.sight is Sight.NONE and cell.reason is not Reason.NO_NOTICE:
            opens = False
    if has_left(brand, at=facts.at):
        return Link(
            Step.LEFT,
            _("%(brand)s has left the group: nothing of it is shared, and it receives nothing.")
            % says,
            False,
            since=brand.left_at,
        )
    change = facts.decision(brand_id)
    if change is None:
        return Link(Step.MODE, _("%(brand)s: no mode was ever decided, so it is closed.") % says)
    address = reverse("brands:mode")
    if change.brand_id is None:
        text = _("%(brand)s is %(mode)s, as the group is.")
        return Link(Step.MODE, text % says, opens, change.effective_at, address=address)
    if reader.is_hq or brand_id in reader.brands:
        says["who"] = change.decided_by_name
        text = _("%(brand)s is %(mode)s by a decision of its own, made by %(who)s.")
        return Link(Step.MODE, text % says, opens, change.effective_at, address=address)
    # Why HQ keeps a brand apart, and since when, is between the two of them.
    return Link(Step.MODE, _("%(brand)s is %(mode)s.") % says, opens)


def _of_notices(cell: Cell, kind: Kind, viewer: Viewer, facts: Facts) -> Iterator[Link]:
    counted = [one for one in facts.notices if one.notice.pk in cell.notices]
    for one in counted:
        text = _("“%(notice)s” names the recipient and covers this kind of data.")
        yield _of_notice(one, text % {"notice": one.notice}, opens=True)
    if viewer.is_looked_as:
        # Of the others it would have to be said for both, the role and HQ.
        return
    others = [one for one in facts.notices if one.notice.pk not in cell.notices]
    for one in others[:_OTHER_NOTICES]:
        yield _of_notice(one, _why_not(one, kind, viewer, facts), opens=False)
    if len(others) > _OTHER_NOTICES:
        number = len(others) - _OTHER_NOTICES
        text = ngettext(
            "%(number)d older notice opens nothing here either.",
            "%(number)d older notices open nothing here either.",
            number,
        )
        yield Link(Step.NOTICE, text % {"number": number})
    if not facts.notices:
        yield Link(Step.NOTICE, _("No notice was written yet."), False)


def _of_notice(one: NoticeFacts, text: str, *, opens: bool) -> Link:
    months = one.notice.consent_months
    if opens and months:
        text += " " + ngettext(
            "A yes holds for %(months)d month.", "A yes holds for %(months)d months.", months
        ) % {"months": months}
    return Link(
        Step.NOTICE,
        text,
        opens,
        since=one.notice.effective_from,
        until=one.ends_at,
        address=reverse("brands:notice", args=[one.notice.pk]),
    )


def _why_not(one: NoticeFacts, kind: Kind, viewer: Viewer, facts: Facts) -> str:
    says = {"notice": one.notice, "standing": one.standing_word}
    if not is_in_force(one, at=facts.at):
        return _("“%(notice)s” is %(standing)s.") % says
    open_brands = {pk for pk in viewer.brands if facts.modes().get(pk) is Mode.FAN_MAX}
    named = {brand.pk for brand in one.brands}
    if not (one.notice.names_group if viewer.is_hq else named & open_brands):
        return _("“%(notice)s” does not name this recipient.") % says
    if (Kind.CONTACT if kind is Kind.MASKED else kind) not in one.kinds:
        return _("“%(notice)s” names the recipient, and does not cover this kind of data.") % says
    return _("“%(notice)s” opens nothing here.") % says
