"""Find the group of a host, and the person of a session with their grants there.

Every request asks both before all else. The statements are written out, since Django takes several
times as long to write them as the server takes to answer; nothing found is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db.models import Model
from django.utils import timezone

from tenants.connection import connection
from tenants.models import Engagement, Grant, Tenant, User
from tenants.selectors import widest_first

M = TypeVar("M", bound=Model)


def group_of(host: str) -> tuple[Tenant, int | None] | None:
    """Return the active group of a host, and the brand if the host names one."""
    rows = _rows(_group_sql(), {"host": host, "active": Tenant.Status.ACTIVE})
    if not rows:
        return None
    brand_id, *found = rows[0]
    return _instance(Tenant, found), brand_id


def person_of(user_id: int, *, tenant: Tenant) -> User | None:
    """Return a person who is not switched off, with the grants that hold now at a group."""
    now = timezone.now()
    asked = {"user": user_id, "tenant": tenant.pk, "now": now, "today": now.date()}
    rows = _rows(_person_sql(), asked)
    if not rows:
        return None
    ends = [0]
    for model in (User, Grant, Engagement):
        ends.append(ends[-1] + len(_columns(model)))
    person = _instance(User, rows[0][: ends[1]])
    grants = []
    for row in rows:
        if row[ends[1]] is None:
            # Nobody's grant: a stranger here.
            continue
        grant = _instance(Grant, row[ends[1] : ends[2]])
        grant.user, grant.tenant = person, tenant
        if grant.engagement_id is not None:
            grant.engagement = _instance(Engagement, row[ends[2] :])
        grants.append(grant)
    person.grants_found = tenant.pk, widest_first(grants)
    return person


@cache
def _group_sql() -> str:
    return f"""
    SELECT host.brand_id, {_listed(Tenant, "grp")}
    FROM tenants_domain host JOIN tenants_tenant grp ON grp.id = host.tenant_id
    WHERE host.domain = %(host)s AND grp.status = %(active)s
    """  # noqa: S608 - names of columns


@cache
def _person_sql() -> str:
    """Return the statement: whoever is active, each with what GrantQuerySet.current() keeps."""
    return f"""
    SELECT {_listed(User, "person")}, {_listed(Grant, "held")}, {_listed(Engagement, "contract")}
    FROM tenants_user person
    LEFT JOIN (
        tenants_grant held
        LEFT JOIN tenants_engagement contract ON contract.id = held.engagement_id
        LEFT JOIN tenants_serviceprovider provider ON provider.id = contract.provider_id
    ) ON held.user_id = person.id AND held.tenant_id = %(tenant)s
        AND held.valid_from <= %(now)s
        AND (held.valid_until IS NULL OR held.valid_until > %(now)s)
        AND (
            held.engagement_id IS NULL
            OR contract.starts_on <= %(today)s AND contract.ends_on >= %(today)s
                AND provider.is_active
        )
    WHERE person.id = %(user)s AND person.is_active
    """  # noqa: S608 - names of columns


def _rows(sql: str, asked: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, asked)
        return cursor.fetchall()


@cache
def _columns(model: type[Model]) -> tuple[tuple[str, str], ...]:
    return tuple((field.attname, cast(str, field.column)) for field in model._meta.concrete_fields)


def _listed(model: type[Model], alias: str) -> str:
    return ", ".join(f'{alias}."{column}"' for _name, column in _columns(model))


def _instance(model: type[M], values: Sequence[Any]) -> M:
    return model.from_db(connection.alias, [name for name, _column in _columns(model)], values)
