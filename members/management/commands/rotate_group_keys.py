"""Change a group's own keys."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from brands.wall import scope
from members.index_rotation import index_rotate
from members.keys import KeysUnopened
from members.management.commands._group import find_tenant
from members.models import KeyRotation
from members.rotation import RotationRefused, rotation_ask, rotation_run
from tenants.context import tenant_transaction
from tenants.models import Tenant


class Command(BaseCommand):
    """Seal a group's data under a new key, or key its identifiers anew."""

    help = (
        "Make a new data key of a GROUP and seal everything with it, while the group works; goes "
        "on where a former run stopped. With --index: key identifiers anew instead, in one "
        "transaction that holds the group's imports and batches back until its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group and the key."""
        parser.add_argument("tenant", help="the group's short name")
        parser.add_argument("--index", action="store_true", help="the key of identifiers")
        parser.add_argument(
            "--leave-unexplained",
            action="store_true",
            help="with --index: let identities go that no contact explains",
        )

    def handle(
        self,
        *args: Any,
        tenant: str,
        index: bool = False,
        leave_unexplained: bool = False,
        **options: Any,
    ) -> None:
        """Change the key and say what became of it."""
        group = find_tenant(tenant)
        try:
            if index:
                self._index(group, leave_unexplained)
            else:
                self._data(group)
        except (RotationRefused, KeysUnopened) as error:
            raise CommandError(str(error)) from error

    def _index(self, group: Tenant, leave: bool) -> None:
        self.stdout.write("Imports and batches of the group wait until this is done.")
        done = index_rotate(
            tenant=group,
            leaves_unexplained=leave,
            say=lambda rows: self.stdout.write(f"{rows} contacts read"),
        )
        self.stdout.write(f"{done.contacts} contacts and {done.identities} identities keyed anew")
        for kind, number in done.unexplained.items():
            self.stdout.write(f"{number} identities ({kind}) had no contact and are found no more")

    def _data(self, group: Tenant) -> None:
        with tenant_transaction(group), scope.bulk(reason="keys"):
            open_ones = KeyRotation.objects.filter(
                purpose="data", state__in=[KeyRotation.State.WAITING, KeyRotation.State.RUNNING]
            )
            if not open_ones.exists():
                rotation_ask(acting_user=None)
        done = rotation_run(
            tenant=group, say=lambda one: self.stdout.write(f"{one.rows} rows sealed anew")
        )
        if done is None:
            return
        if done.is_open:
            self.stdout.write(
                "Everything is sealed with the new key. The former one is deleted within the hour "
                "by beat, or by running this again: work that began before may still need it."
            )
        elif done.error:
            raise CommandError(done.error, returncode=1)
        else:
            self.stdout.write(f"Done: {done.retired} former keys deleted.")
