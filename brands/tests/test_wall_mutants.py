"""Break the wall on purpose, one piece at a time: the checker and the catalogue must tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.models import UUIDField

from brands.tests import wall_rows
from brands.tests.checker import WRITABLE, look_violations, wall_violations, write_violations
from brands.wall import catalogue
from brands.wall.models import GrantWalled, GroupWalled, Walled
from brands.wall.policies import Policy, policies, readers, schema_policy
from brands.wall.scope import LOOK_PREFIX
from brands.wall.visibility import brand_set

APP, WHOLE, LOOK = settings.APP_ROLE, settings.WHOLE_ROLE, settings.LOOK_ROLE


@dataclass(frozen=True)
class Mutant:
    """One way to break one table's wall."""

    model: type
    what: str
    sql: str
    # Whether it is told by looks alone, or by writing: nothing else is then tried before.
    is_of_looks: bool = False
    is_of_writes: bool = False

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}: {self.what}"


def _rules(read: str, model: type) -> Iterator[tuple[str, str]]:
    """Yield broken versions of a table's rule of reading; each must differ from the rule."""
    yield "USING true", "true"
    yield "OR true", f"{read} OR true"
    yield "nothing passes", "false"
    if issubclass(model, GroupWalled):
        yield "any set of brands for HQ", "current_setting('sluice.group_set', true) <> ''"
        yield "all brands too", f"{read} OR brand_set = '{brand_set(())}'"
        return
    if issubclass(model, GrantWalled):
        yield "any grant's", "current_setting('sluice.grants', true) <> '{}'"
        if _has_maker(model):
            yield "the maker in the place of the grant", read.replace("grant_id", "created_by_id")
        yield (
            "own brands in the place of grants",
            read.replace("sluice.grants", "sluice.write_brands"),
        )
        return
    kind = model.wall.kind
    yield "store in the place of brand", read.replace("brand_id =", "store_id =")
    yield "notice in the place of brand", read.replace("brand_id =", "notice_id =")
    # A key of another type is refused by the database itself.
    if not isinstance(model._meta.pk_fields[0], UUIDField):
        yield (
            "key in the place of brand",
            read.replace("brand_id =", f"{model._meta.pk_fields[0].column} ="),
        )
    if model.wall.is_for_siblings:
        # Elsewhere a brand that is not the store's tells it nothing, whatever the store.
        yield "own stores of any brand", _without(read, "AND brand_id", "store_brands")
    yield (
        "stores of own brands, all of them",
        read.replace("store_id =", "brand_id =").replace(f"{kind}_stores", "store_brands"),
    )
    yield "the store's rows are gone", read.replace(f"{kind}_stores", f"{kind}_nothing")
    yield "own rows are gone", read.replace(f"{kind}_all", f"{kind}_nothing")
    if kind != "metrics":
        yield "consent ignored", _without(read, "AND notice_id", f"{kind}_notices")
        yield (
            "any brand's consent",
            read.replace(
                f"brand_id = ANY ((SELECT NULLIF(current_setting('sluice.{kind}_consented'",
                f"notice_id = ANY ((SELECT NULLIF(current_setting('sluice.{kind}_notices'",
            ),
        )
        yield "consented rows are gone", read.replace(f"{kind}_consented", f"{kind}_nothing")
        other = "profile" if kind in {"contact", "masked"} else "contact"
        yield "another kind's brands", read.replace(f"{kind}_all", f"{other}_all")
        yield "another kind's notices", read.replace(f"{kind}_", f"{other}_")
    if model.wall.counted:
        yield "small cells shown", read.replace(f"{model.wall.counted} >=", "0 <=")
        yield "stores of a closed brand shown", read.replace("AND store_id IS NULL", "")
        yield (
            "suppressed brands in full",
            f"{read} OR " + read.split(" OR ")[0].replace("metrics_all", "metrics_suppressed"),
        )
    if not model.wall.is_for_siblings:
        yield from _told_mutants(model, read)
        yield "told to stores in full", _told(read)
        yield "told to whoever reads figures", read.replace("told_brands", "metrics_all")


def _told(rule: str) -> str:
    """Return of a rule only that the brand tells the viewer such figures."""
    return rule[rule.rindex(" AND brand_id") + len(" AND ") :]


def _without(read: str, beginning: str, setting: str) -> str:
    """Cut the comparison with one setting out of a rule."""
    start = read.index(f" {beginning} = ANY ((SELECT NULLIF(current_setting('sluice.{setting}'")
    end = read.index("::bigint[])", read.index("::bigint[])", start) + 1) + len("::bigint[])")
    return read[:start] + read[end:]


def _mutants(model: type) -> Iterator[Mutant]:
    table = f'"{model._meta.db_table}"'
    read = next(policy.using for policy in policies(model) if policy.name == "sluice_read")
    for what, broken in _rules(read, model):
        assert broken != read, f"{table}: {what} changes nothing"
        policy = Policy("sluice_read", "SELECT", using=broken, roles=_readers(model))
        yield Mutant(model, what, policy.sql(table))
    if issubclass(model, Walled):
        yield from _whole_mutants(model, table)
    yield from _look_mutants(model, table)
    yield Mutant(model, "security off", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    yield Mutant(model, "no policy to read", f"DROP POLICY sluice_read ON {table}")
    yield Mutant(model, "a policy more", f"CREATE POLICY extra ON {table} FOR SELECT USING (true)")
    yield Mutant(model, "no tie to the schema", f"DROP POLICY sluice_group ON {table}")
    yield Mutant(model, "tied to another", schema_policy("'globex'").sql(table))
    loose = Policy("sluice_group", "ALL", using=schema_policy("'acme'").using)
    yield Mutant(model, "the tie opens", loose.sql(table))
    yield Mutant(model, "no SELECT of whole brands", f"REVOKE SELECT ON {table} FROM {WHOLE}")
    yield Mutant(model, "GRANT to the other role", f"GRANT DELETE ON {table} TO {WHOLE}")
    wanted = {"DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}
    granted = WRITABLE.get(model._meta.db_table, {"SELECT"})
    wanted |= {"INSERT", "UPDATE"} - granted
    for privilege in sorted(wanted):
        yield Mutant(model, f"GRANT {privilege}", f"GRANT {privilege} ON {table} TO {APP}")
    yield Mutant(model, "GRANT to all", f"GRANT DELETE ON {table} TO PUBLIC")
    yield Mutant(model, "no SELECT", f"REVOKE SELECT ON {table} FROM {APP}")
    if "UPDATE" not in granted:
        column = model._meta.pk_fields[0].column
        yield Mutant(model, "a column", f"GRANT UPDATE ({column}) ON {table} TO {APP}")
    if "INSERT" in granted:
        yield from _appending_mutants(model, table)
    if "UPDATE" in granted:
        yield from _writing_mutants(model, table)


def _readers(model: type) -> tuple[str, ...]:
    return readers() if issubclass(model, Walled) else ()


def _whole_mutants(model: type, table: str) -> Iterator[Mutant]:
    """Yield broken versions of the policy of the role that sees whole brands."""
    rule = next(policy.using for policy in policies(model) if policy.name == "sluice_read_whole")
    kind = model.wall.kind
    other = "profile" if kind in {"contact", "masked"} else "contact"
    for what, broken in (
        ("USING true", "true"),
        ("nothing passes", "false"),
        ("store in the place of brand", rule.replace("brand_id =", "store_id =")),
        ("another kind's brands", rule.replace(f"{kind}_all", f"{other}_all")),
        *_told_mutants(model, rule),
    ):
        assert broken != rule, f"{table}: {what} changes nothing"
        policy = Policy("sluice_read_whole", "SELECT", using=broken, roles=(WHOLE,))
        yield Mutant(model, f"whole brands, {what}", policy.sql(table))
    yield Mutant(model, "no policy of whole brands", f"DROP POLICY sluice_read_whole ON {table}")
    swapped = Policy("sluice_read_whole", "SELECT", using=rule, roles=("pg_monitor",)).sql(table)
    yield Mutant(model, "whole brands for another role", swapped)


def _told_mutants(model: type, rule: str) -> Iterator[tuple[str, str]]:
    if not model.wall.is_for_siblings:
        yield "told to siblings", _without(rule, "AND brand_id", "told_brands")


def _look_mutants(model: type, table: str) -> Iterator[Mutant]:
    """Yield broken versions of what holds a look to the rows that HQ sees as well."""
    policy = next(one for one in policies(model) if one.name == "sluice_look")
    rule = policy.using
    rules = {
        "USING true": "true",
        "nothing passes": "false",
        "the role's settings": rule.replace(LOOK_PREFIX, "sluice."),
        "either side": f"{rule} OR {rule.replace(LOOK_PREFIX, 'sluice.')}",
    }
    if issubclass(model, GroupWalled):
        rules["any set of brands"] = f"current_setting('{LOOK_PREFIX}group_set', true) <> ''"
    elif issubclass(model, GrantWalled):
        rules["any grant's"] = f"current_setting('{LOOK_PREFIX}grants', true) <> '{{}}'"
    else:
        rules |= _look_rules(model, rule)
    broken = {what: replace(policy, using=text) for what, text in rules.items()}
    broken["one of two ways"] = replace(policy, is_restrictive=False)
    broken["for another role"] = replace(policy, roles=("pg_monitor",))
    for what, one in broken.items():
        assert one != policy, f"{table}: {what} changes nothing"
        yield Mutant(model, f"look, {what}", one.sql(table), is_of_looks=True)
    loose = replace(policy, using=f"coalesce({rule}, true)")
    yield Mutant(model, "look, open without settings", loose.sql(table))
    yield Mutant(model, "look, no policy", f"DROP POLICY sluice_look ON {table}", is_of_looks=True)
    yield Mutant(model, "look, no SELECT", f"REVOKE SELECT ON {table} FROM {LOOK}")
    yield Mutant(model, "look, may write", f"GRANT INSERT ON {table} TO {LOOK}")


def _look_rules(model: type[Walled], rule: str) -> dict[str, str]:
    kind = model.wall.kind
    other = "profile" if kind in {"contact", "masked"} else "contact"
    found = {
        "store in the place of brand": rule.replace("brand_id =", "store_id ="),
        "another kind's": rule.replace(f"{kind}_", f"{other}_"),
        "own rows are gone": rule.replace(f"{kind}_all", f"{kind}_nothing"),
    }
    if model.wall.is_for_siblings:
        found["own stores of any brand"] = _without(rule, "AND brand_id", "look_store_brands")
    if kind != "metrics":
        found["consent ignored"] = _without(rule, "AND notice_id", f"look_{kind}_notices")
    if not model.wall.is_for_siblings:
        found["told to all"] = _without(rule, "AND brand_id", "look_told_brands")
        found["the role's brands are told"] = rule.replace("look_told_brands", "told_brands")
    if model.wall.counted:
        found["the role's k"] = rule.replace(f"{LOOK_PREFIX}k", "sluice.k")
        found["small cells shown"] = rule.replace(f"{model.wall.counted} >=", "0 <=")
        found["stores of a closed brand shown"] = rule.replace("AND store_id IS NULL", "")
    return found


def _has_maker(model: type) -> bool:
    return any(field.column == "created_by_id" for field in model._meta.concrete_fields)


def _checks(model: type) -> Iterator[tuple[str, str]]:
    """Yield broken versions of a table's rule of writing; each must differ from the rule."""
    rule = next(policy.check for policy in policies(model) if policy.name == "sluice_insert")
    yield "true", "true"
    yield "false", "false"
    if issubclass(model, GroupWalled):
        yield "whoever reads", rule.replace("write_group", "group_set")
        return
    if issubclass(model, GrantWalled):
        if _has_maker(model):
            yield "the maker's", rule.replace("grant_id", "created_by_id")
        yield "any grant's", "current_setting('sluice.grants', true) <> '{}'"
        return
    yield "brands that are read", rule.replace("write_brands", "metrics_all")
    yield "stores nowhere", rule.split(" OR ")[0]
    yield "own store of any brand", _without(rule, "AND brand_id", "store_brands")


def _appending_mutants(model: type, table: str) -> Iterator[Mutant]:
    for what, broken in _checks(model):
        insert = Policy("sluice_insert", "INSERT", check=broken)
        yield Mutant(model, f"insert WITH CHECK {what}", insert.sql(table), is_of_writes=True)
    for what, sql in {
        "no policy to insert": f"DROP POLICY sluice_insert ON {table}",
        "insert without a check": f"ALTER POLICY sluice_insert ON {table} WITH CHECK (true)",
    }.items():
        yield Mutant(model, what, sql, is_of_writes=True)


def _writing_mutants(model: type, table: str) -> Iterator[Mutant]:
    rule = next(policy.check for policy in policies(model) if policy.name == "sluice_update")
    for what, broken in _checks(model):
        assert broken != rule, f"{table}: {what} changes nothing"
        update = Policy("sluice_update", "UPDATE", using=rule, check=broken)
        if what not in {"stores nowhere", "own store of any brand"}:
            yield Mutant(model, f"update WITH CHECK {what}", update.sql(table), is_of_writes=True)
    update = Policy("sluice_update", "UPDATE", using="true", check="true")
    for what, sql in {
        "update of everything": update.sql(table),
        "no policy to update": f"DROP POLICY sluice_update ON {table}",
    }.items():
        yield Mutant(model, what, sql, is_of_writes=True)


def test_the_wall_as_it_stands_has_no_violation(walled_acme):
    with connection.cursor() as cursor:
        assert list(wall_violations(cursor)) == []


# What must be tried on every table, whatever else is.
_ALWAYS = {
    "USING true",
    "security off",
    "no policy to read",
    "a policy more",
    "no tie to the schema",
    "tied to another",
    "look, USING true",
    "look, no policy",
    "GRANT DELETE",
    "GRANT to all",
}


def _killed(
    cursor: Any, broken: list[Mutant], declared: dict
) -> Iterator[tuple[Mutant, tuple[str, str]]]:
    """Break some tables, one way each, and yield what told it: sight and catalogue; undo it."""
    cursor.execute("SAVEPOINT broken; " + "; ".join(mutant.sql for mutant in broken))
    seen: dict[Mutant, str] = {}
    for mutant in broken:
        # A look ends as another role, or in an error.
        cursor.execute("SAVEPOINT look")
        # What breaks looks or writing alone passes everything that is tried before those.
        tells = wall_violations
        if mutant.is_of_looks or mutant.is_of_writes:
            tells = look_violations if mutant.is_of_looks else write_violations
        seen[mutant] = next(tells(cursor, [mutant.model]), "")
        cursor.execute("ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look")
    said = catalogue.differences(cursor, ["acme"], declared)
    cursor.execute("ROLLBACK TO SAVEPOINT broken; RELEASE SAVEPOINT broken")
    for mutant in broken:
        table = f"acme.{mutant.model._meta.db_table}"
        told = (words for words in said if words.startswith((f"{table}:", f"{table} ")))
        yield mutant, (seen[mutant], next(told, ""))


@pytest.mark.long
@pytest.mark.exhaustive
def test_every_mutant_is_told_by_what_is_seen_and_by_the_catalogue(walled_acme):
    killed: dict[Mutant, tuple[str, str]] = {}
    mutants = [list(_mutants(model)) for model in wall_rows.all_models()]
    for of_table in mutants:
        assert {mutant.what for mutant in of_table} >= _ALWAYS, of_table[0].model
    with connection.cursor() as cursor:
        declared = catalogue.declared_policies(cursor, ["acme"])
        # One way of every table at a time: no table's rows are read through another's policy.
        for broken in zip_longest(*mutants):
            killed |= _killed(cursor, [mutant for mutant in broken if mutant], declared)
        _report(killed)
        assert [str(mutant) for mutant, (seen, _) in killed.items() if not seen] == []
        assert [str(mutant) for mutant, (_, declares) in killed.items() if not declares] == []
        # What was undone leaves the wall whole.
        assert list(wall_violations(cursor)) == []
        assert catalogue.differences(cursor, ["acme"]) == []
    assert len(killed) >= 400


def _report(killed: dict[Mutant, tuple[str, str]]) -> None:
    """Print table × mutant → what told it; `make mutants` shows it."""
    for model in wall_rows.all_models():
        of_table = {mutant: told for mutant, told in killed.items() if mutant.model is model}
        alive = sum(not all(told) for told in of_table.values())
        print(f"\n{model._meta.db_table}: {len(of_table)} mutants, {alive} alive")
        for mutant, (seen, declares) in of_table.items():
            print(f"  {mutant.what}: {seen or 'NOT SEEN'} / {declares or 'NOT IN THE CATALOGUE'}")
    tables = len(wall_rows.all_models())
    print(f"\n{len(killed)} mutants of {tables} tables, each killed by sight and by catalogue")


@pytest.mark.parametrize("table", ["members_person", "members_identity", "members_identitylink"])
def test_a_grant_on_the_owners_own_tables_is_told(walled_acme, table):
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT SELECT ON {table} TO {APP}")
        assert any(table in words for words in wall_violations(cursor))
        assert any(table in words for words in catalogue.differences(cursor, ["acme"]))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW leak AS SELECT * FROM members_contact; GRANT SELECT ON leak TO {app}",
        "CREATE MATERIALIZED VIEW leak AS SELECT * FROM members_contact; "
        "GRANT SELECT ON leak TO {app}",
        "CREATE TABLE leak AS SELECT * FROM members_contact; GRANT SELECT ON leak TO {app}",
        "CREATE FUNCTION leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
        "AS 'SELECT count(*) FROM members_contact'",
        "GRANT CREATE ON SCHEMA acme TO {app}",
        "CREATE RULE leak AS ON INSERT TO members_importjob DO ALSO NOTHING",
        "ALTER TABLE members_contact RENAME TO gone",
        "GRANT TEMPORARY ON DATABASE {database} TO {app}",
        "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
    ],
)
def test_a_way_around_the_tables_is_told_by_the_catalogue(walled_acme, sql):
    with connection.cursor() as cursor:
        assert catalogue.differences(cursor, ["acme"]) == []
        cursor.execute(sql.format(app=APP, database=connection.settings_dict["NAME"]))
        assert catalogue.differences(cursor, ["acme"]) != []


@pytest.fixture
def superuser() -> Iterator[psycopg.Cursor]:
    """Be the superuser inside acme, in a transaction that is rolled back, with rows in it."""
    address = os.environ.get("SUPERUSER_DATABASE_URL", "")
    if not address:
        pytest.skip(
            "set SUPERUSER_DATABASE_URL (or leave DATABASE_URL unset, so that the tests start "
            "their own PostgreSQL): only a superuser can break a role on purpose"
        )
    name = connection.settings_dict["NAME"]
    with psycopg.connect(address, dbname=name) as session, session.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = acme, public")
        wall_rows.fill(cursor, wall_rows.Places.read(cursor))
        yield cursor
        session.rollback()


# What opens every table at once, and what opens one.
ROLES_BROKEN = (
    "ALTER ROLE {app} BYPASSRLS",
    "ALTER ROLE {app} SUPERUSER",
    "REVOKE {app} FROM {owner}; GRANT {owner} TO {app}",
    "ALTER ROLE {whole} BYPASSRLS",
    "REVOKE {app} FROM {owner}; GRANT {owner} TO {whole}",
    "ALTER ROLE {look} BYPASSRLS",
    "REVOKE {app} FROM {owner}; GRANT {owner} TO {look}",
)
OWNERS_BROKEN = (
    "ALTER TABLE {table} OWNER TO {app}",
    "ALTER TABLE {table} OWNER TO {whole}",
    "ALTER TABLE {table} OWNER TO {look}",
)


@pytest.mark.exhaustive
def test_a_role_that_steps_over_the_wall_is_told_by_every_table(db, superuser):
    names = {"app": APP, "owner": connection.settings_dict["USER"], "whole": WHOLE, "look": LOOK}
    broken = [(sql.format(**names), wall_rows.all_models()) for sql in ROLES_BROKEN]
    broken += [
        (sql.format(table=model._meta.db_table, **names), [model])
        for sql in OWNERS_BROKEN
        for model in wall_rows.all_models()
    ]
    alive = []
    declared = catalogue.declared_policies(superuser, ["acme"])
    assert catalogue.differences(superuser, ["acme"], declared) == []
    assert next(wall_violations(superuser), None) is None
    for sql, models in broken:
        for model in models:
            superuser.execute(f"SAVEPOINT mutant; {sql}")
            if next(wall_violations(superuser, [model]), None) is None:
                alive.append(f"{model._meta.db_table}: {sql}")
            superuser.execute("ROLLBACK TO SAVEPOINT mutant; RELEASE SAVEPOINT mutant")
        superuser.execute(f"SAVEPOINT mutant; {sql}")
        if catalogue.differences(superuser, ["acme"], declared) == []:
            alive.append(f"catalogue: {sql}")
        superuser.execute("ROLLBACK TO SAVEPOINT mutant; RELEASE SAVEPOINT mutant")
    assert alive == []
