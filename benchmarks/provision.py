"""Make a client group's schema, beside django-tenants' migrate and clone and the bare DDL."""

from __future__ import annotations

import itertools

from django.db import connection, transaction

from benchmarks.peer_tenants import Peer, peer
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, stopwatch
from tenants import provisioning
from tenants.models import Tenant

# Groups of ours per variant; a row of this measure is a group.
DEFAULT_ROWS = 12
LEAST_ROWS = 1
PEER_ROUNDS = 4

_numbers = itertools.count(1)


def run(rows: int) -> Report:
    """Measure ROWS new groups each way (at most 50)."""
    rounds = min(rows, 50)
    with peer() as asked:
        # The schema that the peer's clone copies; also warms its process up.
        asked.create("migrate", "bench_base")
        _once(_ours)
        found = alternate(
            {
                "ours": lambda: _once(_ours),
                "spare": lambda: _once(_spare),
                "fresh": lambda: _once(_fresh_process),
                "limit": lambda: _once(_bare),
                "migrate": lambda: _once(lambda name: _peer(asked, "migrate", name)),
                "clone": lambda: _once(lambda name: _peer(asked, "clone", name)),
            },
            rounds=rounds,
            least={"migrate": PEER_ROUNDS, "clone": PEER_ROUNDS},
        )
    drop("bench_base")
    main = Part("new schema", found["ours"], limit=found["limit"], peer=found["migrate"])
    spare = Part("from a spare schema", found["spare"], limit=found["limit"], peer=found["migrate"])
    return Report(
        name="provision",
        rows=rounds,
        main=main,
        parts=[
            spare,
            Part(
                "the first in a process",
                found["fresh"],
                limit=found["limit"],
                peer=found["migrate"],
                note="the DDL is drawn up from the models first",
            ),
            Part("new schema, peer: its clone", found["ours"], peer=found["clone"]),
        ],
        targets=[
            Target("ours ÷ limit", main.json()["ratio_to_limit"], "at_most", 1.3),
            Target("× faster than migrate", main.json()["ratio_to_peer"], "at_least", 8),
            Target("from a spare schema, ms", found["spare"].median * 1000, "at_most", 100),
        ],
        notes=[
            "Ours: tenant_request and tenant_provision with tables, policies, privileges, keys, "
            "host, first mode and audit: three commits. Limit: the same DDL in one transaction.",
            "Peer: create_schema of django-tenants; policies, keys, host are left out.",
        ],
    )


def _once(create: object) -> float:
    name = f"bench_new_{next(_numbers)}"
    seconds = create(name)  # type: ignore[operator]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [name])
        made = cursor.fetchone()[0]
    assert made == len(provisioning.tenant_models()) + 1, f"{name} has {made} tables"
    drop(name)
    return seconds


def drop(schema_name: str) -> None:
    """Drop a schema, outside every measured time."""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{schema_name}" CASCADE')


def _ours(schema_name: str) -> float:
    with stopwatch() as watch:
        tenant = provisioning.tenant_request(
            schema_name=schema_name, name=schema_name, acting_user=None
        )
        tenant = provisioning.tenant_provision(tenant=tenant)
    assert tenant.status == Tenant.Status.ACTIVE, tenant.status_note
    return watch.seconds


def _spare(schema_name: str) -> float:
    provisioning.spares_refill(wanted=1)
    return _ours(schema_name)


def _fresh_process(schema_name: str) -> float:
    provisioning._table_ddl.cache_clear()
    provisioning.schema_ddl.cache_clear()
    return _ours(schema_name)


def _bare(schema_name: str) -> float:
    ddl = provisioning.schema_ddl()
    with stopwatch() as watch, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f'CREATE SCHEMA "{schema_name}"; SET LOCAL search_path = "{schema_name}", public; {ddl}'
        )
    return watch.seconds


def _peer(asked: Peer, how: str, schema_name: str) -> float:
    return asked.create(how, schema_name)
