"""Check that no event of the audit was changed, removed, moved, inserted or cut off."""

from __future__ import annotations

import re
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import audit_chain
from tenants.models import Tenant

_NOTED = re.compile(r"^(\d+):([0-9a-f]{64})\Z")


class Command(BaseCommand):
    """Go through the audit's chains and name the first event that does not fit."""

    help = (
        "Check the audit's chain of a GROUP (its short name, or “platform”), or of --all. "
        "Ends with 1 where an event does not fit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a group or --all."""
        parser.add_argument("group", nargs="?", metavar="GROUP")
        parser.add_argument("--all", action="store_true", help="every chain, the platform's too")
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            metavar="NUMBER:DIGEST",
            help="an event's number and digest as an earlier run printed them; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and print one line for each chain."""
        if bool(options["group"]) == options["all"]:
            raise CommandError("Name one group (or “platform”), or say --all. Nothing was checked.")
        if options["all"] and options["expect"]:
            raise CommandError("--expect is about one chain: name its group. Nothing was checked.")
        names = {audit_chain.PLATFORM: "platform"}
        names |= dict(Tenant.objects.values_list("pk", "schema_name"))
        if options["all"]:
            chains = audit_chain.chains()
        else:
            chains = [pk for pk, name in names.items() if name == options["group"]]
            if not chains:
                raise CommandError(
                    f"There is no group “{options['group']}”. Nothing was checked. "
                    f"The groups are: {', '.join(sorted(names.values()))}."
                )
        expected = dict(map(self._noted, options["expect"]))
        broken = 0
        for chain in chains:
            name = names.get(chain, f"group {chain}, which is gone")
            result = audit_chain.verify(chain, expected=expected, say=self._progress(name))
            if result.is_whole:
                end = f", end {result.events}:{result.digest.hex()}" if result.events else ""
                self.stdout.write(f"{name}: {result.events} events, whole{end}")
            else:
                broken += 1
                self.stdout.write(f"{name}: {result.words} {result.events} events before it fit.")
        if broken:
            raise CommandError(
                f"{broken} of {len(chains)} chains do not fit. Nothing was changed. Keep the "
                "database as it is and compare it with a backup from before.",
                returncode=1,
            )

    def _noted(self, text: str) -> tuple[int, bytes]:
        match = _NOTED.match(text)
        if match is None:
            raise CommandError(
                f"“{text}” is not NUMBER:DIGEST as this command prints it. Nothing was checked."
            )
        return int(match[1]), bytes.fromhex(match[2])

    def _progress(self, name: str) -> Any:
        def say(number: int) -> None:
            if sys.stderr.isatty():
                self.stderr.write(f"\r{name}: {number}", ending="")

        return say
