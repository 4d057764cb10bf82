"""Make, exchange, revoke and find the tokens by which programs act under a grant."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.models import ApiToken, Grant, Tenant, TokenAction, User
from tenants.roles import PERMISSIONS, Role
from tenants.wording import listed

PREFIX = "slc_"
_PREFIX_SHOWN = 10
_BYTES = 32
_LONGEST = 100
DAYS_OFFERED = (30, 90, 365)
# How long the old token of two goes on, so that no program stands still while it is exchanged.
EXCHANGE_WAIT = dt.timedelta(days=1)
_USE_NOTED_EVERY = dt.timedelta(hours=1)

# What the role of the grant must permit besides.
NEEDED = {
    TokenAction.READ_MEMBERS: "members.view_profile",
    TokenAction.READ_CONTACTS: "members.view_profile",
    TokenAction.READ_ORDERS: "members.view_order",
    TokenAction.READ_CONSENTS: "members.view_consent",
    TokenAction.WRITE_CONSENTS: "members.add_consent",
    TokenAction.READ_RULES: "brands.view_notice",
    TokenAction.READ_EVENTS: "members.view_order",
    TokenAction.READ_TAGS: "members.view_profile",
    TokenAction.READ_SEGMENTS: "members.view_segment",
    TokenAction.READ_JOBS: "members.view_importjob",
    # What is handed in line by line is what a file would bring.
    TokenAction.WRITE_MEMBERS: "members.add_importjob",
    TokenAction.WRITE_ORDERS: "members.add_importjob",
    TokenAction.WRITE_EVENTS: "members.add_importjob",
    TokenAction.WRITE_TAGS: "members.add_importjob",
}


class TokenRefused(ValueError):
    """Say why a token was not made or exchanged."""


def actions_of(grant: Grant) -> list[TokenAction]:
    """Return what a token of this grant could be used for."""
    permitted = PERMISSIONS[Role(grant.role)]
    return [
        action
        for action in TokenAction
        if NEEDED[action] in permitted
        and (action is not TokenAction.READ_CONTACTS or grant.includes_contact)
    ]


def tokens_shown(*, grant: Grant) -> QuerySet[ApiToken]:
    """Return the tokens that the holder of a grant may know of: their own; for HQ the group's."""
    tokens = ApiToken.objects.select_related("grant__user", "grant__tenant", "grant__engagement")
    if _answers_for_group(grant):
        return tokens.filter(grant__tenant=grant.tenant)
    return tokens.filter(grant=grant) if grant.pk else tokens.none()


def _answers_for_group(grant: Grant) -> bool:
    """Tell whether a grant's holder watches over the group's tokens: HQ, itself and not looked as.

    An unsaved grant is one that HQ looks at the site through.
    """
    return bool(grant.pk) and grant.role == Role.HQ_ADMIN and grant.engagement_id is None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _new(
    *,
    grant: Grant,
    name: str,
    actions: list[str],
    expires_at: dt.datetime,
    brands: Mapping[str, str],
    begun_as: int | None = None,
) -> tuple[ApiToken, str]:
    text = PREFIX + secrets.token_urlsafe(_BYTES)
    token = ApiToken.objects.create(
        grant=grant,
        name=name,
        digest=_digest(text),
        prefix=text[:_PREFIX_SHOWN],
        actions=actions,
        expires_at=expires_at,
        brands=brands,
        begun_as=begun_as,
    )
    return token, text


@transaction.atomic
def token_create(
    *,
    grant: Grant,
    name: str,
    actions: list[str],
    days: int,
    acting_user: User,
    brands: Mapping[int, str] | None = None,
) -> tuple[ApiToken, str]:
    """Make a token of the acting user's own grant; return it with its text, which is not kept.

    BRANDS are number → name of those that it is for; none for all that the grant shows. Whatever
    they are, it shows nothing that the grant does not. Raises TokenRefused, in words.
    """
    acting = acting_user.acting_grant
    if acting is None or grant.pk is None or acting.pk != grant.pk:
        raise TokenRefused(_("A token is made for the grant one acts under. Nothing was made."))
    # The holder's tokens are made one after another, so that no name is given twice.
    Grant.objects.select_for_update(of=("self",)).get(pk=grant.pk)
    name = name.strip()
    if not name:
        raise TokenRefused(_("Give the token a name that says which program uses it."))
    if not actions:
        raise TokenRefused(_("Choose at least one thing that the token may be used for."))
    if beyond := set(actions) - {str(action) for action in actions_of(grant)}:
        raise TokenRefused(
            _("Your grant does not allow: %(actions)s. Nothing was made.")
            % {"actions": listed(sorted(beyond))}
        )
    if days not in DAYS_OFFERED:
        raise TokenRefused(_("Choose for how many days the token holds."))
    if ApiToken.objects.alive().filter(grant=grant, name=name).exists():
        raise TokenRefused(
            _("You have a token of this name already. Choose another name, or exchange that one.")
        )
    token, text = _new(
        grant=grant,
        name=name,
        actions=sorted(actions),
        expires_at=timezone.now() + dt.timedelta(days=days),
        brands={str(number): kept for number, kept in (brands or {}).items()},
    )
    of_brands = {"brands": ["", ", ".join(token.brand_names)]} if token.brands else {}
    audit.record(
        acting_user=acting_user,
        action="apitoken.create",
        target=token,
        changes={
            "actions": ["", ", ".join(token.actions)],
            **of_brands,
            "expires_at": ["", token.expires_at.isoformat()],
        },
    )
    return token, text


@transaction.atomic
def token_exchange(*, token: ApiToken, acting_user: User) -> tuple[ApiToken, str]:
    """Make a new token in the place of one's own old one, which goes on for a day.

    The new one holds for as many days as the old one did. Raises TokenRefused.
    """
    old = ApiToken.objects.select_for_update().get(pk=token.pk)
    acting = acting_user.acting_grant
    if acting is None or old.grant_id != acting.pk or not old.is_alive:
        raise TokenRefused(_("This token is over. Nothing was changed. Make a new one."))
    now = timezone.now()
    actions = [str(action) for action in actions_of(acting) if action in old.actions]
    new, text = _new(
        grant=acting,
        name=old.name,
        actions=actions,
        expires_at=now + (old.expires_at - old.created_at),
        brands=old.brands,
        begun_as=old.begun_as or old.pk,
    )
    old.expires_at = min(old.expires_at, now + EXCHANGE_WAIT)
    old.name = _("%(name)s (exchanged)") % {"name": old.name[:60]}
    old.save(update_fields=["expires_at", "name"])
    audit.record(
        acting_user=acting_user,
        action="apitoken.exchange",
        target=new,
        changes={"prefix": [old.prefix, new.prefix]},
    )
    return new, text


@transaction.atomic
def token_revoke(*, token: ApiToken, acting_user: User) -> ApiToken:
    """End a token now: the next request with it is refused."""
    locked = ApiToken.objects.select_for_update().get(pk=token.pk)
    if locked.revoked_at is not None:
        return locked
    locked.revoked_at = timezone.now()
    locked.save(update_fields=["revoked_at"])
    audit.record(acting_user=acting_user, action="apitoken.revoke", target=locked)
    return locked


def token_find(*, text: str, tenant: Tenant) -> ApiToken | None:
    """Return the token that opens something at this group now, with its grant; else None.

    A token of another group, one that ended, and one whose grant ended are all no token.
    """
    if not text.startswith(PREFIX) or len(text) > _LONGEST:
        return None
    token = (
        ApiToken.objects.alive()
        .filter(digest=_digest(text), grant__tenant=tenant, grant__in=Grant.objects.current())
        .select_related("grant__user", "grant__tenant", "grant__engagement")
        .first()
    )
    if token is None:
        return None
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _USE_NOTED_EVERY:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
        ApiToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=now)
    return token
