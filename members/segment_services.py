"""Keep, rename and remove segments, as the one who acts and in their scope."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Brand
from brands.wall import scope
from members.models import BrandSegment, GroupSegment
from members.segments import Filter, Segment
from tenants import audit
from tenants.models import User

# More than these nobody finds again.
MOST = 100
LONGEST_NAME = 80


class SegmentRefused(ValueError):
    """Say in the user's words why a segment was not written."""


def may_write(owner: Brand | int | None) -> bool:
    """Tell whether the open scope writes this brand's segments; the group's where there is none."""
    visible = scope.current().visible
    if visible is None:
        return True
    if owner is None:
        return visible.writes_group
    return (owner.pk if isinstance(owner, Brand) else owner) in visible.write_brands


@transaction.atomic
def segment_create(
    *, owner: Brand | None, name: str, asked: Filter, acting_user: User | None
) -> Segment:
    """Keep a filter of the member list under a name; raises SegmentRefused."""
    _check(owner, asked)
    by = {
        "made_by": acting_user,
        "made_by_name": str(acting_user)[:120] if acting_user else "system",
    }
    made: Segment
    if owner is None:
        made = GroupSegment(name=_named(name), **asked.columns, **by)
        number = GroupSegment.objects.filter(removed_at=None).count()
    else:
        made = BrandSegment(brand=owner, name=_named(name), **asked.columns, **by)
        number = BrandSegment.objects.filter(brand=owner, removed_at=None).count()
    if number >= MOST:
        raise SegmentRefused(
            _("There are %(count)d segments already. Nothing was kept: remove one first.")
            % {"count": MOST}
        )
    _save(made)
    _record("segment.add", made, acting_user, _columns(asked))
    return made


@transaction.atomic
def segment_rename(*, segment: Segment, name: str, acting_user: User | None) -> Segment:
    """Give a segment another name; raises SegmentRefused."""
    _check(_owner(segment), None)
    former, segment.name = segment.name, _named(name)
    if former == segment.name:
        return segment
    _save(segment)
    _record("segment.change", segment, acting_user, {"name": [former, segment.name]})
    return segment


@transaction.atomic
def segment_remove(*, segment: Segment, acting_user: User | None) -> None:
    """Show a segment to nobody any more; no member is changed. Raises SegmentRefused."""
    _check(_owner(segment), None)
    segment.removed_at = timezone.now()
    _save(segment)
    _record("segment.delete", segment, acting_user, {})


def _owner(segment: Segment) -> int | None:
    return segment.brand_id if isinstance(segment, BrandSegment) else None


def _check(owner: Brand | int | None, asked: Filter | None) -> None:
    if not may_write(owner):
        raise SegmentRefused(
            _("Only HQ writes the group's segments. Nothing was changed.")
            if owner is None
            else _("Only the brand writes its segments. Nothing was changed.")
        )
    if asked is not None and not asked:
        raise SegmentRefused(
            _("No filter is set that could be kept. Nothing was kept: choose one first.")
        )
    if asked is not None and asked.account_id is not None:
        raise SegmentRefused(_("A filter by channel is kept for yourself alone. Nothing was kept."))


def _named(name: str) -> str:
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise SegmentRefused(_("A segment needs a name. Nothing was kept."))
    if len(name) > LONGEST_NAME:
        raise SegmentRefused(
            _("A name has at most %(count)d characters. Nothing was kept.")
            % {"count": LONGEST_NAME}
        )
    return name


def _save(segment: Segment) -> None:
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        # The only rule that two writers can break: each sees all names of the owner's.
        raise SegmentRefused(
            _("There is a segment of this name. Nothing was kept: choose another name.")
        ) from error


def _columns(asked: Filter) -> dict[str, list[Any]]:
    return {
        name: [None, str(value)] for name, value in asked.columns.items() if value not in (None, "")
    }


def _record(
    action: str, segment: Segment, acting_user: User | None, changes: dict[str, Any]
) -> None:
    of_brand = segment.brand if isinstance(segment, BrandSegment) else None
    audit.record(
        acting_user=acting_user,
        action=action,
        target=segment,
        # HQ reads the audit, and not what a brand in brand-max keeps.
        target_name=str(of_brand or ""),
        changes={} if of_brand else changes,
    )
