"""Make an exported file: chunk by chunk, each in a transaction of its own, each checked anew."""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass, field, replace
from typing import IO, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.wall.visibility import Visible
from members import folders, member_list
from members.exports import files, services
from members.exports.errors import ExportOutdated, ExportRefused
from members.exports.rows import Columns, Written, by_brand, written
from members.member_counts import Counted, count_members
from members.models import ExportJob
from tenants import audit
from tenants.models import Tenant, User

CHUNK_ROWS = 2_000
logger = logging.getLogger(__name__)


class Overtaken(Exception):
    """Say that the job was cancelled, or goes on in another worker."""


@dataclass
class _Run:
    """Be one worker's way through a job."""

    tenant: Tenant
    job: ExportJob
    out: IO[bytes]
    marks: IO[bytes]
    after: int | None = None
    rows: int = 0
    of_others: int = 0
    brands: dict[str, int] = field(default_factory=dict)

    def chunk(self) -> int:
        """Write the next rows, and say how far it is; return how many there were."""
        with services.asker_scope(self.tenant, self.job) as (_user, visible):
            columns = Columns.of(visible)
            wanted = _wanted(self.job, visible)
            if self.after is None:
                self._write([columns.headings()], bom="\ufeff")
                self._progress(rows_total=wanted.order_by().count())
            else:
                wanted = wanted.filter(pk__lt=self.after)
            taken = list(wanted.select_related("brand", "store").order_by("-pk")[:CHUNK_ROWS])
            rows = list(written(taken, columns))
            self._write(row.cells for row in rows)
            self._count(rows, visible)
            self._progress(rows=self.rows, rows_of_others=self.of_others, brands=self.brands)
        self.after = taken[-1].pk if taken else 0
        return len(taken)

    def _write(self, rows: Any, *, bom: str = "") -> None:
        text = io.StringIO()
        text.write(bom)
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        self.out.write(text.getvalue().encode("utf-8", "replace"))

    def _count(self, rows: list[Written], visible: Visible) -> None:
        viewer = visible.viewer
        self.marks.write(
            b"".join(
                files.mark(row.profile_id, row.kinds)
                for row in rows
                # A brand's own members are always its own; a store's may go to another.
                if row.brand_id not in viewer.brands
            )
        )
        self.rows += len(rows)
        own = viewer.brands | viewer.store_brands
        self.of_others += sum(row.brand_id not in own for row in rows)
        for brand, count in by_brand(rows).items():
            self.brands[brand] = self.brands.get(brand, 0) + count

    def _progress(self, **fields: Any) -> None:
        """Say how far it is; raise Overtaken where this run is not the job's any more."""
        running = ExportJob.objects.filter(
            pk=self.job.pk, path=self.job.path, state=ExportJob.State.RUNNING
        )
        if not running.update(**fields):
            raise Overtaken


def _wanted(job: ExportJob, visible: Visible) -> Any:
    asked = services.cleaned(services.filters_of(job), visible)
    return services.exported(member_list.members_asked(asked, visible=visible))


def export_run(*, tenant: Tenant, job_id: UUID, grant_id: int) -> ExportJob:
    """Make a job's file from its beginning; safe to run again after a stop, or twice at once."""
    job = _begin(tenant, job_id, grant_id)
    if job.state != ExportJob.State.RUNNING:
        return job
    schema_name = tenant.schema_name
    try:
        with (
            files.create(files.file_of(job, schema_name)) as out,
            files.create(files.marks_of(job, schema_name)) as marks,
        ):
            run = _Run(tenant, job, out, marks)
            while run.chunk() == CHUNK_ROWS:
                pass
        _finish(tenant, job)
    except Overtaken:
        files.remove(files.files_of(job, schema_name))
    except ExportRefused as refusal:
        is_outdated = isinstance(refusal, ExportOutdated)
        state = ExportJob.State.OUTDATED if is_outdated else ExportJob.State.FAILED
        _give_up(tenant, job, state, str(refusal))
    except Exception:
        _give_up(
            tenant,
            job,
            ExportJob.State.FAILED,
            _("Something failed here, and no file was kept. Ask for the export again."),
        )
        raise
    with services.jobs_of(tenant, [grant_id]):
        return ExportJob.objects.get(pk=job_id)


def _begin(tenant: Tenant, job_id: UUID, grant_id: int) -> ExportJob:
    with services.jobs_of(tenant, [grant_id]):
        job = ExportJob.objects.select_for_update().get(pk=job_id)
        if not job.is_waiting:
            return job
        left = files.files_of(job, tenant.schema_name)
        job.state = ExportJob.State.RUNNING
        # A run that was killed may not be dead: each has a file of its own.
        job.path = folders.fresh_path("exports", tenant.schema_name, job.grant_id)
        job.started_at = timezone.now()
        job.rows = job.rows_total = job.rows_of_others = 0
        job.brands = {}
        # Before the first row is read: whatever is answered from here on is looked at again.
        job.answers = services.answers_now()
        job.save()
        transaction.on_commit(lambda: files.remove(left), robust=True)
    return job


def _finish(tenant: Tenant, job: ExportJob) -> None:
    with services.asker_scope(tenant, job) as (user, visible):
        locked = ExportJob.objects.select_for_update().get(pk=job.pk)
        if locked.path != job.path or locked.state != ExportJob.State.RUNNING:
            raise Overtaken
        locked.state = ExportJob.State.DONE
        locked.size = files.file_of(locked, tenant.schema_name).stat().st_size
        locked.finished_at = timezone.now()
        locked.deletes_at = locked.finished_at + services.KEPT
        locked.save()
        _record(user, locked, visible)


def _record(user: User, job: ExportJob, visible: Visible) -> None:
    audit.record(
        acting_user=user,
        action="exportjob.finish",
        target=job,
        brands=map(int, job.brands),
        changes=services.told(job, visible.k),
    )


def _give_up(tenant: Tenant, job: ExportJob, state: str, error: str) -> None:
    with services.jobs_of(tenant, [job.grant_id]):
        ExportJob.objects.filter(pk=job.pk, path=job.path, state=ExportJob.State.RUNNING).update(
            state=state, error=error, path="", finished_at=timezone.now()
        )
    files.remove(files.files_of(job, tenant.schema_name))


def members_counted(filters: dict[str, str], visible: Visible) -> Counted:
    """Return how many members an export would hold, counted as a list counts."""
    wanted = services.exported(
        member_list.members_asked(services.cleaned(filters, visible), visible=visible)
    )
    counted = count_members(wanted, is_filtered=bool(filters), visible=visible)
    # The kept figures also count whose data are restricted, and no file holds them.
    return replace(counted, how="about") if counted.how == "kept" else counted
