"""Write across people, grants and hand-offs."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.models import Engagement, Grant, Handoff, ServiceProvider, Tenant, User
from tenants.places import Place
from tenants.roles import LEVELS, Level, Role

HANDOFF_SECONDS = 30
# How long a platform operator may let themselves into a group.
EMERGENCY_AT_MOST = dt.timedelta(hours=8)


class HandoffRefused(Exception):
    """Say why a hand-off did not log the person in."""


class GrantRefused(ValueError):
    """Say why a grant was not given or ended."""


@transaction.atomic
def user_invite(
    *, email: str, acting_user: User | None, name: str = "", language: str = ""
) -> tuple[User, bool]:
    """Return the person with this e-mail and whether they are new; a new one has no password."""
    found = User.objects.filter(email__iexact=email.strip()).first()
    if found is not None:
        return found, False
    user = User.objects.create_user(email.strip(), None, name=name, language=language)
    audit.record(
        acting_user=acting_user,
        action="user.invite",
        target=user,
        changes={"email": ["", user.email], "name": ["", name]},
    )
    return user, True


def level_of(role: str) -> Level:
    """Return the level at which a role is granted."""
    (level,) = LEVELS[Role(role)]
    return level


def outlasts(until: dt.datetime | None, giver: Grant) -> bool:
    """Tell whether something that ends at UNTIL goes on after the giver's own grant in a group."""
    if giver.tenant_id is None or giver.valid_until is None:
        return False
    return until is None or until > giver.valid_until


@dataclass(frozen=True)
class GrantTerms:
    """Be a grant as asked for: which role, where, through what, until when, and why."""

    role: str
    tenant: Tenant | None = None
    place: Place | None = None
    provider: ServiceProvider | None = None
    engagement: Engagement | None = None
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None
    reason: str = ""


def grant_check(*, user: User | None, terms: GrantTerms, acting_user: User | None) -> None:
    """Raise GrantRefused where these terms are no grant, or not one to give to this person."""
    level = level_of(terms.role)
    if (level not in {Level.PLATFORM, Level.PROVIDER}) != (terms.tenant is not None):
        raise GrantRefused(
            _("Roles inside a group need the group; the platform's own roles have none.")
        )
    if (level == Level.PROVIDER) != (terms.provider is not None):
        raise GrantRefused(
            _("A service provider's operator needs the provider; other roles have none.")
        )
    needs_place = level in {Level.UNIT, Level.BRAND, Level.STORE}
    if needs_place != (terms.place is not None) or (terms.place and terms.place.level != level):
        raise GrantRefused(
            _("The role “%(role)s” is granted at the level “%(level)s”. Choose such a place.")
            % {"role": Role(terms.role).label, "level": level.label}
        )
    if terms.engagement and terms.engagement.tenant_id != (terms.tenant and terms.tenant.pk):
        raise GrantRefused(_("The engagement is with another group."))
    giver = acting_user.acting_grant if acting_user else None
    if giver and giver.engagement_id and giver.engagement_id != getattr(terms.engagement, "pk", 0):
        # Else a provider's person would let others in for longer, and to more, than they may.
        raise GrantRefused(
            _("You act under an engagement. Choose the same one: it is all that you can pass on.")
        )
    if giver and outlasts(terms.valid_until, giver):
        raise GrantRefused(_("Your own grant ends earlier: what you give cannot outlast it."))
    begins = terms.valid_from or timezone.now()
    for time in (begins, terms.valid_until or begins):
        # What lies at the edge of time is stored, and cannot be read back.
        if not 1900 <= time.year <= 2100:
            raise GrantRefused(
                _("The year %(year)d is not between 1900 and 2100.") % {"year": time.year}
            )
    if terms.valid_until is not None and terms.valid_until <= begins:
        raise GrantRefused(_("The grant would end before it begins."))
    if user is None:
        return
    acting = acting_user.acting_grant if acting_user and acting_user.pk == user.pk else None
    if acting is not None and acting.tenant_id is not None:
        # HQ sees of each brand what its mode says; a brand's own role would see all of it.
        raise GrantRefused(_("Nobody gives a grant to themselves. Ask another admin."))
    if (
        acting is not None
        and acting.role == Role.PLATFORM_OPERATOR
        and terms.tenant is not None
        and (
            not terms.reason
            or terms.valid_until is None
            or terms.valid_until > begins + EMERGENCY_AT_MOST
        )
    ):
        raise GrantRefused(
            _(
                "An operator enters a group only in an emergency: give a reason, and an end at "
                "most %(hours)d hours ahead."
            )
            % {"hours": EMERGENCY_AT_MOST.seconds // 3600}
        )
    same = Grant.objects.filter(
        Q(valid_until=None) | Q(valid_until__gt=timezone.now()),
        user=user,
        role=terms.role,
        tenant=terms.tenant,
        provider=terms.provider,
        place_id=terms.place.id if terms.place else None,
        engagement=terms.engagement,
    )
    if same.exists():
        raise GrantRefused(_("This person holds this grant already. Nothing was changed."))


@transaction.atomic
def grant_add(*, user: User, terms: GrantTerms, acting_user: User | None) -> Grant:
    """Let a person act in a role at a place; the role says at which level. Raises GrantRefused."""
    grant_check(user=user, terms=terms, acting_user=acting_user)
    grant = Grant.objects.create(
        user=user,
        role=terms.role,
        level=level_of(terms.role),
        tenant=terms.tenant,
        provider=terms.provider,
        engagement=terms.engagement,
        place_id=terms.place.id if terms.place else None,
        place_name=terms.place.name[:120] if terms.place else "",
        valid_from=terms.valid_from or timezone.now(),
        valid_until=terms.valid_until,
        reason=terms.reason,
        given_by=acting_user,
    )
    audit.record(
        acting_user=acting_user,
        action="grant.add",
        target=grant,
        tenant=terms.tenant,
        target_name=f"{user.email}: {grant}",
        changes={
            "user": ["", user.email],
            "role": ["", str(terms.role)],
            "place": ["", grant.place_name],
            "valid_until": ["", terms.valid_until.isoformat() if terms.valid_until else ""],
            "reason": ["", terms.reason],
        },
    )
    return grant


@transaction.atomic
def grant_end(
    *,
    grant: Grant,
    acting_user: User | None,
    reason: str = "",
    at: dt.datetime | None = None,
) -> Grant:
    """End a grant, now or at a time: the holder's next request no longer finds it.

    One that ends earlier stays as it is. Raises GrantRefused.
    """
    locked = Grant.objects.select_for_update(of=("self",)).get(pk=grant.pk)
    now = timezone.now()
    ends_at = max(at or now, now)
    if locked.valid_until is not None and locked.valid_until <= ends_at:
        return locked
    acting = acting_user.acting_grant if acting_user else None
    if acting is not None and acting.pk == locked.pk:
        raise GrantRefused(_("You act under this grant yourself. Ask another admin to end it."))
    before = locked.valid_until
    # A grant that has not begun yet ends right after it would have begun, as the table demands.
    locked.valid_until = max(ends_at, locked.valid_from + dt.timedelta(microseconds=1))
    locked.reason = reason or locked.reason
    locked.save(update_fields=["valid_until", "reason"])
    audit.record(
        acting_user=acting_user,
        action="grant.end",
        target=locked,
        tenant=locked.tenant,
        target_name=f"{locked.user.email}: {locked}",
        changes={
            "valid_until": [
                before.isoformat() if before else "",
                locked.valid_until.isoformat(),
            ]
        },
    )
    return locked


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def handoff_create(*, grant: Grant, acting_user: User) -> str:
    """Return a token that logs the person in at the grant's group, once, within 30 seconds.

    Only its digest is stored. The grant must be the acting user's own.
    """
    if grant.user_id != acting_user.pk or grant.tenant is None:
        raise HandoffRefused(_("This grant is not yours to enter with."))
    token = secrets.token_urlsafe(32)
    Handoff.objects.create(
        digest=_digest(token), user=acting_user, tenant=grant.tenant, grant=grant
    )
    acting_user.acting_grant = grant
    audit.record(
        acting_user=acting_user, action="handoff.create", target=grant, tenant=grant.tenant
    )
    return token


@transaction.atomic
def handoff_use(*, token: str, tenant: Tenant | None) -> Handoff:
    """Use up a hand-off and return it with its person and grant. Raises HandoffRefused."""
    now = timezone.now()
    row = Handoff.objects.filter(digest=_digest(token), tenant=tenant)
    # One statement decides, so that of two uses at the same moment only one can win.
    won = row.filter(
        used_at=None, created_at__gt=now - dt.timedelta(seconds=HANDOFF_SECONDS)
    ).update(used_at=now)
    if not won:
        raise HandoffRefused(
            _("This link was used already, or its %(seconds)d seconds are over.")
            % {"seconds": HANDOFF_SECONDS}
        )
    handoff = row.select_related("user", "grant__tenant").get()
    grant = Grant.objects.current().filter(pk=handoff.grant_id, tenant=tenant).first()
    if grant is None:
        raise HandoffRefused(_("Your access to this group has ended."))
    user = handoff.user
    user.acting_grant = grant
    audit.record(acting_user=user, action="handoff.use", target=grant)
    return handoff


def handoffs_purge() -> int:
    """Delete hand-offs that nobody can use any more; return how many."""
    old = timezone.now() - dt.timedelta(days=1)
    deleted, _by_model = Handoff.objects.filter(created_at__lt=old).delete()
    return deleted
