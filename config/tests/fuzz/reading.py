"""The ways of reading: SQL as the app role, the ORM, pages, the API."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.test import Client, override_settings

from brands.tests import oracle, wall_rows
from config.tests.fuzz.stage import Member
from config.tests.fuzz.strata import Strata
from config.tests.fuzz.world import Facts, kind_of
from members.models import Profile
from members.tests.tokens import program

# What a page and a page of the API hold of a list.
LISTED = {"page": 50, "api": 100}


class Reading(Strata):
    """Read as somebody, and compare."""

    def _read_rows(
        self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts
    ) -> None:
        with self._seeing(who), connection.cursor() as cursor:
            for model, rows in facts.items():
                allowed = self._allowed(world, viewer, model, rows)
                kind = kind_of(model)
                by_sql = set(wall_rows.read_facts(cursor, model))
                by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                for way, seen in (("sql", by_sql), ("orm", by_orm)):
                    assert seen == allowed, self._wrong(who, model, way, rows, seen, allowed)
                    self.stage.tally.add(
                        kind, way, allowed=len(allowed), denied=len(rows) - len(allowed)
                    )

    def _wrong(self, who: str, model: Any, way: str, rows: dict, seen: set, allowed: set) -> str:
        names = {pk: member for member, pk in self.ids.items()}
        return (
            f"{who} reads {model._meta.label} by {way}: "
            f"leaked {[(key, rows.get(key)) for key in sorted(seen - allowed)][:4]}, "
            f"hidden {[(key, rows.get(key)) for key in sorted(allowed - seen)][:4]}; "
            f"members {names}"
        )

    def _may(
        self, world: oracle.World, viewer: oracle.Viewer, facts: Facts, kind: str, pk: int
    ) -> bool:
        """Tell whether a member's rows of a kind may be read; orders stand at a store of theirs."""
        row = facts[Profile][str(pk)]
        if kind == "activity":
            # All orders of the machine were made at the brand's first store.
            code = next(code for code, number in self.brands.items() if number == row.brand)
            row = oracle.Row(row.brand, self.stores[f"{code}-1"], row.notice)
        return oracle.may_read(world, viewer, kind, row)

    def _profiles(self, world: oracle.World, viewer: oracle.Viewer, facts: Facts) -> set[int]:
        """Return the members that a viewer may read; nobody is shown none."""
        if viewer.name == "nobody":
            return set()
        return {pk for pk in self.ids.values() if self._may(world, viewer, facts, "profile", pk)}

    def _some(self) -> list[Member]:
        """Return two members, others each time."""
        members = sorted(self.ids)
        return [members[(self.turn * 3 + one) % len(members)] for one in range(2)]

    def _client(self, who: str) -> Client:
        client = self.stage.through(Client(headers={"host": "acme.localhost"}))
        client.force_login(self.stage.people[who], backend="tenants.backends.GrantBackend")
        return client

    def _read_pages(
        self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts
    ) -> None:
        client = self._client(who)
        listed = client.get("/members/")
        seen = {int(pk) for pk in re.findall(r'href="/members/(\d+)/"', listed.content.decode())}
        allowed = self._profiles(world, viewer, facts)
        is_out = viewer.name == "nobody"
        assert listed.status_code == (404 if is_out else 200), (who, listed.status_code)
        newest = set(sorted(allowed, reverse=True)[: LISTED["page"]])
        assert seen == newest, (who, "list", seen ^ newest)
        count = self.stage.tally.add
        count("profile", "page", allowed=len(newest), denied=len(self.ids) - len(allowed))
        for member in self._some():
            pk = self.ids[member]
            page = client.get(f"/members/{pk}/")
            text = page.content.decode()
            is_shown = pk in allowed
            assert page.status_code == (200 if is_shown else 404), (who, member)
            count("profile", "page", allowed=is_shown, denied=not is_shown)
            for kind, mark in (
                ("contact", f">{self.rows[member]['name']}<"),
                ("activity", f"O-{member[0]}-{member[1]}-1"),
            ):
                if kind == "activity" and not self.orders.get(member):
                    continue
                may = is_shown and self._may(world, viewer, facts, kind, pk)
                if kind == "contact" and is_shown:
                    # Masked for everybody until it is asked for.
                    assert mark not in text, (who, member, kind)
                    with override_settings(REVEALS_PER_HOUR=10**9):
                        asked = client.post(f"/members/{pk}/contact/", {"reason": "A fuzz"})
                    text = text if asked.status_code == 404 else asked.content.decode()
                assert (mark in text) == may, (who, member, kind)
                count(kind, "page", allowed=may, denied=not may)

    def _read_api(self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: Facts) -> None:
        client = self.stage.through(program(self.stage.people[who].acting_grant))
        listed = client.get("/api/v1/members/?limit=100")
        allowed = self._profiles(world, viewer, facts)
        if viewer.name == "nobody":
            assert listed.status_code in (401, 403, 404), (who, listed.status_code)
            seen = set()
        else:
            seen = {row["id"] for row in listed.json()["members"]}
        newest = set(sorted(allowed, reverse=True)[: LISTED["api"]])
        assert seen == newest, (who, "api list", seen ^ newest)
        count = self.stage.tally.add
        count("profile", "api", allowed=len(newest), denied=len(self.ids) - len(allowed))
        for member in self._some():
            pk = self.ids[member]
            one = client.get(f"/api/v1/members/{pk}/")
            is_shown = pk in allowed
            assert (one.status_code == 200) == is_shown, (who, member, one.status_code)
            count("profile", "api", allowed=is_shown, denied=not is_shown)
            body = one.json() if is_shown else {}
            for kind in ("contact", "masked"):
                may = is_shown and self._may(world, viewer, facts, kind, pk)
                assert bool(body.get(kind)) == may, (who, member, kind)
                count(kind, "api", allowed=may, denied=not may)
            orders = client.get(f"/api/v1/members/{pk}/orders/")
            numbers = {row["order_no"] for row in orders.json().get("orders", [])}
            if wanted := set(self.orders.get(member, {})):
                may = is_shown and self._may(world, viewer, facts, "activity", pk)
                assert numbers == (wanted if may else set()), (who, member, numbers)
                many = len(wanted)
                count("activity", "api", allowed=many * may, denied=many * (not may))
            answers = client.get(f"/api/v1/members/{pk}/consents/")
            # Not every role reads answers; nobody reads those of a member they do not see.
            assert is_shown or answers.status_code != 200, (who, member)
