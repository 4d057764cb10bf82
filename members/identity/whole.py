"""Resolve a whole group: work its partition out anew, compare it, bring it up to date."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.services import answers_bump
from brands.wall import scope
from members import locks
from members.identity import graph
from members.identity.contradictions import stage_parts
from members.identity.open_persons import keep_open_persons, open_persons_differing
from members.identity.own import stage_own_labels
from members.identity.rekeying import rekey_touched
from members.identity.resolution import Resolved, begin_touching, resolve
from members.identity.rules import rules_now
from members.models import ResolutionJob
from members.notices import refresh_notices, refresh_objections
from members.rollups import finish_pending
from members.staging import stage, stage_query
from members.stratify import stratify_persons
from tenants.connection import connection as tenant_connection
from tenants.context import tenant_transaction
from tenants.models import Tenant

# Profiles of one transaction: whoever else changes persons or answers waits for so long.
AT_ONCE = 20_000
_EVERYBODY = "(SELECT id AS profile_id, brand_id FROM members_profile)"


def partition(cursor: CursorWrapper, *, with_own: bool = False) -> int:
    """Work out, from links, rules and decisions alone, who is one person; return how many edges.

    Stages whole_part (profile_id, label): the smallest profile of the person, for everybody who
    shares anything; WITH_OWN also own_person, of the brands' own links. Writes nothing else.
    """
    rules = rules_now()
    begin_touching(cursor)
    is_any_hot = graph.has_hot(cursor)
    if is_any_hot:
        graph.stage_hot_brands(
            cursor, rules, "SELECT id AS identity_id FROM members_identity WHERE is_hot"
        )
    is_any_decided = graph.has_decisions(cursor)
    edges = graph.stage_edges(
        cursor,
        rules,
        candidates="(SELECT identity_id FROM members_identitylink GROUP BY 1 HAVING count(*) > 1)",
        nodes=_EVERYBODY,
        is_any_hot=is_any_hot,
    )
    stage(cursor, "whole_part", "profile_id bigint, label bigint")
    stage(cursor, "own_person", "profile_id bigint, label bigint")
    if not edges:
        return 0
    graph.label_components(cursor)
    parted = stage_parts(
        cursor, rules, nodes=_EVERYBODY, is_any_hot=is_any_hot, is_any_decided=is_any_decided
    )
    stage_query(
        cursor,
        "whole_part",
        f"""
        SELECT DISTINCT e.profile_id, {"COALESCE(p.label, e.label)" if parted else "label"} AS label
        FROM edge e {"LEFT JOIN part p USING (profile_id)" if parted else ""}
        """,  # noqa: S608 - constants of the code
    )
    if with_own and graph.stage_own_edges(cursor, _EVERYBODY):
        stage_own_labels(
            *(cursor, rules),
            nodes=_EVERYBODY,
            is_any_hot=is_any_hot,
            is_any_decided=is_any_decided,
            is_any_parted=bool(parted),
        )
    return edges


def persons_differing(cursor: CursorWrapper) -> dict[str, int]:
    """Return how many profiles are with other people than links, rules and decisions say.

    Of the persons of the group, and of those of the brands' own.
    """
    partition(cursor, with_own=True)
    found = {}
    cursor.execute(
        """
        SELECT count(*) FROM (
            SELECT id, min(id) OVER (PARTITION BY person_id) AS kept FROM members_profile
        ) AS p LEFT JOIN whole_part w ON w.profile_id = p.id
        WHERE kept <> COALESCE(w.label, p.id)
        """
    )
    found["persons"] = cursor.fetchone()[0]
    cursor.execute(
        """
        SELECT count(*) FROM members_profile p LEFT JOIN own_person o ON o.profile_id = p.id
        WHERE p.own_person_id IS DISTINCT FROM o.label
        """
    )
    found["persons of brands' own"] = cursor.fetchone()[0]
    found["persons of open brands"] = open_persons_differing()
    return found


def follow_persons(persons: str) -> None:
    """Bring every row of persons up to date with who they are now, in a table PERSONS."""
    changed = refresh_notices(persons)
    refresh_objections(persons)
    with connection.cursor() as cursor:
        stratify_persons(cursor, persons)
    keep_open_persons(persons)
    if changed:
        answers_bump()


def touch_profiles(
    cursor: CursorWrapper, profiles: str, params: list[Any], *, rekeys: bool = False
) -> None:
    """Note profiles, which a query PROFILES names, and all that they carry, for `resolve`.

    REKEYS gives unionids and cards the keys of today's spaces first.
    """
    begin_touching(cursor)
    cursor.execute(f"INSERT INTO touched_profile {profiles}", params)
    if rekeys:
        rekey_touched(cursor)
    cursor.execute(
        "INSERT INTO touched_identity SELECT DISTINCT l.identity_id FROM touched_profile t "
        "JOIN members_identitylink l ON l.profile_id = t.profile_id"
    )


def _resolve_after(checkpoint: int) -> tuple[int, Resolved]:
    """Resolve the next profiles after one; return the last of them, 0 where there is none."""
    with connection.cursor() as cursor:
        touch_profiles(
            cursor,
            "SELECT id FROM members_profile WHERE id > %s ORDER BY id LIMIT %s",
            [checkpoint, AT_ONCE],
            rekeys=True,
        )
        cursor.execute("SELECT COALESCE(max(profile_id), 0) FROM touched_profile")
        last = cursor.fetchone()[0]
    if not last:
        return 0, Resolved(0, 0)
    found = resolve()
    follow_persons("affected_person")
    return last, found


def resolve_group(*, tenant: Tenant) -> int:
    """Bring the persons of a whole group up to date; return how many profiles moved.

    For a process with the owner's credentials, outside a transaction: it commits part by part, and
    what it has done so far stands whenever it is stopped.
    """
    moved, last = 0, 0
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="resolution"):
            locks.hold_answers()
            last, found = _resolve_after(last)
            moved += found.profiles_moved
        if not last:
            finish_pending(tenant=tenant)
            return moved


def resolutions_run(*, tenant: Tenant) -> int:
    """Go on with the resolutions that were asked for; return how many ended.

    Each part commits with its checkpoint, so a run that was killed goes on where it stopped. Of
    several that wait the last one sees every change, so it does for all.
    """
    ended = 0
    while True:
        with tenant_transaction(tenant), scope.bulk(reason="resolution"):
            locks.hold_answers()
            waiting = ResolutionJob.objects.exclude(state=ResolutionJob.State.DONE)
            job = waiting.select_for_update().order_by("-pk").first()
            if job is None:
                return ended
            job.state = ResolutionJob.State.RUNNING
            last, _found = _resolve_after(job.checkpoint)
            if last:
                job.checkpoint = last
                job.percent = _percent(last)
            job.save()
        if not last:
            finish_pending(tenant=tenant)
            with tenant_transaction(tenant), scope.bulk(reason="resolution"):
                now = timezone.now()
                ended += (
                    ResolutionJob.objects.filter(pk__lte=job.pk)
                    .exclude(state=ResolutionJob.State.DONE)
                    .update(
                        state=ResolutionJob.State.DONE,
                        percent=100,
                        finished_at=now,
                    )
                )


def _percent(checkpoint: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM members_profile")
        first, last = cursor.fetchone()
    return min(99, 100 * (checkpoint - first) // max(last - first, 1))


def resolutions_enqueue() -> None:
    """Ask a worker for `resolutions_run` once the current transaction is committed."""
    from members.tasks import resolve_persons

    schema_name = tenant_connection.schema_name
    transaction.on_commit(
        lambda: resolve_persons.apply_async(headers={"_schema_name": schema_name}), robust=True
    )
