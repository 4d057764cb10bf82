"""Events by API: handed in in batches, kept, applied, each once; beside DRF object by object."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from django.test import Client

from benchmarks.copies import load_tables, save_tables
from benchmarks.peer_ingest import ingest_one
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import alternate, rounds_for, stopwatch
from benchmarks.synthetic import SEED, Group, drop_group, fill_members, make_group
from brands.models import Brand
from brands.wall import scope
from members.intake.applying import intake_apply
from members.models import Event, Profile
from tenants.context import tenant_transaction
from tenants.models import Domain, Grant, TokenAction, User
from tenants.roles import Level, Role
from tenants.tokens import token_create

DEFAULT_ROWS = 50_000
LEAST_ROWS = 2_000
ROUNDS = 3
PEER_ROWS = 500
LINES_PER_BATCH = 5_000
MEMBERS = 20_000
# So many of a hundred lines were handed in before.
REPEATED = 5
_WHAT = ("view", "visit", "message", "scan", "attend_live")

_numbers = itertools.count(1)


def run(rows: int) -> Report:
    """Hand ROWS events of a brand in by API and apply them, into a group with members."""
    rounds = rounds_for(rows, usual=ROUNDS)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        group = _group()
        save_tables(group, folder, ("members_person", "members_profile"))
        lines = _lines(group, rows)
        _take(group, lines)
        with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
            wanted = len({line["id"] for line in lines})
            assert Event.objects.count() == wanted, "events were lost or doubled"
        save_tables(group, folder, ("members_event",))
        drop_group(group)
        found = alternate(
            {
                "ours": lambda: _ours(rows),
                "limit": lambda: _limit(folder),
                "peer": lambda: _peer(min(rows, PEER_ROWS)),
            },
            rounds=rounds,
            least={"peer": min(rounds, 2)},
        )
    main = Part(
        "events handed in and applied",
        found["ours"],
        limit=found["limit"],
        peer=found["peer"],
        per=rows,
        peer_per=min(rows, PEER_ROWS),
    )
    ratios = main.json()
    return Report(
        name="ingest",
        rows=rows,
        main=main,
        targets=[
            Target("ours ÷ limit", ratios["ratio_to_limit"], "at_least", 0.25),
            Target("× faster than the peer", ratios["ratio_to_peer"], "at_least", 20),
        ],
        details={"lines_per_batch": LINES_PER_BATCH, "repeated_percent": REPEATED},
        notes=[
            "Ours: requests to /api/v1/batch/ through the whole of Django with a token, each "
            "committed to disk, then the worker's part until every event stands in its table; the "
            "two one after the other, though web and worker run side by side.",
            "Limit: COPY of the same rows into an identical table with its indexes and keys.",
            f"Peer: one DRF serializer and one transaction for each of {min(rows, PEER_ROWS)} "
            "events: validated, its member looked up, written unless it is there.",
        ],
    )


def _group() -> Group:
    group = make_group(f"bench_ingest_{next(_numbers)}")
    fill_members(group, MEMBERS, with_contacts=False)
    return group


def _lines(group: Group, rows: int) -> list[dict[str, object]]:
    """Return events of members of the largest brand, some of them more than once."""
    draw = random.Random(SEED)  # noqa: S311 - synthetic data
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
        members = list(
            Profile.objects.filter(brand_id=group.brands[0])
            .order_by("pk")
            .values_list("member_no", flat=True)
        )
    lines: list[dict[str, object]] = []
    for number in range(rows):
        if lines and draw.randrange(100) < REPEATED:
            lines.append(lines[draw.randrange(len(lines))])
            continue
        lines.append(
            {
                "type": "event",
                "event": _WHAT[number % len(_WHAT)],
                "id": f"e{number}",
                "source": "till",
                "at": f"2026-10-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:00+08:00",
                "member_no": members[int(len(members) * draw.random() ** 2)],
                "subject": f"pages/{number % 400}",
            }
        )
    return lines


def _program(group: Group) -> Client:
    """Return a client with a token of the largest brand's manager."""
    user = User.objects.create_user(f"{group.tenant.schema_name}@bench.example", None, name="Bench")
    with tenant_transaction(group.tenant):
        brand = Brand.objects.get(pk=group.brands[0])
    grant = Grant.objects.create(
        user=user,
        role=Role.BRAND_MANAGER,
        level=Level.BRAND,
        tenant=group.tenant,
        place_id=brand.pk,
        place_name=str(brand),
    )
    user.acting_grant = grant
    with tenant_transaction(group.tenant):
        _token, text = token_create(
            grant=grant,
            name="Bench",
            actions=[TokenAction.WRITE_EVENTS],
            days=30,
            acting_user=user,
        )
    host = Domain.objects.get(tenant=group.tenant).domain
    return Client(headers={"host": host, "authorization": f"Bearer {text}"})


def _bodies(lines: list[dict[str, object]]) -> Iterator[bytes]:
    for start in range(0, len(lines), LINES_PER_BATCH):
        yield b"\n".join(
            json.dumps(line).encode() for line in lines[start : start + LINES_PER_BATCH]
        )


def _take(group: Group, lines: list[dict[str, object]]) -> float:
    client = _program(group)
    bodies = list(_bodies(lines))
    with stopwatch() as watch:
        for number, body in enumerate(bodies):
            answer = client.generic(
                "POST",
                "/api/v1/batch/",
                body,
                content_type="application/x-ndjson",
                headers={"idempotency-key": f"batch-{number}"},
            )
            assert answer.status_code == 202, answer.content[:500]
        applied = intake_apply(tenant=group.tenant)
    assert applied >= len({line["id"] for line in lines}), "lines were left waiting"
    return watch.seconds


def _ours(rows: int) -> float:
    group = _group()
    seconds = _take(group, _lines(group, rows))
    drop_group(group)
    return seconds


def _limit(folder: Path) -> float:
    group = make_group(f"bench_ingest_{next(_numbers)}")
    # Members under the numbers that the events name.
    load_tables(group, folder, ("members_person", "members_profile"))
    with stopwatch() as watch:
        load_tables(group, folder, ("members_event",))
    drop_group(group)
    return watch.seconds


def _peer(rows: int) -> float:
    group = _group()
    lines = _lines(group, rows)
    with stopwatch() as watch:
        for line in lines:
            with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
                ingest_one(line, group.brands[0])
    with tenant_transaction(group.tenant), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM members_event")
        assert cursor.fetchone()[0] == len({line["id"] for line in lines})
    drop_group(group)
    return watch.seconds
