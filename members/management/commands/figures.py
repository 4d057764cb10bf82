from __future__ import annotations

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from members.figures import figures
from members.management.commands._group import find_tenant


class Command(BaseCommand):
    """Print a group's figures, counted from its facts."""

    help = "Print a group's figures, counted from facts; sales in minor units."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group."""
        parser.add_argument("tenant", help="the group's short name")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: object, tenant: str, as_json: bool = False, **options: object) -> None:
        """Print a table, or one JSON object."""
        found = figures(tenant=find_tenant(tenant))
        if as_json:
            self.stdout.write(json.dumps(found, indent=1))
            return
        names = ["members", "persons", "orders", "lines", "sales", "buyers", "repeat_buyers"]
        self.stdout.write(f"{'brand':<16}" + "".join(f"{name:>15}" for name in names))
        for code, counts in found["brands"].items():
            self.stdout.write(f"{code:<16}" + "".join(f"{counts[name]:>15,}" for name in names))
        reach = ", ".join(
            f"{persons:,} in {brands}"
            for brands, persons in found["group"]["persons_by_brands"].items()
        )
        self.stdout.write(f"persons: {found['group']['persons']:,} ({reach or 'none'})")
