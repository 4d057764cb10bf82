from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from brands.wall import scope
from members.imports.acts import import_check, import_undo
from members.imports.dry_run import check_run
from members.imports.files import digest_of
from members.imports.report import rejected_file
from members.imports.rules import NEWEST, PRIORITY
from members.imports.services import (
    ImportRefused,
    import_again_from,
    import_cancel,
    import_create,
    import_run,
)
from members.imports.sources import source_named
from members.imports.undo import undo_run
from members.management.commands._group import find_brand, find_tenant
from members.models import ImportJob
from tenants.context import tenant_transaction
from tenants.models import Tenant

_SECONDS_BETWEEN_LINES = 2.0
_RULES: dict[str, dict[str, Any]] = {
    "newest": {"wins": NEWEST, "keeps_filled": False},
    "newest-keep": {"wins": NEWEST, "keeps_filled": True},
    "priority": {"wins": PRIORITY},
}
_UNDOING = (ImportJob.State.QUEUED, ImportJob.State.RUNNING, ImportJob.State.FAILED)


class Command(BaseCommand):
    """Import members of one brand from a file."""

    help = "Import members of one brand from a file: CSV or .xlsx, also packed as .zip or .gz."
    kind: str = ImportJob.Kind.MEMBERS

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the group, the brand and the file, or the import to take back."""
        parser.add_argument("tenant", help="the group's short name")
        parser.add_argument("brand", help="the brand's code")
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument(
            "--resume", action="store_true", help="go on with the last stopped import of this file"
        )
        parser.add_argument(
            "--part", default="", help="the sheet of a workbook or the file of an archive"
        )
        parser.add_argument("--source", default="", help="the name of the source, made where new")
        parser.add_argument(
            "--check", action="store_true", help="say what the import would do, and write nothing"
        )
        parser.add_argument(
            "--undo", type=int, metavar="JOB", help="take an import back, by its number"
        )
        parser.add_argument(
            "--rules",
            choices=sorted(_RULES),
            help="which value wins: the newer row (its empty cells blank what is stored, or with "
            "-keep leave it) or the source of higher rank",
        )
        parser.add_argument(
            "--no-figures", action="store_true", help="leave totals and roll-ups pending"
        )

    def handle(
        self,
        *args: object,
        tenant: str,
        brand: str,
        file: Path | None = None,
        resume: bool = False,
        no_figures: bool = False,
        check: bool = False,
        undo: int | None = None,
        rules: str | None = None,
        part: str = "",
        source: str = "",
        **options: object,
    ) -> None:
        """Import the file, say how far it is, and end with what became of its rows."""
        group = find_tenant(tenant)
        self._said = time.monotonic()
        if undo is not None:
            self._undo(group, brand, undo)
            return
        if file is None:
            raise CommandError("Name the file to import, or with --undo the import to take back.")
        with tenant_transaction(group), scope.bulk(reason="import"):
            found = find_brand(brand)
            job = self._stopped(found.pk, file, part) if resume else None
            if job is None:
                try:
                    job = import_create(
                        part=part,
                        source=source_named(found, source),
                        brand=found,
                        kind=self.kind,
                        path=file,
                        file_name=file.name,
                        rules=_RULES[rules] if rules else None,
                    )
                    if check:
                        import_check(job=job, acting_user=None)
                except ImportRefused as error:
                    raise CommandError(str(error)) from error
        if check:
            self._check(group, job)
            return
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
            f"{job.rows_repeated:,} repeated, {job.rows_rejected:,} rejected; "
            f"{job.peak_memory / 2**20:,.0f} MB of memory at most"
        )
        if job.rows_rejected:
            place = rejected_file(job, group.schema_name)
            self.stdout.write(f"Rejected rows, each with its reason: {place}")
        if job.rows_created or job.rows_updated:
            self.stdout.write(f"To take it back within its window: --undo {job.pk}")
        if job.state != ImportJob.State.DONE:
            raise CommandError(job.error)

    def _check(self, group: Tenant, job: ImportJob) -> None:
        """Say what the import would do; what was kept of the file for it is deleted again."""
        job = check_run(tenant=group, job_id=job.pk, progress=self._say)
        with tenant_transaction(group), scope.bulk(reason="check"):
            import_cancel(job=job, acting_user=None)
        if job.state != ImportJob.State.CHECKED:
            raise CommandError(job.error)
        found = job.report
        self.stdout.write(
            f"Checked, nothing was written: {found['read']:,} rows read, {found['created']:,} "
            f"would be created, {found['updated']:,} changed, {found['unchanged']:,} unchanged, "
            f"{found['repeated']:,} repeated, {found['rejected']:,} rejected"
        )
        for name, count in sorted(found["fields"].items()):
            self.stdout.write(f"  changes {name}: {count:,}")
        for reason in found["reasons"]:
            lines = ", ".join(map(str, reason["lines"]))
            self.stdout.write(f"  {reason['rows']:,} × {reason['reason']} (lines {lines})")
        if found["rejected"]:
            place = rejected_file(job, group.schema_name)
            self.stdout.write(f"Rows it would reject, each with its reason: {place}")

    def _undo(self, group: Tenant, brand: str, number: int) -> None:
        """Take an import back, and say what went and what stays."""
        with tenant_transaction(group), scope.bulk(reason="take an import back"):
            jobs = ImportJob.objects.filter(brand=find_brand(brand), kind=self.kind, undoes=None)
            job = jobs.filter(pk=number).first()
            if job is None:
                raise CommandError(f"The brand has no import {number} of this kind.")
            # One that was stopped goes on.
            undoing = job.undoings.filter(state__in=_UNDOING).order_by("-pk").first()
            try:
                undoing = undoing or import_undo(job=job, acting_user=None)
            except ImportRefused as error:
                raise CommandError(str(error)) from error
        undoing = undo_run(tenant=group, job_id=undoing.pk, progress=self._say)
        told = undoing.report
        stays = ", ".join(f"{count:,} {why}" for why, count in sorted(told["kept"].items()))
        self.stdout.write(
            f"Taken back: {told['removed']:,} removed, {told['restored']:,} restored; "
            f"stay as they are: {stays or 'none'}"
        )
        if undoing.state != ImportJob.State.DONE:
            raise CommandError(undoing.error)

    def _stopped(self, brand_id: int, file: Path, part: str) -> ImportJob | None:
        states = [ImportJob.State.RUNNING, ImportJob.State.FAILED, ImportJob.State.QUEUED]
        jobs = ImportJob.objects.filter(
            brand=brand_id, kind=self.kind, file_name__startswith=file.name[:200], state__in=states
        ).order_by("-pk")
        if not jobs:
            return None
        try:
            digest = digest_of(file)
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}.") from error
        job = next((job for job in jobs if digest in {job.file_digest, job.given_digest}), None)
        if job is None:
            raise CommandError(
                f"{file} is not the file that a stopped import of this name began with. What that "
                "one has written is kept. Import this file as a new one, without --resume."
            )
        try:
            return import_again_from(job=job, path=file, part=part)
        except ImportRefused as error:
            raise CommandError(str(error)) from error

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
