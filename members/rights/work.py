"""Do what people asked: the owner role's job, request by request, erasures many at once."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from brands.selectors import visible_for_grant
from brands.services import generation_bump
from brands.wall import scope
from brands.wall.models import visible_rows
from brands.wall.visibility import Visible, brand_set
from members.models import (
    Contact,
    GroupPersonRequest,
    GroupPersonRequestStep,
    PersonRequest,
    PersonRequestStep,
    Profile,
)
from members.models.rights import Request, RequestStep
from members.rights import certificates, copies, correction, files, restriction
from members.rights.erasure import Act, Erased, erase
from members.rights.errors import RightsRefused
from members.rollups import brands_left_out, finish_pending, is_unfinished
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User

log = logging.getLogger(__name__)

AnyRequest = PersonRequest | GroupPersonRequest
State, What = Request.State, Request.What
MODELS: tuple[type[AnyRequest], ...] = (PersonRequest, GroupPersonRequest)
# Requests erased in one transaction: each holds up imports and answers for that long.
AT_ONCE = 250
# How long a copy waits for whoever asked.
KEPT = dt.timedelta(days=7)


def rights_run(*, tenant: Tenant, at_once: int = AT_ONCE) -> int:
    """Do every request that can be done now; return how many were.

    For a process with the owner's credentials, outside of a transaction. Each request, or each
    lot of erasures, commits with its outcome: a run that is killed goes on where it stopped.
    """
    with tenant_transaction(tenant), scope.bulk(reason="rights"):
        _keep_sets()
        _take_steps()
        _end_copies(tenant)
        # By a run that was killed once its erasures were committed.
        is_behind = is_unfinished()
    done = 0
    while lot := _erase_lot(tenant, at_once):
        done += lot
    if done or is_behind:
        finish_pending(tenant=tenant)
    failed: dict[type[AnyRequest], set[int]] = {model: set() for model in MODELS}
    while _do_one(tenant, failed):
        done += 1
    return done


def _keep_sets() -> None:
    """Let HQ read its requests after a change of mode as well."""
    now = brand_set(brands_left_out())
    for model in (GroupPersonRequest, GroupPersonRequestStep):
        model.objects.exclude(brand_set=now).update(brand_set=now)


def _take_steps() -> None:
    """Let requests go on, or end, by what people said of them; hand on what is for the group."""
    for model in MODELS:
        rows = model.objects.filter(state=State.RECEIVED).order_by("pk")
        received = list(rows.select_for_update())
        steps = _steps(model, [request.pk for request in received])
        queued = []
        for request in received:
            refused = steps.get((_brand(request), request.pk, RequestStep.What.REFUSED))
            checked = steps.get((_brand(request), request.pk, RequestStep.What.CHECKED))
            if refused is not None:
                _end(request, State.REFUSED, refused.reason)
            elif request.checked or checked is not None:
                if not request.checked and checked is not None:
                    request.checked, request.grant_id = checked.checked, checked.grant_id
                    request.entered_by_id = checked.made_by_id
                request.state = State.QUEUED
                queued.append(request)
                # By the number of a sibling's member nothing is handed on.
                if (
                    isinstance(request, PersonRequest)
                    and request.is_for_group
                    and Profile.objects.filter(
                        pk=request.profile_id, brand_id=request.brand_id
                    ).exists()
                ):
                    _hand_to_group(request)
        model.objects.bulk_update(
            queued, ["checked", "grant_id", "entered_by", "state"], batch_size=500
        )


def _brand(row: Any) -> int | None:
    """Return the brand of a request or step: a number alone says anything."""
    return getattr(row, "brand_id", None)


def _steps(model: type[AnyRequest], ids: list[int]) -> dict[tuple[int | None, int, str], Any]:
    """Return (brand, request, what) → step."""
    steps: Any = PersonRequestStep if model is PersonRequest else GroupPersonRequestStep
    return {
        (_brand(step), step.request_id, step.what): step
        for step in steps.objects.filter(request_id__in=ids)
    }


def _hand_to_group(request: PersonRequest) -> None:
    """Give HQ a brand's request; the brand is never told what came of it."""
    GroupPersonRequest.objects.get_or_create(
        request_key=uuid.uuid5(request.request_key, "group"),
        defaults={
            "brand_set": brand_set(brands_left_out()),
            "what": request.what,
            "profile_id": request.profile_id,
            "received_at": request.received_at,
            "received_through": Request.Through.PASSED_ON,
            "due_at": request.due_at,
            "entered_by_name": str(request.brand)[:120],
            "language": request.language,
            "passed_on_from": request.pk,
        },
    )


def _hand_to_brands(request: GroupPersonRequest, profiles: Sequence[Profile], name: str) -> None:
    """Ask each brand whose memberships the wall keeps from HQ; HQ is not told whether any was."""
    for profile in profiles:
        PersonRequest.objects.get_or_create(
            brand_id=profile.brand_id,
            request_key=uuid.uuid5(request.request_key, str(profile.pk)),
            defaults={
                "what": request.what,
                "profile_id": profile.pk,
                "received_at": request.received_at,
                "received_through": Request.Through.PASSED_ON,
                "due_at": request.due_at,
                "entered_by_name": name[:120],
                "language": request.language,
            },
        )


@dataclass
class _Lot:
    """Remember, within one transaction, what many requests ask for again."""

    tenant: Tenant
    members: dict[int, Profile] = field(default_factory=dict)
    askers: dict[tuple[int | None, int | None], tuple[User, Visible] | None] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, tenant: Tenant, requests: Sequence[AnyRequest]) -> _Lot:
        """Read the members that requests name."""
        rows = Profile.objects.select_related("brand", "store")
        return cls(tenant, rows.in_bulk([request.profile_id for request in requests]))

    def asker(self, request: AnyRequest) -> tuple[User, Visible]:
        """Return who acts and what they see now; raises RightsRefused where access ended."""
        key = (request.grant_id, request.entered_by_id)
        if key not in self.askers:
            self.askers[key] = _asker(request, self.tenant)
        if (found := self.askers[key]) is None:
            raise RightsRefused(
                _("The access under which this was asked has ended. Ask for it again.")
            )
        return found


def _asker(request: AnyRequest, tenant: Tenant) -> tuple[User, Visible] | None:
    grant = (
        Grant.objects.current()
        .filter(pk=request.grant_id or 0, tenant=tenant, user_id=request.entered_by_id or 0)
        .select_related("user", "tenant", "engagement")
        .first()
    )
    if grant is None:
        return None
    user = grant.user
    user.acting_grant = grant
    return user, visible_for_grant(grant, k=tenant.k)


def _profiles(request: AnyRequest, lot: _Lot) -> tuple[User, list[Profile], Visible]:
    """Return who acts, and the memberships that a request is about; hand others to their brands.

    A brand's request is about the one membership: that the person has others, even there, may be
    known by what a sibling knows of them.
    """
    user, visible = lot.asker(request)
    named = lot.members.get(request.profile_id)
    if isinstance(request, PersonRequest):
        # The row says its brand by the database's own rule; the number in it says anything.
        is_own = named is not None and named.brand_id == request.brand_id
        if named is not None and not is_own:
            raise RightsRefused(_("The member is not one of this brand's. Nothing was done."))
        if request.brand_id not in visible.viewer.own_brands:
            raise RightsRefused(_("Whoever checked this request does not act for the brand."))
        return user, [named] if named else [], visible
    if named is None:
        return user, [], visible
    persons = Profile.objects.select_related("brand", "store").filter(person_id=named.person_id)
    opened = scope.Scope(visible, connection.schema_name)
    seen = list(persons.filter(visible_rows(Profile, opened)))
    # A stranger's number opens nothing: HQ names a member that it sees, or a brand named theirs.
    if named not in seen and request.passed_on_from is None:
        raise RightsRefused(_("The wall does not show HQ this member now. Nothing was done."))
    full = seen
    if request.what == What.EXPORT:
        shown = Contact.objects.filter(visible_rows(Contact, opened), profile__in=seen)
        with_contact = set(shown.values_list("profile_id", flat=True))
        full = [one for one in seen if one.pk in with_contact]
    others = [one for one in persons if one not in full and one.pk != _origin(request)]
    if request.what != What.CORRECTION:
        _hand_to_brands(request, others, lot.tenant.name)
    return user, seen, visible


def _origin(request: GroupPersonRequest) -> int | None:
    """Return the membership whose brand handed the request on, and does it itself."""
    return request.profile_id if request.passed_on_from is not None else None


_ENDED = (
    *("state", "outcome", "ended_at", "sealed", "certificate_no", "certificate", "path"),
    "deletes_at",
)


def _end(request: AnyRequest, state: str, outcome: str = "") -> None:
    request.state, request.outcome = state, outcome
    request.ended_at = timezone.now()
    request.sealed = None
    request.save(update_fields=_ENDED)


def _certify(
    request: AnyRequest, tenant: Tenant, number: str, user: User | None, counts: dict[str, int]
) -> None:
    """Give a request its certificate, the last thing of its transaction."""
    place = f"{request.brand.code}-" if isinstance(request, PersonRequest) else "group-"
    content = certificates.content_of(
        number=number,
        what=request.what,
        request=f"{place}{request.pk}",
        tenant=tenant,
        counts=counts,
    )
    request.certificate_no, request.certificate = number, content
    _end(request, State.DONE)
    certificates.hang(content=content, target=request, acting_user=user)


def _erase_lot(tenant: Tenant, at_once: int) -> int:
    """Erase the members of the next requests, and certify each; return how many there were."""
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="erasure"),
        translation.override(tenant.locale),
    ):
        waiting: list[AnyRequest] = []
        for model in MODELS:
            rows = model.objects.filter(state=State.QUEUED, what=What.ERASURE).order_by("pk")
            found = rows.select_for_update(skip_locked=True, of=("self",))
            if model is PersonRequest:
                found = found.select_related("brand")
            waiting += found[: at_once - len(waiting)]
        lot = _Lot.of(tenant, waiting)
        acts: list[Act] = []
        taken: list[tuple[AnyRequest, User]] = []
        for request in waiting:
            try:
                user, profiles, _visible = _profiles(request, lot)
            except RightsRefused as refusal:
                _end(request, State.REFUSED, str(refusal))
                continue
            number = certificates.fresh_number(tenant)
            acts.append(Act(number, tuple(one.pk for one in profiles)))
            taken.append((request, user))
        if acts:
            erased = erase(tenant=tenant, acts=acts)
            files.clean(tenant=tenant, erased=erased)
            _certify_all(taken, acts, erased, tenant)
        return len(waiting)


def _certify_all(
    taken: list[tuple[AnyRequest, User]], acts: list[Act], erased: Erased, tenant: Tenant
) -> None:
    for (request, user), act, counts in zip(taken, acts, erased.counts, strict=True):
        _certify(request, tenant, act.number, user, dict(counts))


def _do_one(tenant: Tenant, failed: dict[type[AnyRequest], set[int]]) -> bool:
    """Do the next request that is no erasure; return whether there was one."""
    for model in MODELS:
        with (
            tenant_transaction(tenant),
            scope.bulk(reason="rights"),
            translation.override(tenant.locale),
        ):
            rows = model.objects.filter(state=State.QUEUED).exclude(pk__in=failed[model])
            rows = rows.exclude(what=What.ERASURE).order_by("pk")
            request = rows.select_for_update(skip_locked=True).first()
            if request is None:
                continue
            try:
                with transaction.atomic():
                    _DO[request.what](request, tenant)
            except RightsRefused as refusal:
                _end(request, State.REFUSED, str(refusal))
            except Exception:
                # Kept waiting: what a fault of ours keeps back is not lost.
                log.exception("request %s %s", model.__name__, request.pk)
                failed[model].add(request.pk)
            return True
    return False


def _copy(request: AnyRequest, tenant: Tenant) -> None:
    _user, profiles, visible = _profiles(request, _Lot.of(tenant, [request]))
    data = copies.make(tenant=tenant, profiles=profiles, visible=visible, request=request)
    request.path = files.keep_copy(data.hex(), tenant.schema_name, request.grant_id or 0)
    request.deletes_at = timezone.now() + KEPT
    _end(request, State.DONE)


def _correct(request: AnyRequest, tenant: Tenant) -> None:
    user, profiles, visible = _profiles(request, _Lot.of(tenant, [request]))
    counts = correction.correct(
        tenant=tenant, request=request, profiles=profiles, visible=visible, acting_user=user
    )
    _certify(request, tenant, certificates.fresh_number(tenant), user, counts)


def _restrict(request: AnyRequest, tenant: Tenant) -> None:
    user, profiles, _visible = _profiles(request, _Lot.of(tenant, [request]))
    count = restriction.restrict(profiles, is_restricted=request.what == What.RESTRICTION)
    generation_bump()
    _certify(request, tenant, certificates.fresh_number(tenant), user, {"members.Profile": count})


_DO: dict[str, Callable[[AnyRequest, Tenant], None]] = {
    What.EXPORT: _copy,
    What.CORRECTION: _correct,
    What.RESTRICTION: _restrict,
    What.LIFTING: _restrict,
}


def _end_copies(tenant: Tenant) -> None:
    """Delete copies that nobody fetched in time, and forget those that were fetched."""
    for model in MODELS:
        for request in model.objects.exclude(path="").select_for_update():
            steps = {what for _of, _pk, what in _steps(model, [request.pk])}
            is_old = request.deletes_at is None or request.deletes_at <= timezone.now()
            if is_old or RequestStep.What.FETCHED in steps:
                place = files.copy_file(request.path, tenant.schema_name, request.grant_id)
                place.unlink(missing_ok=True)
                request.path = ""
                request.save(update_fields=["path"])
