from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from config.embedded import EmbeddedError, __main__
from config.embedded.folder import VarFolder, default_var


class Command(BaseCommand):
    """Start, stop or show the embedded PostgreSQL and Valkey."""

    help = "Start, stop or show the embedded PostgreSQL and Valkey; they outlive this command."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the one word that says what to do."""
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *args: object, action: str, **options: object) -> None:
        """Do it by the same code as `python -m config.embedded`, which needs no settings."""
        do = {"start": __main__.start, "stop": __main__.stop, "status": __main__.status}[action]
        try:
            code = do(VarFolder(default_var()))
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        if code:
            raise CommandError("Not all services run.", returncode=code)
