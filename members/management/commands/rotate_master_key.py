"""Wrap every group's keys anew under a new master key."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from members.keys import KeysUnopened
from members.rotation import master_rewrap
from tenants.master_key import EnvironmentKey, MasterKeyProvider, master_key, provider, read_key
from tenants.models import Tenant


class Command(BaseCommand):
    """Wrap the keys of all groups anew, one transaction for each group."""

    help = (
        "Wrap the keys of all groups anew under MASTER_KEY, where FORMER_MASTER_KEYS or Vault's "
        "former version wrapped them. Run again after a stop: what is done stays done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the new key from a file where the settings do not hold it yet."""
        parser.add_argument(
            "--new-key-file",
            type=Path,
            help="a file with the new key, for when every process is stopped: wrap what MASTER_KEY "
            "opens under it. Start the processes with the new key as MASTER_KEY afterwards, and "
            "the old one in FORMER_MASTER_KEYS",
        )

    def handle(self, *args: Any, new_key_file: Path | None = None, **options: Any) -> None:
        """Go through the groups; end with 1 where the keys of one cannot be opened."""
        master = self._master(new_key_file)
        failed = []
        for tenant in Tenant.objects.filter(
            status__in=[Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED]
        ).order_by("schema_name"):
            try:
                changed = master_rewrap(tenant=tenant, master=master)
            except KeysUnopened as error:
                failed.append(tenant.schema_name)
                self.stderr.write(f"{tenant.schema_name}: {error}")
                continue
            words = f"{changed} keys wrapped anew" if changed else "done before"
            self.stdout.write(f"{tenant.schema_name}: {words}")
        if failed:
            raise CommandError(
                f"The keys of {len(failed)} groups could not be opened and stay as they are: "
                f"{', '.join(failed)}. Keep the former key until they are.",
                returncode=1,
            )

    def _master(self, file: Path | None) -> MasterKeyProvider:
        if file is None:
            return provider()
        if settings.MASTER_KEY_PROVIDER != "tenants.master_key.EnvironmentKey":
            raise CommandError("--new-key-file is for keys of the environment. Nothing was done.")
        try:
            new = read_key(file.read_text().strip(), str(file))
        except (OSError, ImproperlyConfigured) as error:
            raise CommandError(f"{error} Nothing was done.") from error
        former = (read_key(text, "FORMER_MASTER_KEYS") for text in settings.FORMER_MASTER_KEYS)
        return EnvironmentKey(new, (master_key(), *former))
