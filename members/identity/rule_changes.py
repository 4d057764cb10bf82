"""Change what identifiers do in a group; its persons are then resolved anew by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from brands.wall.visibility import Visible
from members.identity.rules import rules_now
from members.identity.whole import resolutions_enqueue
from members.models import IdentityRule, ResolutionJob
from tenants import audit
from tenants.models import User

FIELDS = ("is_linking", "trust", "most_profiles", "is_exclusive", "is_group_wide")


class RulesRefused(ValueError):
    """Say why the rules were not changed; nothing was."""


@transaction.atomic
def rules_change(
    *, visible: Visible, wanted: Mapping[str, Mapping[str, Any]], acting_user: User
) -> ResolutionJob | None:
    """Set the rules of kinds, in HQ's scope; return the resolution that follows, None for none.

    WANTED is kind → field → value, of every kind. Raises RulesRefused with the reason in words.
    """
    if not visible.writes_group:
        raise RulesRefused(_("Only the group's HQ changes these rules. Nothing was changed."))
    places = [int(fields["trust"]) for fields in wanted.values()]
    if len(set(places)) != len(places):
        raise RulesRefused(
            _("Two identifiers stand at one place in the order of trust. Nothing was changed.")
        )
    if not any(fields["is_linking"] for fields in wanted.values()):
        raise RulesRefused(
            _("Without any identifier nobody would be known again. Nothing was changed.")
        )
    is_changed = False
    for kind, rule in rules_now().items():
        new = {name: wanted[kind][name] for name in FIELDS}
        changes = {
            name: [getattr(rule, name), value]
            for name, value in new.items()
            if getattr(rule, name) != value
        }
        if not changes:
            continue
        is_changed = True
        row, _is_new = IdentityRule.objects.update_or_create(kind=kind, defaults=new)
        audit.record(
            acting_user=acting_user, action="identityrule.change", target=row, changes=changes
        )
    return resolution_ask(visible=visible, acting_user=acting_user) if is_changed else None


@transaction.atomic
def resolution_ask(*, visible: Visible, acting_user: User) -> ResolutionJob:
    """Ask for a resolution of the whole group; a worker takes it up once this is committed."""
    if not visible.writes_group:
        raise RulesRefused(_("Only the group's HQ asks for this. Nothing was changed."))
    job = ResolutionJob.objects.create(
        brand_set=visible.group_set, asked_by_name=str(acting_user)[:120]
    )
    audit.record(acting_user=acting_user, action="resolution.request", target=job)
    resolutions_enqueue()
    return job
