"""HQ that looks as a role: it reads what the role may read and HQ may read, row by row."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

from django.db import connection

from brands.tests import oracle, wall_rows
from brands.view_as import visible_for_request
from brands.wall import scope
from config.tests.fuzz.reading import Reading
from config.tests.fuzz.world import Facts, kind_of
from tenants.context import tenant_transaction
from tenants.models import Grant
from tenants.view_as import Looking

LOOKED_AS = (
    "brand_manager",
    "unit_manager",
    "sibling_manager",
    "store_manager",
    "provider_operator",
    "spa_manager",
    "guide",
)


class Looks(Reading):
    """Look as others."""

    def _read_look(self, world: oracle.World, facts: Facts) -> None:
        """Read every table by SQL and ORM as HQ that looks as the next role."""
        who = LOOKED_AS[self.turn % len(LOOKED_AS)]
        if who in self.ended:
            return
        tenant, people = self.stage.tenant, self.stage.people
        role = Grant.objects.select_related("engagement").get(pk=people[who].acting_grant.pk)
        # A look stands in no table: nobody holds this grant.
        role.pk, role.user = None, people["group_admin"]
        until = self.clock.now() + dt.timedelta(minutes=15)
        request = SimpleNamespace(
            grant=role, looking=Looking(role, people["group_admin"].acting_grant, until)
        )
        viewer, hq = self._viewer(who), self._viewer("group_admin")
        with tenant_transaction(tenant):
            visible = visible_for_request(cast(Any, request), k=tenant.k)
            with scope.open(visible), connection.cursor() as cursor:
                for model, rows in facts.items():
                    both = self._allowed(world, viewer, model, rows) & self._allowed(
                        world, hq, model, rows
                    )
                    by_sql = set(wall_rows.read_facts(cursor, model))
                    by_orm = {
                        wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)
                    }
                    assert by_sql == by_orm, self._wrong(who, model, "look", rows, by_sql, by_orm)
                    assert by_sql == both, self._wrong(who, model, "look", rows, by_sql, both)
                    kind = kind_of(model)
                    # Of the group's and of one's own there is nothing that both may read.
                    if kind not in ("group", "own"):
                        self.stage.tally.add(
                            kind, "look", allowed=len(by_sql), denied=len(rows) - len(both)
                        )
