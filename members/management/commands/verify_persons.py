from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from brands.wall import scope
from members.identity.partition import persons_differing
from members.identity.whole import resolve_group
from members.management.commands._group import find_tenant
from tenants.context import tenant_transaction


class Command(BaseCommand):
    """Work out anew who is one person, and compare it with what is kept."""

    help = (
        "Work out from links, rules and decisions who is one person, and compare; exit 1 if "
        "members are with other people than that. With --mend bring them up to date."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group, and say whether to write."""
        parser.add_argument("tenant", help="the group's short name")
        parser.add_argument("--mend", action="store_true", help="resolve the whole group anew")

    def handle(self, *args: object, tenant: str, mend: bool, **options: object) -> None:
        """Print one line for each comparison."""
        group = find_tenant(tenant)
        if mend:
            self.stdout.write(f"{resolve_group(tenant=group):,} memberships moved")
        with (
            tenant_transaction(group),
            scope.bulk(reason="check"),
            connection.cursor() as cursor,
        ):
            found = persons_differing(cursor)
        for name, differing in found.items():
            self.stdout.write(f"{'ok' if not differing else 'DIFFERS':<8} {name}: {differing:,}")
        if any(found.values()):
            raise CommandError(
                "Some members are with other people than links, rules and decisions say. Nothing "
                "was changed. After a change of the rules a resolution may still be running: look "
                "at “How persons are joined”, or run this again with --mend."
            )
