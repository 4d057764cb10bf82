"""The inbox of answers: pages and the API hand them in, the owner role records them.

Whoever hands an answer in sees only rows of their own, and an answer closes rows of siblings too.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.models import Notice
from brands.wall import scope
from brands.wall.visibility import Visible
from members import locks
from members.consents import ledger
from members.consents.ledger import AnswerRefused, answer_problem
from members.contacts import identity_key, normalise_code, normalise_email, normalise_phone
from members.identity import hot_profiles
from members.identity.spaces import Spaces, SpaceUnknown
from members.keys import sealing_keys
from members.models import (
    ConsentEntry,
    Entry,
    GroupConsentEntry,
    Identity,
    IdentityLink,
    Profile,
)
from tenants import audit
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

What = Entry.What
# Entries of one transaction: each holds up whoever else writes answers for that long.
_AT_ONCE = 200
_ACTIONS = {
    What.YES: "consent.give",
    What.NO: "consent.withdraw",
    What.OBJECTS: "consent.object",
    What.ALLOWS: "consent.allow",
}


def answer_enter(
    *,
    visible: Visible,
    what: str,
    acting_user: User | None,
    profile: Profile | None = None,
    brand_id: int | None = None,
    member_no: str = "",
    identity: tuple[str, str] | None = None,
    notice: Notice | None = None,
    at: dt.datetime | None = None,
    channel: str = "",
    evidence: str = "",
    is_by_guardian: bool = False,
    minor_until: dt.date | None = None,
    to_group: bool = False,
    request_key: uuid.UUID | None = None,
    tells_worker: bool = True,
) -> Entry:
    """Hand an answer in, in a viewer's scope; a worker records it once this is committed.

    The member is a PROFILE that the viewer sees, a number of a brand, or an IDENTITY: its kind and
    its text, as `("phone", "13800138000")`. A brand or a store answers for members of its own; HQ
    only for the group itself (TO_GROUP). The same REQUEST_KEY twice is one entry. Who hands in many
    tells the worker once, by `answers_enqueue`. Raises AnswerRefused with the reason in words, as
    far as it is known here.
    """
    if profile is None and not member_no and identity is None:
        raise AnswerRefused(_("Nothing was recorded: say which member answered."))
    if to_group and not visible.writes_group:
        raise AnswerRefused(_("Only the group's HQ records answers to the group itself."))
    if identity is not None and not visible.viewer.sees_contact:
        raise AnswerRefused(contact_left_out())
    at = at or timezone.now()
    problem = answer_problem(
        notice=notice,
        is_given=what == What.YES,
        at=at,
        is_by_guardian=is_by_guardian,
        minor_until=_later(minor_until, profile.minor_until if profile else None),
    )
    if problem:
        raise AnswerRefused(problem)
    fields: dict[str, Any] = {
        "what": What(what),
        "profile": profile,
        "member_no": member_no.strip(),
        "answered_notice": notice,
        "answered_at": at,
        "is_by_guardian": is_by_guardian,
        "minor_until": minor_until,
        "channel": channel[:40],
        "evidence": evidence[:200],
        "entered_by": acting_user,
        "entered_by_name": str(acting_user)[:120] if acting_user else "system",
    }
    if identity is not None:
        kind, text = identity
        try:
            text = _normalised(kind, text)
        except ValueError as error:
            raise AnswerRefused(
                _("“%(text)s” is no phone, card, e-mail or unionid. Nothing was recorded.")
                % {"text": text[:40]}
            ) from error
        identity = kind, text
    request_key = request_key or uuid.uuid4()
    entry: Entry
    try:
        if to_group:
            fields |= _keyed(identity, None)
            entry = _enter_for_group(visible, request_key, fields)
        else:
            place = _own_place(visible, profile, brand_id)
            fields |= _keyed(identity, place[0])
            entry, _is_new = ConsentEntry.objects.get_or_create(
                request_key=request_key,
                brand_id=place[0],
                defaults={"store_id": place[1], **fields},
            )
    except IntegrityError as error:
        if "handed_in_once" not in str(error):
            raise
        # The key stands on an entry that the viewer does not see now: of another mode, of a store.
        raise AnswerRefused(
            _(
                "An answer was handed in with this key before, and you do not see it now. Nothing "
                "was recorded. Load the page again; a program gives every answer a key of its own."
            )
        ) from error
    if tells_worker:
        answers_enqueue()
    return entry


def contact_left_out() -> str:
    """Return why who is shown no contact data names nobody by it: the answer tells whose it is."""
    return _(
        "Your access leaves contact data out, so nobody is named by a phone, e-mail address, card "
        "or WeChat identifier, and none is handed in. Nothing was recorded. Name the member by "
        "number."
    )


def _later(*days: dt.date | None) -> dt.date | None:
    """Return the latest day that is known: nobody is older for being said to be."""
    return max((day for day in days if day is not None), default=None)


def _normalised(kind: str, text: str) -> str:
    if kind == Identity.Kind.PHONE:
        return normalise_phone(text)
    if kind == Identity.Kind.EMAIL:
        return normalise_email(text)
    code = normalise_code(text)
    if kind not in Identity.Kind.values or not code:
        raise ValueError("no identifier")
    return code


def _keyed(identity: tuple[str, str] | None, brand_id: int | None) -> dict[str, Any]:
    """Return the fields of an entry that name a member by an identifier, of a brand's or anyone's.

    Raises AnswerRefused where it is not known in which account it counts.
    """
    if identity is None:
        return {}
    kind, text = identity
    space = ""
    if kind not in (Identity.Kind.PHONE, Identity.Kind.EMAIL):
        spaces = Spaces.now()
        try:
            is_group = brand_id is None
            space = spaces.of_group(kind) if is_group else spaces.of_brand(kind, brand_id or 0)
        except SpaceUnknown as unknown:
            raise AnswerRefused(f"{unknown} {_('Nothing was recorded.')}") from unknown
    key = identity_key(sealing_keys(), kind, text, space)
    return {"identity_kind": kind, "identity_key": key}


def _enter_for_group(
    visible: Visible, request_key: uuid.UUID, fields: dict[str, Any]
) -> GroupConsentEntry:
    if fields["member_no"]:
        raise AnswerRefused(
            _("A member number is a brand's. Name the member of the group by phone or card.")
        )
    entry, _is_new = GroupConsentEntry.objects.get_or_create(
        request_key=request_key, defaults={"brand_set": visible.group_set, **fields}
    )
    return entry


def _own_place(
    visible: Visible, profile: Profile | None, brand_id: int | None
) -> tuple[int, int | None]:
    """Return the brand, and for store staff the store, on whose behalf the viewer answers."""
    refused = AnswerRefused(
        _("Answers are recorded by the member's own brand. Nothing was recorded.")
    )
    if profile is not None:
        brand_id = profile.brand_id
    elif brand_id is None and len(visible.write_brands) == 1:
        (brand_id,) = visible.write_brands
    if brand_id in visible.write_brands:
        return brand_id, None
    stores = visible.write_stores
    if profile is not None and profile.store_id in stores:
        return profile.brand_id, profile.store_id
    if profile is None and len(stores) == 1:
        (store,), (brand,) = stores, visible.viewer.store_brands
        return brand, store
    raise refused


def answers_enqueue() -> None:
    """Ask for `answers_record` once the current transaction is committed."""
    # Once for however many are handed in together.
    waiting = (getattr(act, "func", None) for _savepoints, act, _robust in connection.run_on_commit)
    if _send not in waiting:
        # An entry that no worker was told of is found by the scheduler.
        transaction.on_commit(partial(_send, connection.schema_name), robust=True)


def _send(schema_name: str) -> None:
    from members.tasks import record_answers

    record_answers.apply_async(headers={"_schema_name": schema_name})


def answers_record(*, tenant: Tenant) -> int:
    """Record every waiting entry of a group; return how many were looked at.

    For a process with the owner's credentials. What entries open and close, and what is written
    on them, is one transaction, so a run that is killed leaves them waiting.
    """
    looked_at, failed = 0, _Failed()
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="answers"):
            locks.hold_answers()
            entries = _waiting(failed)
            _record(entries, tenant, failed)
        looked_at += len(entries)
        if not entries:
            return looked_at


class _Failed:
    """Remember what could not be recorded, so that it does not hold up the rest of this run."""

    def __init__(self) -> None:
        self.ids: dict[type[Entry], set[int]] = {ConsentEntry: set(), GroupConsentEntry: set()}


def _waiting(failed: _Failed) -> list[ConsentEntry | GroupConsentEntry]:
    found: list[ConsentEntry | GroupConsentEntry] = []
    for model in (ConsentEntry, GroupConsentEntry):
        waiting = model.objects.filter(state=Entry.State.WAITING).exclude(pk__in=failed.ids[model])
        ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])
        rows = waiting.select_related("answered_notice", "entered_by").select_for_update(
            of=("self",)
        )
        try:
            found += rows.filter(pk__in=ids)
        except DataError:
            # One holds what Python cannot read, such as the year 20000; the others can be.
            for pk in ids:
                try:
                    found += rows.filter(pk=pk)
                except DataError:
                    log.exception("answer %s %s", model.__name__, pk)
                    failed.ids[model].add(pk)
    return sorted(found, key=lambda entry: (entry.entered_at, entry.pk))


def _record(entries: Iterable[Any], tenant: Tenant, failed: _Failed) -> None:
    """Record entries in the caller's transaction, which holds the answers."""
    recorded: list[tuple[Any, Profile]] = []
    done: list[Any] = []
    for entry in entries:
        language = (entry.entered_by.language if entry.entered_by else "") or tenant.locale
        with translation.override(language):
            try:
                with transaction.atomic():
                    profile = _append(entry)
            except AnswerRefused as error:
                entry.state, entry.outcome = Entry.State.REFUSED, str(error)
                done.append(entry)
                continue
            except Exception:
                # Kept waiting: an answer that a fault of ours keeps back is not lost.
                log.exception("answer %s %s", type(entry).__name__, entry.pk)
                failed.ids[type(entry)].add(entry.pk)
                continue
        entry.state = Entry.State.RECORDED
        done.append(entry)
        if profile is not None:
            recorded.append((entry, profile))
    if done:
        ledger.keep_persons(profile.person_id for _entry, profile in recorded)
    after = dict(
        Profile.objects.filter(pk__in=[profile.pk for _entry, profile in recorded]).values_list(
            "pk", "notice_id"
        )
    )
    for entry, profile in recorded:
        if isinstance(entry, ConsentEntry):
            entry.has_opened = profile.notice_id is None and after[profile.pk] is not None
            entry.has_closed = profile.notice_id is not None and after[profile.pk] is None
    for entry in done:
        entry.recorded_at = timezone.now()
        entry.save()


def _append(entry: ConsentEntry | GroupConsentEntry) -> Profile | None:
    """Append one entry to the ledger; return its profile, None where the group has no such one.

    Of an answer to the group neither outcome nor audit depends on what is known of the person.
    """
    is_to_group = isinstance(entry, GroupConsentEntry)
    profile = _find_of_group(entry) if isinstance(entry, GroupConsentEntry) else _find_own(entry)
    minor_until = entry.minor_until
    if profile is not None and not is_to_group:
        minor_until = _later(minor_until, profile.minor_until)
    problem = answer_problem(
        notice=entry.answered_notice,
        is_given=entry.what == What.YES,
        at=entry.answered_at,
        is_by_guardian=entry.is_by_guardian,
        minor_until=minor_until,
    )
    if problem:
        raise AnswerRefused(problem)
    _audit(entry, profile)
    if profile is None:
        return None
    # HQ may not even see the brand whose contact data this would be: its word counts for its own
    # answer, and stays on the entry.
    told = None if is_to_group else entry.minor_until
    if told is not None and not ledger.keep_minor(profile, told):
        raise AnswerRefused(
            _(
                "No contact data is kept of this member, so no birthday either. Nothing was "
                "recorded. Import the member's contact data first."
            )
        )
    said: dict[str, Any] = {
        "at": entry.answered_at,
        "channel": entry.channel,
        "evidence": entry.evidence,
        "is_to_group": is_to_group,
    }
    # An answer to the group is of whoever has this number: it stands in each membership that
    # carries it, so that it opens none that was merged to them, and no brand takes it away.
    for one in [profile, *_also_named(entry, profile)]:
        _append_in(one, entry, said)
    return profile


def _append_in(
    profile: Profile, entry: ConsentEntry | GroupConsentEntry, said: dict[str, Any]
) -> None:
    if entry.what in (What.OBJECTS, What.ALLOWS):
        ledger.append_objection(profile=profile, is_objecting=entry.what == What.OBJECTS, **said)
        return
    is_given = entry.what == What.YES
    notice = entry.answered_notice
    if notice is None and not is_given:
        notice = ledger.last_agreed(profile)
    ledger.append_consent(
        profile=profile,
        notice=notice,
        is_given=is_given,
        is_by_guardian=entry.is_by_guardian,
        **said,
    )


def _also_named(entry: ConsentEntry | GroupConsentEntry, profile: Profile) -> list[Profile]:
    """Return the other profiles that carry the number an answer to the group was given with."""
    if not isinstance(entry, GroupConsentEntry) or entry.profile_id is not None:
        return []
    rows = Profile.objects.select_related("brand").order_by("pk")
    rows = rows.filter(pk__in=_profiles_with(entry), person_id=profile.person_id)
    return list(rows.exclude(pk=profile.pk))


def _audit(entry: ConsentEntry | GroupConsentEntry, profile: Profile | None) -> None:
    # HQ reads the audit in every mode: it names the brand, not its member; and of an answer to the
    # group not the brand either, nor whether there is such a person: it might be closed to HQ.
    of_brand = isinstance(entry, ConsentEntry) and profile is not None
    audit.record(
        acting_user=entry.entered_by,
        action=_ACTIONS[What(entry.what)],
        target=profile if of_brand else entry,
        target_name=str(profile.brand) if of_brand and profile else _("Group"),
        changes={
            "notice": ["", entry.answered_notice.version if entry.answered_notice else ""],
            "channel": ["", entry.channel],
        },
    )


def _find_own(entry: ConsentEntry) -> Profile:
    rows = Profile.objects.filter(brand_id=entry.brand_id).select_related("brand")
    if entry.store_id is not None:
        rows = rows.filter(store_id=entry.store_id)
    if entry.profile_id is not None:
        rows = rows.filter(pk=entry.profile_id)
    elif entry.member_no:
        rows = rows.filter(member_no=entry.member_no)
    else:
        rows = rows.filter(pk__in=_profiles_with(entry))
    found = rows.order_by("pk").first()
    if found is None:
        raise AnswerRefused(
            _("There is no such member here. Nothing was recorded. Look at the number again.")
        )
    return found


def _find_of_group(entry: GroupConsentEntry) -> Profile | None:
    rows = Profile.objects.select_related("brand").order_by("pk")
    if entry.profile_id is not None:
        return rows.filter(pk=entry.profile_id).first()
    # Whether there is such a person, in which brand, is not told: the brand may be closed to HQ.
    return rows.filter(pk__in=_profiles_with(entry)).first()


def _profiles_with(entry: Entry) -> list[int]:
    """Return the profiles that carry the entry's identifier, which are all one person's.

    Of a brand's entry its own, so that it is told nothing of siblings'; of one to the group all but
    those of brands in which so many share the identifier that it names nobody.
    """
    identity = Identity.objects.filter(
        kind=entry.identity_kind, key=bytes(entry.identity_key or b"")
    ).first()
    if identity is None:
        return []
    by_brand: dict[int, list[int]] = defaultdict(list)
    links = IdentityLink.objects.filter(identity=identity)
    if isinstance(entry, ConsentEntry):
        links = links.filter(profile__brand_id=entry.brand_id)
    for brand_id, profile_id in links.values_list("profile__brand_id", "profile_id"):
        by_brand[brand_id].append(profile_id)
    most = hot_profiles(entry.identity_kind)
    named = [found for found in by_brand.values() if len(found) <= most]
    if isinstance(entry, ConsentEntry) and len(named) < len(by_brand):
        raise AnswerRefused(
            _(
                "Many members share this number, so it names nobody. Nothing was recorded. Name "
                "the member by another one."
            )
        )
    # HQ is told of a number that many share what it is told of nobody's.
    return [profile_id for found in named for profile_id in found]
