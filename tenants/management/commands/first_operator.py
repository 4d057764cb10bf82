"""Let the first person in: whoever may run commands as the owner names the platform's operator."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import ProgrammingError, transaction

from tenants.accounts import password_link
from tenants.models import Grant, User
from tenants.roles import Role
from tenants.services import GrantRefused, GrantTerms, grant_add, user_invite


class Command(BaseCommand):
    """Make the platform's first operator, and print the link that lets them set a password."""

    help = (
        "Make EMAIL the platform's first operator and print a link, good once, to set a password. "
        "Run it again for the same EMAIL where the link was lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the person."""
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--name", default="", help="how pages call the person")
        parser.add_argument(
            "--another", action="store_true", help="also where there is an operator already"
        )

    def handle(self, *args: Any, email: str, name: str, another: bool, **options: Any) -> None:
        """Invite the person, give the grant, print the link."""
        email = email.strip().lower()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"“{email}” is no e-mail address. Nothing was changed.") from error
        try:
            user = self._operator(email, name, another=another)
        except GrantRefused as error:
            raise CommandError(str(error)) from error
        except ProgrammingError as error:
            if getattr(error.__cause__, "sqlstate", "") != "42P01":
                raise
            raise CommandError(
                "The database has no tables yet. Nothing was changed. Run migrate_groups first."
            ) from error
        if user.has_usable_password():
            self.stdout.write(f"{email} is an operator now, with the password they have already.")
            return
        days = settings.PASSWORD_RESET_TIMEOUT // 86_400
        self.stdout.write(f"{email} is an operator. To set a password, within {days} days, once:")
        self.stdout.write(f"  {password_link(user=user)}")
        self.stdout.write("Then log in there and make the first group: New group.")

    @transaction.atomic
    def _operator(self, email: str, name: str, *, another: bool) -> User:
        operators = Grant.objects.current().filter(role=Role.PLATFORM_OPERATOR)
        mine = operators.filter(user__email__iexact=email).select_related("user").first()
        if mine is not None:
            if not mine.user.has_usable_password():
                return mine.user
            raise CommandError(
                f"{email} is an operator and has a password. Nothing was changed. A lost password "
                f"is set anew by e-mail: {password_link(user=None)}"
            )
        if operators.exists() and not another:
            raise CommandError(
                "There is an operator already. Nothing was changed. They invite others on the "
                "platform's site, under People; where nobody can log in any more, say --another."
            )
        user, _is_new = user_invite(email=email, name=name, acting_user=None)
        if not user.is_active:
            raise CommandError(
                f"The login of {email} is switched off. Nothing was changed. An operator switches "
                "it on under People; or name another address."
            )
        grant_add(user=user, terms=GrantTerms(role=Role.PLATFORM_OPERATOR), acting_user=None)
        return user
