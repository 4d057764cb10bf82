"""What happens to members: imports, orders, answers, objections."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import rule

from brands.models import Notice
from brands.wall import scope
from config.tests.fuzz.stage import BRANDS, JOINING, MANAGERS, Member, card_of
from config.tests.fuzz.world import World
from members.consents.entries import answers_record
from members.models import Consent, Entry, Profile
from members.services import AnswerRefused, answer_enter, objection_record
from members.tests import consent_oracle

HEAD = "member_no,name,phone,card,email,store,birthday,consent,consented_on,guardian\n"
ORDERS = "order_no,line_no,member_no,ordered_at,amount,quantity,store\n"


class Members(World):
    """Let members come, buy, answer and object."""

    def __init__(self) -> None:
        super().__init__()
        # The last word of each member: whether they object.
        self.objects: dict[Member, bool] = {}

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

    def _buy(self, code: str, numbers: list[int], *, fen: int, days: list[int]) -> None:
        """Import one order of each of a brand's members on each of these days ago."""
        # By the machine's own day: recency is read by the database, which knows no other clock.
        today = self.clock.real().astimezone(self.stage.zone).date()
        text = ORDERS
        bought = []
        for number in numbers:
            had = len(self.orders.get((code, number), {}))
            for one, ago in enumerate(days, start=had + 1):
                order_no, day = f"O-{code}-{number}-{one}", today - dt.timedelta(days=ago)
                text += f"{order_no},1,M{number},{day},{fen // 100}.{fen % 100:02},1,{code}-1\n"
                bought.append(((code, number), order_no, (fen, day)))
        with self._bulk():
            job = self.stage.importer.orders(text, brand=code)
            assert (job.state, job.rows_rejected) == ("done", 0), job.error
        for member, order_no, order in bought:
            self.orders.setdefault(member, {})[order_no] = order

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

    @rule(
        data=st.data(),
        fen=st.sampled_from([12_50, 300_00]),
        days=st.lists(st.sampled_from([5, 50, 200]), min_size=1, max_size=3),
    )
    def buy(self, data: st.DataObject, fen: int, days: list[int]) -> None:
        """Let a member order."""
        code, number = data.draw(st.sampled_from(sorted(self.ids)))
        if code in self.left or len(self.orders.get((code, number), {})) > 6:
            return
        self._step("buy")
        self._buy(code, [number], fen=fen, days=days)

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
        """Hand answers in as the brands' managers or as HQ, and let the worker record them."""
        members = data.draw(st.lists(st.sampled_from(sorted(self.ids)), min_size=1, max_size=4))
        number = data.draw(st.sampled_from(sorted(self.notices)))
        at = self.clock.now() - dt.timedelta(hours=hours)
        self._answer(members, what, number, at, to_group=to_group, guardian=guardian)

    def _answer(
        self,
        members: list[Member],
        what: str,
        number: int,
        at: dt.datetime,
        *,
        to_group: bool = False,
        guardian: bool = False,
    ) -> None:
        by: dict[str, list[Member]] = {}
        for member in dict.fromkeys(members):
            who = "group_admin" if to_group else MANAGERS.get(member[0])
            if who is not None and who not in self.ended and member[0] not in self.left:
                by.setdefault(who, []).append(member)
        given = []
        for who, group in by.items():
            with self._seeing(who) as opened:
                for member in group:
                    answer = consent_oracle.Answer(
                        member,
                        at,
                        number,
                        what == Entry.What.YES,
                        to_group=to_group,
                        guardian=guardian,
                    )
                    if entry := self._enter(who, opened, answer):
                        given.append((entry, answer))
        self._keep(given)

    def _enter(self, who: str, opened: scope.Scope, answer: consent_oracle.Answer) -> Entry | None:
        """Hand one answer in; None where it is refused at once."""
        self._step("answer" if answer.yes else "withdraw")
        assert opened.visible is not None
        code, number = member = cast(Member, answer.profile)
        to_group = answer.to_group
        try:
            return answer_enter(
                visible=opened.visible,
                what=Entry.What.YES if answer.yes else Entry.What.NO,
                acting_user=self.stage.people[who],
                # Nobody else has this phone.
                identity=("phone", self.rows[member]["phone"]) if to_group else None,
                member_no="" if to_group else f"M{number}",
                brand_id=None if to_group else self.brands[code],
                notice=Notice.objects.get(pk=answer.notice),
                at=answer.at,
                is_by_guardian=answer.guardian,
                to_group=to_group,
            )
        except AnswerRefused:
            assert answer.yes, "a no is always taken"
            return None

    def _keep(self, given: list[tuple[Entry, consent_oracle.Answer]]) -> None:
        """Have what was handed in recorded, and note what was."""
        if not given:
            return
        answers_record(tenant=self.stage.tenant)
        for entry, answer in given:
            with self._bulk():
                entry.refresh_from_db()
                assert entry.state != Entry.State.WAITING
                if entry.state == Entry.State.REFUSED:
                    assert answer.yes, entry.outcome
                    continue
                assert Consent.objects.filter(
                    profile=self.ids[answer.profile],
                    answered_at=answer.at,
                    answered_notice=answer.notice,
                    is_given=answer.yes,
                ).exists()
            self.ledger.answers.append(answer)

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
        self.objects[member] = objects
