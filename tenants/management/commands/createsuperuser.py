"""Stand in front of Django's command: nobody here stands above the grants."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Say which command lets the first person in."""

    help = "Not here: see first_operator."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whatever Django's own command takes."""
        parser.add_argument("--username", "--email", "--database")
        parser.add_argument("--noinput", "--no-input", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse."""
        raise CommandError(
            "Sluice has no superuser: what a person may do comes from grants. Nothing was "
            "changed. The platform's first operator is made by: manage.py first_operator EMAIL"
        )
