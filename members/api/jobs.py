"""Jobs by API: how imports, exports and batches stand, and what came of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from members.api import shapes
from members.api.serializers import JobQuery, PageQuery
from members.api.shapes import described
from members.api.views import Body, GroupView, moment
from members.contacts import open_sealed
from members.keys import group_keys
from members.models import ExportJob, ImportJob, IntakeBatch
from tenants.api import ANY_TOKEN
from tenants.models import TokenAction

_JOBS = TokenAction.READ_JOBS


class BatchesView(GroupView):
    """List batches."""

    actions = {"GET": _JOBS}

    @described(
        "List batches handed in under the token's grant, the newest first",
        shapes.page("batches", shapes.BATCH),
        query=JobQuery,
        refusals=(404,),
        needs=_JOBS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of batches."""
        taken, following = self.page_by_moment(IntakeBatch.objects.all(), self.asked(JobQuery))
        return Response({"batches": [_batch(row) for row in taken], "next": following})


class BatchJobView(GroupView):
    """Show a batch."""

    # Whoever handed a batch in may learn what came of it.
    actions = {"GET": ANY_TOKEN}

    @described(
        "Show a batch and what came of its lines once they were applied",
        shapes.BATCH_WHOLE,
        refusals=(404,),
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        """Return a batch; its results are the lines that were not applied, and why."""
        batch = get_object_or_404(IntakeBatch, pk=batch_id)
        results: Any = []
        if batch.results:
            results = open_sealed(group_keys(), bytes(batch.results))
        return Response({**_batch(batch), "results": results})


def _batch(batch: IntakeBatch) -> Body:
    done = batch.applied + batch.known + batch.failed
    return {
        "id": str(batch.pk),
        "state": batch.state,
        "progress": done / batch.accepted if batch.accepted else 1.0,
        "lines": batch.lines,
        "accepted": batch.accepted,
        "applied": batch.applied,
        "duplicate": batch.repeated + batch.known,
        "refused": batch.refused,
        "failed": batch.failed,
        "created_at": batch.created_at.isoformat(),
        "applied_at": moment(batch.applied_at),
    }


class ImportsView(GroupView):
    """List imports."""

    actions = {"GET": _JOBS}

    @described(
        "List imports, the newest first",
        shapes.page("imports", shapes.IMPORT),
        query=PageQuery,
        needs=_JOBS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the imports that the wall shows."""
        rows = ImportJob.objects.select_related("brand")
        taken, following = self.page(rows, self.asked(PageQuery))
        return Response({"imports": [_import(row) for row in taken], "next": following})


class ImportView(GroupView):
    """Show an import."""

    actions = {"GET": _JOBS}

    @described("Show an import", shapes.IMPORT, refusals=(404,), needs=_JOBS)
    def get(self, request: Request, job_id: int) -> Response:
        """Return how an import stands."""
        job = get_object_or_404(ImportJob.objects.select_related("brand"), pk=job_id)
        return Response(_import(job))


def _import(job: ImportJob) -> Body:
    return {
        "id": job.pk,
        "brand": job.brand.code,
        "kind": job.kind,
        "file": job.file_name,
        "state": job.state,
        "progress": float(job.progress),
        "read": job.rows_read,
        "created": job.rows_created,
        "changed": job.rows_updated,
        "unchanged": job.rows_unchanged,
        "repeated": job.rows_repeated,
        "rejected": job.rows_rejected,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "finished_at": moment(job.finished_at),
    }


class ExportsView(GroupView):
    """List exports."""

    actions = {"GET": _JOBS}

    @described(
        "List exports asked for under the token's grant, the newest first",
        shapes.page("exports", shapes.EXPORT),
        query=JobQuery,
        refusals=(404,),
        needs=_JOBS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of exports; their files are fetched on the site."""
        taken, following = self.page_by_moment(self._own(), self.asked(JobQuery))
        return Response({"exports": [_export(row) for row in taken], "next": following})

    def _own(self) -> QuerySet[ExportJob]:
        grant = self.group_request.grant
        return ExportJob.objects.of(grant=grant, user=self.group_request.user)


class ExportView(ExportsView):
    """Show an export."""

    @described("Show an export", shapes.EXPORT, refusals=(404,), needs=_JOBS)
    def get(self, request: Request, export_id: UUID) -> Response:
        """Return how an export stands."""
        return Response(_export(get_object_or_404(self._own(), pk=export_id)))


def _export(job: ExportJob) -> Body:
    return {
        "id": str(job.pk),
        "state": job.state,
        "progress": float(job.progress),
        "rows": job.rows,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "finished_at": moment(job.finished_at),
        "kept_until": moment(job.deletes_at),
    }
