"""Migrate the public schema, then every group's, and write policies and privileges anew."""

from typing import Any

from django.core.management.base import BaseCommand

from tenants import migration, schedules


class Command(BaseCommand):
    """Bring the whole database to today's models; safe to run again."""

    help = "Migrates the public schema and every group's schema, with policies and privileges."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the migrations and say what ran."""
        migration.migrate_public(verbosity=0)
        schedules.ensure()
        self.stdout.write("public: up to date")
        migration.migrate_groups(say=self.stdout.write)
