"""Views of the member list that a person keeps for themselves, under the grant they act under."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from members.models import OwnView
from members.segment_services import LONGEST_NAME, SegmentRefused
from members.segments import Filter
from tenants.models import User

# More than these nobody finds again.
MOST = 30


def own_views() -> list[OwnView]:
    """Return the views that the grant acted under keeps, by name."""
    found = OwnView.objects.filter(removed_at=None)
    return sorted(found, key=lambda one: (one.name.casefold(), one.pk))


@transaction.atomic
def view_create(*, name: str, asked: Filter, opens_first: bool, acting_user: User) -> OwnView:
    """Keep the list's filters and order for oneself; raises SegmentRefused."""
    grant = acting_user.acting_grant
    if grant is None or grant.pk is None:
        raise SegmentRefused(_("Looking as another role, nothing is kept."))
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > LONGEST_NAME:
        raise SegmentRefused(
            _("A view needs a name of at most %(count)d characters. Nothing was kept.")
            % {"count": LONGEST_NAME}
        )
    if len(own_views()) >= MOST:
        raise SegmentRefused(
            _("You keep %(count)d views already. Nothing was kept: remove one first.")
            % {"count": MOST}
        )
    if opens_first:
        OwnView.objects.filter(removed_at=None, is_default=True).update(is_default=False)
    try:
        with transaction.atomic():
            return OwnView.objects.create(
                grant_id=grant.pk,
                name=name,
                is_default=opens_first,
                of_account_id=asked.account_id,
                made_by=acting_user,
                made_by_name=str(acting_user)[:120],
                **asked.columns,
            )
    except IntegrityError as error:
        raise SegmentRefused(
            _("You keep a view of this name. Nothing was kept: choose another name.")
        ) from error


@transaction.atomic
def view_change(*, view: OwnView, act: str) -> None:
    """Remove a view, or let it (or none) open first."""
    if act == "remove":
        view.removed_at, view.is_default = timezone.now(), False
    else:
        OwnView.objects.filter(removed_at=None, is_default=True).update(is_default=False)
        view.is_default = act == "first"
    view.save(update_fields=["removed_at", "is_default"])
