"""Bring the message catalogues up to date, without gettext's tools."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import catalogues

LOCALES = ("zh_Hans",)


class Command(BaseCommand):
    """Extract, merge and compile; or check that nothing lacks a translation."""

    help = "Extracts messages, merges them into locale/ and compiles; --check only looks."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --check."""
        parser.add_argument("--check", action="store_true", help="change nothing, fail on gaps")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        """Write the catalogues, or name what they lack."""
        for locale in LOCALES:
            catalogue = catalogues.merge(locale)
            missing = catalogues.untranslated(catalogue)
            if check:
                self._refuse(locale, "lack a translation", missing)
                self._refuse(
                    locale, "have other placeholders or tags", catalogues.mismatched(catalogue)
                )
                if not catalogues.is_compiled(locale):
                    raise CommandError(
                        f"{locale}: django.mo differs from django.po. Nothing was changed; "
                        "run manage.py catalogues."
                    )
            else:
                catalogues.save(locale, catalogue)
            self.stdout.write(f"{locale}: {len(catalogue)} messages, {len(missing)} missing")

    def _refuse(self, locale: str, what: str, messages: list[str]) -> None:
        if messages:
            named = "\n  ".join(messages[:20])
            raise CommandError(
                f"{locale}: {len(messages)} messages {what}. Nothing was changed; correct them in "
                f"{catalogues.po_path(locale)}, then run manage.py catalogues.\n  {named}"
            )
