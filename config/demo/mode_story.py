"""Give the demo a change of mode that is over, and one that waits for the second HQ admin."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from django.utils.translation import override

from brands.changes import drafts
from brands.changes.follow_up import follow_up_run, follow_ups_due
from brands.changes.preview import preview_make
from brands.models import Brand, ModeDraft
from brands.modes import Mode
from brands.wall import scope
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User
from tenants.roles import Role

_TEXTS = {
    "closing": {
        "purpose": "Each brand answers for its own members until the group's notice is written.",
        "necessity": "Closing needs no data at all; what HQ steers by, figures, stays readable.",
        "risks": "None for the persons: fewer people see their data.",
        "measures": "HQ's reports were checked to need no member's profile.",
        "legal_basis": "not_shared",
        "conclusion": "acceptable",
    },
    "opening": {
        "purpose": "One membership across the brands: service and offers that know a person once, "
        "as the group's notice tells them.",
        "necessity": "Figures alone cannot recognise a member of one brand at the next. Brands "
        "that joined lately, or are about to leave, stay out.",
        "risks": "Too many messages; surprise at being known in another brand; wider reach of a "
        "stolen login.",
        "measures": "Contact data stays masked between brands; people who did not agree stay "
        "closed; every read stands behind the wall, every act in the audit; withdrawal in any "
        "brand closes all.",
        "legal_basis": "consent",
        "conclusion": "with_measures",
    },
}


# What takes its time with millions of members: previews, and what is counted anew after a change.
_STEPS = 5


def tell_mode_story(
    *, schema_name: str, asking: str, second: str, progress: Callable[[int, int], None]
) -> None:
    """Take two drafts through to the end, and leave a third waiting for the second admin.

    `progress` gets (steps done, all steps).
    """
    tenant = Tenant.objects.get(schema_name=schema_name)
    with tenant_transaction(tenant):
        if ModeDraft.objects.exists():
            return
        closed = Brand.objects.filter(mode_changes__mode=Mode.BRAND_MAX).order_by("code").first()
    asker, approver = (_acting(tenant, email) for email in (asking, second))
    # People write in English here; pages translate their own words only. Days are the group's.
    with override("en"), timezone.override(tenant.time_zone):
        progress(0, _STEPS)
        if closed is not None:
            _closed_again(tenant, closed, asker, approver, progress)
        # Counted anew first: it would make the preview of the waiting draft an old one.
        _follow(tenant)
        progress(4, _STEPS)
        _submitted(tenant, asker, None, Mode.FAN_MAX, "One membership for all brands", "opening")
        progress(_STEPS, _STEPS)


def _acting(tenant: Tenant, email: str) -> User:
    user = User.objects.get(email=email)
    user.acting_grant = Grant.objects.get(user=user, tenant=tenant, role=Role.HQ_ADMIN)
    return user


def _submitted(
    tenant: Tenant, by: User, brand: Brand | None, mode: str, reason: str, text: str
) -> ModeDraft:
    with tenant_transaction(tenant), scope.bulk(reason="demo"):
        draft = drafts.draft_create(acting_user=by, brand=brand, mode=mode, reason=reason)
    preview_make(tenant=tenant, draft_id=draft.pk)
    with tenant_transaction(tenant), scope.bulk(reason="demo"):
        drafts.assessment_finish(draft=draft, acting_user=by, text=_TEXTS[text], years=3)
        return drafts.draft_submit(draft=draft, acting_user=by)


def _closed_again(
    tenant: Tenant,
    brand: Brand,
    asker: User,
    approver: User,
    progress: Callable[[int, int], None],
) -> None:
    """Open a closed brand and close it again: it ends in the mode that the demo's plan gave it."""
    open_again = _submitted(
        tenant, asker, brand, Mode.MEMBER_MAX, "Try the group's platform for a week", "opening"
    )
    _approved(tenant, approver, open_again)
    progress(1, _STEPS)
    _follow(tenant)
    progress(2, _STEPS)
    closing = _submitted(
        tenant, asker, brand, Mode.BRAND_MAX, "The brand's own notice is not out yet", "closing"
    )
    _approved(tenant, approver, closing)
    progress(3, _STEPS)


def _approved(tenant: Tenant, approver: User, draft: ModeDraft) -> None:
    with tenant_transaction(tenant), scope.bulk(reason="demo"):
        number = ModeDraft.objects.get(pk=draft.pk).preview_ended
        drafts.draft_approve(
            draft=draft, acting_user=approver, preview_number=number, note="Agreed in the board"
        )


def _follow(tenant: Tenant) -> None:
    with tenant_transaction(tenant):
        due = follow_ups_due()
    for row_id in due:
        follow_up_run(tenant=tenant, follow_up_id=row_id)
