"""Twelve hot queries behind the wall, beside an EXISTS-consent policy and no wall at all."""

from __future__ import annotations

import datetime as dt
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Q, QuerySet, Sum

from benchmarks.report import Part, Report, Target
from benchmarks.rounds import Seconds, alternate, stopwatch
from benchmarks.synthetic import Group, drop_group, fill_members, fill_orders, make_group
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.wall import scope
from brands.wall.models import Walled
from brands.wall.policies import policies, read_rule
from brands.wall.visibility import Viewer, Visible, visibility
from config import env
from members.models import (
    Contact,
    DailyMetric,
    MaskedContact,
    Order,
    PoolMetric,
    Profile,
)
from tenants.context import tenant_transaction

DEFAULT_ROWS = 200_000
# So that every brand has members, and the lists more than one page.
LEAST_ROWS = 10_000
ROUNDS = 16
# A round asks in one transaction after the other until its queries took this long, at least twice
# and for at most as many transactions.
ROUND_SECONDS = 0.03
MOST_TRANSACTIONS = 80
# What comes before the first round: after five times a statement is prepared, after five more the
# server has decided whether to keep one plan for it.
WARM_UP = 12
SCANS = "full-scan aggregate"


@dataclass(frozen=True)
class Query:
    """Be one query: whose it is, and its SQL with the manager's explicit filter in it."""

    name: str
    visible: Visible
    sql: str
    params: tuple[Any, ...]


def run(rows: int) -> Report:
    """Measure the wall on ROWS profiles."""
    group = make_group("bench_wall")
    fill_members(group, rows)
    fill_orders(group)
    queries = _queries(group, rows)
    servers = Servers.connect()
    parts = [_part(group, servers, query) for query in queries]
    report = Report(
        name="wall",
        rows=rows,
        main=_geometric_mean(parts),
        parts=[*parts, _opening(group, servers, queries[0].visible)],
        targets=_targets(parts),
        notes=[
            "The same SQL text in all three columns: as the app role inside a scope, as the app "
            "role under policies that look consents up with EXISTS, as the owner without a wall.",
            "Every query is asked in a transaction of its own, opened as for a request; the query "
            f"alone is timed. PREPARE is {settings.PREPARE!r} for all three.",
            "The main line is the geometric mean of the twelve.",
        ],
    )
    servers.close()
    drop_group(group)
    return report


def _visible(viewer: Viewer, mode: Mode | None = None) -> Visible:
    modes = effective_modes()
    if mode is not None:
        modes = dict.fromkeys(modes, mode)
    return visibility(viewer, modes, notice_terms(), k=10)


def _queries(group: Group, rows: int) -> list[Query]:
    brand, store = group.brands[0], group.stores[3]
    with tenant_transaction(group.tenant):
        manager = _visible(Viewer(brands=frozenset({brand})))
        store_manager = _visible(Viewer(stores=frozenset({store}), store_brands=frozenset({brand})))
        hq = _visible(Viewer(is_hq=True))
        sibling = _visible(Viewer(brands=frozenset({group.brands[1]})), Mode.FAN_MAX)
        with scope.bulk(reason="benchmark"):
            member = Profile.objects.filter(brand=brand, orders__gte=3).order_by("-id")[rows // 40]
            # Far from both ends of the list.
            deep = Profile.objects.filter(brand=brand).order_by("-sales", "-id")[rows // 20]
            phone = Contact.objects.get(pk=member.pk).phone_key
        month = Q(day__gte=dt.date(2026, 9, 1), day__lt=dt.date(2026, 10, 1), store=None)
        by_sales = Q(sales__lt=deep.sales) | Q(sales=deep.sales, pk__lt=deep.pk)
        asked: list[tuple[str, Visible, Any]] = [
            (
                "member list by id",
                manager,
                lambda: Profile.objects.filter(pk__lt=member.pk).order_by("-pk")[:50],
            ),
            (
                "member list by sales",
                manager,
                lambda: Profile.objects.filter(by_sales, sales__lte=deep.sales).order_by(
                    "-sales", "-pk"
                )[:50],
            ),
            (
                "search by phone key",
                manager,
                lambda: Contact.objects.filter(phone_key=bytes(phone)).order_by("pk")[:20],
            ),
            (
                "member page",
                manager,
                lambda: Profile.objects.select_related("contact", "store").filter(pk=member.pk),
            ),
            (
                "orders of a member",
                manager,
                lambda: Order.objects.filter(profile=member.pk).order_by("-ordered_at")[:20],
            ),
            (
                "month report",
                manager,
                lambda: DailyMetric.objects.filter(month).values("day", "orders", "sales"),
            ),
            (
                "group KPI",
                hq,
                lambda: PoolMetric.objects.filter(store=None).values("brand", "members", "buyers"),
            ),
            (
                "brand comparison",
                hq,
                lambda: (
                    DailyMetric.objects.filter(month)
                    .values("brand")
                    .annotate(total=Sum("sales"), count=Sum("orders"))
                    .order_by("brand")
                ),
            ),
            (
                "count of own members",
                manager,
                lambda: (
                    Profile.objects.filter(is_member=True).values("brand").annotate(n=Count("*"))
                ),
            ),
            (
                "store's member list",
                store_manager,
                lambda: Profile.objects.order_by("-pk")[:50],
            ),
            (
                "fan-max shared list",
                sibling,
                lambda: Profile.objects.filter(pk__lt=member.pk).order_by("-pk")[:50],
            ),
            (
                SCANS,
                hq,
                lambda: Profile.objects.values("brand").annotate(n=Count("*"), total=Sum("sales")),
            ),
        ]
        return [_compiled(name, visible, make) for name, visible, make in asked]


def _compiled(name: str, visible: Visible, make: Any) -> Query:
    with scope.open(visible):
        queryset: QuerySet = make()
        sql, params = queryset.query.sql_with_params()
    return Query(name, visible, sql, tuple(params))


@dataclass(frozen=True)
class Servers:
    """Hold a connection per column, set up as those of web processes."""

    ours: BaseDatabaseWrapper
    limit: BaseDatabaseWrapper
    # Also the owner's, who alone may write policies.
    peer: BaseDatabaseWrapper

    @classmethod
    def connect(cls) -> Servers:
        """Connect as the app role and twice as the owner."""
        return cls(*map(_connection, ("DATABASE_URL", "OWNER_DATABASE_URL", "OWNER_DATABASE_URL")))

    def close(self) -> None:
        """Close all three."""
        for one in (self.ours, self.limit, self.peer):
            one.close()


def _connection(address: str) -> BaseDatabaseWrapper:
    options: dict[str, object] = {}
    if settings.PREPARE != "never":
        options = {"server_side_binding": True, "prepare_threshold": 5}
    found = connections.create_connection("default")
    found.settings_dict = {**found.settings_dict, **env.database(address, **options)}
    return found


@contextmanager
def _connected(server: BaseDatabaseWrapper) -> Iterator[None]:
    kept = connections["default"]
    connections["default"] = server
    try:
        yield
    finally:
        connections["default"] = kept


def _part(group: Group, servers: Servers, query: Query) -> Part:
    found_rows: set[int] = set()
    warmed: set[object] = set()

    @contextmanager
    def walled() -> Iterator[None]:
        with tenant_transaction(group.tenant), scope.open(query.visible):
            yield

    @contextmanager
    def unwalled() -> Iterator[None]:
        with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
            yield

    def ask(opened: Callable[[], AbstractContextManager]) -> float:
        with opened(), connection.cursor() as cursor:
            start = time.perf_counter()
            cursor.execute(query.sql, query.params)
            rows = cursor.fetchall()
            seconds = time.perf_counter() - start
        found_rows.add(len(rows))
        return seconds

    def asked(
        server: BaseDatabaseWrapper,
        opened: Callable[[], AbstractContextManager],
        around: Callable[[], AbstractContextManager] = nullcontext,
    ) -> float:
        """Return the median seconds of a query, after some that warm caches and check the answer.

        The mean would be of the other programs on the machine, which interrupt a few of them.
        """
        with _connected(server), around():
            for _ in range(2 if server in warmed else WARM_UP):
                once = ask(opened)
            warmed.add(server)
            assert len(found_rows) == 1, f"{query.name}: {found_rows} rows"
            assert 0 not in found_rows, f"{query.name} finds nothing"
            times = max(2, min(MOST_TRANSACTIONS, round(ROUND_SECONDS / once)))
            gc.collect()
            gc.disable()
            spent = [ask(opened) for _ in range(times)]
            gc.enable()
        return statistics.median(spent)

    found = alternate(
        {
            "ours": lambda: asked(servers.ours, walled),
            "limit": lambda: asked(servers.limit, unwalled),
            "peer": lambda: asked(
                servers.peer, lambda: scope.open(query.visible), lambda: _exists_policies(group)
            ),
        },
        rounds=ROUNDS,
    )
    return Part(query.name, **found)


@contextmanager
def _exists_policies(group: Group) -> Iterator[None]:
    """Let policies ask the consent ledger per row instead of comparing the row's own columns."""
    with tenant_transaction(group.tenant):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE members_consent DISABLE ROW LEVEL SECURITY")
            for model in (Profile, Contact, MaskedContact, Order, DailyMetric, PoolMetric):
                table = model._meta.db_table
                for policy in policies(model):
                    if policy.command == "SELECT":
                        cursor.execute(f"DROP POLICY {policy.name} ON {table}")
                cursor.execute(
                    f"CREATE POLICY sluice_read ON {table} FOR SELECT USING ({_exists_rule(model)})"
                )
        yield
        transaction.set_rollback(True)


def _exists_rule(model: type[Walled]) -> str:
    """Return the model's rule with its comparison of the notice turned into a look-up."""
    rule = read_rule(model)
    column = {Profile: "id"}.get(model, "profile_id")
    if model in (DailyMetric, PoolMetric):
        return rule
    table = model._meta.db_table
    kept = "notice_id = ANY"
    assert rule.count(kept) == 1, "the policy has changed its shape: write the peer's anew"
    before, after = rule.split(kept)
    array, end = after.rsplit(")", 1)
    return (
        f"{before}EXISTS (SELECT FROM members_consent WHERE members_consent.profile_id = "
        f"{table}.{column} AND is_given AND answered_notice_id = ANY{array})){end}"
    )


def _opening(group: Group, servers: Servers, visible: Visible) -> Part:
    def opened() -> float:
        with _connected(servers.ours), tenant_transaction(group.tenant), stopwatch() as watch:
            for _ in range(50):
                with scope.open(visible):
                    pass
        return watch.seconds / 50

    def empty() -> float:
        with _connected(servers.ours), tenant_transaction(group.tenant), stopwatch() as watch:
            for _ in range(50):
                with transaction.atomic():
                    pass
        return watch.seconds / 50

    found = alternate({"ours": opened, "limit": empty}, rounds=ROUNDS)
    return Part("(opening and closing a scope)", **found, note="once a request; limit: a savepoint")


def _geometric_mean(parts: list[Part]) -> Part:
    def mean(which: str) -> Seconds:
        rounds = zip(*(getattr(part, which).rounds for part in parts), strict=True)
        return Seconds([math.exp(sum(map(math.log, r)) / len(r)) for r in rounds])

    return Part("all twelve (geometric mean)", mean("ours"), mean("limit"), mean("peer"))


def _targets(parts: list[Part]) -> list[Target]:
    ratios = {part.name: part.ours.median / part.limit.median for part in parts if part.limit}
    scan = ratios.pop(SCANS)
    worst = max(ratios, key=lambda name: ratios[name])
    return [
        Target(f"each hot query, the worst being “{worst}”", ratios[worst], "at_most", 1.10),
        Target("the worst of all, full scan included", max(scan, ratios[worst]), "at_most", 1.3),
    ]
