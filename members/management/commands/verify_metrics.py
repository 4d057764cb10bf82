from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from members.figures import compare
from members.management.commands._group import find_tenant


class Command(BaseCommand):
    """Compare roll-ups and copied columns with the facts."""

    help = "Compare roll-ups, totals and copied columns with the facts; exit 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group."""
        parser.add_argument("tenant", help="the group's short name")

    def handle(self, *args: object, tenant: str, **options: object) -> None:
        """Print one line for each comparison."""
        found = compare(tenant=find_tenant(tenant))
        for name, differing in found.items():
            self.stdout.write(f"{'ok' if not differing else 'DIFFERS':<8} {name}: {differing:,}")
        if any(found.values()):
            raise CommandError(
                "Some roll-ups differ from the facts, which are unchanged. If only “pending” is "
                "above 0, an import is still running or was stopped: run it to its end."
            )
