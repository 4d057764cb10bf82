"""The way that ends in a file: asked for, made by the job, and fetched while it still holds."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import override

from brands.tests import oracle
from config.tests.fuzz.looks import Looks
from config.tests.fuzz.world import Facts
from members.exports import files
from members.exports.job import export_run
from members.exports.services import MAY_EXPORT, export_create
from members.models import ExportJob

# What the file says in its column of contact data, by what is in it.
WORDS = {"in full": "contact", "masked": "masked", "not shown": ""}


@dataclass(frozen=True)
class Made:
    """A file that somebody asked for, and what of whom is in it."""

    who: str
    job_id: UUID
    holds: frozenset[tuple[int, str]]


class Exports(Looks):
    """Export as somebody, and compare what the file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Made] = []

    def _read_export(
        self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts
    ) -> None:
        """Have a file made as the scoped worker does, and read it."""
        user, tenant = self.stage.people[who], self.stage.tenant
        with override("en"):
            with self._seeing(who) as opened:
                assert opened.visible is not None
                asked = export_create(filters={}, visible=opened.visible, acting_user=user)
                may_export = user.has_perm(MAY_EXPORT)
            job = export_run(tenant=tenant, job_id=asked.pk, grant_id=asked.grant_id)
        allowed = self._profiles(world, viewer, facts)
        count = self.stage.tally.add
        if not may_export:
            assert (job.state, job.path) == (ExportJob.State.OUTDATED, ""), (who, job.state)
            count("profile", "export", allowed=0, denied=len(self.ids))
            return
        assert job.state == ExportJob.State.DONE, (who, job.state, job.error)
        holds = self._held(files.file_of(job, tenant.schema_name).read_text("utf-8-sig"))
        seen = {pk for pk, kind in holds if kind == "profile"}
        assert seen == allowed, (who, "export", seen ^ allowed)
        count("profile", "export", allowed=len(allowed), denied=len(self.ids) - len(allowed))
        whole = {pk for pk in allowed if self._may(world, viewer, facts, "contact", pk)}
        masked = {pk for pk in allowed if self._may(world, viewer, facts, "masked", pk)} - whole
        for kind, expected in (("contact", whole), ("masked", masked)):
            found = {pk for pk, one in holds if one == kind}
            assert found == expected, (who, "export", kind, found ^ expected)
            count(kind, "export", allowed=len(expected), denied=len(self.ids) - len(expected))
        self.made = [one for one in self.made if one.who != who][-3:]
        self.made.append(Made(who, job.pk, frozenset(holds)))

    def _held(self, text: str) -> set[tuple[int, str]]:
        """Return whom a file names, and with which kinds of data."""
        found = set()
        for row in csv.DictReader(io.StringIO(text)):
            member = (row["Brand"], int(row["Member number"].removeprefix("M")))
            pk = self.ids[member]
            found.add((pk, "profile"))
            kind = WORDS[row.get("Contact data", "not shown")]
            name = row.get("Name", "")
            # The word and what stands beside it say the same.
            assert (name == self.rows[member]["name"]) == (kind == "contact"), (member, kind)
            assert bool(name) == bool(kind), (member, kind, name)
            if kind:
                found.add((pk, kind))
        return found

    def _fetch(self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts) -> None:
        """Fetch a file of some steps ago: it comes only if all of it may be read now."""
        for made in [one for one in self.made if one.who == who]:
            answer = self._client(who).post(f"/exports/{made.job_id}/file/")
            is_handed = answer.status_code == 200 and answer.get("Content-Disposition", "")
            if not is_handed:
                assert answer.status_code in (302, 404, 410), (who, answer.status_code)
                self.made.remove(made)
                self.stage.tally.add("file", "export", allowed=0, denied=1)
                continue
            text = b"".join(answer.streaming_content).decode("utf-8-sig")
            holds = self._held(text)
            assert holds == made.holds, (who, "file", holds ^ made.holds)
            gone = {
                (pk, kind)
                for pk, kind in holds
                if viewer.name == "nobody" or not self._may(world, viewer, facts, kind, pk)
            }
            assert not gone, (who, "was handed a file with", sorted(gone)[:5])
            self.stage.tally.add("file", "export", allowed=1, denied=0)
