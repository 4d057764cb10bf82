"""What happens to the mode: the bare decision, and the whole process with its refusals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from brands.changes import drafts
from brands.changes.errors import DraftRefused
from brands.changes.rollback import change_undo, last_standing
from brands.models import Brand, ModeChange, ModeDraft
from brands.services import ModeUnchanged, generation_bump, mode_change
from brands.tests.mode_steps import Steps
from brands.wall.models import Walled
from config.tests.fuzz.hierarchy import Hierarchy
from config.tests.fuzz.stage import BRANDS, MODES
from tenants.context import tenant_transaction
from tenants.models import User

# What goes wrong on the way to an approval.
FLAWS = ("self", "assessor", "no HQ", "not assessed", "stale", "overtaken")
# Of these viewers it is asked whether what one admin does alone opens anything.
LOOKED_AT = ("group_admin", "brand_manager", "sibling_manager", "spa_manager", "store_manager")


class Modes(Hierarchy):
    """Decide on the modes."""

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
        with tenant_transaction(self.stage.tenant), self._noting():
            try:
                mode_change(
                    mode=mode,
                    brand=Brand.objects.get(code=code) if code else None,
                    effective_at=at,
                    acting_user=None,
                )
            except ModeUnchanged:
                return

    @contextmanager
    def _noting(self) -> Iterator[list[ModeChange]]:
        """Note the decisions that the block adds, as they stand; give them when it is over."""
        added: list[ModeChange] = []
        with tenant_transaction(self.stage.tenant):
            before = ModeChange.objects.count()
        yield added
        with tenant_transaction(self.stage.tenant):
            # What was called off in between is decided anew: more rows than one may be new.
            added += ModeChange.objects.order_by("pk")[before:]
        codes = {pk: name for name, pk in self.brands.items()}
        for row in added:
            self.modes.append((row.effective_at, row.pk, codes.get(row.brand_id), row.mode))

    # --- By two people --------------------------------------------------------------------------

    @cached_property
    def _steps(self) -> Steps:
        def seeing(user: User) -> Any:
            return self._seeing(next(who for who, one in self.stage.people.items() if one == user))

        return Steps(self.stage.tenant, self.stage.people["group_admin"], seeing)

    @rule(
        code=st.sampled_from([None, *BRANDS]),
        mode=st.sampled_from(["", *MODES, "fan_max"]),
        hours=st.sampled_from([0, 0, 5]),
        flaw=st.sampled_from([None, None, *FLAWS]),
    )
    def process(self, code: str | None, mode: str, hours: int, flaw: str | None) -> None:
        """Take a change through draft, preview, assessment and approval; or have it refused."""
        at = self.clock.now() + dt.timedelta(hours=hours) if hours else None
        has_left = code is not None and code in self.left
        asked = self._asked(code, at)
        try:
            draft = self._steps.draft(mode, code, effective_at=at)
        except (DraftRefused, ModeUnchanged):
            assert has_left or asked == mode or (code is None and not mode), (code, mode)
            return
        assert not has_left
        assert asked != mode
        self._through(draft, flaw)

    def _asked(self, code: str | None, at: dt.datetime | None) -> str:
        """Return what is decided for a brand, or the group, at an instant."""
        now = at or self.clock.now()
        rows = [row for row in self.modes if row[2] == code and row[0] <= now]
        return max(rows)[3] if rows else ""

    def _through(self, draft: ModeDraft, flaw: str | None) -> None:
        people, steps = self.stage.people, self._steps
        first, second = people["group_admin"], people["second_admin"]
        if flaw == "not assessed":
            self._refused(draft, lambda: steps.submit(draft))
            self._give_up(draft, flaw)
            return
        steps.assess(draft, by=second if flaw == "assessor" else None)
        steps.submit(draft)
        if flaw == "stale":
            with self._bulk():
                generation_bump()
        if flaw == "overtaken":
            self._overtaken(draft)
            return
        if flaw is not None:
            who = {"self": first, "no HQ": people["analyst"]}.get(flaw, second)
            if flaw == "no HQ" and "analyst" in self.ended:
                who = people["brand_manager"] if "tea" not in self.left else first
            self._refused(draft, lambda: steps.approve(draft, who))
            if flaw != "stale":
                self._give_up(draft, flaw)
                return
            steps.again(draft)
        with self._noting() as added:
            approved = steps.approve(draft, second)
        assert approved.state == ModeDraft.State.APPROVED
        assert added, "an approval is a decision"
        assert added[0].mode == draft.mode
        self._step("approval" if draft.effective_at is None else "approval for later")

    def _refused(self, draft: ModeDraft, act: Any) -> None:
        """Try what must be refused, and see that everything stays as it was."""
        with tenant_transaction(self.stage.tenant):
            decisions = ModeChange.objects.count()
        kept = self._steps.stored(draft)
        try:
            act()
        except (DraftRefused, ModeDraft.DoesNotExist):
            # The second: the database itself hands no draft to be changed to whoever is no admin.
            pass
        else:
            raise AssertionError(f"{draft} was not refused")
        now = self._steps.stored(draft)
        for field in draft._meta.concrete_fields:
            assert getattr(now, field.attname) == getattr(kept, field.attname), field.name
        with tenant_transaction(self.stage.tenant):
            assert ModeChange.objects.count() == decisions

    def _give_up(self, draft: ModeDraft, flaw: str) -> None:
        with self._seeing("group_admin"):
            drafts.draft_withdraw(draft=draft, acting_user=self.stage.people["group_admin"])
        self._step(f"refused: {flaw}")

    def _overtaken(self, draft: ModeDraft) -> None:
        """Let another decision come first: the approval closes the draft and changes nothing."""
        self._step("refused: overtaken")
        other = next(mode for mode in MODES if mode not in (draft.mode, self._asked_of(draft)))
        code = next((one for one, pk in self.brands.items() if pk == draft.brand_id), None)
        self._decide(code, other, 0)
        with self._noting() as added:
            outcome = self._steps.approve(draft, self.stage.people["second_admin"])
        assert outcome.state == ModeDraft.State.OVERTAKEN
        assert not added

    def _asked_of(self, draft: ModeDraft) -> str:
        code = next((one for one, pk in self.brands.items() if pk == draft.brand_id), None)
        return self._asked(code, None)

    # --- Taken back -----------------------------------------------------------------------------

    @rule(code=st.sampled_from([None, *BRANDS]))
    def take_back(self, code: str | None) -> None:
        """Call off or roll back the last decision; what one admin may do alone opens nothing."""
        first = self.stage.people["group_admin"]
        with tenant_transaction(self.stage.tenant):
            change = last_standing(self.brands[code] if code else None)
        if change is None:
            return
        is_call_off = change.effective_at > self.clock.now()
        before = self._seen_when()
        try:
            with self._noting() as added, self._seeing("group_admin"):
                outcome = change_undo(change=change, acting_user=first, reason="Back")
        except (DraftRefused, ModeUnchanged):
            # The group's first mode, or what stands already.
            return
        if isinstance(outcome, ModeDraft):
            assert not added
            self._steps.preview(outcome)
            self._step("take back by two")
            self._through(outcome, None)
            return
        self._step("call off" if is_call_off else "roll back")
        after = self._seen_when([at for at, _seen in before])
        for (at, seen), (_at, sees) in zip(before, after, strict=True):
            for who, rows in sees.items():
                opened = rows - seen[who]
                assert not opened, f"{who} sees {sorted(opened)[:3]} at {at}: {change} taken back"

    def _seen_when(
        self, instants: list[dt.datetime] | None = None
    ) -> list[tuple[dt.datetime, dict[str, set[tuple[str, str]]]]]:
        """Return who may see which rows now and at every instant that is decided to come."""
        now = self.clock.now()
        facts = self._facts()
        found = []
        for at in instants or sorted({now, *(at for at, *_rest in self.modes if at > now)}):
            world = self._world(at)
            found.append(
                (
                    at,
                    {
                        who: {
                            (model._meta.db_table, key)
                            for model, rows in facts.items()
                            # Of the group's own figures another set is shown: not more of one.
                            if issubclass(model, Walled)
                            for key in self._allowed(world, self._viewer(who), model, rows)
                        }
                        for who in LOOKED_AT
                    },
                )
            )
        return found
