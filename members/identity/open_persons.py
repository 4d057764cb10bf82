"""Persons as HQ is shown them: by the links of the brands that are not in brand-max alone.

A row of a brand in brand-max joins and parts persons like any other: the answers that people gave
follow it. What HQ is shown of persons leaves it out, or HQ would learn by two members who become
one, or by a conflict that goes, what such a brand knows. Kept are the few members of whom both
views differ (`OpenPerson`), in the transaction that changed their persons, and worked out anew for
the whole group once other brands are in brand-max. Until then HQ is shown each member alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from brands.modes import Mode
from brands.selectors import effective_modes
from brands.wall import scope
from brands.wall.visibility import Visible, brand_set
from members import locks
from members.identity import graph, moves
from members.identity.clusters import stage_clusters
from members.identity.resolution import begin_touching
from members.identity.rules import rules_now
from members.models import OpenPerson, OpenPersonsKept, Profile
from members.staging import stage_query
from tenants.context import tenant_transaction
from tenants.models import Tenant

# --- What a page shows ----------------------------------------------------------------------


def is_worked_out(visible: Visible) -> bool:
    """Tell whether HQ can be told of persons now: not right after a change of mode.

    Nor where it looks as somebody while a brand is in brand-max: figures of the group are not read
    in a look, and these are such.
    """
    without = _left_out(visible)
    if without is None:
        return False
    return not without or OpenPersonsKept.objects.exists()


def _left_out(visible: Visible) -> frozenset[int] | None:
    return visible.group_without if visible.look is None else visible.look.hq.group_without


def same_person(profile: Profile, visible: Visible) -> Q:
    """Return the condition that a membership is of a member's person, as HQ is shown persons."""
    if not is_worked_out(visible):
        return Q(pk=profile.pk)
    rows = OpenPerson.objects.all() if _left_out(visible) else OpenPerson.objects.none()
    label = rows.filter(profile_id=profile.pk).values_list("label", flat=True).first()
    if label is None:
        return Q(person_id=profile.person_id)
    return Q(pk__in=list(rows.filter(label=label).values_list("profile_id", flat=True)))


def shown_persons(profiles: Collection[Profile], visible: Visible) -> dict[int, tuple[str, int]]:
    """Return profile → a name of its person as HQ is shown persons: equal ones are one person."""
    if not is_worked_out(visible):
        return {one.pk: ("alone", one.pk) for one in profiles}
    labels: dict[int, int] = {}
    if _left_out(visible):
        rows = OpenPerson.objects.filter(profile_id__in=[one.pk for one in profiles])
        labels = dict(rows.values_list("profile_id", "label"))
    return {
        one.pk: ("open", labels[one.pk]) if one.pk in labels else ("person", one.person_id)
        for one in profiles
    }


def joined_otherwise(closed: Collection[int]) -> Counter[frozenset[int]] | None:
    """Return how many more persons are in exactly these brands by the links of open ones alone.

    Below nought: how many fewer. In a bulk scope; None where it is not worked out for CLOSED.
    """
    found: Counter[frozenset[int]] = Counter()
    if not closed:
        return found
    if not _is_kept(closed):
        return None
    with connection.cursor() as cursor:
        for person, sign in (("o.label", 1), ("p.person_id", -1)):
            cursor.execute(
                f"""
                SELECT brands, count(*) FROM (
                    SELECT array_agg(DISTINCT p.brand_id) AS brands
                    FROM members_openperson o JOIN members_profile p ON p.id = o.profile_id
                    GROUP BY {person}
                ) AS person GROUP BY brands
                """  # noqa: S608 - names of the code
            )
            for brands, persons in cursor.fetchall():
                found[frozenset(brands)] += sign * persons
    return found


# --- How it is kept -------------------------------------------------------------------------


def _closed() -> list[int]:
    return [brand for brand, mode in effective_modes().items() if mode is Mode.BRAND_MAX]


def keep_open_persons(persons: str) -> None:
    """Bring what HQ is shown of persons, in a temporary table PERSONS, up to date.

    Runs after `resolve` in its transaction, once the profiles that arrived are stored.
    """
    kept = OpenPersonsKept.objects.first()
    if kept is None:
        return
    closed = _closed()
    if kept.brand_set != brand_set(closed):
        # Of other brands: from now on it is old, also where the former modes come back.
        OpenPersonsKept.objects.all().delete()
    elif closed:
        with connection.cursor() as cursor:
            _keep(cursor, closed, persons, is_all=False)


def open_persons_finish(*, tenant: Tenant) -> bool:
    """Work out anew what HQ is shown of persons where other brands are in brand-max than then.

    Returns whether it was. For a process with the owner's credentials, outside a transaction.
    """
    with tenant_transaction(tenant), scope.bulk(reason="persons shown"):
        if _is_kept(_closed()):
            return False
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="persons shown"),
        connection.cursor() as cursor,
    ):
        locks.hold_answers()
        closed = _closed()
        if _is_kept(closed):
            return False
        OpenPersonsKept.objects.all().delete()
        _keep_all(cursor, closed)
        OpenPersonsKept.objects.create(brand_set=brand_set(closed))
    return True


def open_persons_differing() -> int:
    """Return of how many members it is kept otherwise than their links say; leave it as it is."""
    closed = _closed()
    if not _is_kept(closed):
        return 0
    kept = set(OpenPerson.objects.values_list("profile_id", "label"))
    with transaction.atomic(), connection.cursor() as cursor:
        _keep_all(cursor, closed)
        right = set(OpenPerson.objects.values_list("profile_id", "label"))
        transaction.set_rollback(True)
    return len(kept ^ right)


def _is_kept(closed: Collection[int]) -> bool:
    return OpenPersonsKept.objects.filter(brand_set=brand_set(closed)).exists()


def _keep_all(cursor: CursorWrapper, closed: list[int]) -> None:
    OpenPerson.objects.all().delete()
    begin_touching(cursor)
    # Conflicts too are shown by the links of open brands: all are looked at again.
    stage_query(
        cursor,
        "looked_at",
        """
        SELECT person_id FROM members_profile WHERE brand_id = ANY(%s)
        UNION SELECT id FROM members_person WHERE cluster_id IS NOT NULL
        """,
        [closed],
    )
    _keep(cursor, closed, "looked_at", is_all=True)


def _keep(cursor: CursorWrapper, closed: list[int], persons: str, *, is_all: bool) -> None:
    """Work out the persons of open brands in the whole clusters of some persons.

    All that links join is one person, or the persons that name one cluster: no link of an open
    brand leaves it. Only clusters with a closed brand's member can differ, and are looked at;
    IS_ALL looks at each for its conflicts.
    """
    stage_query(
        cursor,
        "around",
        f"""
        SELECT p.id AS profile_id, p.brand_id, p.person_id, p.brand_id = ANY(%s) AS is_closed,
            bool_or(p.brand_id = ANY(%s)) OVER (PARTITION BY c.cluster) AS has_closed
        FROM (
            SELECT q.id, -q.id AS cluster FROM members_person q
            WHERE q.cluster_id IS NULL AND q.id IN (SELECT person_id FROM {persons})
            UNION ALL
            SELECT q.id, q.cluster_id FROM members_person q WHERE q.cluster_id IN (
                SELECT m.cluster_id FROM members_person m
                WHERE m.cluster_id IS NOT NULL AND m.id IN (SELECT person_id FROM {persons})
            )
        ) AS c JOIN members_profile p ON p.person_id = c.id
        """,  # noqa: S608 - a name of the code
        [closed, closed],
    )
    cursor.execute(
        "DELETE FROM members_openperson o USING around a WHERE o.profile_id = a.profile_id"
    )
    looked_at = "true" if is_all else "has_closed"
    cursor.execute(
        "DELETE FROM members_personconflict c USING around a "  # noqa: S608 - words of the code
        f"WHERE c.cluster_id = a.profile_id AND {looked_at}"
    )
    # Under the name by which conflicts are shown.
    found = stage_query(
        cursor,
        "node",
        f"SELECT profile_id, brand_id, person_id FROM around WHERE NOT is_closed AND {looked_at}",  # noqa: S608
    )
    if found:
        _write(cursor, closed, is_any_parted=_label(cursor))


def _label(cursor: CursorWrapper) -> bool:
    """Stage edges and parts of the nodes by their own links alone; tell whether any are parted."""
    _edges, parted = stage_clusters(
        cursor,
        rules_now(),
        is_any_hot=graph.has_hot(cursor),
        is_any_decided=graph.has_decisions(cursor),
    )
    if parted:
        moves.show_conflicts(cursor, least_brands=2, sign=1)
    return bool(parted)


def _write(cursor: CursorWrapper, closed: list[int], *, is_any_parted: bool) -> None:
    """Keep the nodes that are one person with others by their own links than by all."""
    part = "LEFT JOIN part p USING (profile_id)" if is_any_parted else ""
    label = (
        "COALESCE(p.label, e.label, n.profile_id)"
        if is_any_parted
        else ("COALESCE(e.label, n.profile_id)")
    )
    cursor.execute(
        f"""
        INSERT INTO members_openperson (brand_set, profile_id, label)
        SELECT %s, profile_id, label FROM (
            SELECT profile_id, label, count(*) OVER (PARTITION BY label) AS open_mates,
                count(*) OVER (PARTITION BY person_id) AS mates,
                count(*) OVER (PARTITION BY label, person_id) AS shared
            FROM (
                SELECT n.profile_id, n.person_id, {label} AS label
                FROM node n
                LEFT JOIN (SELECT DISTINCT profile_id, label FROM edge) AS e USING (profile_id)
                {part}
            ) AS labelled
        ) AS counted
        WHERE open_mates <> shared OR mates <> shared
        ORDER BY profile_id
        """,  # noqa: S608 - words of the code
        [brand_set(closed)],
    )
