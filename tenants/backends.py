"""Authenticate by e-mail and password; authorise by the grant acted under."""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from tenants import door
from tenants.connection import connection
from tenants.models import Tenant, User


class GrantBackend(BaseBackend):
    """Answer permission questions from the one table role → permissions."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the active person whose e-mail and password these are."""
        email = username or kwargs.get("email")
        if not email or password is None:
            return None
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            # Spend the time a wrong password would, so that a stranger learns nothing.
            User().set_password(password)
            return None
        return user if user.is_active and user.check_password(password) else None

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session, unless they were switched off; at a group with grants."""
        if isinstance(connection.tenant, Tenant):
            return door.person_of(user_id, tenant=connection.tenant)
        return User.objects.filter(pk=user_id, is_active=True).first()
