"""The steps of a change of mode, for tests: each one call, as the people of the cast."""

from __future__ import annotations

from typing import Any

from brands.changes import drafts
from brands.changes.preview import preview_make
from brands.models import Brand, ModeDraft, ModePreview
from brands.wall import scope
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

TEXT = {
    "purpose": "One membership",
    "necessity": "Nothing less will do",
    "risks": "Unwanted messages",
    "measures": "Frequency caps",
    "legal_basis": "consent",
    "conclusion": "acceptable",
}


class Steps:
    """Take a draft through its steps in acme, each in a transaction of its own."""

    def __init__(self, tenant: Tenant, asking: User, seeing: Any) -> None:
        self.tenant, self.asking, self.seeing = tenant, asking, seeing

    def draft(
        self, mode: str, brand: str | None = None, *, by: User | None = None, **fields: Any
    ) -> ModeDraft:
        """Write a draft, and make its preview."""
        with self.seeing(by or self.asking):
            found = Brand.objects.get(code=brand) if brand else None
            draft = drafts.draft_create(
                acting_user=by or self.asking,
                brand=found,
                mode=mode,
                reason=fields.pop("reason", "Spring"),
                **fields,
            )
        self.preview(draft)
        return draft

    def preview(self, draft: ModeDraft) -> ModePreview:
        """Make the preview that the draft wants, as the worker does."""
        made = preview_make(tenant=self.tenant, draft_id=draft.pk)
        assert made is not None
        assert made.state == ModePreview.State.DONE, made.error
        return made

    def again(self, draft: ModeDraft) -> ModePreview:
        """Ask for a new preview, and make it."""
        with self.seeing(self.asking):
            drafts.preview_ask(draft=draft, acting_user=self.asking)
        return self.preview(draft)

    def assess(self, draft: ModeDraft, *, by: User | None = None, **text: str) -> None:
        """Write the assessment."""
        with self.seeing(by or self.asking):
            drafts.assessment_finish(
                draft=draft, acting_user=by or self.asking, text={**TEXT, **text}, years=3
            )

    def submit(self, draft: ModeDraft, *, by: User | None = None) -> None:
        """Submit."""
        with self.seeing(by or self.asking):
            drafts.draft_submit(draft=draft, acting_user=by or self.asking)

    def submitted(self, mode: str, brand: str | None = None, **fields: Any) -> ModeDraft:
        """Return a draft that waits for approval."""
        by = fields.get("by")
        draft = self.draft(mode, brand, **fields)
        self.assess(draft, by=by)
        self.submit(draft, by=by)
        return draft

    def approve(self, draft: ModeDraft, by: User, number: int | None = None) -> ModeDraft:
        """Approve on the newest preview."""
        with self.seeing(by):
            newest = drafts.latest_preview(draft)
            return drafts.draft_approve(
                draft=draft,
                acting_user=by,
                preview_number=number or (newest.number if newest else 0),
            )

    def stored(self, draft: ModeDraft) -> ModeDraft:
        """Return the draft as it is kept."""
        with tenant_transaction(self.tenant):
            return ModeDraft.objects.get(pk=draft.pk)

    def previews(self, draft: ModeDraft) -> list[ModePreview]:
        """Return all previews of a draft, whoever may read them."""
        with tenant_transaction(self.tenant), scope.bulk(reason="test"):
            return list(draft.previews.order_by("number"))
