"""Ask for another mode, and decide on it: draft, submission, approval by a second person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.changes import assessments, staleness
from brands.changes.errors import DraftRefused
from brands.changes.locks import hold_decisions
from brands.changes.preview import SILENCE
from brands.formatting import moment
from brands.models import Brand, ImpactAssessment, ModeChange, ModeDraft, ModePreview, about
from brands.modes import Mode
from brands.selectors import brand_overrides, group_mode
from brands.services import ModeUnchanged, mode_change
from brands.tasks import preview_enqueue
from tenants import audit
from tenants.connection import connection
from tenants.models import Grant, Tenant, User
from tenants.roles import Role

State = ModeDraft.State


def newest_decision(brand_id: int | None) -> ModeChange | None:
    """Return the decision made last for a brand, or for the group, effective or not."""
    return ModeChange.objects.filter(about(brand_id)).order_by("-id").first()


def latest_preview(draft: ModeDraft) -> ModePreview | None:
    """Return the newest preview of a draft that the open scope shows."""
    return draft.previews.order_by("-number").first()


@transaction.atomic
def draft_create(
    *,
    acting_user: User,
    brand: Brand | None,
    mode: str,
    reason: str,
    effective_at: dt.datetime | None = None,
) -> ModeDraft:
    """Write a draft and ask for its preview; nothing changes yet."""
    _check_wish(brand, mode, reason, effective_at)
    draft = ModeDraft.objects.create(
        brand=brand,
        mode=mode,
        reason=reason,
        effective_at=effective_at,
        follows=newest_decision(brand.pk if brand else None),
        requested_by=acting_user,
        requested_by_name=str(acting_user)[:120],
        preview_wanted=1,
        preview_asked_at=timezone.now(),
    )
    preview_enqueue(draft.pk)
    _record(draft, acting_user, "create", {"mode": ["", mode], "reason": ["", reason]})
    return draft


@transaction.atomic
def draft_change(
    *,
    draft: ModeDraft,
    acting_user: User,
    mode: str,
    reason: str,
    effective_at: dt.datetime | None,
) -> ModeDraft:
    """Change what a draft asks for; it needs a new preview then."""
    draft = _held(draft, State.DRAFT)
    _check_requester(draft, acting_user)
    _check_wish(draft.brand, mode, reason, effective_at)
    before = {"mode": draft.mode, "reason": draft.reason, "effective_at": draft.effective_at}
    draft.mode, draft.reason, draft.effective_at = mode, reason, effective_at
    draft.follows = newest_decision(draft.brand_id)
    draft.preview_wanted += 1
    draft.preview_asked_at = timezone.now()
    draft.save()
    preview_enqueue(draft.pk)
    now = {"mode": mode, "reason": reason, "effective_at": effective_at}
    changes = {
        name: [assessments.plain(before[name]), assessments.plain(now[name])]
        for name in now
        if before[name] != now[name]
    }
    _record(draft, acting_user, "change", changes)
    return draft


@transaction.atomic
def preview_ask(*, draft: ModeDraft, acting_user: User) -> ModeDraft:
    """Ask for a new preview; one that is being made is not asked for again."""
    draft = _held(draft, State.DRAFT, State.SUBMITTED)
    if not is_under_way(draft):
        draft.preview_wanted += 1
        draft.preview_asked_at = timezone.now()
        draft.save(update_fields=["preview_wanted", "preview_asked_at"])
        _record(draft, acting_user, "preview", {"number": ["", draft.preview_wanted]})
        preview_enqueue(draft.pk)
    return draft


def is_under_way(draft: ModeDraft) -> bool:
    """Tell whether the preview that a draft wants can be expected within moments.

    One that stays away for long has lost its worker.
    """
    asked_at = draft.preview_asked_at
    if not draft.is_open or asked_at is None or asked_at < timezone.now() - SILENCE:
        return False
    return draft.preview_ended < draft.preview_wanted


@transaction.atomic
def assessment_keep(*, draft: ModeDraft, acting_user: User, text: dict[str, Any]) -> ModeDraft:
    """Keep the unfinished text of an assessment in its draft."""
    draft = _held(draft, State.DRAFT)
    draft.assessment = text
    draft.save(update_fields=["assessment"])
    _record(draft, acting_user, "change", {"assessment": ["", _("unfinished text")]})
    return draft


@transaction.atomic
def assessment_finish(
    *, draft: ModeDraft, acting_user: User, text: dict[str, Any], years: int
) -> ImpactAssessment:
    """Make the assessment of a draft a dated document that nobody can change any more."""
    draft = _held(draft, State.DRAFT)
    preview = _fresh_preview(draft)
    made = assessments.assessment_write(
        draft=draft, preview=preview, acting_user=acting_user, text=text, years=years
    )
    draft.assessment = text
    draft.assessed_by = acting_user
    draft.save(update_fields=["assessment", "assessed_by"])
    _record(
        draft, acting_user, "assess", {"version": ["", made.number], "digest": ["", made.digest]}
    )
    return made


@transaction.atomic
def draft_submit(*, draft: ModeDraft, acting_user: User) -> ModeDraft:
    """Lay a draft before the second admin; it needs a preview of now and its assessment."""
    draft = _held(draft, State.DRAFT)
    _check_requester(draft, acting_user)
    _check_wish(draft.brand, draft.mode, draft.reason, draft.effective_at)
    _check_assessed(draft, _fresh_preview(draft))
    draft.state, draft.submitted_at = State.SUBMITTED, timezone.now()
    draft.save(update_fields=["state", "submitted_at"])
    _record(draft, acting_user, "submit", {})
    return draft


@transaction.atomic
def draft_reopen(*, draft: ModeDraft, acting_user: User) -> ModeDraft:
    """Take a submitted draft back into work."""
    draft = _held(draft, State.SUBMITTED)
    _check_requester(draft, acting_user)
    draft.state, draft.submitted_at = State.DRAFT, None
    draft.save(update_fields=["state", "submitted_at"])
    _record(draft, acting_user, "reopen", {})
    return draft


@transaction.atomic
def draft_withdraw(*, draft: ModeDraft, acting_user: User, note: str = "") -> ModeDraft:
    """Give a draft up."""
    return _close(_held(draft, State.DRAFT, State.SUBMITTED), acting_user, State.WITHDRAWN, note)


@transaction.atomic
def draft_reject(*, draft: ModeDraft, acting_user: User, note: str) -> ModeDraft:
    """Say no to a submitted draft, with the reason."""
    draft = _held(draft, State.SUBMITTED)
    if draft.requested_by_id == acting_user.pk:
        raise DraftRefused(_("This is your own draft: withdraw it instead. Nothing was changed."))
    if not note.strip():
        raise DraftRefused(_("Say why you reject it. Nothing was changed."))
    return _close(draft, acting_user, State.REJECTED, note)


@transaction.atomic
def draft_approve(
    *, draft: ModeDraft, acting_user: User, preview_number: int, note: str = ""
) -> ModeDraft:
    """Approve a draft as a second HQ admin, and make the change: at once, or at its date.

    Returns the draft: approved, or overtaken where another decision came first. Raises
    DraftRefused where it stays as it was. `preview_number` is the preview that the person read.
    """
    # One decision of the group at a time: of two approvals the second reads what the first did.
    hold_decisions()
    draft = _held(draft, State.SUBMITTED)
    _check_approver(draft, acting_user)
    newest = newest_decision(draft.brand_id)
    if (newest.pk if newest else None) != draft.follows_id:
        return _overtaken(draft, newest)
    _check_wish(draft.brand, draft.mode, draft.reason, draft.effective_at)
    preview = _fresh_preview(draft)
    if preview.number != preview_number:
        raise DraftRefused(
            _("A newer preview was made since you opened the page. Read it, then decide.")
        )
    _check_assessed(draft, preview)
    now = timezone.now()
    draft.state, draft.decided_at, draft.decision_note = State.APPROVED, now, note
    draft.decided_by, draft.decided_by_name = acting_user, str(acting_user)[:120]
    draft.save()
    change = mode_change(
        mode=draft.mode,
        brand=draft.brand,
        acting_user=acting_user,
        reason=draft.reason,
        effective_at=draft.effective_at,
        draft=draft,
    )
    _record(draft, acting_user, "approve", {"note": ["", note]})
    overtake(change, acting_user)
    return draft


def overtake(change: ModeChange, acting_user: User) -> None:
    """Close every other open draft for the brand, or the group, that a decision was made for."""
    others = ModeDraft.objects.filter(
        about(change.brand_id), state__in=[State.DRAFT, State.SUBMITTED]
    )
    for other in others.select_for_update(no_key=True):
        _overtaken(other, change, acting_user)


def _overtaken(
    draft: ModeDraft, change: ModeChange | None, acting_user: User | None = None
) -> ModeDraft:
    note = _("%(name)s decided otherwise on %(day)s. Start a new draft from today's mode.") % {
        "name": change.decided_by_name if change else "",
        "day": moment(change.created_at) if change else "",
    }
    return _close(draft, acting_user, State.OVERTAKEN, note)


def _close(draft: ModeDraft, acting_user: User | None, state: State, note: str) -> ModeDraft:
    draft.state, draft.decision_note, draft.decided_at = state, note[:400], timezone.now()
    draft.decided_by = acting_user
    draft.decided_by_name = str(acting_user)[:120] if acting_user else ""
    draft.save()
    act = {State.WITHDRAWN: "withdraw", State.REJECTED: "reject"}.get(state, "overtake")
    _record(draft, acting_user, act, {"note": ["", note]})
    return draft


def _held(draft: ModeDraft, *states: State) -> ModeDraft:
    """Return the draft as it is now, held for this transaction; refuse it in another state."""
    now = ModeDraft.objects.select_for_update(of=("self",), no_key=True)
    draft = now.select_related("brand").get(pk=draft.pk)
    if draft.state not in states:
        if draft.state == State.APPROVED:
            words = _("%(name)s approved this draft already, on %(day)s. Nothing more was done.")
        else:
            words = _("The draft is not open for this: %(state)s. Nothing was changed.")
        raise DraftRefused(
            words
            % {
                "name": draft.decided_by_name,
                "day": moment(draft.decided_at) if draft.decided_at else "",
                "state": draft.get_state_display(),
            }
        )
    return draft


def _check_wish(
    brand: Brand | None, mode: str, reason: str, effective_at: dt.datetime | None
) -> None:
    """Refuse a wish that makes no sense now."""
    now = timezone.now()
    if mode not in {*Mode.values, ""} or (brand is None and not mode):
        raise DraftRefused(_("The group always has a mode. Choose one of the three."))
    if not reason.strip():
        raise DraftRefused(_("Say why: the reason stands in the history. Nothing was saved."))
    if effective_at is not None and effective_at <= now:
        raise DraftRefused(
            _(
                "The date at which it takes effect, %(day)s, has passed. Nothing was changed. "
                "Take the draft back into work and choose a new date, or “at once”."
            )
            % {"day": moment(effective_at)}
        )
    if brand is not None and brand.left_at is not None and brand.left_at <= (effective_at or now):
        raise DraftRefused(
            _("%(brand)s has left the group: it shares with nobody, and that cannot be changed.")
            % {"brand": brand}
        )
    if brand is None:
        held: str = group_mode(at=effective_at)
    else:
        held = brand_overrides(at=effective_at).get(brand.pk, "")
    if held == mode:
        raise ModeUnchanged(_("This mode holds already. Nothing was changed."))


def _check_requester(draft: ModeDraft, acting_user: User) -> None:
    if draft.requested_by_id != acting_user.pk:
        raise DraftRefused(
            _("Only %(name)s, who asked for this change, may do this. Nothing was changed.")
            % {"name": draft.requested_by_name}
        )


def _check_approver(draft: ModeDraft, acting_user: User) -> None:
    """Refuse the requester, an author of the assessment, and whoever is no HQ admin any more."""
    if draft.requested_by_id == acting_user.pk:
        raise DraftRefused(
            _("You asked for this change: another HQ admin must approve it. Nothing was changed.")
        )
    if draft.assessments.filter(written_by=acting_user).exists():
        raise DraftRefused(
            _("You wrote the assessment: another HQ admin must approve it. Nothing was changed.")
        )
    require_admin(acting_user)
    if barring := bars(draft, acting_user, admissions(draft, acting_user)):
        raise DraftRefused(barring)


def _asking(draft: ModeDraft) -> set[int | None]:
    """Return who asked for a draft, and who wrote its assessments."""
    return {draft.requested_by_id, *draft.assessments.values_list("written_by_id", flat=True)}


def admissions(draft: ModeDraft, approver: User | None) -> list[Grant]:
    """Return the grants as HQ admin, ended ones too, of an approver and of who asked or assessed.

    Those alone that a person of the group or an operator gave; a group's first have no giver.
    """
    people = [*_asking(draft), approver.pk if approver else None]
    return list(
        Grant.objects.filter(
            tenant__schema_name=connection.schema_name,
            role=Role.HQ_ADMIN,
            user__in=[pk for pk in people if pk],
            given_by__isnull=False,
        )
        .select_related("user", "given_by")
        .order_by("pk")
    )


def bars(draft: ModeDraft, approver: User, admitted: list[Grant]) -> str:
    """Return, in words, that an approver let in who asked or assessed, or the reverse; else "".

    In either direction, and by grants that ended too: else one person approves from one address
    what they asked for from another, which they let in, and takes it away in between.
    """
    asking = _asking(draft)
    for grant in admitted:
        let_in_by_them = grant.user_id == approver.pk and grant.given_by_id in asking
        let_in_by_approver = grant.user_id in asking and grant.given_by_id == approver.pk
        if let_in_by_them or let_in_by_approver:
            return _(
                "%(giver)s let %(name)s in as HQ admin, so neither of the two approves what the "
                "other asked for or assessed. Nothing was changed; ask another HQ admin."
            ) % {"giver": grant.given_by, "name": grant.user}
    return ""


def require_admin(acting_user: User) -> Grant:
    """Return the HQ admin's grant acted under, read anew and held; refuse one that has ended.

    Held until the end of the transaction: who takes the grant away waits, or is waited for.
    """
    acting = acting_user.acting_grant
    held = (
        Grant.objects.current()
        .filter(
            pk=(acting.pk if acting else None) or 0,
            user=acting_user,
            tenant__schema_name=connection.schema_name,
            role=Role.HQ_ADMIN,
        )
        .select_related("user")
        .select_for_update(of=("self", "user"), no_key=True)
        .first()
    )
    if held is None:
        raise DraftRefused(
            _("Your grant as HQ admin has ended. Nothing was changed; ask another HQ admin.")
        )
    return held


def _fresh_preview(draft: ModeDraft) -> ModePreview:
    """Return the preview that is wanted, made and still true; refuse, and say what changed."""
    preview = latest_preview(draft)
    if (
        preview is None
        or preview.number != draft.preview_wanted
        or preview.state != ModePreview.State.DONE
    ):
        raise DraftRefused(
            _("There is no finished preview of this draft yet. Nothing was changed.")
        )
    if names := stale(draft, preview):
        raise DraftRefused(
            _(
                "The preview is out of date: %(what)s changed since. Nothing was changed. Make it "
                "anew, read it, then decide."
            )
            % {"what": staleness.words(names)}
        )
    return preview


def stale(draft: ModeDraft, preview: ModePreview) -> list[str]:
    """Return the names of what changed since a preview was made."""
    tenant = connection.tenant
    if not isinstance(tenant, Tenant):
        raise TypeError("A preview belongs to a group.")
    now = staleness.fingerprint(tenant=tenant, at=draft.effective_at)
    return staleness.changed(preview.fingerprint, now)


def _check_assessed(draft: ModeDraft, preview: ModePreview) -> None:
    made = draft.assessments.order_by("-number").first()
    if made is None:
        raise DraftRefused(_("There is no impact assessment yet. Nothing was changed."))
    if made.outline != preview.outline:
        raise DraftRefused(
            _(
                "The assessment is about another change: since it was written, other kinds of data "
                "would open or close. Nothing was changed. The assessment must be written anew."
            )
        )
    if made.conclusion == ImpactAssessment.Conclusion.NOT_ACCEPTABLE:
        raise DraftRefused(
            _("The assessment says that the change must not be made. Nothing was changed.")
        )


def _record(draft: ModeDraft, acting_user: User | None, act: str, changes: dict[str, Any]) -> None:
    audit.record(acting_user=acting_user, action=f"mode_draft.{act}", target=draft, changes=changes)
