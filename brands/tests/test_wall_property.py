"""Whatever the modes, overrides, notices, grants and rows: what is seen is what the oracle says.

Through plain SQL as the app role and through the ORM, under both renderings of the policies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import Brand, BusinessUnit, ModeChange, Notice, Store
from brands.modes import Mode
from brands.selectors import effective_modes, visible_for_grant
from brands.tests import oracle, wall_rows
from brands.wall import scope
from brands.wall.policies import model_statements, schema_statement, secured_models
from tenants.models import Engagement, Grant, ServiceProvider, Tenant, User
from tenants.roles import Level, Role

MODES = tuple(Mode.values)
KINDS = ("profile", "contact", "activity")
# One run is short enough for every suite; a longer one is a setting away.
SHORT = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _differences(world: oracle.World, viewer: oracle.Viewer, visible: Any) -> list[str]:
    """Compare SQL and ORM with the oracle in every walled table, as the app role."""
    with connection.cursor() as cursor:
        rows = {model: wall_rows.read_facts(cursor, model) for model in wall_rows.all_models()}
    found: list[str] = []
    with scope.open(visible), connection.cursor() as cursor:
        for model, facts in rows.items():
            allowed = wall_rows.expected(world, viewer, model, facts)
            by_sql = set(wall_rows.read_facts(cursor, model))
            by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
            for way, seen in (("SQL", by_sql), ("ORM", by_orm)):
                if seen != allowed:
                    wrong = [facts.get(key) for key in seen ^ allowed]
                    found.append(f"{model._meta.label} by {way}: {wrong[:5]}")
    return found


@pytest.fixture
def rendered_for_citus(walled_acme) -> Iterator[Any]:
    """Write acme's policies as Citus takes them, until the test's transaction is undone."""
    statements = [
        statement for model in secured_models() for statement in model_statements(model, "citus")
    ]
    with connection.cursor() as cursor:
        cursor.execute("\n".join([*statements, schema_statement("citus")]))
        cursor.execute("SELECT qual FROM pg_policies WHERE schemaname = 'acme'")
        assert not any("SELECT" in (using or "") for (using,) in cursor.fetchall())
    return walled_acme


def _notices() -> st.SearchStrategy[dict[int, tuple[bool, frozenset[str], frozenset[str]]]]:
    brands = st.frozensets(st.sampled_from(["tea", "bakery", "spa"]))
    said = st.tuples(st.booleans(), brands, st.frozensets(st.sampled_from(KINDS)))
    return st.dictionaries(st.sampled_from(wall_rows.NOTICES), said)


WORLDS = {
    "modes": st.tuples(*[st.sampled_from(MODES)] * 3),
    "notices": _notices(),
    "k": st.sampled_from([2, 9, 10, 11, 50, 51]),
    "who": st.integers(0, 9),
}


def _check(places: wall_rows.Places, modes: Any, notices: Any, k: int, who: int) -> None:
    world = oracle.World(
        dict(zip(places.brands.values(), modes, strict=True)),
        {
            number: oracle.Notice(group, frozenset(places.brands[b] for b in named), kinds)
            for number, (group, named, kinds) in notices.items()
        },
        k,
    )
    viewer = places.viewers()[who]
    assert _differences(world, viewer, wall_rows.visible_of(world, viewer)) == []


@SHORT
@given(**WORLDS)
def test_what_is_seen_is_what_the_oracle_says(walled_acme, modes, notices, k, who):
    _check(walled_acme, modes, notices, k, who)


@SHORT
@given(**WORLDS)
def test_the_rendering_for_citus_decides_alike(rendered_for_citus, modes, notices, k, who):
    _check(rendered_for_citus, modes, notices, k, who)


# --- From the rows that people write to the rows that people read ------------------------------

HOUR = dt.timedelta(hours=1)
GRANTS = (
    (Role.HQ_ADMIN, Level.GROUP, None, None),
    (Role.HQ_ANALYST, Level.GROUP, None, None),
    (Role.HQ_ADMIN, Level.GROUP, None, False),
    (Role.UNIT_MANAGER, Level.UNIT, "food", None),
    (Role.BRAND_MANAGER, Level.BRAND, "tea", None),
    (Role.BRAND_MANAGER, Level.BRAND, "spa", True),
    (Role.BRAND_MANAGER, Level.BRAND, "bakery", False),
    (Role.STORE_MANAGER, Level.STORE, "tea-1", None),
    (Role.GUIDE, Level.STORE, "spa-2", False),
    (Role.PLATFORM_OPERATOR, Level.PLATFORM, None, None),
    # Not in the table of roles and levels: opens nothing.
    (Role.GUIDE, Level.GROUP, None, None),
    (Role.STORE_MANAGER, Level.BRAND, "tea", None),
)

_CHANGES = st.lists(
    st.tuples(
        st.sampled_from([None, "tea", "bakery", "spa"]),
        st.sampled_from(["", *MODES]),
        # Hours from now: some have passed, some are to come.
        st.integers(-3, 2),
    ).filter(lambda change: change[0] is not None or change[1]),
    max_size=8,
)
_WRITTEN = st.lists(
    st.tuples(
        st.booleans(),
        st.frozensets(st.sampled_from(["tea", "bakery", "spa"])),
        st.frozensets(st.sampled_from(KINDS)),
        st.sampled_from([-1, -1, 1]),
    ),
    min_size=3,
    max_size=3,
)


def _effective(changes: list[tuple[str | None, str, int]]) -> dict[str, str]:
    """Say by hand which mode holds: of what has passed, the latest and then the last written."""
    held: dict[str | None, tuple[int, str]] = {}
    for brand, mode, hours in changes:
        if hours <= 0 and (brand not in held or hours >= held[brand][0]):
            held[brand] = (hours, mode)
    default = held[None][1] if None in held else "member_max"
    return {
        brand: (held[brand][1] if brand in held else "") or default
        for brand in ("tea", "bakery", "spa")
    }


def _viewer(role: Role, level: Level, place: str | None, engaged: bool | None, places: Any) -> Any:
    contact = engaged is not False and role is not Role.HQ_ANALYST
    if (role, level) == (Role.HQ_ADMIN, Level.GROUP):
        return oracle.Viewer("HQ", hq=True, contact=contact)
    if (role, level) == (Role.HQ_ANALYST, Level.GROUP):
        return oracle.Viewer("analyst", hq=True, contact=False, writes=False)
    if (role, level) == (Role.UNIT_MANAGER, Level.UNIT):
        brands = frozenset({places.brands["tea"], places.brands["bakery"]})
        return oracle.Viewer("unit", brands=brands, contact=contact)
    if (role, level) == (Role.BRAND_MANAGER, Level.BRAND):
        return oracle.Viewer("brand", brands=frozenset({places.brands[place]}), contact=contact)
    if level is Level.STORE:
        store = places.store_ids[place]
        return oracle.Viewer("s", store=store, store_brand=places.stores[store], contact=contact)
    return oracle.Viewer("nobody", contact=False, writes=False)


@pytest.fixture
def person(acme) -> tuple[User, Engagement, Engagement]:
    """Return someone to grant to, with an engagement for contact data and one without."""
    provider = ServiceProvider.objects.create(name="P")
    today = timezone.now().date()
    with_contact, without = (
        Engagement.objects.create(
            provider=provider,
            tenant=acme,
            purpose="Operate",
            includes_contact=included,
            starts_on=today - dt.timedelta(days=1),
            ends_on=today + dt.timedelta(days=1),
        )
        for included in (True, False)
    )
    return User.objects.create(email="p@example.com"), with_contact, without


@SHORT
@given(changes=_CHANGES, written=_WRITTEN, which=st.integers(0, len(GRANTS) - 1))
def test_modes_notices_and_grants_as_written_give_the_oracles_rows(
    walled_acme, acme, person, changes, written, which
):
    places = walled_acme
    role, level, place, engaged = GRANTS[which]
    now = timezone.now()
    with transaction.atomic():
        ModeChange.objects.bulk_create(
            ModeChange(
                brand_id=places.brands[brand] if brand else None,
                mode=mode,
                effective_at=now + hours * HOUR,
            )
            for brand, mode, hours in sorted(changes, key=lambda change: change[2])
        )
        # The group's own first mode, as the fixtures set it, is older than all of them.
        ModeChange.objects.filter(decided_by_name="system").update(effective_at=now - 99 * HOUR)
        for number, (group, named, kinds, hours) in zip(wall_rows.NOTICES, written, strict=True):
            notice = Notice.objects.create(
                pk=number,
                version=str(number),
                names_group=group,
                effective_from=now + hours * HOUR,
                **{f"covers_{kind}": kind in kinds for kind in KINDS},
            )
            notice.recipients.set([places.brands[brand] for brand in named])
        user, with_contact, without = person
        located = {
            Level.UNIT: BusinessUnit,
            Level.BRAND: Brand,
            Level.STORE: Store,
        }.get(level)
        grant = Grant.objects.create(
            # None of the numbers that rows of the wall stand under.
            pk=900_000,
            user=user,
            role=role,
            level=level,
            tenant=None if level is Level.PLATFORM else acme,
            place_id=located.objects.get(code=place).pk if located else None,
            engagement={None: None, True: with_contact, False: without}[engaged],
        )
        modes = _effective(sorted(changes, key=lambda change: change[2]))
        world = oracle.World(
            {places.brands[brand]: mode for brand, mode in modes.items()},
            {
                number: oracle.Notice(group, frozenset(places.brands[b] for b in named), kinds)
                for number, (group, named, kinds, hours) in zip(
                    wall_rows.NOTICES, written, strict=True
                )
                if hours < 0
            },
            acme.k,
        )
        assert effective_modes() == world.modes
        viewer = _viewer(role, level, place, engaged, places)
        assert _differences(world, viewer, visible_for_grant(grant, k=acme.k)) == []
        transaction.set_rollback(True)


def test_the_rows_compared_hold_every_combination(walled_acme):
    with connection.cursor() as cursor:
        facts = set(wall_rows.read_facts(cursor, wall_rows.all_models()[0]).values())
    assert Tenant.objects.filter(schema_name="acme").exists()
    assert facts >= {
        oracle.Row(brand, store, notice)
        for (brand, store), notice in product(walled_acme.pairs(), (None, *wall_rows.NOTICES))
    }
