"""Check a certificate of erasure, correction or restriction against the audit."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from members.rights.certificates import fault
from tenants.models import Tenant


class Command(BaseCommand):
    """Say whether a certificate's file is one that this installation gave, unchanged."""

    help = "Check a certificate (the JSON file of it) against the audit's chain."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("file", type=Path, help="the certificate, as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the certificate's number and that it holds, or fail with the reason."""
        try:
            content = json.loads(options["file"].read_text("utf-8"))
            tenant = Tenant.objects.get(schema_name=content["group"])
        except (OSError, ValueError, TypeError, KeyError, Tenant.DoesNotExist) as error:
            raise CommandError(
                "This is no certificate of a group of this installation. Nothing was checked."
            ) from error
        if reason := fault(content, tenant=tenant):
            raise CommandError(reason)
        self.stdout.write(f"{content['number']}: whole, as the audit keeps it.")
