from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from brands.wall import scope
from members.imports.files import digest_of
from members.imports.report import rejected_file
from members.imports.services import ImportRefused, import_again_from, import_create, import_run
from members.management.commands._group import find_brand, find_tenant
from members.models import ImportJob
from tenants.context import tenant_transaction

_SECONDS_BETWEEN_LINES = 2.0


class Command(BaseCommand):
    """Import members of one brand from a CSV file."""

    help = "Import members of one brand from a CSV file (UTF-8, UTF-16 or GB18030)."
    kind: str = ImportJob.Kind.MEMBERS

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group, the brand and the file."""
        parser.add_argument("tenant", help="the group's short name")
        parser.add_argument("brand", help="the brand's code")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--resume", action="store_true", help="go on with the last stopped import of this file"
        )
        parser.add_argument(
            "--no-figures", action="store_true", help="leave totals and roll-ups pending"
        )

    def handle(
        self,
        *args: object,
        tenant: str,
        brand: str,
        file: Path,
        resume: bool = False,
        no_figures: bool = False,
        **options: object,
    ) -> None:
        """Import the file, say how far it is, and end with what became of its rows."""
        group = find_tenant(tenant)
        with tenant_transaction(group), scope.bulk(reason="import"):
            found = find_brand(brand)
            job = self._stopped(found.pk, file) if resume else None
            if job is None:
                try:
                    job = import_create(brand=found, kind=self.kind, path=file, file_name=file.name)
                except ImportRefused as error:
                    raise CommandError(str(error)) from error
        self._said = time.monotonic()
        try:
            job = import_run(tenant=group, job_id=job.pk, progress=self._say, finish=not no_figures)
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. What was committed is kept; the same command with --resume goes on.",
                returncode=130,
            ) from None
        self.stdout.write(
            f"{job.get_state_display()}: {job.rows_read:,} rows read, {job.rows_created:,} "
            f"created, {job.rows_updated:,} changed, {job.rows_unchanged:,} unchanged, "
            f"{job.rows_repeated:,} repeated, {job.rows_rejected:,} rejected"
        )
        if job.rows_rejected:
            place = rejected_file(job, group.schema_name)
            self.stdout.write(f"Rejected rows, each with its reason: {place}")
        if job.state != ImportJob.State.DONE:
            raise CommandError(job.error)

    def _stopped(self, brand_id: int, file: Path) -> ImportJob | None:
        states = [ImportJob.State.RUNNING, ImportJob.State.FAILED, ImportJob.State.QUEUED]
        jobs = ImportJob.objects.filter(
            brand=brand_id, kind=self.kind, file_name=file.name[:200], state__in=states
        ).order_by("-pk")
        if not jobs:
            return None
        try:
            digest = digest_of(file)
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}.") from error
        job = next((job for job in jobs if job.file_digest == digest), None)
        if job is None:
            raise CommandError(
                f"{file} is not the file that a stopped import of this name began with. What that "
                "one has written is kept. Import this file as a new one, without --resume."
            )
        return import_again_from(job=job, path=file)

    def _say(self, job: ImportJob) -> None:
        now = time.monotonic()
        if job.phase != "rows" or now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        left = job.seconds_left
        self.stdout.write(
            f"  {job.progress:4.0%}  {job.rows_read:,} rows"
            + (f", {left:.0f} s left" if left is not None else "")
        )
