"""Fault runs inside imports: member files, then order files, of two brands that share persons."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, connection

from benchmarks.faults.site import VICTIMS, FaultError, Site
from benchmarks.faults.state import State, differing, half_done, state_of
from benchmarks.member_files import write_files
from benchmarks.order_files import write_orders
from benchmarks.synthetic import Group, drop_group, make_group
from brands.models import Brand
from brands.wall import scope
from config.celery import app
from members.imports.services import import_create, import_enqueue
from members.models import ImportJob
from tenants.context import tenant_transaction
from tenants.models import Tenant

MEMBERS, LINES, FILES = 700, 900, 2
# A job that nobody has in hand for so long is asked for again, as the next start of a worker would.
_QUIET_SECONDS = 3.0
# Between two looks at the clock, and at the database.
_TICK_SECONDS = 0.005
_LOOK_SECONDS = 0.05
_POINT_SECONDS = 90.0
_AT_REST = {ImportJob.State.DONE, ImportJob.State.FAILED, ImportJob.State.CANCELLED}
# Measure → the module whose statements its points are among; empty for all.
PARTS = {"import": "", "resolution": "members.identity"}

_numbers = itertools.count(1)


@dataclass
class Point:
    """Be one kill: what, where, and what came of it."""

    number: int
    victim: str
    # "statement 12 of 300" or "0.31 of the time".
    place: str
    # What the jobs were at when it came, by kind: state and rows.
    found: str = ""
    # How it went on: by itself, asked again (a sweep), or started again (a person).
    went_on: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Imports:
    """Import the same files into one fresh group after another, with or without a kill."""

    def __init__(self, site: Site, *, part: str, seed: int) -> None:
        self.site = site
        self.part = part
        self.seed = seed
        folder = site.folder / "files"
        folder.mkdir(exist_ok=True)
        members = write_files(folder, MEMBERS)[:FILES]
        orders = write_orders(folder, members, LINES)[:FILES]
        for path in (*members, *orders):
            _spoil(path)
        self.stages = (
            (ImportJob.Kind.MEMBERS, members),
            (ImportJob.Kind.ORDERS, orders),
        )
        self.wanted: State = {}
        self.seconds = 0.0
        self.statements = 0

    def learn(self) -> None:
        """Run once undisturbed: what comes out, how long it takes, how many statements."""
        group = self._group()
        self.site.marks.set(2**62, self.part)
        start = time.monotonic()
        for stage in range(len(self.stages)):
            jobs = self._begin(group.tenant, stage)
            self._finish(group.tenant, jobs, None)
        self.seconds = time.monotonic() - start
        self.statements = int(self.site.marks.counted.read_text())
        self.site.marks.clear()
        if problems := half_done(group.tenant):
            raise FaultError(f"Even undisturbed: {'; '.join(problems)}.")
        self.wanted = state_of(group.tenant)
        self._drop(group)

    def try_point(self, number: int) -> Point:
        """Kill once at this seeded point, let it finish, and compare."""
        draw = random.Random(f"{self.seed}:{number}")  # noqa: S311 - a seeded choice
        victim = VICTIMS[number % len(VICTIMS)]
        share = draw.random()
        by_statement = bool(self.part) or draw.random() < 0.5
        at = 1 + int(share * self.statements)
        place = (
            f"statement {at} of {self.statements}" if by_statement else f"{share:.2f} of the time"
        )
        point = Point(number, victim, place)
        group = self._group()
        try:
            if by_statement:
                self.site.marks.set(at, self.part)
                kill_at = None
            else:
                kill_at = time.monotonic() + share * self.seconds
            for stage in range(len(self.stages)):
                jobs = self._begin(group.tenant, stage)
                self._finish(group.tenant, jobs, point, kill_at)
            if not point.found:
                # It came after the last statement of interest: nothing was left to disturb.
                self._kill(point, group.tenant)
            self.site.marks.clear()
            point.problems = [
                *half_done(group.tenant),
                *differing(state_of(group.tenant), self.wanted),
            ]
        except FaultError as error:
            point.problems.append(str(error))
            self.site.marks.clear()
            # Whatever hung must not hang the next point.
            self.site.kill("worker")
            self.site.start_worker()
        self._drop(group)
        return point

    def _group(self) -> Group:
        return make_group(f"fault_{next(_numbers)}")

    def _drop(self, group: Group) -> None:
        # Sweeps of every group must not look for it.
        Tenant.objects.filter(pk=group.tenant.pk).update(status=Tenant.Status.SUSPENDED)
        drop_group(group)
        shutil.rmtree(
            self.site.folder.parent / "media" / "imports" / group.tenant.schema_name,
            ignore_errors=True,
        )

    def _begin(self, tenant: Tenant, stage: int) -> list[int]:
        """Create the jobs of a stage and send them to the worker, as the command and pages do."""
        kind, paths = self.stages[stage]
        jobs = []
        for number, path in enumerate(paths, start=1):
            with tenant_transaction(tenant), scope.bulk(reason="fault run"):
                job = import_create(
                    brand=Brand.objects.get(code=f"brand-{number}"),
                    kind=kind,
                    path=path,
                    file_name=path.name,
                )
                import_enqueue(job)
            jobs.append(job.pk)
        return jobs

    def _finish(
        self, tenant: Tenant, jobs: list[int], point: Point | None, kill_at: float | None = None
    ) -> None:
        """Wait until the jobs are done; kill when it is time, and help on what stands still."""
        until = time.monotonic() + _POINT_SECONDS
        seen: object = None
        quiet_since = time.monotonic()
        look_at = 0.0
        while True:
            now = time.monotonic()
            is_time = (kill_at is not None and now >= kill_at) or self.site.marks.stopped.exists()
            if point is not None and not point.found and is_time:
                self._kill(point, tenant)
                kill_at = None
                quiet_since = time.monotonic()
            # A look costs more than all else here, and the worker waits for the processor.
            if now < look_at:
                time.sleep(_TICK_SECONDS)
                continue
            look_at = now + _LOOK_SECONDS
            rows = self._look(tenant, jobs)
            if all(row[1] == ImportJob.State.DONE for row in rows):
                return
            if rows != seen:
                seen, quiet_since = rows, now
            if now > until:
                raise FaultError(f"Not finished after {_POINT_SECONDS:.0f} s: {_words(rows)}")
            if point is not None and point.found and now - quiet_since > _QUIET_SECONDS:
                self._help(tenant, rows, point)
                quiet_since = now
            time.sleep(_TICK_SECONDS)

    def _look(self, tenant: Tenant, jobs: list[int]) -> list[tuple]:
        for _try in range(100):
            try:
                with tenant_transaction(tenant), scope.bulk(reason="fault run"):
                    return list(
                        ImportJob.objects.filter(pk__in=jobs)
                        .order_by("pk")
                        .values_list("kind", "state", "phase", "rows_read", "error")
                    )
            except DatabaseError:
                connection.close()
                time.sleep(0.1)
        raise FaultError("PostgreSQL did not come back.")

    def _kill(self, point: Point, tenant: Tenant) -> None:
        point.found = _words(self._look_at_all(tenant))
        self.site.kill(point.victim)
        self.site.marks.clear()
        self.site.marks.stopped.unlink(missing_ok=True)
        if point.victim == "worker":
            self.site.start_worker()

    def _look_at_all(self, tenant: Tenant) -> list[tuple]:
        with tenant_transaction(tenant), scope.bulk(reason="fault run"):
            return list(
                ImportJob.objects.order_by("pk").values_list(
                    "kind", "state", "phase", "rows_read", "error"
                )
            )

    def _help(self, tenant: Tenant, rows: list[tuple], point: Point) -> None:
        """Do what the next sweep would, and press "go on" for what says that it failed."""
        failed = [row for row in rows if row[1] == ImportJob.State.FAILED]
        if failed:
            point.went_on.append("started again")
            with tenant_transaction(tenant), scope.bulk(reason="fault run"):
                for job in ImportJob.objects.filter(state=ImportJob.State.FAILED):
                    import_enqueue(job)
        else:
            point.went_on.append("asked again")
            app.send_task("members.resume_imports")


def _words(rows: list[tuple]) -> str:
    return "; ".join(
        f"{kind} {state}{f' ({phase})' if phase else ''} at row {read}"
        + (f": {error}" if error else "")
        for kind, state, phase, read, error in rows
    )


def _spoil(path: Path) -> None:
    """Add a row that is rejected and one that repeats another: their files and counts count too."""
    lines = path.read_text(encoding="utf-8").splitlines()
    where = len(lines) // 2
    lines.insert(where, lines[where].replace("brand-", "nowhere-"))
    if "phone" in lines[0]:
        lines.append(lines[3])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
