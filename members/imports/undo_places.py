"""Take stores or staff back: restore those that an import changed, remove those it created."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.backends.utils import CursorWrapper

from brands.models import Guide, Store
from members.imports.stores import said_of
from members.imports.undo_steps import Undone, find_reasons
from members.models import ImportChange, ImportJob
from members.staging import stage_query
from tenants.models import Grant, Tenant
from tenants.roles import Level

_MODELS: dict[str, type[Store] | type[Guide]] = {
    ImportChange.What.STORE: Store,
    ImportChange.What.GUIDE: Guide,
}


def restore(
    cursor: CursorWrapper, tenant: Tenant, job: ImportJob, after: int, rows: int
) -> Undone | None:
    """Take the next stores or staff back that are as the import left them; None: no more.

    One that the import created stays where anything refers to it: staff, members, orders, access.
    """
    changes = ImportChange.objects.filter(
        import_id=job.pk, what__in=_MODELS, row_id__gt=after
    ).order_by("row_id")[:rows]
    found = list(changes)
    if not found:
        return None
    done = Undone(found[-1].row_id, len(found))
    model = _MODELS[found[0].what]
    there: dict[int, Any] = model.objects.select_for_update().in_bulk([one.row_id for one in found])
    used = _used(cursor, tenant, model, [one.row_id for one in found if one.before is None])
    for change in found:
        row = there.get(change.row_id)
        if row is None:
            change.delete()
        elif said_of(row, change.after) != change.after:
            done.kept.setdefault("changed", []).append(row.pk)
        elif change.before is None and row.pk in used:
            done.kept.setdefault("used", []).append(row.pk)
        elif change.before is None:
            row.delete()
            done.removed += 1
            change.delete()
        elif _is_written(row, change.before):
            done.restored += 1
            change.delete()
        else:
            done.kept.setdefault("used", []).append(row.pk)
    return done


def _is_written(row: Any, before: dict[str, Any]) -> bool:
    """Write what a row said before; tell whether it could be."""
    for name, value in before.items():
        setattr(
            row, name, row._meta.get_field(name).to_python(value) if value is not None else None
        )
    try:
        row.full_clean()
    except ValidationError:
        return False
    row.save()
    return True


def _used(
    cursor: CursorWrapper, tenant: Tenant, model: type[Store] | type[Guide], ids: list[int]
) -> set[int]:
    """Return which rows anything else refers to."""
    stage_query(
        cursor, "created", "SELECT unnest(%s::bigint[]) AS id, ''::varchar AS reason", [ids]
    )
    find_reasons(cursor, model, goes_along=(), reasons={})
    cursor.execute("SELECT id FROM created WHERE reason <> ''")
    found = {pk for (pk,) in cursor.fetchall()}
    if model is Guide:
        # Somebody gave the guide a login.
        return found | {
            *Guide.objects.filter(pk__in=ids, user__isnull=False).values_list("pk", flat=True)
        }
    grants = Grant.objects.filter(tenant=tenant, level=Level.STORE, place_id__in=ids)
    return found | {pk for pk in grants.values_list("place_id", flat=True) if pk is not None}
