"""Import a file of any kind: `import_file GROUP BRAND FILE --kind tags`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from members.management.commands.import_members import Command as ImportMembers
from members.models import ImportJob


class Command(ImportMembers):
    """Import a file of any kind of one brand."""

    help = "Import a file of any kind of one brand: CSV or .xlsx, also packed as .zip or .gz."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ask besides for what the file holds."""
        super().add_arguments(parser)
        parser.add_argument("--kind", choices=ImportJob.Kind.values, required=True)

    def handle(
        self, *args: object, tenant: str, brand: str, file: Path | None = None, **options: object
    ) -> None:
        """Import the file as what it holds."""
        self.kind = str(options.pop("kind"))
        super().handle(*args, tenant=tenant, brand=brand, file=file, **options)  # type: ignore[arg-type]
