"""What happens to the group: notices, brands that join and leave, grants, contracts, time."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from brands.models import Brand, Notice, Store
from brands.services.hierarchy import Leaving, LeavingRefused, brand_leave
from brands.services.notices import (
    Content,
    NoticeRefused,
    draft_create,
    notice_end,
    publish,
    publish_ask,
)
from brands.tests import oracle
from config.tests.fuzz.members import Members
from config.tests.fuzz.stage import BRANDS, JOINING, KINDS
from members.services import expiries_close
from members.tests import consent_oracle
from tenants.context import tenant_transaction
from tenants.models import Engagement
from tenants.services import GrantRefused, grant_end


class Hierarchy(Members):
    """Change what the group is made of and what it says."""

    @rule(
        group=st.booleans(),
        named=st.frozensets(st.sampled_from(BRANDS)),
        kinds=st.frozensets(st.sampled_from(KINDS), min_size=1),
        months=st.sampled_from([None, None, 1]),
    )
    @precondition(lambda self: len(self.notices) < 6)
    def notice(
        self, group: bool, named: frozenset[str], kinds: frozenset[str], months: int | None
    ) -> None:
        """Publish a notice, or be refused."""
        self._publish(group, named, kinds, months)

    def _publish(
        self,
        group: bool,
        named: frozenset[str],
        kinds: frozenset[str],
        months: int | None = None,
    ) -> None:
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
            with self._seeing("group_admin"):
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

    @rule(code=st.sampled_from(["spa", "tea"]))
    @precondition(lambda self: self.turn > 4)
    def leave(self, code: str) -> None:
        """Let a brand leave the group."""
        if code in self.left:
            return
        self._step("leave")
        with self._bulk():
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
