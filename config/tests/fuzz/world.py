"""What the machine knows of the group, and what the oracles make of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from hypothesis.stateful import RuleBasedStateMachine

from brands.models import Brand, Notice, Store
from brands.selectors import visible_for_grant
from brands.tests import oracle, wall_rows
from brands.wall import scope
from brands.wall.models import GrantWalled, Walled
from config.tests.fuzz.stage import BRANDS, KINDS, Clock, Member, Stage
from members.tests import consent_oracle
from members.tests.test_import_persons import components
from tenants.connection import connection as schema_connection
from tenants.context import tenant_transaction
from tenants.models import Grant, User

# Which rows carry the notice of a member, and how one finds the member of a row.
OF_MEMBER = {
    "members_profile": "id",
    "members_contact": "profile_id",
    "members_maskedcontact": "profile_id",
    "members_platformkey": "profile_id",
    "members_consent": "profile_id",
    "members_objection": "profile_id",
    "members_touchpoint": "profile_id",
    "members_profiletag": "profile_id",
    "members_event": "profile_id",
    "members_order": "profile_id",
    "members_orderline": "(SELECT o.profile_id FROM members_order o WHERE o.id = order_id)",
}
Facts = dict[Any, dict[str, oracle.Row]]


def kind_of(model: Any) -> str:
    """Name what sort of data a table holds, in the counts of reads."""
    if issubclass(model, Walled):
        return str(model.wall.kind)
    return "own" if issubclass(model, GrantWalled) else "group"


class World(RuleBasedStateMachine):
    """Know what was done to the group, and decide who may read what of it."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self._undo: list[Callable[[], None]] = []
        patch = mock.patch.object(timezone, "now", self.clock.now)
        patch.start()
        self._undo.append(patch.stop)
        outer = transaction.atomic()
        outer.__enter__()
        self._undo.append(lambda: self._roll_back(outer))
        # A run that is undone takes its generations back, and a page kept under one must go too.
        cache.clear()
        stage = self.stage
        stage.tally.examples += 1
        self._meet_anew()
        with self._bulk():
            self.brands: dict[str, int] = dict(Brand.objects.values_list("code", "pk"))
            self.stores: dict[str, int] = dict(Store.objects.values_list("code", "pk"))
            first = Notice.objects.order_by("pk").first()
        assert first is not None
        # Every decision: effective at, number, brand, mode.
        self.modes: list[tuple[dt.datetime, int, str | None, str]] = []
        self.modes.append((self.clock.now() - dt.timedelta(days=99), 0, None, "member_max"))
        self.left: dict[str, dt.datetime] = {}
        self.ended: set[str] = set()
        self.engaged = False
        # What a notice says, for how many months, and when it ends.
        self.notices: dict[int, tuple[oracle.Notice, int | None, dt.datetime | None]] = {
            first.pk: (
                oracle.Notice(True, frozenset(self.brands.values()), frozenset(KINDS)),
                None,
                None,
            )
        }
        self.ledger = consent_oracle.Ledger(
            {first.pk: consent_oracle.Notice(first.pk, frozenset(BRANDS))},
            day_of=lambda at: at.astimezone(stage.zone).date(),
        )
        self.keys: dict[Member, set[str]] = {}
        self.rows: dict[Member, dict[str, Any]] = {}
        self.ids: dict[Member, int] = {}
        # Order number → amount in minor units, and its day.
        self.orders: dict[Member, dict[str, tuple[int, dt.date]]] = {}
        self.closed_until: dt.datetime | None = None
        self.within: dict[Any, dict[str, list[int]]] = {}
        self.turn = 0

    def _meet_anew(self) -> None:
        """Read people and grants again: what a run did to them in memory was not undone."""
        for name, user in self.stage.people.items():
            held = user.acting_grant
            assert held is not None
            found = User.objects.get(pk=user.pk)
            found.acting_grant = Grant.objects.select_related("engagement", "tenant").get(
                pk=held.pk
            )
            self.stage.people[name] = found

    def _roll_back(self, outer: Any) -> None:
        transaction.set_rollback(True)
        outer.__exit__(None, None, None)
        schema_connection.set_schema_to_public()

    def teardown(self) -> None:
        """Undo the run, whatever became of it."""
        while self._undo:
            self._undo.pop()()

    @contextmanager
    def _bulk(self) -> Iterator[None]:
        with tenant_transaction(self.stage.tenant), scope.bulk(reason="fuzz"):
            yield

    @contextmanager
    def _seeing(self, who: str) -> Iterator[scope.Scope]:
        """Open what a person sees now, by their grant as it is kept."""
        tenant, held = self.stage.tenant, self.stage.people[who].acting_grant
        grant = Grant.objects.select_related("engagement", "tenant").get(pk=held.pk)
        with (
            tenant_transaction(tenant),
            scope.open(visible_for_grant(grant, k=tenant.k)) as opened,
        ):
            yield opened

    def _step(self, name: str) -> None:
        self.stage.tally.steps[name] += 1

    # --- What the oracles say -------------------------------------------------------------------

    def _effective(self, at: dt.datetime | None = None) -> dict[str, str]:
        now = at or self.clock.now()
        held: dict[str | None, tuple[dt.datetime, int, str]] = {}
        for since, number, code, mode in self.modes:
            if since <= now and (code not in held or (since, number) >= held[code][:2]):
                held[code] = (since, number, mode)
        default = held[None][2]
        return {
            code: "brand_max"
            if self._has_left(code, now)
            else (held[code][2] if code in held else "") or default
            for code in self.brands
        }

    def _has_left(self, code: str, at: dt.datetime) -> bool:
        return code in self.left and self.left[code] <= at

    def _world(self, at: dt.datetime | None = None) -> oracle.World:
        now = at or self.clock.now()
        gone = {self.brands[code] for code in self.left if self._has_left(code, now)}
        open_notices = {
            number: oracle.Notice(said.group, said.brands - gone, said.kinds)
            for number, (said, months, ends_at) in self.notices.items()
            if (ends_at is None or ends_at > now)
            and (months is None or (self.closed_until is not None and self.closed_until > now))
        }
        modes = {self.brands[code]: mode for code, mode in self._effective(now).items()}
        return oracle.World(modes, open_notices, self.stage.tenant.k)

    def _viewer(self, who: str) -> oracle.Viewer:
        now = self.clock.now()
        stays = {code: pk for code, pk in self.brands.items() if not self._has_left(code, now)}

        def brands(*codes: str) -> frozenset[int]:
            return frozenset(stays[code] for code in codes if code in stays)

        if who in self.ended or who == "outsider":
            return oracle.Viewer("nobody", contact=False, writes=False)
        store = oracle.Viewer(who, store=self.stores["tea-1"], store_brand=self.brands["tea"])
        found = {
            "store_manager": store,
            "guide": store,
            "group_admin": oracle.Viewer("HQ", hq=True),
            "analyst": oracle.Viewer("analyst", hq=True, contact=False, writes=False),
            "unit_manager": oracle.Viewer("unit", brands=brands("tea", "bakery")),
            "brand_manager": oracle.Viewer("tea", brands=brands("tea")),
            "sibling_manager": oracle.Viewer("bakery", brands=brands("bakery")),
            "spa_manager": oracle.Viewer("spa", brands=brands("spa")),
            "provider_operator": oracle.Viewer(
                "provider", brands=brands("tea"), contact=self.engaged
            ),
        }[who]
        return replace(found, grant=self.stage.people[who].acting_grant.pk)

    def _persons(self) -> list[set[Member]]:
        return components(self.keys)

    def _notice_by_member(self) -> dict[int, int | None]:
        now = self.clock.now()
        closed_until = max(self.closed_until or now, now)
        return {
            self.ids[member]: self.ledger.notice_of(member, persons, closed_until=closed_until)
            for persons in self._persons()
            for member in persons
        }

    def _facts(self) -> Facts:
        """Return every walled row as the owner has it, with the notice that the oracle gives it."""
        standing = self._notice_by_member()
        found: Facts = {}
        with self._bulk(), connection.cursor() as cursor:
            for model in wall_rows.all_models():
                facts = wall_rows.read_facts(cursor, model)
                table = model._meta.db_table
                if member := OF_MEMBER.get(table):
                    cursor.execute(f'SELECT {wall_rows.key_sql(model)}, {member} FROM "{table}"')
                    of = dict(cursor.fetchall())
                    facts = {
                        key: oracle.Row(row.brand, row.store, standing[of[key]], row.count)
                        for key, row in facts.items()
                    }
                found[model] = facts
                if isinstance(model, type) and issubclass(model, Walled) and model.wall.within:
                    cursor.execute(f'SELECT id::text, {model.wall.within} FROM "{table}"')
                    self.within[model] = dict(cursor.fetchall())
        return found

    def _allowed(
        self, world: oracle.World, viewer: oracle.Viewer, model: Any, rows: dict[str, oracle.Row]
    ) -> set[str]:
        """Return the keys of a table's rows that the oracle lets the viewer read."""
        allowed = wall_rows.expected(world, viewer, model, rows)
        if model in self.within:
            allowed &= self._within_sight(world, viewer, model)
        return allowed

    def _within_sight(self, world: oracle.World, viewer: oracle.Viewer, model: Any) -> set[str]:
        """Return the rows that are about such brands only as the viewer sees in full."""
        kind = str(model.wall.kind)
        return {
            key
            for key, brands in self.within[model].items()
            if all(oracle.may_read(world, viewer, kind, oracle.Row(one)) for one in brands)
        }
