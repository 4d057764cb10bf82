"""Say at the start whether the master key opens every group's keys, and which it does not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from members.keys import KeysUnopened, Row, opened
from tenants.master_key import provider
from tenants.models import Tenant

log = logging.getLogger(__name__)

# Groups of one query.
_AT_ONCE = 100
# Named one by one.
_NAMED = 20


def unopened() -> tuple[int, dict[str, str]]:
    """Return how many groups there are, and group → why its keys cannot be opened.

    Raises ImproperlyConfigured where the master key itself cannot be read.
    """
    master = provider()
    in_use = [Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_tenant')")
        if cursor.fetchone()[0] is None:
            # Before the first migration.
            return 0, {}
        cursor.execute(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN public.tenants_tenant t ON t.schema_name = n.nspname "
            "WHERE c.relname = 'members_groupkey' AND t.status = ANY(%s) ORDER BY 1",
            [in_use],
        )
        schemas = [name for (name,) in cursor.fetchall()]
        rows: dict[str, list[Row]] = {name: [] for name in schemas}
        for first in range(0, len(schemas), _AT_ONCE):
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{name}', purpose, version, wrapped "  # noqa: S608 - schemas there are
                    f'FROM "{name}".members_groupkey'
                    for name in schemas[first : first + _AT_ONCE]
                )
            )
            for name, purpose, version, blob in cursor.fetchall():
                rows[name].append((purpose, version, bytes(blob)))
    found = {}
    for name in schemas:
        try:
            opened(name, tuple(rows[name]), master)
        except KeysUnopened as error:
            found[name] = str(error)
    return len(schemas), found


@register(Tags.database)
def every_groups_keys_open(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Name the groups whose keys the master key does not open (`check --database default`)."""
    if not databases or "default" not in databases:
        return []
    try:
        _count, found = unopened()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="members.E001")]
    return [Error(why, obj=name, id="members.E002") for name, why in found.items()]


def refuse_wrong_key() -> None:
    """End a process whose master key opens no group's keys; name the groups where some fail.

    One group whose row was damaged stops no other: what needs its keys is refused, in words.
    """
    try:
        count, found = unopened()
    except ImproperlyConfigured as error:
        raise SystemExit(f"{error} Nothing was started, and nothing was changed.") from error
    if count and len(found) == count:
        raise SystemExit(
            f"The master key opens the keys of none of {count} groups: it is not the one they were "
            "made with. Nothing was started, and nothing was changed. Set MASTER_KEY to the right "
            "key, or FORMER_MASTER_KEYS to the one before it."
        )
    for name in list(found)[:_NAMED]:
        log.error("the keys of %s cannot be opened; other groups go on", name)
    if len(found) > _NAMED:
        log.error("the keys of %s more groups cannot be opened", len(found) - _NAMED)


def at_start() -> None:
    """Do as `refuse_wrong_key` in a process that is about to begin."""
    try:
        refuse_wrong_key()
    finally:
        connection.close()
