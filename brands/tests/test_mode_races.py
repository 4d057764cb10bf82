"""Decisions on the mode made at the same instant, by people who do not see each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from brands.changes import drafts
from brands.changes.drafts import DraftRefused
from brands.changes.preview import preview_make
from brands.models import Brand, ModeChange, ModeDraft
from brands.selectors import brand_overrides, visible_for_grant
from brands.tests.mode_steps import TEXT
from brands.wall import scope
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User
from tenants.roles import Level, Role
from tenants.tests.committed import committed_group

State = ModeDraft.State
ROUNDS = 2


@pytest.fixture(scope="module")
def group(django_db_setup, django_db_blocker) -> Iterator[Tenant]:
    """Give a committed group with two brands."""
    with django_db_blocker.unblock(), committed_group("decided") as tenant:
        with tenant_transaction(tenant):
            for code in ("tea", "spa"):
                Brand.objects.create(code=code, name=code)
        yield tenant


@pytest.fixture
def admins(group) -> Iterator[list[User]]:
    """Give three HQ admins."""
    people = []
    for number in range(3):
        user = User.objects.create(email=f"hq{number}@decided.example", name=f"HQ {number}")
        user.acting_grant = Grant.objects.create(
            user=user, role=Role.HQ_ADMIN, level=Level.GROUP, tenant=group
        )
        people.append(user)
    yield people
    with tenant_transaction(group), scope.bulk(reason="test"):
        for user in people:
            user.delete()


def _as(group: Tenant, user: User, act: Callable[[], object]) -> object:
    with tenant_transaction(group), scope.open(visible_for_grant(user.acting_grant, k=group.k)):
        return act()


def _submitted(group: Tenant, by: User, code: str, mode: str) -> ModeDraft:
    brand = _as(group, by, lambda: Brand.objects.get(code=code))
    draft = _as(
        group,
        by,
        lambda: drafts.draft_create(acting_user=by, brand=brand, mode=mode, reason="Race"),
    )
    preview_make(tenant=group, draft_id=draft.pk)
    _as(
        group,
        by,
        lambda: drafts.assessment_finish(draft=draft, acting_user=by, text=TEXT, years=3),
    )
    return _as(group, by, lambda: drafts.draft_submit(draft=draft, acting_user=by))


def _other_mode(group: Tenant) -> str:
    with tenant_transaction(group):
        held = brand_overrides()[Brand.objects.get(code="tea").pk]
    return "brand_max" if held == "fan_max" else "fan_max"


def _at_once(*acts: Callable[[], object]) -> list[object]:
    """Run acts in threads that start together; return what each returned or raised."""
    gate = threading.Barrier(len(acts))
    found: list[object] = [None] * len(acts)

    def run(number: int) -> None:
        gate.wait(10)
        try:
            found[number] = acts[number]()
        except Exception as error:
            found[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def _approve(group: Tenant, by: User, draft: ModeDraft) -> Callable[[], object]:
    def act() -> object:
        return drafts.draft_approve(draft=draft, acting_user=by, preview_number=draft.preview_ended)

    return lambda: _as(group, by, act)


def _fresh(group: Tenant, draft: ModeDraft) -> ModeDraft:
    with tenant_transaction(group):
        return ModeDraft.objects.get(pk=draft.pk)


def test_two_admins_who_approve_each_others_drafts_in_one_second_make_one_change(group, admins):
    one, other, _third = admins
    for number in range(ROUNDS):
        mode = ("member_max", "fan_max")[number % 2]
        mine = _fresh(group, _submitted(group, one, "tea", mode))
        theirs = _fresh(group, _submitted(group, other, "spa", mode))
        found = _at_once(_approve(group, other, mine), _approve(group, one, theirs))
        refused = [each for each in found if isinstance(each, DraftRefused)]
        made = [each for each in found if isinstance(each, ModeDraft)]
        assert (len(refused), len(made)) == (1, 1), found
        assert "out of date" in str(refused[0]) or "no finished preview" in str(refused[0])
        with tenant_transaction(group):
            assert ModeChange.objects.filter(draft__in=[mine, theirs]).count() == 1
            ModeDraft.objects.filter(state="submitted").update(state="withdrawn")


def test_two_approvals_of_one_draft_in_one_second_make_one_change(group, admins):
    one, other, third = admins
    for _ in range(ROUNDS):
        draft = _fresh(group, _submitted(group, one, "tea", _other_mode(group)))
        found = _at_once(_approve(group, other, draft), _approve(group, third, draft))
        assert sorted(type(each).__name__ for each in found) == ["DraftRefused", "ModeDraft"], found
        assert any("approved this draft already" in str(each) for each in found)
        with tenant_transaction(group):
            assert ModeChange.objects.filter(draft=draft).count() == 1


def test_a_grant_that_is_ended_while_its_holder_approves_counts_wholly_or_not(group, admins):
    one, other, third = admins
    for _ in range(ROUNDS):
        draft = _fresh(group, _submitted(group, one, "tea", _other_mode(group)))

        def end() -> int:
            def act() -> int:
                return Grant.objects.filter(user=other).update(role=Role.HQ_ANALYST)

            return _as(group, third, act)  # type: ignore[return-value]

        found, _ended = _at_once(_approve(group, other, draft), end)
        with tenant_transaction(group):
            made = ModeChange.objects.filter(draft=draft).count()
        if isinstance(found, DraftRefused):
            # The end came first: the grant is part of what the preview rests on, and is gone.
            assert made == 0
            assert "has ended" in str(found) or "out of date" in str(found)
        else:
            assert made == 1
        Grant.objects.filter(user=other).update(role=Role.HQ_ADMIN)
        with tenant_transaction(group):
            ModeDraft.objects.filter(state="submitted").update(state="withdrawn")
