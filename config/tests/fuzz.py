"""A machine that changes a group at random and holds every viewer's reads to the oracles.

Steps go through the product's own services: imports, answers, notices, grants, changes of mode,
brands that join and leave, the clock. After each step one viewer reads through plain SQL as the app
role, through the ORM, through pages and through the API; what they get is compared with the table's
oracle (`brands.tests.oracle`), fed with the notices that the consents' oracle
(`members.tests.consent_oracle`) gives each member. Neither shares code with the product.

A *read* is one row, one viewer, one way: decided by the oracle and compared with what came out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from brands.models import Brand, ModeChange, Notice, Store
from brands.selectors import visible_for_grant
from brands.services import ModeUnchanged, mode_change
from brands.services.hierarchy import Leaving, LeavingRefused, brand_leave
from brands.services.notices import (
    Content,
    NoticeRefused,
    draft_create,
    notice_end,
    publish,
    publish_ask,
)
from brands.tests import oracle, wall_rows
from brands.wall import scope
from members.consents.entries import answers_record
from members.models import BrandOverlap, Entry, Profile
from members.services import AnswerRefused, answer_enter, expiries_close, objection_record
from members.tests import consent_oracle
from members.tests.conftest import Importer
from members.tests.test_import_persons import components
from members.tests.tokens import program
from tenants.connection import connection as schema_connection
from tenants.context import tenant_transaction
from tenants.models import Engagement, Grant, Tenant, User
from tenants.services import GrantRefused, grant_end

BRANDS = ("tea", "bakery", "spa")
JOINING = "juice"
# What a page and a page of the API hold of a list.
LISTED = {"page": 50, "api": 100}
MODES = ("fan_max", "member_max", "brand_max")
KINDS = ("profile", "contact", "activity")
WAYS = ("sql", "orm", "page", "api")
# Which rows carry the notice of a member, and how one finds the member of a row.
OF_MEMBER = {
    "members_profile": "id",
    "members_contact": "profile_id",
    "members_maskedcontact": "profile_id",
    "members_consent": "profile_id",
    "members_objection": "profile_id",
    "members_order": "profile_id",
    "members_orderline": "(SELECT o.profile_id FROM members_order o WHERE o.id = order_id)",
}
PEOPLE = (
    "group_admin",
    "analyst",
    "unit_manager",
    "brand_manager",
    "sibling_manager",
    "spa_manager",
    "store_manager",
    "guide",
    "provider_operator",
    "outsider",
)
HEAD = "member_no,name,phone,card,email,store,birthday,consent,consented_on,guardian\n"
Member = tuple[str, int]


@dataclass
class Tally:
    """Count the reads of a run, by kind, way and what the oracle said."""

    reads: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    examples: int = 0

    @property
    def total(self) -> int:
        """Return how many reads were decided and compared."""
        return sum(self.reads.values())

    def add(self, kind: str, way: str, *, allowed: int, denied: int) -> None:
        """Count reads of one kind by one way."""
        self.reads[kind, way, True] += allowed
        self.reads[kind, way, False] += denied

    def one_sided(self) -> list[str]:
        """Name the kinds and ways of which only denials, or none of them, were seen."""
        pairs = {(kind, way) for kind, way, _allowed in self.reads}
        return [
            f"{kind} by {way}: allowed {self.reads[kind, way, True]}, "
            f"denied {self.reads[kind, way, False]}"
            for kind, way in sorted(pairs)
            if not (self.reads[kind, way, True] and self.reads[kind, way, False])
        ]

    def lines(self) -> Iterator[str]:
        """Say the counts as a table."""
        yield f"{'kind':<10}{'way':<6}{'allowed':>12}{'denied':>12}"
        for kind, way in sorted({(kind, way) for kind, way, _ in self.reads}):
            allowed, denied = self.reads[kind, way, True], self.reads[kind, way, False]
            yield f"{kind:<10}{way:<6}{allowed:>12,}{denied:>12,}"
        steps = sum(self.steps.values())
        yield f"{self.total:,} reads in {steps:,} steps of {self.examples:,} runs"
        yield ", ".join(f"{name} {count:,}" for name, count in sorted(self.steps.items()))


@dataclass
class Stage:
    """What every run starts from: two groups, the cast, an importer, and the count of reads."""

    tenant: Tenant
    people: dict[str, User]
    engagement: Engagement
    importer: Importer
    zone: Any
    # Members of each brand at the start: more of them are more reads of each step.
    members: int = 8
    tally: Tally = field(default_factory=Tally)


class Clock:
    """Stand in for `timezone.now`; only ever moves on."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()
        self.real = timezone.now

    def now(self) -> dt.datetime:
        """Return the machine's time."""
        return self.real() + self.ahead


def card_of(number: int) -> str:
    """Return one of a few cards, which members share at random."""
    return f"CARD{number}" if number else ""


class Group(RuleBasedStateMachine):
    """Change the group and read it."""

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
        with self._bulk():
            wall = dict(Brand.objects.values_list("code", "pk"))
            stores = dict(Store.objects.values_list("code", "pk"))
            self.first_notice = Notice.objects.order_by("pk").first()
        assert self.first_notice is not None
        self.brands, self.stores = wall, stores
        self.modes: list[tuple[dt.datetime, int, str | None, str]] = []
        self.modes.append((self.clock.now() - dt.timedelta(days=99), 0, None, "member_max"))
        self.left: dict[str, dt.datetime] = {}
        self.ended: set[str] = set()
        self.notices = {
            self.first_notice.pk: (
                oracle.Notice(True, frozenset(wall.values()), frozenset(KINDS)),
                None,
                None,
            )
        }
        self.ledger = consent_oracle.Ledger(
            {self.first_notice.pk: consent_oracle.Notice(self.first_notice.pk, frozenset(BRANDS))},
            day_of=lambda at: at.astimezone(stage.zone).date(),
        )
        self.keys: dict[Member, set[str]] = {}
        self.rows: dict[Member, dict[str, Any]] = {}
        self.ids: dict[Member, int] = {}
        self.closed_until: dt.datetime | None = None
        self.turn = 0

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

    def _step(self, name: str) -> None:
        self.stage.tally.steps[name] += 1

    # --- What changes ---------------------------------------------------------------------------

    @initialize(wanted=st.tuples(*[st.sampled_from(MODES)] * 2), seed=st.integers(0, 99))
    def begin(self, wanted: tuple[str, str], seed: int) -> None:
        """Import members and orders of every brand, and choose first modes."""
        for code in BRANDS:
            rows = [
                # A card that many share is hot and links nobody: a few members share a few.
                self._row(
                    code, number, card=(seed + number) % 4 if number < 5 else 0, store=number % 3
                )
                for number in range(1, self.stage.members + 1)
            ]
            self._import(code, rows)
            with self._bulk():
                orders = "order_no,line_no,member_no,ordered_at,amount,quantity,store\n" + "".join(
                    f"O-{code}-{number}-{one},1,M{number},2026-10-0{one},12.50,1,{code}-1\n"
                    for number in range(1, self.stage.members + 1)
                    for one in (1, 2)
                )
                job = self.stage.importer.orders(orders, brand=code)
                assert (job.state, job.rows_rejected) == ("done", 0), job.error
        self._decide(None, wanted[0], 0)
        self._decide("bakery", wanted[1], 0)

    def _row(self, code: str, number: int, *, card: int, store: int = 1, **more: Any) -> dict:
        return {
            "member": (code, number),
            "name": f"Person {code}{number}",
            "phone": f"1380013{BRANDS.index(code) if code in BRANDS else 9}{number:03d}",
            "card": card_of(card),
            "email": f"{code}{number}@example.com",
            "store": f"{code}-{store}" if store else "",
            **more,
        }

    def _import(self, code: str, rows: list[dict[str, Any]]) -> None:
        text = HEAD
        for row in rows:
            _code, number = row["member"]
            text += (
                f"M{number},{row['name']},{row['phone']},{row['card']},{row['email']},"
                f"{row['store']},{row.get('birthday', '')},{row.get('consent', '')},"
                f"{row.get('consented_on', '')},{row.get('guardian', '')}\n"
            )
        with self._bulk():
            job = self.stage.importer.members(text, brand=code)
            assert job.state == "done", job.error
            assert job.rows_rejected == 0, self.stage.importer.rejected(job)
            found = dict(Profile.objects.filter(brand__code=code).values_list("member_no", "pk"))
        for row in rows:
            member = row["member"]
            self.ids[member] = found[f"M{member[1]}"]
            self.rows[member] = row
            self.ledger.brand_of[member] = code
            self.keys[member] = {row["phone"], row["email"], row["card"]} - {""}

    @rule(
        code=st.sampled_from([*BRANDS, JOINING]), number=st.integers(1, 9), card=st.integers(0, 4)
    )
    def link(self, code: str, number: int, card: int) -> None:
        """Import a member, new or known, with a card that others may have: persons merge, part."""
        if code not in self.brands or code in self.left:
            return
        self._step("link")
        known = self.rows.get((code, number))
        kept = {name: known[name] for name in ("store", "birthday") if known and name in known}
        self._import(code, [{**self._row(code, number, card=card), **kept}])

    @rule(data=st.data(), is_young=st.booleans())
    def birthday(self, data: st.DataObject, is_young: bool) -> None:
        """Learn a birthday: of a child, or of someone older."""
        member = data.draw(st.sampled_from(sorted(self.ids)))
        if member[0] in self.left:
            return
        self._step("birthday")
        today = self.clock.now().astimezone(self.stage.zone).date()
        born = today.replace(day=1, year=today.year - (9 if is_young else 40))
        self._import(member[0], [{**self.rows[member], "birthday": born.isoformat()}])
        self.ledger.fourteen[member] = born.replace(year=born.year + 14)

    @rule(
        data=st.data(),
        what=st.sampled_from([Entry.What.YES, Entry.What.YES, Entry.What.NO]),
        hours=st.sampled_from([0, 1, 30]),
        to_group=st.booleans(),
        guardian=st.booleans(),
    )
    def answer(
        self, data: st.DataObject, what: str, hours: int, to_group: bool, guardian: bool
    ) -> None:
        """Hand an answer in as the brand's manager or as HQ, and let the worker record it."""
        member = data.draw(st.sampled_from(sorted(self.ids)))
        number = data.draw(st.sampled_from(sorted(self.notices)))
        at = self.clock.now() - dt.timedelta(hours=hours)
        who = "group_admin" if to_group else self._manager_of(member[0])
        if who is None or who in self.ended or member[0] in self.left:
            return
        self._step("answer" if what == Entry.What.YES else "withdraw")
        user = self.stage.people[who]
        with tenant_transaction(self.stage.tenant):
            visible = visible_for_grant(user.acting_grant, k=self.stage.tenant.k)
            with scope.open(visible):
                try:
                    entry = answer_enter(
                        visible=visible,
                        what=what,
                        acting_user=user,
                        identity=("phone", self.rows[member]["phone"]) if to_group else None,
                        member_no="" if to_group else f"M{member[1]}",
                        brand_id=None if to_group else self.brands[member[0]],
                        notice=Notice.objects.get(pk=number),
                        at=at,
                        is_by_guardian=guardian,
                        to_group=to_group,
                    )
                except AnswerRefused:
                    assert what == Entry.What.YES, "a no is always taken"
                    return
        answers_record(tenant=self.stage.tenant)
        with self._bulk():
            entry.refresh_from_db()
            assert entry.state != Entry.State.WAITING
            profile = self._recorded(entry)
        if entry.state == Entry.State.REFUSED:
            assert what == Entry.What.YES, entry.outcome
            return
        self.ledger.answers.append(
            consent_oracle.Answer(
                profile,
                at,
                number,
                what == Entry.What.YES,
                to_group=to_group,
                guardian=guardian,
            )
        )

    def _recorded(self, entry: Entry) -> Member:
        """Return the member in whose profile an answer was written down."""
        if entry.state == Entry.State.REFUSED:
            return ("", 0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT profile_id FROM members_consent ORDER BY id DESC LIMIT 1")
            (pk,) = cursor.fetchone()
        return next(member for member, number in self.ids.items() if number == pk)

    def _manager_of(self, code: str) -> str | None:
        return {
            "tea": "brand_manager",
            "bakery": "sibling_manager",
            "spa": "spa_manager",
        }.get(code)

    @rule(data=st.data(), objects=st.booleans())
    def objection(self, data: st.DataObject, objects: bool) -> None:
        """Object to automated decisions, which opens and closes nothing."""
        member = data.draw(st.sampled_from(sorted(self.ids)))
        self._step("objection")
        with self._bulk():
            objection_record(
                profile=Profile.objects.get(pk=self.ids[member]),
                is_objecting=objects,
                acting_user=None,
                at=self.clock.now(),
            )

    @rule(
        group=st.booleans(),
        named=st.frozensets(st.sampled_from(BRANDS)),
        kinds=st.frozensets(st.sampled_from(KINDS), min_size=1),
        months=st.sampled_from([None, None, 1]),
    )
    @precondition(lambda self: len(self.notices) < 5)
    def notice(
        self, group: bool, named: frozenset[str], kinds: frozenset[str], months: int | None
    ) -> None:
        """Publish a notice, or be refused."""
        self._step("notice")
        user = self.stage.people["group_admin"]
        content = Content(
            version=f"f{len(self.notices)}",
            purposes="Service",
            names_group=group,
            brands=tuple(self.brands[code] for code in named),
            retention_months=24,
            consent_months=months,
            texts={"zh-hans": ("告知", "…"), "en": ("Notice", "…")},
            **{f"covers_{kind}": kind in kinds for kind in KINDS},
        )
        language = self.stage.tenant.locale or "zh-hans"
        is_wrong = not (group or named) or any(code in self.left for code in named)
        try:
            with tenant_transaction(self.stage.tenant):
                visible = visible_for_grant(user.acting_grant, k=self.stage.tenant.k)
                with scope.open(visible):
                    draft = draft_create(acting_user=user, content=content)
                    publish_ask(draft=draft, language=language, acting_user=user)
        except NoticeRefused:
            assert is_wrong
            return
        with self._bulk():
            made = publish(draft_id=draft.pk, language=language).notice
        assert made is not None
        assert not is_wrong
        self.notices[made.pk] = (
            oracle.Notice(group, frozenset(self.brands[code] for code in named), frozenset(kinds)),
            months,
            None,
        )
        self.ledger.notices = {
            **self.ledger.notices,
            made.pk: consent_oracle.Notice(made.pk, frozenset(named), months),
        }

    @rule(data=st.data(), hours=st.sampled_from([0, 5]))
    def end_notice(self, data: st.DataObject, hours: int) -> None:
        """End a notice, now or soon."""
        number = data.draw(st.sampled_from(sorted(self.notices)))
        said, months, ends_at = self.notices[number]
        at = self.clock.now() + dt.timedelta(hours=hours)
        if ends_at is not None and ends_at <= at:
            return
        self._step("end notice")
        with tenant_transaction(self.stage.tenant):
            ending = notice_end(notice=Notice.objects.get(pk=number), acting_user=None, at=at)
        self.notices[number] = (said, months, ending.ends_at)

    @rule(
        code=st.sampled_from([None, *BRANDS]),
        mode=st.sampled_from(["", *MODES, "fan_max"]),
        hours=st.sampled_from([0, 0, 5]),
    )
    def switch(self, code: str | None, mode: str, hours: int) -> None:
        """Change the mode of the group or of a brand, now or at a time to come."""
        if code is None and not mode:
            return
        self._step("switch" if not hours else "switch later")
        self._decide(code, mode, hours)

    def _decide(self, code: str | None, mode: str, hours: int) -> None:
        at = self.clock.now() + dt.timedelta(hours=hours)
        with tenant_transaction(self.stage.tenant):
            before = ModeChange.objects.count()
            try:
                mode_change(
                    mode=mode,
                    brand=Brand.objects.get(code=code) if code else None,
                    effective_at=at,
                    acting_user=None,
                )
            except ModeUnchanged:
                return
            # What was called off in between is decided anew: read those rows as they stand.
            added = list(ModeChange.objects.order_by("pk")[before:])
            codes = {pk: name for name, pk in self.brands.items()}
            for row in added:
                self.modes.append(
                    (row.effective_at, row.pk, codes.get(row.brand_id), row.mode)  # type: ignore
                )

    @rule(code=st.sampled_from(["spa", "tea"]))
    @precondition(lambda self: self.turn > 4)
    def leave(self, code: str) -> None:
        """Let a brand leave the group."""
        if code in self.left:
            return
        self._step("leave")
        with tenant_transaction(self.stage.tenant), scope.bulk(reason="fuzz"):
            try:
                gone = brand_leave(
                    brand=Brand.objects.get(code=code), leaving=Leaving(), acting_user=None
                )
            except LeavingRefused as error:
                raise AssertionError(str(error)) from error
        assert gone.left_at is not None
        self.left[code] = gone.left_at
        who = {
            "tea": ("brand_manager", "store_manager", "guide", "provider_operator"),
            "spa": ("spa_manager",),
        }
        self.ended.update(who[code])

    @rule()
    @precondition(lambda self: JOINING not in self.brands)
    def join(self) -> None:
        """Let a brand join; it is named by no notice that was there before."""
        self._step("join")
        with self._bulk():
            brand = Brand.objects.create(code=JOINING, name="Juice")
            store = Store.objects.create(brand=brand, code=f"{JOINING}-1", name="Juice 1")
        self.brands[JOINING] = brand.pk
        self.stores[store.code] = store.pk
        self._import(JOINING, [self._row(JOINING, number, card=number) for number in (1, 2)])

    @rule(who=st.sampled_from(["sibling_manager", "store_manager", "analyst"]))
    @precondition(lambda self: self.turn > 6)
    def end_grant(self, who: str) -> None:
        """End somebody's grant."""
        if who in self.ended:
            return
        self._step("end grant")
        with tenant_transaction(self.stage.tenant):
            try:
                grant_end(grant=self.stage.people[who].acting_grant, acting_user=None)
            except GrantRefused as error:
                raise AssertionError(str(error)) from error
        self.ended.add(who)

    @rule(includes=st.booleans())
    def engage(self, includes: bool) -> None:
        """Let the provider's contract include contact data, or not."""
        self._step("engage")
        Engagement.objects.filter(pk=self.stage.engagement.pk).update(includes_contact=includes)
        self.engaged = includes

    engaged = False

    @rule(hours=st.sampled_from([1, 6, 30]))
    def wait(self, hours: int) -> None:
        """Let time pass."""
        self._step("wait")
        self.clock.ahead += dt.timedelta(hours=hours)

    @rule(days=st.sampled_from([1, 2, 40]))
    def expire(self, days: int) -> None:
        """Close the answers that expire in the next days."""
        self._step("expire")
        until = self.clock.now() + dt.timedelta(days=days)
        expiries_close(tenant=self.stage.tenant, until=until)
        self.closed_until = max(self.closed_until or until, until)

    # --- What is read ---------------------------------------------------------------------------

    def check_invariants(self, *args: Any, **kwargs: Any) -> None:
        """Read as the next viewer, after every step."""
        super().check_invariants(*args, **kwargs)
        if not self.ids:
            return
        who = PEOPLE[self.turn % len(PEOPLE)]
        self.turn += 1
        self._read(who)

    def _effective(self) -> dict[str, str]:
        now = self.clock.now()
        held: dict[str | None, tuple[dt.datetime, int, str]] = {}
        for at, number, code, mode in self.modes:
            if at <= now and (code not in held or (at, number) >= held[code][:2]):
                held[code] = (at, number, mode)
        default = held[None][2]
        return {
            code: "brand_max"
            if code in self.left and self.left[code] <= now
            else (held[code][2] if code in held else "") or default
            for code in self.brands
        }

    def _world(self) -> oracle.World:
        now = self.clock.now()
        gone = {self.brands[code] for code, at in self.left.items() if at <= now}
        open_notices = {
            number: oracle.Notice(said.group, said.brands - gone, said.kinds)
            for number, (said, months, ends_at) in self.notices.items()
            if (ends_at is None or ends_at > now)
            and (months is None or (self.closed_until is not None and self.closed_until > now))
        }
        modes = {self.brands[code]: mode for code, mode in self._effective().items()}
        return oracle.World(modes, open_notices, self.stage.tenant.k)

    def _viewer(self, who: str) -> oracle.Viewer:
        now = self.clock.now()
        gone = {code for code, at in self.left.items() if at <= now}
        stays = {code: pk for code, pk in self.brands.items() if code not in gone}

        def brands(*codes: str) -> frozenset[int]:
            return frozenset(stays[code] for code in codes if code in stays)

        if who in self.ended or who == "outsider":
            return oracle.Viewer("nobody", contact=False, writes=False)
        if who in ("store_manager", "guide"):
            return oracle.Viewer(who, store=self.stores["tea-1"], store_brand=self.brands["tea"])
        return {
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

    def _notice_by_member(self) -> dict[int, int | None]:
        closed_until = max(self.closed_until or timezone.now(), Clock().real())
        return {
            self.ids[member]: self.ledger.notice_of(member, persons, closed_until=closed_until)
            for persons in components(self.keys)
            for member in persons
        }

    def _facts(self) -> dict[Any, dict[str, oracle.Row]]:
        """Return every walled row as the owner has it, with the notice that the oracle gives it."""
        standing = self._notice_by_member()
        found: dict[Any, dict[str, oracle.Row]] = {}
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
            cursor.execute("SELECT id::text, within FROM members_brandoverlap")
            self.within = dict(cursor.fetchall())
        return found

    def _read(self, who: str) -> None:
        world, viewer, facts = self._world(), self._viewer(who), self._facts()
        # A grant that has ended is refused before any scope: only pages and API have an answer.
        is_out = viewer.name == "nobody"
        if not is_out:
            self._read_rows(who, world, viewer, facts)
        self._read_pages(who, world, viewer, facts, is_out=is_out)
        self._read_api(who, world, viewer, facts, is_out=is_out)

    def _read_rows(self, who: str, world: oracle.World, viewer: oracle.Viewer, facts: dict) -> None:
        user, tenant = self.stage.people[who], self.stage.tenant
        grant = Grant.objects.select_related("engagement", "tenant").get(pk=user.acting_grant.pk)
        with (
            tenant_transaction(tenant),
            scope.open(visible_for_grant(grant, k=tenant.k)),
            connection.cursor() as cursor,
        ):
            for model, rows in facts.items():
                allowed = wall_rows.expected(world, viewer, model, rows)
                if model is BrandOverlap:
                    allowed &= self._within_sight(world, viewer)
                kind = str(model.wall.kind) if hasattr(model, "wall") else "group"
                by_sql = set(wall_rows.read_facts(cursor, model))
                by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                for way, seen in (("sql", by_sql), ("orm", by_orm)):
                    assert seen == allowed, self._wrong(who, model, way, rows, seen, allowed)
                    self.stage.tally.add(
                        kind, way, allowed=len(allowed), denied=len(rows) - len(allowed)
                    )

    def _within_sight(self, world: oracle.World, viewer: oracle.Viewer) -> set[str]:
        """Return the overlaps that count only brands whose figures the viewer sees in full."""
        return {
            key
            for key, brands in self.within.items()
            if all(oracle.may_read(world, viewer, "metrics", oracle.Row(one)) for one in brands)
        }

    def _wrong(self, who: str, model: Any, way: str, rows: dict, seen: set, allowed: set) -> str:
        names = {pk: member for member, pk in self.ids.items()}
        return (
            f"{who} reads {model._meta.label} by {way}: "
            f"leaked {[(key, rows.get(key)) for key in sorted(seen - allowed)][:4]}, "
            f"hidden {[(key, rows.get(key)) for key in sorted(allowed - seen)][:4]}; "
            f"members {names}"
        )

    def _may(
        self, world: oracle.World, viewer: oracle.Viewer, facts: dict, kind: str, pk: int
    ) -> bool:
        row = facts[Profile][str(pk)]
        return oracle.may_read(world, viewer, kind, row)

    def _read_pages(
        self,
        who: str,
        world: oracle.World,
        viewer: oracle.Viewer,
        facts: dict,
        *,
        is_out: bool,
    ) -> None:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(self.stage.people[who], backend="tenants.backends.GrantBackend")
        listed = client.get("/members/")
        seen = {int(pk) for pk in re.findall(r'href="/members/(\d+)/"', listed.content.decode())}
        allowed = {
            pk
            for pk in self.ids.values()
            if not is_out and self._may(world, viewer, facts, "profile", pk)
        }
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
                if kind == "activity" and (not self._has_orders(member)):
                    continue
                may = is_shown and self._may_row(world, viewer, facts, kind, pk)
                assert (mark in text) == may, (who, member, kind)
                count(kind, "page", allowed=may, denied=not may)

    def _has_orders(self, member: Member) -> bool:
        return member[0] != JOINING and member[1] <= self.stage.members

    def _may_row(
        self, world: oracle.World, viewer: oracle.Viewer, facts: dict, kind: str, pk: int
    ) -> bool:
        """Tell whether a member's rows of a kind may be read; orders stand at a store of theirs."""
        if kind != "activity":
            return self._may(world, viewer, facts, kind, pk)
        profile = facts[Profile][str(pk)]
        # All orders of the machine were made at the brand's first store.
        code = next(code for code, number in self.brands.items() if number == profile.brand)
        row = oracle.Row(profile.brand, self.stores[f"{code}-1"], profile.notice)
        return oracle.may_read(world, viewer, kind, row)

    def _some(self) -> list[Member]:
        """Return three members, others each time."""
        members = sorted(self.ids)
        return [members[(self.turn * 3 + one) % len(members)] for one in range(3)]

    def _read_api(
        self,
        who: str,
        world: oracle.World,
        viewer: oracle.Viewer,
        facts: dict,
        *,
        is_out: bool,
    ) -> None:
        client = program(self.stage.people[who].acting_grant)
        listed = client.get("/api/v1/members/?limit=100")
        allowed = {
            pk
            for pk in self.ids.values()
            if not is_out and self._may(world, viewer, facts, "profile", pk)
        }
        if is_out:
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
            wanted = set()
            if self._has_orders(member):
                wanted = {f"O-{member[0]}-{member[1]}-{one}" for one in (1, 2)}
                may = is_shown and self._may_row(world, viewer, facts, "activity", pk)
                assert numbers == (wanted if may else set()), (who, member, numbers)
                count("activity", "api", allowed=2 * may, denied=2 * (not may))
            answers = client.get(f"/api/v1/members/{pk}/consents/")
            # Not every role reads answers; nobody reads those of a member they do not see.
            assert is_shown or answers.status_code != 200, (who, member)
