"""How people log in: e-mail and password, no sign-up, second factor where the role asks for it."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string

from tenants.models import Grant, User
from tenants.roles import HQ_ROLES, PLATFORM_ROLES


class AccountAdapter(DefaultAccountAdapter):
    """Close sign-up: people are invited by a grant."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse sign-up."""
        return False


def send_password_link(*, request: HttpRequest, user: User) -> None:
    """Send the person an e-mail with a link that lets them set a password on this host."""
    form = ResetPasswordForm({"email": user.email})
    if form.is_valid():
        form.save(request)


def password_link(*, user: User | None) -> str:
    """Return the address on the platform's site that lets a person set a password, once.

    It is what `send_password_link` sends; for nobody, the address where one asks for it.
    """
    if user is None:
        path = reverse("account_reset_password", urlconf=settings.PLATFORM_URLCONF)
    else:
        path = reverse(
            "account_reset_password_from_key",
            urlconf=settings.PLATFORM_URLCONF,
            kwargs={
                "uidb36": user_pk_to_url_str(user),
                "key": app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user),
            },
        )
    return f"{'https' if settings.HTTPS else 'http'}://{settings.PLATFORM_HOST}{path}"


def grant_needs_second_factor(grant: Grant) -> bool:
    """Tell whether a grant is strong enough that a password alone must not open it."""
    return grant.role in HQ_ROLES | PLATFORM_ROLES or grant.engagement_id is not None


def has_second_factor(user: User) -> bool:
    """Tell whether the person has set up an authenticator app."""
    return is_mfa_enabled(user, [Authenticator.Type.TOTP])


def demo_logins() -> list[Any]:
    """Return the demo's invented people, for its login page; nobody outside the demo."""
    return list(import_string(settings.DEMO_LOGINS)) if settings.DEMO else []


def demo_password() -> str:
    """Return the one password of the demo's invented people."""
    return import_string(settings.DEMO_PASSWORD) if settings.DEMO else ""
