"""Tables that all of a group read: who of its people writes each, by the database's own rule."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import Error, ProgrammingError, connection, transaction

from brands.models import Brand, ModeChange, ModeDraft, Store
from brands.models.privileges import HQ, HQ_OR_BRAND, OWNER_ONLY, READ_ONLY
from brands.tests import wall_rows
from brands.wall import catalogue
from brands.wall.models import is_walled
from brands.wall.policies import policies, privileges
from tenants.context import tenant_transaction
from tenants.provisioning import tenant_models

# Every open table that the app role writes, by whose scope it does so, or why in any.
WRITERS = {
    "brands.BusinessUnit": HQ,
    "brands.Brand": HQ,
    "brands.Store": HQ_OR_BRAND,
    "brands.ChannelAccount": HQ_OR_BRAND,
    "brands.Guide": "staff of stores; names no member, and opens nothing",
    "brands.ModeDraft": HQ,
    "brands.ModeChange": HQ,
    "brands.ModeFollowUp": HQ,
    "brands.ImpactAssessment": HQ,
    "brands.NoticeDraft": HQ,
    "brands.NoticeEnding": HQ,
    "brands.SharingRecord": "brands issue theirs; decisions without figures, sealed by a digest",
    "members.GroupStratumRule": HQ,
    "members.GroupSegment": HQ,
    "members.GroupTag": HQ,
    "members.KeyRotation": HQ,
    "members.RetentionRule": HQ,
    "members.RevealRule": HQ,
    "members.IdentityRule": HQ,
    "members.RightsRule": HQ,
}
# What only is read, and why all of the group may.
READ = {
    "brands.Generation": "counters of changes",
    "brands.Notice": "what people are told",
    "brands.Notice_recipients": "what people are told",
    "brands.NoticeText": "what people are told",
    "members.GroupKey": "wrapped by the master key, which no table holds",
    "members.StrataState": "how far a job is",
}
REFUSED = "42501"


def _open_tables() -> list[type]:
    return [
        model
        for model in tenant_models()
        if not is_walled(model) and privileges(model) != OWNER_ONLY
    ]


def test_every_open_table_says_who_writes_it():
    found = {
        model._meta.label: getattr(model, "app_writer", WRITERS.get(model._meta.label, "nobody"))
        for model in _open_tables()
        if privileges(model) != READ_ONLY
    }
    assert found == WRITERS
    assert {m._meta.label for m in _open_tables() if privileges(m) == READ_ONLY} == set(READ)


def _guarded() -> list[type]:
    return [model for model in _open_tables() if policies(model)]


def _code(act: Any) -> str:
    """Return the code of the error that an act ends in, undone; "" where it passes."""
    try:
        with transaction.atomic():
            act()
            transaction.set_rollback(True)
    except Error as error:
        return getattr(error.__cause__, "sqlstate", "") or "other"
    return ""


def _insert(model: type, brand_id: int) -> str:
    columns = {field.column for field in model._meta.concrete_fields}
    row = {"id": 990_000} | ({"brand_id": brand_id} if "brand_id" in columns else {})
    row |= {"mode": "brand_max"} if model is ModeChange else {}
    with connection.cursor() as cursor:
        return _code(lambda: wall_rows.insert(cursor, model._meta.db_table, [row]))


def test_a_brands_people_write_no_decision_and_nothing_of_a_sibling(cast, seeing, in_acme):
    tea, bakery = (Brand.objects.get(code=code).pk for code in ("tea", "bakery"))
    assert len(_guarded()) == 18
    allowed = {}
    for person in ("brand_manager", "analyst", "store_manager", "group_admin"):
        with seeing(getattr(cast, person)):
            for brand in (tea, bakery):
                # Whatever else the row lacks: the wall speaks first.
                allowed[person, brand] = {
                    model._meta.label for model in _guarded() if _insert(model, brand) != REFUSED
                }
    own = {"brands.Store", "brands.ChannelAccount"}
    everything = {model._meta.label for model in _guarded()}
    assert allowed == {
        ("brand_manager", tea): own,
        ("brand_manager", bakery): set(),
        ("analyst", tea): set(),
        ("analyst", bakery): set(),
        ("store_manager", tea): set(),
        ("store_manager", bakery): set(),
        ("group_admin", tea): everything,
        ("group_admin", bakery): everything,
    }


def test_a_brand_takes_no_store_of_a_siblings_nor_itself_into_another_unit(cast, seeing, in_acme):
    theirs, own = Store.objects.get(code="bakery-1"), Store.objects.get(code="tea-1")
    with seeing(cast.brand_manager):
        assert Store.objects.filter(pk=theirs.pk).update(brand=own.brand) == 0
        assert Store.objects.filter(pk=own.pk).update(name="Tea 1") == 1
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Store.objects.filter(pk=own.pk).update(brand=theirs.brand)
        assert Brand.objects.update(business_unit=None) == 0
    with seeing(cast.group_admin):
        assert Brand.objects.update(business_unit=None) == 3


def test_hq_itself_appends_no_opening_that_no_draft_asked_for(cast, seeing, steps):
    draft = steps.submitted("fan_max", "spa")
    wanted = {"mode": "fan_max", "decided_by_name": "x"}
    with seeing(cast.group_admin):
        assert _code(lambda: ModeChange.objects.create(**wanted)) == REFUSED
        assert _code(lambda: ModeChange.objects.create(**wanted, draft_id=draft.pk)) == ""
        assert _code(lambda: ModeChange.objects.create(**{**wanted, "mode": "brand_max"})) == ""
        last = ModeChange.objects.order_by("pk").last()
        assert _code(lambda: ModeChange.objects.create(**wanted, undoes=last)) == ""
    with seeing(cast.brand_manager):
        assert _code(lambda: ModeChange.objects.create(**wanted, draft_id=draft.pk)) == REFUSED
        assert ModeDraft.objects.filter(pk=draft.pk).update(state="withdrawn") == 0


def test_settings_of_one_group_write_nothing_in_another(cast, seeing, globex):
    with seeing(cast.group_admin):
        assert Brand.objects.update(name="x") == 3
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path = globex, public")
        assert Brand.objects.count() == 3
        assert Brand.objects.update(name="x") == 0


@pytest.mark.parametrize(
    "broken",
    [
        "DROP POLICY sluice_insert ON {t}; "
        "CREATE POLICY sluice_insert ON {t} FOR INSERT WITH CHECK (true)",
        "CREATE POLICY extra ON {t} FOR INSERT WITH CHECK (true)",
        "ALTER TABLE {t} DISABLE ROW LEVEL SECURITY",
    ],
)
def test_a_broken_guard_is_told_by_what_passes_and_by_the_catalogue(cast, seeing, acme, broken):
    with tenant_transaction(acme), connection.cursor() as cursor:
        bakery = Brand.objects.get(code="bakery").pk
        declared = catalogue.declared_policies(cursor, ["acme"])
        assert catalogue.differences(cursor, ["acme"], declared) == []
        for model in _guarded():
            cursor.execute("SAVEPOINT guard; " + broken.format(t=model._meta.db_table))
            assert catalogue.differences(cursor, ["acme"], declared) != [], model
            cursor.execute(f'SET LOCAL ROLE "{settings.APP_ROLE}"')
            assert _insert(model, bakery) != REFUSED, model
            cursor.execute("ROLLBACK TO SAVEPOINT guard; RELEASE SAVEPOINT guard")
            cursor.execute(f'SET LOCAL ROLE "{settings.APP_ROLE}"')
            assert _insert(model, bakery) == REFUSED, model
            cursor.execute("SET LOCAL ROLE NONE")
