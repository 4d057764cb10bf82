"""Change a group's own keys: a new version, everything sealed anew, the former key deleted last.

A data key is changed chunk by chunk while the group works; the index key, under which identifiers
are found, in one transaction that holds the group's imports.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.wall import scope
from members import contacts, locks
from members.keys import GroupKeys, KeysUnopened, context, group_keys, key_add, opened
from members.models import GroupKey, ImportJob, KeyRotation
from members.rights import files
from tenants import audit
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.master_key import MasterKeyProvider
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

State = KeyRotation.State
DATA = GroupKey.Purpose.DATA
# Every table with blobs of members.contacts, and the columns that hold them. A test finds what is
# missing here: without it the former key would be deleted under what it seals.
SEALED: dict[str, tuple[str, ...]] = {
    "members.Contact": ("sealed",),
    "members.ExportJob": ("filters",),
    "members.GroupPersonRequest": ("sealed",),
    "members.ImportChange": ("sealed",),
    "members.IntakeBatch": ("answer", "results"),
    "members.IntakePart": ("sealed",),
    "members.PersonRequest": ("sealed",),
}
# Rows of one transaction, each of which holds up whoever imports for that long.
CHUNK_ROWS = 2_000
# The walk is over: what is left is to delete the former keys.
_RETIRE = "retire"

Say = Callable[[KeyRotation], None]


class RotationRefused(RuntimeError):
    """Say in words why a key was not changed."""


def rotation_ask(*, acting_user: User | None) -> KeyRotation:
    """Ask for a new data key; the caller tells a worker. Raises RotationRefused."""
    try:
        with transaction.atomic():
            asked = KeyRotation.objects.create(
                purpose=DATA,
                asked_by=acting_user,
                asked_by_name=str(acting_user)[:120] if acting_user else "system",
            )
    except IntegrityError as error:
        raise RotationRefused(
            _("The key is being changed already. Nothing was asked for a second time.")
        ) from error
    audit.record(acting_user=acting_user, action="key.rotate", target=asked)
    return asked


def rotation_run(
    *, tenant: Tenant, say: Say | None = None, chunk_rows: int = CHUNK_ROWS
) -> KeyRotation | None:
    """Carry out what was asked for of a group's data key, from its checkpoint on; None: nothing.

    For a process with the owner's credentials, outside a transaction. A run that was killed is
    gone on with by the next; two at once do each chunk once.
    """
    rotation = _begin(tenant)
    while rotation is not None and rotation.state == State.RUNNING:
        if rotation.place == _RETIRE:
            return _finish(tenant, rotation.pk)
        rotation = _chunk(tenant, rotation.pk, chunk_rows)
        if say is not None:
            say(rotation)
    return rotation


def _begin(tenant: Tenant) -> KeyRotation | None:
    with tenant_transaction(tenant), scope.bulk(reason="keys"):
        if not KeyRotation.objects.filter(purpose=DATA, state=State.WAITING).exists():
            return KeyRotation.objects.filter(purpose=DATA, state=State.RUNNING).first()
        # Whoever seals with the former key has written it: from here on all read the new one.
        locks.hold_keys()
        locks.hold_answers()
        waiting = KeyRotation.objects.select_for_update().filter(
            purpose=DATA, state__in=[State.WAITING, State.RUNNING]
        )
        rotation = waiting.order_by("pk").first()
        if rotation is None or rotation.state == State.RUNNING:
            return rotation
        # No new key beside one that cannot be opened: what the old one seals would be lost to it.
        group_keys()
        newest = GroupKey.objects.filter(purpose=DATA).aggregate(Max("version"))["version__max"]
        rotation.version = newest + 1
        key_add(schema_name=tenant.schema_name, purpose=DATA, version=rotation.version)
        rotation.state, rotation.place, rotation.heard_at = State.RUNNING, "", timezone.now()
        rotation.save()
        return rotation


def _columns() -> list[tuple[str, type[models.Model], str]]:
    """Return (name, model, column) of everything that is sealed, in the order of the walk."""
    return [
        (f"{label}.{name}", apps.get_model(label), name)
        for label, names in SEALED.items()
        for name in names
    ]


def _chunk(tenant: Tenant, pk: int, rows: int) -> KeyRotation:
    """Seal the next rows anew, and commit them with the checkpoint."""
    with tenant_transaction(tenant), scope.bulk(reason="keys"):
        # Writers of contacts hold the same.
        locks.hold_answers()
        rotation = KeyRotation.objects.select_for_update().get(pk=pk)
        if rotation.state != State.RUNNING or rotation.place == _RETIRE:
            return rotation
        places = _columns()
        names = [name for name, _model, _column in places]
        at = names.index(rotation.place) if rotation.place in names else 0
        name, model, column = places[at]
        rotation.place = name
        last, sealed, unopened = _reseal(model, column, rotation.after, group_keys(), rows)
        rotation.rows += sealed
        rotation.unopened += unopened
        rotation.after = last
        if not last:
            rotation.place = names[at + 1] if at + 1 < len(names) else _RETIRE
        rotation.heard_at = timezone.now()
        rotation.save()
        return rotation


def _reseal(
    model: type[models.Model], column: str, after: str, keys: GroupKeys, rows: int
) -> tuple[str, int, int]:
    """Seal the rows after a key anew; return the last key ("" at the end) and two counts."""
    table, key = f'"{model._meta.db_table}"', f'"{model._meta.pk.column}"'
    kind = model._meta.pk.rel_db_type(connection)
    beyond = f"WHERE {key} > %s::{kind}" if after else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT {key}, "{column}" FROM {table} {beyond} '  # noqa: S608 - names of the models
            # Who has a row in hand may wait for the answers, which are held here: what is left out
            # is found before the former key goes.
            f"ORDER BY {key} LIMIT %s FOR UPDATE SKIP LOCKED",
            [*([after] if after else []), rows],
        )
        found = cursor.fetchall()
        done: list[tuple[Any, bytes]] = []
        unopened = 0
        for pk, blob in found:
            if not blob or contacts.sealed_version(blob) == keys.version:
                continue
            try:
                done.append((pk, contacts.seal_text(keys, contacts.open_text(keys, blob))))
            except (InvalidTag, ValueError, KeysUnopened):
                # Damaged before: it is kept as it is, for whoever has a backup.
                unopened += 1
        if done:
            version = ", key_version = %s" if _has_version(model) else ""
            cursor.execute(
                f'UPDATE {table} t SET "{column}" = v.blob{version} '  # noqa: S608 - as above
                f"FROM unnest(%s::{kind}[], %s::bytea[]) AS v(pk, blob) WHERE t.{key} = v.pk",
                [
                    *([keys.version] if version else []),
                    [pk for pk, _blob in done],
                    [blob for _pk, blob in done],
                ],
            )
    return (str(found[-1][0]) if len(found) == rows else ""), len(done), unopened


def _has_version(model: type[models.Model]) -> bool:
    return any(field.name == "key_version" for field in model._meta.get_fields())


def sealed_with(version: int) -> list[str]:
    """Return where anything is sealed with a version of the data key, of what is walked through."""
    found = []
    with connection.cursor() as cursor:
        for name, model, column in _columns():
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{model._meta.db_table}" '  # noqa: S608 - as above
                f'WHERE length("{column}") > 1 AND substr("{column}", 1, 2) = %s)',
                [version.to_bytes(2)],
            )
            if cursor.fetchone()[0]:
                found.append(name)
    return found


def _finish(tenant: Tenant, pk: int) -> KeyRotation:
    """Delete the former keys, once nothing is sealed with them and nobody can seal with them."""
    with tenant_transaction(tenant), scope.bulk(reason="keys"):
        # Nobody fetches a copy meanwhile either.
        locks.hold_keys()
        locks.hold_answers()
        rotation = KeyRotation.objects.select_for_update().get(pk=pk)
        if rotation.state != State.RUNNING:
            return rotation
        files.reseal_copies(tenant)
        keys = GroupKey.objects.filter(purpose=DATA)
        new = keys.get(version=rotation.version or 0)
        if _is_held(new.created_at):
            return rotation
        former = keys.filter(version__lt=new.version).order_by("version")
        for key in former:
            if not (left := sealed_with(key.version)):
                key.delete()
                rotation.retired += 1
            elif not rotation.unopened:
                # By a process that read the former key before there was the new one.
                rotation.place, rotation.after = left[0], ""
                rotation.save()
                return rotation
        if rotation.unopened:
            rotation.error = _(
                "Some rows could not be opened and stay as they are, with the key that sealed "
                "them. Everything else is sealed with the new key."
            )
        rotation.state, rotation.finished_at = State.DONE, timezone.now()
        rotation.save()
        audit.record(
            acting_user=None,
            action="key.retire",
            target=rotation,
            # Not how many rows: they are of every brand.
            changes={"keys deleted": ["", rotation.retired]},
        )
        return rotation


def _is_held(made_at: dt.datetime) -> bool:
    """Tell whether somebody may still seal with what they read before the new key was made."""
    if timezone.now() < made_at + dt.timedelta(seconds=settings.KEY_GRACE_SECONDS):
        return True
    return ImportJob.objects.filter(state=ImportJob.State.RUNNING, started_at__lt=made_at).exists()


# --- The master key -------------------------------------------------------------------------


def master_rewrap(*, tenant: Tenant, master: MasterKeyProvider) -> int:
    """Wrap a group's keys anew under the master key in use, in one transaction; return how many.

    A group whose keys were wrapped anew before is left as it is. Raises KeysUnopened.
    """
    with tenant_transaction(tenant):
        rows = list(GroupKey.objects.select_for_update().order_by("version", "purpose"))
        opened(
            tenant.schema_name,
            tuple((row.purpose, row.version, bytes(row.wrapped)) for row in rows),
            master,
        )
        changed = 0
        for row in rows:
            place = context(tenant.schema_name, row.purpose, row.version)
            blob = bytes(row.wrapped)
            if master.is_current(blob, place):
                continue
            row.wrapped = master.wrap(master.unwrap(blob, place), place)
            row.save(update_fields=["wrapped"])
            changed += 1
        if changed:
            audit.record(
                acting_user=None,
                action="key.wrap",
                target_name=tenant.schema_name,
                changes={"keys": ["", changed]},
            )
    return changed
