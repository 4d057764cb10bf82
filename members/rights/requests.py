"""Hand in what people ask, check who asks, refuse, fetch: what pages do, as the app role."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from brands.wall.visibility import Visible
from members import contacts, locks
from members.keys import KeysUnopened, sealing_keys
from members.models import (
    GroupPersonRequest,
    GroupPersonRequestStep,
    PersonRequest,
    PersonRequestStep,
    Profile,
)
from members.models.rights import Request, RequestStep
from members.rights import files
from members.rights.errors import RightsRefused
from members.rights.rules import rule_now
from tenants import audit
from tenants.connection import connection
from tenants.models import User

AnyRequest = PersonRequest | GroupPersonRequest
# Contact fields and those of the profile that a person may have put right.
CORRECTED = ("name", "phone", "email", "card_no", "unionid", "birthday", "gender")


def may_ask(visible: Visible, profile: Profile) -> str:
    """Return "own" where the viewer's brand acts on this member, "group" where HQ does, or ""."""
    if visible.viewer.is_looked_as:
        return ""
    if profile.brand_id in visible.write_brands:
        return "own"
    return "group" if visible.writes_group else ""


@transaction.atomic
def request_enter(
    *,
    visible: Visible,
    profile: Profile,
    what: str,
    through: str,
    acting_user: User,
    received_at: dt.datetime | None = None,
    checked: str = "",
    right: dict[str, str] | None = None,
    is_for_group: bool = False,
    request_key: uuid.UUID | None = None,
) -> AnyRequest:
    """Hand in a request about a member that the viewer sees; a worker does it when committed.

    RIGHT holds field → value of a correction. Raises RightsRefused in words.
    """
    whose = may_ask(visible, profile)
    grant = acting_user.acting_grant
    if not whose or grant is None:
        raise RightsRefused(
            _("Requests are taken by the member's own brand or by HQ. Nothing was recorded.")
        )
    received_at = received_at or timezone.now()
    if received_at > timezone.now():
        raise RightsRefused(
            _("A request cannot come from the future. Nothing was recorded. Give the day it came.")
        )
    if what == Request.What.CORRECTION and not right:
        raise RightsRefused(_("Nothing was recorded: say what is to be corrected."))
    fields: dict[str, Any] = {
        "what": Request.What(what),
        "profile_id": profile.pk,
        "received_at": received_at,
        "received_through": Request.Through(through),
        "due_at": rule_now().due(received_at),
        "checked": checked,
        "sealed": contacts.seal(sealing_keys(), right) if right else None,
        "language": get_language() or "",
        "entered_by": acting_user,
        "entered_by_name": str(acting_user)[:120],
        "grant_id": grant.pk,
    }
    key = request_key or uuid.uuid4()
    request: AnyRequest
    try:
        with transaction.atomic():
            if whose == "own":
                request, is_new = PersonRequest.objects.get_or_create(
                    brand_id=profile.brand_id,
                    request_key=key,
                    defaults={"is_for_group": is_for_group, **fields},
                )
            else:
                request, is_new = GroupPersonRequest.objects.get_or_create(
                    request_key=key, defaults={"brand_set": visible.group_set, **fields}
                )
    except IntegrityError as error:
        raise RightsRefused(
            _("A request was handed in with this key before. Load the page again.")
        ) from error
    if is_new:
        # HQ reads the audit in every mode: it says what is asked of whom, not about which member.
        audit.record(
            acting_user=acting_user,
            action="personrequest.request",
            target=request,
            target_name=str(profile.brand) if whose == "own" else _("Group"),
            changes={"what": ["", what]},
        )
    rights_enqueue()
    return request


@transaction.atomic
def request_check(*, request: AnyRequest, checked: str, acting_user: User) -> None:
    """Say that it is the person who asks, and how that was found; a worker then does it."""
    if request.state != Request.State.RECEIVED:
        raise RightsRefused(_("This request is past that step. Nothing was changed."))
    _step(request, RequestStep.What.CHECKED, acting_user, checked=Request.Checked(checked))
    _audited(request, "check", acting_user, {"checked": ["", checked]})
    rights_enqueue()


@transaction.atomic
def request_refuse(*, request: AnyRequest, reason: str, acting_user: User) -> None:
    """Refuse a request that nobody has begun with, with the reason that the person is told."""
    if request.state != Request.State.RECEIVED:
        raise RightsRefused(_("This request is past that step. Nothing was changed."))
    if not reason.strip():
        raise RightsRefused(_("Nothing was changed: a refusal needs its reason (PIPL art. 50)."))
    _step(request, RequestStep.What.REFUSED, acting_user, reason=reason.strip()[:300])
    _audited(request, "refuse", acting_user, {})
    rights_enqueue()


def copy_fetch(*, request: AnyRequest, acting_user: User, schema_name: str) -> bytes:
    """Return the copy that a request was for, once, and delete it; raises RightsRefused.

    Whoever checked the person gets it, under the same grant.
    """
    grant = acting_user.acting_grant
    is_asker = grant is not None and grant.pk == request.grant_id
    if not is_asker or request.entered_by_id != acting_user.pk:
        raise RightsRefused(_("Only whoever asked for the copy fetches it, under the same access."))
    gone = _("The copy is gone: it is handed out once, and kept for days. Ask for a new one.")
    if not request.path or (request.deletes_at and request.deletes_at <= timezone.now()):
        raise RightsRefused(gone)
    # Copies are sealed anew while nobody has one in hand.
    locks.hold_keys(is_shared=True)
    try:
        with transaction.atomic():
            _step(request, RequestStep.What.FETCHED, acting_user)
            _audited(request, "download", acting_user, {})
            text = files.take_copy(request.path, schema_name, request.grant_id or 0)
    except (IntegrityError, OSError, ValueError, KeysUnopened) as error:
        raise RightsRefused(gone) from error
    return bytes.fromhex(text)


def is_fetched(request: AnyRequest) -> bool:
    """Tell whether the copy was handed out."""
    return any(step.what == RequestStep.What.FETCHED for step in steps_of(request))


def steps_of(request: AnyRequest) -> list[Any]:
    """Return what was done about a request, the first step first."""
    if isinstance(request, PersonRequest):
        own = PersonRequestStep.objects.filter(brand_id=request.brand_id, request_id=request.pk)
        return list(own.order_by("made_at", "pk"))
    return list(
        GroupPersonRequestStep.objects.filter(request_id=request.pk).order_by("made_at", "pk")
    )


def _step(request: AnyRequest, what: str, acting_user: User, **fields: Any) -> None:
    grant = acting_user.acting_grant
    said = {
        "request_id": request.pk,
        "what": what,
        "made_by": acting_user,
        "made_by_name": str(acting_user)[:120],
        "grant_id": grant.pk if grant else None,
        **fields,
    }
    try:
        with transaction.atomic():
            if isinstance(request, PersonRequest):
                PersonRequestStep.objects.create(brand_id=request.brand_id, **said)
            else:
                GroupPersonRequestStep.objects.create(brand_set=request.brand_set, **said)
    except IntegrityError as error:
        raise RightsRefused(_("Somebody has done that before. Nothing was changed.")) from error


def _audited(request: AnyRequest, act: str, acting_user: User, changes: dict[str, Any]) -> None:
    name = str(request.brand) if isinstance(request, PersonRequest) else _("Group")
    audit.record(
        acting_user=acting_user,
        action=f"personrequest.{act}",
        target=request,
        target_name=name,
        changes=changes,
    )


def rights_enqueue() -> None:
    """Ask for `members.run_rights` in this group once the current transaction is committed."""
    waiting = (getattr(act, "func", None) for _savepoints, act, _robust in connection.run_on_commit)
    if _send not in waiting:
        # What no worker was told of is found by the scheduler.
        transaction.on_commit(partial(_send, connection.schema_name), robust=True)


def _send(schema_name: str) -> None:
    from members.tasks import run_rights

    run_rights.apply_async(headers={"_schema_name": schema_name})
