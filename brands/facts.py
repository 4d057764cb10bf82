"""Read the decisions that the wall's answers rest on, once for a page: brands, modes, notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from brands.models import Brand, ModeChange, ModeDraft
from brands.modes import Mode
from brands.notices import NoticeFacts, Standing, has_left, notice_facts
from brands.wall.visibility import NoticeTerms

# Before the first decision, and once a brand has left.
CLOSED = Mode.BRAND_MAX


@dataclass(frozen=True)
class Facts:
    """Hold what holds at an instant, and every decision that led there."""

    at: datetime
    brands: dict[int, Brand]
    # The latest effective first, as the wall reads them.
    decisions: tuple[ModeChange, ...]
    notices: tuple[NoticeFacts, ...]
    _modes: dict[datetime, dict[int, Mode]] = field(default_factory=dict, compare=False, repr=False)
    _terms: dict[datetime, list[NoticeTerms]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def decision(self, brand_id: int | None, *, at: datetime | None = None) -> ModeChange | None:
        """Return the decision that sets a brand's mode at an instant: its own, or the group's."""
        at = at or self.at
        for change in self.decisions:
            if change.brand_id == brand_id and change.effective_at <= at:
                # An override that was taken away leaves the group's.
                return change if change.mode or brand_id is None else self.decision(None, at=at)
        return None if brand_id is None else self.decision(None, at=at)

    def modes(self, *, at: datetime | None = None) -> dict[int, Mode]:
        """Return brand id → effective mode at an instant."""
        at = at or self.at
        if at not in self._modes:
            found = {}
            for pk, brand in self.brands.items():
                change = None if has_left(brand, at=at) else self.decision(pk, at=at)
                found[pk] = Mode(change.mode) if change else CLOSED
            self._modes[at] = found
        return self._modes[at]

    def terms(self, *, at: datetime | None = None) -> list[NoticeTerms]:
        """Return the notices in force at an instant, as the wall reads them."""
        at = at or self.at
        if at not in self._terms:
            self._terms[at] = self._terms_at(at)
        return self._terms[at]

    def _terms_at(self, at: datetime) -> list[NoticeTerms]:
        return [
            NoticeTerms(
                id=one.notice.pk,
                names_group=one.notice.names_group,
                brands=frozenset(
                    brand.pk
                    for brand in (*one.brands, *one.left_brands)
                    if not has_left(brand, at=at)
                ),
                kinds=frozenset(one.kinds),
            )
            for one in self.notices
            if is_in_force(one, at=at)
        ]

    def notice(self, notice_id: int | None) -> NoticeFacts | None:
        """Return a notice by its number."""
        return next((one for one in self.notices if one.notice.pk == notice_id), None)


def is_in_force(notice: NoticeFacts, *, at: datetime) -> bool:
    """Tell whether the wall goes by a notice at an instant.

    Whether what expires was closed in time is known of today alone.
    """
    if notice.standing is Standing.UNCHECKED:
        return False
    has_begun = notice.notice.effective_from <= at
    return has_begun and (notice.ends_at is None or notice.ends_at > at)


def supposed(held: Facts, draft: ModeDraft) -> Facts:
    """Return the decisions as they would be with one more: that a draft is approved at its date."""
    at = max(draft.effective_at or held.at, held.at)
    change = ModeChange(
        brand=draft.brand,
        mode=draft.mode,
        effective_at=at,
        reason=draft.reason,
        decided_by_name=draft.requested_by_name,
        created_at=held.at,
    )
    later = [one for one in held.decisions if one.effective_at > at]
    return Facts(
        at=at,
        brands=held.brands,
        decisions=(*later, change, *held.decisions[len(later) :]),
        notices=held.notices,
    )


def facts(*, at: datetime | None = None) -> Facts:
    """Return the decisions as they are written now, to be read at an instant."""
    return Facts(
        at=at or timezone.now(),
        brands={brand.pk: brand for brand in Brand.objects.order_by("code")},
        decisions=tuple(
            ModeChange.objects.select_related("draft").order_by("-effective_at", "-id")
        ),
        notices=tuple(notice_facts(with_people=False)),
    )
