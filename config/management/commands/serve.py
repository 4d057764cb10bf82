import os
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import serving
from config.embedded import EmbeddedError
from config.embedded.folder import require_port
from config.embedded.supervisor import Supervisor


class Command(BaseCommand):
    """Serve the web, the worker and the scheduler until Ctrl-C."""

    help = "Serve web, worker and beat on this machine until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the port, which PORT sets as well."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))

    def handle(self, *args: object, port: int, **options: object) -> None:
        """Run the children; one that ends by itself ends the others and fails the command."""
        try:
            require_port(port)
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        serving.collect_static()
        code = Supervisor(serving.children(port)).run(
            is_ready=lambda: serving.is_ready(port),
            when_ready=lambda: self.stdout.write(
                f"Sluice is ready on port {port}: http://{settings.PLATFORM_HOST}/"
            ),
        )
        if code:
            raise SystemExit(code)
