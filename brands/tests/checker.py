"""Look through the wall by plain SQL as the app role, and say where it differs from the oracle."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error, models

from brands.models.privileges import OWNER_ONLY
from brands.tests import oracle, wall_rows
from brands.wall import scope
from brands.wall.meeting import meet
from brands.wall.models import GrantWalled, Walled
from brands.wall.visibility import brand_set
from tenants.provisioning import tenant_models

# Numbers of requests that no other row has.
_numbers = itertools.count(900_000)
# What each table of a group may be used for by the app role, where it is walled or the owner's.
WRITABLE = {
    "members_importjob": {"SELECT", "INSERT", "UPDATE"},
    "members_exportjob": {"SELECT", "INSERT", "UPDATE"},
    "members_brandstratumrule": {"SELECT", "INSERT"},
    "members_brandsegment": {"SELECT", "INSERT", "UPDATE"},
    "members_consententry": {"SELECT", "INSERT"},
    "members_intakebatch": {"SELECT", "INSERT"},
    "members_intakepart": {"SELECT", "INSERT"},
    "members_tag": {"SELECT", "INSERT", "UPDATE"},
    "members_importsource": {"SELECT", "INSERT", "UPDATE"},
    "members_ownview": {"SELECT", "INSERT", "UPDATE"},
    "members_personentry": {"SELECT", "INSERT"},
    "members_personrequest": {"SELECT", "INSERT"},
    "members_personrequeststep": {"SELECT", "INSERT"},
    "members_groupconsententry": {"SELECT", "INSERT"},
    "members_grouppersonentry": {"SELECT", "INSERT"},
    "members_grouppersonrequest": {"SELECT", "INSERT"},
    "members_grouppersonrequeststep": {"SELECT", "INSERT"},
    "members_resolutionjob": {"SELECT", "INSERT"},
}
_OWNERS_OWN = tuple(
    model._meta.db_table
    for model in tenant_models()
    if getattr(model, "app_privileges", None) == OWNER_ONLY
)
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_KINDS = frozenset({"profile", "contact", "activity"})


def worlds(places: wall_rows.Places) -> list[oracle.World]:
    """Return modes and notices that between them reach every cell of the table."""
    brands = tuple(places.brands.values())
    tea, bakery, _spa = brands
    notices = {
        901: oracle.Notice(True, frozenset(brands), _KINDS),
        902: oracle.Notice(False, frozenset({bakery}), frozenset({"profile", "contact"})),
        903: oracle.Notice(True, frozenset({tea}), frozenset({"profile"})),
    }
    settings_of_modes = (
        ("fan_max", "fan_max", "brand_max"),
        ("member_max", "brand_max", "fan_max"),
        ("brand_max", "fan_max", "member_max"),
        ("fan_max", "fan_max", "fan_max"),
        ("member_max", "member_max", "member_max"),
        ("brand_max", "brand_max", "brand_max"),
    )
    found = [
        oracle.World(dict(zip(brands, modes, strict=True)), notices) for modes in settings_of_modes
    ]
    # Without any notice: siblings in fan-max see figures, and so whole brands or nothing.
    last = dict(zip(brands, ("fan_max", "member_max", "fan_max"), strict=True))
    return [*found, oracle.World(last, {})]


def role_sql(values: dict[str, str], role: str = "") -> str:
    """Return the statements that make the connection a role, else the app's, with settings."""
    names = {name: "" for name in (*scope.SETTING_NAMES, *scope.LOOK_NAMES)} | values
    # One statement sets them all: forty would take the server several times as long.
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in names.items())
    return f'SELECT {calls}; SET LOCAL ROLE "{role or settings.APP_ROLE}"'


def wall_violations(
    cursor: Any, tables: Sequence[type[models.Model]] | None = None
) -> Iterator[str]:
    """Yield, in words, every way in which the database shows or takes what the oracle does not.

    The cursor is at acme, in a transaction, with the rows of `wall_rows.fill`; its own role is
    the owner or a superuser. Every row is a denial for some viewers and a positive control for
    others: a wall that shows nothing at all fails as well.
    """
    places = wall_rows.Places.read(cursor)
    tables = list(tables or wall_rows.all_models())
    rows = {model: wall_rows.read_facts(cursor, model) for model in tables}
    assert all(rows.values()), "a table without rows proves nothing"
    try:
        yield from _privileges(cursor, tables)
        for model in tables:
            yield from _outside_of_scopes(cursor, model)
        for world in worlds(places):
            for viewer in places.viewers():
                cursor.execute("SET LOCAL ROLE NONE")
                yield from _reads(cursor, world, viewer, rows)
        yield from _looks(cursor, places, rows)
        yield from _all_writes(cursor, places, tables)
    except (Error, psycopg.Error) as error:
        # The caller undoes the transaction, or its savepoint, and the role with it.
        yield f"the database refuses: {error}"


def write_violations(cursor: Any, tables: Sequence[type[models.Model]]) -> Iterator[str]:
    """Yield what `wall_violations` yields of writing alone."""
    try:
        yield from _all_writes(cursor, wall_rows.Places.read(cursor), tables)
    except (Error, psycopg.Error) as error:
        yield f"the database refuses: {error}"


def _all_writes(
    cursor: Any, places: wall_rows.Places, tables: Sequence[type[models.Model]]
) -> Iterator[str]:
    cursor.execute("SET LOCAL ROLE NONE")
    for model in tables:
        if model._meta.db_table in WRITABLE:
            yield from _of(model)(cursor, places, model)
    cursor.execute("SET LOCAL ROLE NONE")


def _of(model: type[models.Model]) -> Callable[..., Iterator[str]]:
    """Return what tries to write a table."""
    if issubclass(model, Walled):
        return _writes
    return _grant_writes if issubclass(model, GrantWalled) else _group_writes


def look_violations(cursor: Any, tables: Sequence[type[models.Model]]) -> Iterator[str]:
    """Yield what `wall_violations` yields of looks alone."""
    places = wall_rows.Places.read(cursor)
    rows = {model: wall_rows.read_facts(cursor, model) for model in tables}
    try:
        yield from _looks(cursor, places, rows)
        cursor.execute("SET LOCAL ROLE NONE")
    except (Error, psycopg.Error) as error:
        yield f"the database refuses: {error}"


def _looks(
    cursor: Any,
    places: wall_rows.Places,
    rows: dict[type[models.Model], dict[str, oracle.Row]],
) -> Iterator[str]:
    """Look for HQ as others; and as who sees all, for others: then the other side decides.

    There the other side lives in a world of its own, so that no setting can stand for another's.
    """
    all_worlds = worlds(places)
    for world, next_world in zip(all_worlds, [*all_worlds[1:], all_worlds[0]], strict=True):
        for is_of_brands, viewer, there, by in _pairs(places, world, replace(next_world, k=11)):
            sides = ((world, viewer), (there, by))
            visible = meet(*(wall_rows.visible_of(*side) for side in sides))
            values = scope.setting_values(visible, "acme")
            cursor.execute(f"SET LOCAL ROLE NONE; {role_sql(values, settings.LOOK_ROLE)}")
            for model, facts in rows.items():
                if issubclass(model, Walled) != is_of_brands:
                    continue
                one, two = (wall_rows.expected(*side, model, facts) for side in sides)
                if _keys(cursor, model) != one & two:
                    name = f"{model._meta.db_table}, {by.name} looks as {viewer.name}"
                    yield f"{name}, {sorted(world.modes.items())}: not what both see"


def _pairs(
    places: wall_rows.Places, world: oracle.World, other: oracle.World
) -> Iterator[tuple[bool, oracle.Viewer, oracle.World, oracle.Viewer]]:
    """Yield whether it is about brands' rows, whom one looks as, and who looks in what world."""
    named = {viewer.name: viewer for viewer in places.viewers()}
    everything = oracle.Viewer("all brands", brands=frozenset(places.brands.values()))
    for name in ("HQ", "analyst", "tea", "store tea-1"):
        yield True, everything, other, named[name]
    for name in ("unit", "tea", "store tea-1"):
        yield True, named[name], world, named["HQ"]
    # Figures of the group are HQ's alone to see, and what a grant asked for is that grant's.
    for there in (world, other):
        yield False, named["HQ"], there, named["HQ"]
    yield False, named["HQ"], world, named["tea"]


def _outside_of_scopes(cursor: Any, model: type[models.Model]) -> Iterator[str]:
    """Look with no settings, and with every row's brand in settings made for another schema."""
    everything = scope.array(range(1, 100))
    foreign = {name: everything for name in scope.SETTING_NAMES if not name.endswith("k")}
    foreign |= {"sluice.schema": "globex", "sluice.k": "0", "sluice.group_set": brand_set(())}
    foreign |= {name: foreign[name.replace("look_", "")] for name in scope.LOOK_NAMES}
    # Each side of a look without the other: a setting that is missing must close.
    role_alone = {**foreign, **dict.fromkeys(scope.LOOK_NAMES, ""), "sluice.schema": "acme"}
    hq_alone = {name: foreign[name] for name in scope.LOOK_NAMES} | {"sluice.schema": "acme"}
    everyone = (settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE)
    for words, values, roles in (
        ("no settings", {}, everyone),
        ("settings of another group", foreign, everyone),
        ("settings of the role alone", role_alone, (settings.LOOK_ROLE,)),
        ("settings of HQ alone", hq_alone, everyone),
    ):
        for role in roles:
            cursor.execute(role_sql(values, role))
            found = len(_keys(cursor, model))
            cursor.execute("SET LOCAL ROLE NONE")
            if found:
                yield f"{model._meta.db_table}: {role} sees {found} rows with {words}"


def _keys(cursor: Any, model: type[models.Model]) -> set[str]:
    table = f'"{model._meta.db_table}"'
    cursor.execute(f"SELECT {wall_rows.key_sql(model)} FROM {table}")
    return {key for (key,) in cursor.fetchall()}


def _reads(
    cursor: Any,
    world: oracle.World,
    viewer: oracle.Viewer,
    rows: dict[type[models.Model], dict[str, oracle.Row]],
) -> Iterator[str]:
    visible = wall_rows.visible_of(world, viewer)
    values = scope.setting_values(visible, "acme")
    # The role of whole brands must show the same wherever a scope drops to it.
    for role in (settings.APP_ROLE, *([settings.WHOLE_ROLE] if visible.is_whole else [])):
        cursor.execute(f"SET LOCAL ROLE NONE; {role_sql(values, role)}")
        yield from _reads_as(cursor, role, world, viewer, rows)


def _reads_as(
    cursor: Any,
    role: str,
    world: oracle.World,
    viewer: oracle.Viewer,
    rows: dict[type[models.Model], dict[str, oracle.Row]],
) -> Iterator[str]:
    for model, facts in rows.items():
        seen = _keys(cursor, model)
        allowed = wall_rows.expected(world, viewer, model, facts)
        name = f"{model._meta.db_table}, {role}, {viewer.name}, {sorted(world.modes.items())}"
        for key in sorted(seen - allowed):
            yield f"{name}: sees {facts.get(key)}"
        for key in sorted(allowed - seen):
            yield f"{name}: does not see {facts[key]}"


def _privileges(cursor: Any, tables: Sequence[type[models.Model]]) -> Iterator[str]:
    declared = {
        model._meta.db_table: WRITABLE.get(model._meta.db_table, {"SELECT"}) for model in tables
    } | {table: set() for table in _OWNERS_OWN}
    cursor.execute(
        "SELECT r, t, p, CASE WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') "
        "THEN has_any_column_privilege(r, t, p) ELSE has_table_privilege(r, t, p) END "
        "FROM unnest(%s::text[]) r, unnest(%s::text[]) t, unnest(%s::text[]) p",
        [
            [settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE],
            list(declared),
            list(_PRIVILEGES),
        ],
    )
    for role, table, privilege, has in cursor.fetchall():
        wanted = declared[table] & {"SELECT"} if role == settings.LOOK_ROLE else declared[table]
        if has != (privilege in wanted):
            yield f"{table}: {role} {'has' if has else 'lacks'} {privilege}"


def _writes(cursor: Any, places: wall_rows.Places, model: type[Walled]) -> Iterator[str]:
    table = model._meta.db_table
    world = worlds(places)[0]
    facts = wall_rows.read_facts(cursor, model)
    for viewer in places.viewers():
        values = scope.setting_values(wall_rows.visible_of(world, viewer), "acme")
        for brand, store in places.pairs():
            row = oracle.Row(brand, store)
            allowed = oracle.may_write(viewer, row)
            done = _tries(
                cursor,
                values,
                lambda row=row: wall_rows.insert(
                    cursor,
                    table,
                    [{"brand_id": row.brand, "store_id": row.store, **_unique(table)}],
                ),
            )
            if bool(done) != allowed:
                yield f"{table}, {viewer.name}: insert of {row} {'passes' if done else 'fails'}"
        if "UPDATE" not in WRITABLE[table]:
            continue
        own = {
            key
            for key, row in facts.items()
            if oracle.may_write(viewer, row)
            and oracle.may_read(world, viewer, str(model.wall.kind), row)
        }
        changed = _tries(
            cursor, values, lambda: cursor.execute(f'UPDATE "{table}" SET brand_id = brand_id')
        )
        if changed != len(own):
            yield f"{table}, {viewer.name}: update changes {changed} rows, not {len(own)}"
        foreign = sorted(set(places.brands.values()) - viewer.brands)
        for brand in foreign if own else []:
            moved = _tries(
                cursor,
                values,
                lambda brand=brand: cursor.execute(
                    f'UPDATE "{table}" SET brand_id = %s, store_id = NULL', [brand]
                ),
            )
            if moved is not None:
                yield f"{table}, {viewer.name}: moves {moved} rows to brand {brand}"


def _unique(table: str) -> dict[str, str]:
    """Return what no two rows of a table share, where it has such a column."""
    if table.endswith("requeststep"):
        return {"request_id": str(next(_numbers))}
    columns = {field.column for field in _model_of(table)._meta.concrete_fields}
    return {"request_key": str(uuid.uuid4())} if "request_key" in columns else {}


def _model_of(table: str) -> type[models.Model]:
    return next(model for model in tenant_models() if model._meta.db_table == table)


def _group_writes(
    cursor: Any, places: wall_rows.Places, model: type[models.Model]
) -> Iterator[str]:
    table = model._meta.db_table
    brands = places.brands.values()
    for world in worlds(places):
        for viewer in places.viewers():
            values = scope.setting_values(wall_rows.visible_of(world, viewer), "acme")
            for number in range(2 ** len(brands)):
                without = wall_rows.left_out(number, brands)
                row = {"brand_set": brand_set(without), **_unique(table)}
                done = _tries(
                    cursor, values, lambda row=row: wall_rows.insert(cursor, table, [row])
                )
                if bool(done) != oracle.may_write_group(world, viewer, without):
                    verb = "passes" if done else "fails"
                    yield f"{table}, {viewer.name}: insert without {sorted(without)} {verb}"


def _grant_writes(
    cursor: Any, places: wall_rows.Places, model: type[models.Model]
) -> Iterator[str]:
    table = model._meta.db_table
    facts = wall_rows.read_facts(cursor, model)
    numbers = sorted({grant for pair in wall_rows.EXPORTED for grant in pair})
    for viewer in places.viewers():
        values = scope.setting_values(wall_rows.visible_of(worlds(places)[0], viewer), "acme")
        for grant in numbers:
            # Who made it is somebody else: the rule must not go by that.
            row = {"grant_id": grant}
            columns = {field.column for field in model._meta.concrete_fields}
            if isinstance(model._meta.pk, models.UUIDField):
                row["id"] = str(uuid.uuid4())
            if "created_by_id" in columns:
                row["created_by_id"] = 75
            done = _tries(cursor, values, lambda row=row: wall_rows.insert(cursor, table, [row]))
            if bool(done) != (grant == viewer.grant):
                yield f"{table}, {viewer.name}: insert for {grant} {'passes' if done else 'fails'}"
        if "UPDATE" not in WRITABLE[table]:
            continue
        own = sum(oracle.is_own(viewer, row) for row in facts.values())
        changed = _tries(
            cursor, values, lambda: cursor.execute(f'UPDATE "{table}" SET grant_id = grant_id')
        )
        if changed != own:
            yield f"{table}, {viewer.name}: update changes {changed} rows, not {own}"
        moved = _tries(
            cursor, values, lambda: cursor.execute(f'UPDATE "{table}" SET grant_id = 70')
        )
        if own and moved is not None:
            yield f"{table}, {viewer.name}: gives {moved} rows to another grant"


def _tries(cursor: Any, values: dict[str, str], act: Any) -> int | None:
    """Run ACT as the app role and undo it; return the rows it touched, None where refused."""
    cursor.execute("SAVEPOINT tried")
    cursor.execute(role_sql(values))
    try:
        act()
        return cursor.rowcount
    except (Error, psycopg.Error):
        return None
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT tried; RELEASE SAVEPOINT tried")
