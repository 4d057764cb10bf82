"""Change the key under which identifiers are found, in one transaction that holds imports back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.db import connection as database
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.wall import scope
from members import contacts, locks
from members.identity.keyed import Keyed
from members.keys import GroupKeys, context, group_keys
from members.models import GroupKey, ImportJob, IntakePart, KeyRotation
from members.rotation import RotationRefused
from members.staging import stage
from tenants import audit
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.master_key import provider
from tenants.models import Tenant

INDEX = GroupKey.Purpose.INDEX
CHUNK_ROWS = 5_000
# Who begins to write members now would go on with the former key: they wait for the end.
_HELD = "LOCK TABLE members_importjob, members_intakepart IN SHARE ROW EXCLUSIVE MODE"
_COLUMNS = (*(column for _field, _kind, column in contacts.IDENTIFIERS), "likeness")


@dataclass(frozen=True)
class Rekeyed:
    """Count what was keyed anew, and identities that no contact explains, by kind."""

    contacts: int
    identities: int
    unexplained: dict[str, int]


def index_rotate(
    *, tenant: Tenant, leaves_unexplained: bool = False, say: Callable[[int], None] = lambda _: None
) -> Rekeyed:
    """Key identities and contacts of a group anew, from what is sealed; all of it or nothing.

    Imports and batches of the group wait meanwhile; pages go on, and find by the former key until
    the end. Raises RotationRefused while an import runs, and where identities have no contact that
    says what they are, unless they may be left: nobody finds those any more.
    """
    with tenant_transaction(tenant), scope.bulk(reason="keys"), database.cursor() as cursor:
        locks.hold_keys()
        # In this order: who writes a chunk holds the answers, and then changes its job's row.
        locks.hold_answers()
        cursor.execute(_HELD)
        if ImportJob.objects.filter(state=ImportJob.State.RUNNING).exists():
            raise RotationRefused(
                "An import of this group is running. Nothing was changed. Wait for its end or "
                "pause it, and start again."
            )
        if IntakePart.objects.exists():
            raise RotationRefused(
                "A batch of this group waits to be applied. Nothing was changed. Start again when "
                "it is."
            )
        now = group_keys()
        new = replace(now, index=os.urandom(32))
        count = _stage(cursor, now, new, say)
        unexplained = _unexplained(cursor)
        if unexplained and not leaves_unexplained:
            parts = ", ".join(f"{number} {kind}" for kind, number in unexplained.items())
            raise RotationRefused(
                f"No contact explains these identities: {parts}. Nothing was changed. Import the "
                "contacts they belong to, or let them go with --leave-unexplained: they are found "
                "by nobody then, and join no profile that is imported later."
            )
        identities = _apply(cursor)
        version = GroupKey.objects.filter(purpose=INDEX).order_by("-version")[0].version + 1
        wrapped = provider().wrap(new.index, context(connection.schema_name, INDEX, version))
        GroupKey.objects.filter(purpose=INDEX).delete()
        GroupKey.objects.create(purpose=INDEX, version=version, wrapped=wrapped)
        rotation = KeyRotation.objects.create(
            purpose=INDEX,
            state=KeyRotation.State.DONE,
            version=version,
            rows=count,
            unexplained=sum(unexplained.values()),
            retired=1,
            asked_by_name="system",
            finished_at=timezone.now(),
        )
        audit.record(
            acting_user=None,
            action="key.rotate",
            # Not how many rows: they are of every brand.
            target=rotation,
        )
        return Rekeyed(count, identities, unexplained)


def _contacts(cursor: CursorWrapper) -> Iterator[list[tuple]]:
    last = 0
    while True:
        cursor.execute(
            f"SELECT profile_id, brand_id, sealed, is_generated, {', '.join(_COLUMNS)} "  # noqa: S608
            "FROM members_contact WHERE profile_id > %s ORDER BY profile_id LIMIT %s",
            [last, CHUNK_ROWS],
        )
        rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _stage(
    cursor: CursorWrapper, now: GroupKeys, new: GroupKeys, say: Callable[[int], None]
) -> int:
    """Write into rekeyed_contact and rekeyed what every contact is found by, before and after."""
    columns = ", ".join(f"{column} bytea" for column in _COLUMNS)
    stage(cursor, "rekeyed_contact", f"profile_id bigint, fingerprint bytea, {columns}")
    stage(cursor, "rekeyed", "kind varchar, former bytea, key bytea")
    keyed, done = Keyed(new), 0
    for rows in _contacts(cursor):
        written, pairs = [], []
        for profile_id, brand_id, sealed, is_generated, *found in rows:
            text = contacts.open_text(now, bytes(sealed))
            fields = contacts.fields_of(text)
            mark = contacts.fingerprint(new, ("t" if is_generated else "f") + text)
            columns_of = keyed.columns(fields, brand_id)
            written.append((profile_id, mark, *(columns_of.get(name) for name in _COLUMNS)))
            for (_name, kind, column), former in zip(contacts.IDENTIFIERS, found, strict=False):
                if former is not None and column in columns_of:
                    pairs.append((str(kind), bytes(former), columns_of[column]))
        _copy(cursor, "rekeyed_contact", written)
        _copy(cursor, "rekeyed", pairs)
        done += len(rows)
        say(done)
    return done


def _copy(cursor: CursorWrapper, table: str, rows: list[tuple]) -> None:
    with cursor.copy(f"COPY pg_temp.{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _unexplained(cursor: CursorWrapper) -> dict[str, int]:
    cursor.execute("ANALYZE pg_temp.rekeyed; ANALYZE pg_temp.rekeyed_contact")
    cursor.execute(
        "SELECT i.kind, count(*) FROM members_identity i WHERE NOT EXISTS ("
        "SELECT FROM rekeyed r WHERE r.kind = i.kind AND r.former = i.key) "
        "GROUP BY i.kind ORDER BY i.kind"
    )
    return dict(cursor.fetchall())


def _apply(cursor: CursorWrapper) -> int:
    # No text says what they were; who is imported again has them again.
    cursor.execute("DELETE FROM members_platformkey")
    # What imports left is known again by its fingerprint, when they are taken back.
    cursor.execute(
        """
        UPDATE members_importchange x
        SET after = jsonb_build_object('fingerprint', encode(r.fingerprint, 'hex'))
        FROM rekeyed_contact r JOIN members_contact c USING (profile_id)
        WHERE x.what = 'contact' AND x.row_id = r.profile_id
            AND x.after->>'fingerprint' = encode(c.fingerprint, 'hex')
        """
    )
    assigned = ", ".join(f"{column} = r.{column}" for column in _COLUMNS)
    cursor.execute(
        f"UPDATE members_contact c SET fingerprint = r.fingerprint, {assigned} "  # noqa: S608
        "FROM rekeyed_contact r WHERE c.profile_id = r.profile_id"
    )
    for table, column, kind in (
        ("members_consententry", "identity_key", "identity_kind"),
        ("members_groupconsententry", "identity_key", "identity_kind"),
        ("members_identity", "key", "kind"),
    ):
        cursor.execute(
            f"UPDATE {table} x SET {column} = r.key "  # noqa: S608 - names of the code
            "FROM (SELECT DISTINCT kind, former, key FROM rekeyed) r "
            f"WHERE r.kind = x.{kind} AND r.former = x.{column}"
        )
    return cursor.rowcount
