"""Decisions by hand: pages hand them in, the owner role applies them.

Whoever hands one in may see rows of their own only, and a decision moves a person's other rows too.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable

from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.modes import Mode
from brands.selectors import effective_modes
from brands.wall import scope
from brands.wall.visibility import Kind, Visible
from members import locks
from members.identity.resolution import resolve
from members.identity.whole import follow_persons, touch_profiles
from members.models import (
    GroupPersonEntry,
    PersonDecision,
    PersonDecisionSide,
    PersonEntry,
    PersonMerge,
    PersonSuggestion,
    Profile,
)
from members.rollups import finish_pending
from tenants import audit
from tenants.connection import connection as tenant_connection
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

What = PersonDecision.What
_Entry = PersonEntry | GroupPersonEntry
# Entries of one transaction: whoever else changes persons or answers waits for so long.
_AT_ONCE = 50
# More memberships than this are nobody's.
_MOST_NAMED = 500


class DecisionRefused(ValueError):
    """Say why a decision was not taken; nothing was changed."""


def decision_enter(
    *,
    visible: Visible,
    what: str,
    profile: Profile,
    acting_user: User,
    merge: PersonMerge | None = None,
    first: Collection[int] = (),
    second: Collection[int] = (),
    reason: str = "",
    request_key: uuid.UUID | None = None,
) -> _Entry:
    """Hand a decision in, in a viewer's scope; a worker applies it once this is committed.

    A join names two members, FIRST and SECOND; a part a MERGE to be undone, or two sides. A brand
    decides about members of its own, HQ about whom it sees. The same REQUEST_KEY twice is one
    entry. Raises DecisionRefused with the reason in words.
    """
    named = {*first, *second}
    if merge is None and (not first or not second or set(first) & set(second)):
        raise DecisionRefused(_("Nothing was changed: choose memberships of both sides."))
    if len(named) > _MOST_NAMED:
        raise DecisionRefused(_("Nothing was changed: too many memberships at once."))
    seen = set(Profile.objects.filter(pk__in=named).values_list("pk", "brand_id"))
    if len(seen) != len(named):
        raise DecisionRefused(_("Nothing was changed: you do not see all of these memberships."))
    fields = {
        "what": What(what),
        "profile": profile,
        "merge_id": merge.pk if merge else None,
        "first_side": sorted(first),
        "second_side": sorted(second),
        "reason": reason.strip()[:200],
        "entered_by": acting_user,
        "entered_by_name": str(acting_user)[:120],
    }
    request_key = request_key or uuid.uuid4()
    entry: _Entry
    brands = {profile.brand_id, *(brand for _pk, brand in seen), *(merge.brands if merge else ())}
    if brands == {profile.brand_id} and profile.brand_id in visible.write_brands:
        entry, _is_new = PersonEntry.objects.get_or_create(
            request_key=request_key, brand_id=profile.brand_id, defaults=fields
        )
    elif visible.writes_group:
        entry, _is_new = GroupPersonEntry.objects.get_or_create(
            request_key=request_key, defaults={"brand_set": visible.group_set, **fields}
        )
    else:
        raise DecisionRefused(
            _("Nothing was changed: you decide about memberships of one brand of your own.")
        )
    decisions_enqueue()
    return entry


def may_decide(visible: Visible, profile: Profile) -> bool:
    """Tell whether a viewer may decide who a member is: HQ whom it sees, a brand its own."""
    if profile.brand_id in visible.write_brands:
        return True
    return visible.writes_group and profile.brand_id in visible.kinds[Kind.PROFILE].brands


def decisions_enqueue() -> None:
    """Ask for `decisions_apply` once the current transaction is committed."""
    from members.tasks import apply_decisions

    schema_name = tenant_connection.schema_name
    transaction.on_commit(
        lambda: apply_decisions.apply_async(headers={"_schema_name": schema_name}), robust=True
    )


def decisions_apply(*, tenant: Tenant) -> int:
    """Apply every waiting decision of a group; return how many were looked at.

    For a process with the owner's credentials. What a decision changes and what is written on it
    is one transaction, so a run that is killed leaves it waiting.
    """
    looked_at = 0
    failed: dict[type, set[int]] = {PersonEntry: set(), GroupPersonEntry: set()}
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="decisions"):
            locks.hold_answers()
            entries: list[_Entry] = []
            for model in (PersonEntry, GroupPersonEntry):
                waiting = model.objects.filter(state=model.State.WAITING)
                waiting = waiting.exclude(pk__in=failed[model]).order_by("pk")
                entries += waiting.select_for_update(of=("self",))[:_AT_ONCE]
            entries.sort(key=lambda entry: (entry.entered_at, entry.pk))
            for entry in entries:
                language = (entry.entered_by.language if entry.entered_by else "") or tenant.locale
                with translation.override(language):
                    _apply(entry, failed)
        if not entries:
            break
        looked_at += len(entries)
    if looked_at:
        finish_pending(tenant=tenant)
    return looked_at


def _apply(entry: _Entry, failed: dict[type, set[int]]) -> None:
    try:
        with transaction.atomic():
            decide(
                what=entry.what,
                sides=_sides(entry),
                reason=entry.reason,
                user_id=entry.entered_by_id,
                by_name=entry.entered_by_name,
            )
            of_brand = isinstance(entry, PersonEntry)
            audit.record(
                acting_user=entry.entered_by,
                action=f"person.{entry.what}",
                target=entry,
                # HQ reads the audit in every mode: it names the brand, not its member.
                target_name=str(entry.brand) if isinstance(entry, PersonEntry) else _("Group"),
                changes={"reason": ["", entry.reason]} if of_brand and entry.reason else {},
            )
    except DecisionRefused as refused:
        entry.state, entry.outcome = entry.State.REFUSED, str(refused)
    except Exception:
        # Kept waiting: a decision that a fault of ours keeps back is not lost.
        log.exception("decision %s %s", type(entry).__name__, entry.pk)
        failed[type(entry)].add(entry.pk)
        return
    else:
        entry.state = entry.State.APPLIED
    entry.applied_at = timezone.now()
    entry.save()


def decide(
    *,
    what: str,
    sides: Iterable[Collection[int]],
    reason: str = "",
    user_id: int | None = None,
    by_name: str = "",
) -> PersonDecision:
    """Append a decision and bring the persons up to date; the caller holds the group's answers."""
    decision = PersonDecision.objects.create(
        what=What(what), reason=reason, by_user_id=user_id, by_name=by_name
    )
    placed = [
        PersonDecisionSide(decision=decision, profile_id=pk, side=number)
        for number, side in enumerate(sides)
        for pk in sorted(side)
    ]
    PersonDecisionSide.objects.bulk_create(placed)
    ids = [one.profile_id for one in placed]
    PersonSuggestion.objects.filter(first_id__in=ids, second_id__in=ids).delete()
    with connection.cursor() as cursor:
        touch_profiles(cursor, "SELECT unnest(%s::bigint[])", [ids])
    resolve(by_name=by_name)
    follow_persons("affected_person")
    return decision


def _sides(entry: _Entry) -> list[set[int]]:
    """Return whom an entry joins, one side, or parts, two; raise where it may not be."""
    absent = DecisionRefused(_("These memberships are not all there. Nothing was changed."))
    if isinstance(entry, PersonEntry) and entry.store_id is not None:
        raise DecisionRefused(_("Only the brand itself decides this. Nothing was changed."))
    first, second = set(entry.first_side), set(entry.second_side)
    merge = None
    if entry.merge_id is not None:
        merge = PersonMerge.objects.filter(pk=entry.merge_id).first()
        named = set(merge.brands) if merge else set()
    else:
        rows = Profile.objects.filter(pk__in=first | second)
        named = set(rows.values_list("brand_id", flat=True))
    # Nobody names what they do not see: whether it is there is not told them by what comes of it.
    if isinstance(entry, PersonEntry):
        if named != {entry.brand_id}:
            raise absent
    elif not named or any(effective_modes()[brand] is Mode.BRAND_MAX for brand in named):
        raise absent
    if merge is not None:
        first, second = merge_sides(merge)
    there = Profile.objects.filter(pk__in=first | second)
    if isinstance(entry, PersonEntry):
        there = there.filter(brand_id=entry.brand_id)
    found = set(there.values_list("pk", flat=True))
    first, second = first & found, second & found
    if not first or not second:
        raise absent
    if entry.what == What.JOIN:
        return [first | second]
    return [first, second]


def merge_sides(merge: PersonMerge) -> tuple[set[int], set[int]]:
    """Return who was the one person and who the other before a merge, of those still together.

    The second are the profiles that the merge moved; the first those that were the person they
    were moved to, right after it. Who came later is of neither side.
    """
    if merge.cause == PersonMerge.Cause.SPLIT:
        raise DecisionRefused(_("That is no merge. Nothing was changed."))
    person = Profile.objects.filter(pk=merge.profile_id).values("person_id")
    together = dict(Profile.objects.filter(person_id__in=person).values_list("pk", "person_id"))
    history: dict[int, list[PersonMerge]] = defaultdict(list)
    moved = set()
    for row in PersonMerge.objects.filter(profile_id__in=set(together)).order_by("at", "pk"):
        history[row.profile_id].append(row)
        if (row.at, row.from_person_id, row.to_person_id) == (
            merge.at,
            merge.from_person_id,
            merge.to_person_id,
        ):
            moved.add(row.profile_id)

    def after(profile: int) -> int:
        """Return the person that a profile was of, right after the merge."""
        person = together[profile]
        for row in reversed(history[profile]):
            if row.at <= merge.at:
                break
            person = row.from_person_id
        return person

    stayed = {pk for pk in together if pk not in moved and after(pk) == merge.to_person_id}
    if not stayed or not moved:
        raise DecisionRefused(_("These are not one person any more. Nothing was changed."))
    return stayed, moved
