"""What the steps of taking an import back have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from django.db import models
from django.db.backends.utils import CursorWrapper
from django.db.models.fields.reverse_related import ForeignObjectRel

from members.models import ImportJob
from tenants.models import Tenant


@dataclass
class Undone:
    """Tell what became of a chunk: `kept` is reason → numbers of record of what stays."""

    last: int
    looked_at: int
    restored: int = 0
    removed: int = 0
    kept: dict[str, list[int]] = field(default_factory=dict)


# Takes the next rows behind a number back, of which so many at most; None where there are no more.
Step = Callable[[CursorWrapper, Tenant, ImportJob, int, int], Undone | None]


def find_reasons(
    cursor: CursorWrapper,
    model: type[models.Model],
    *,
    goes_along: Collection[str],
    reasons: dict[str, str],
) -> None:
    """Write into `created` (id, reason) why a row stays: what refers to it, but what goes along.

    Any table that refers to it counts, also one that nobody thought of here: better a row too many
    than a fact without its member. `reasons` says how a model's rows are told, "events" otherwise.
    """
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel):
            continue
        label = relation.related_model._meta.label
        if label in goes_along:
            continue
        table = relation.related_model._meta.db_table
        column = relation.field.column
        cursor.execute(
            f"UPDATE created c SET reason = %s WHERE reason = '' "  # noqa: S608 - of the models
            f"AND EXISTS (SELECT FROM {table} x WHERE x.{column} = c.id)",
            [reasons.get(label, "events")],
        )


def kept_by_reason(cursor: CursorWrapper) -> dict[str, list[int]]:
    """Return what stays of `created`, by reason."""
    cursor.execute(
        "SELECT reason, array_agg(id ORDER BY id) FROM created WHERE reason <> '' GROUP BY reason"
    )
    return dict(cursor.fetchall())
