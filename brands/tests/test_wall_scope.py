"""A scope that is not open shows nothing, and says how to open one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Count, Exists, OuterRef

from brands.models import Brand, Store
from brands.tests import oracle
from brands.tests.wall_rows import visible_of
from brands.wall import scope
from members.models import Contact, GroupMetric, ImportJob, Order, OrderLine, Person, Profile
from tenants.context import tenant_transaction

NAMES = ", ".join(f"current_setting('{name}', true)" for name in scope.SETTING_NAMES)


@pytest.fixture
def tea(in_acme) -> Brand:
    """Return brand tea of acme, with one member who ordered twice."""
    brand = Brand.objects.get(code="tea")
    with scope.bulk(reason="test"):
        profile = Profile.objects.create(brand=brand, person=Person.objects.create(), member_no="1")
        Contact.objects.create(brand=brand, profile=profile, sealed=b"", fingerprint=b"")
        for number in (1, 2):
            order = Order.objects.create(
                brand=brand, profile=profile, order_no=number, ordered_at="2026-01-01T00:00Z"
            )
            OrderLine.objects.create(brand=brand, order=order, line_no=1, amount=1)
    return brand


def _profile() -> Profile:
    with scope.bulk(reason="test"):
        return Profile.objects.get()


WAYS_TO_ASK = {
    "read": lambda old: list(Profile.objects.all()),
    "get": lambda old: Profile.objects.get(pk=1),
    "count": lambda old: Profile.objects.count(),
    "exists": lambda old: Profile.objects.exists(),
    "aggregate": lambda old: Profile.objects.aggregate(Count("pk")),
    "values": lambda old: list(Profile.objects.values("pk")),
    "iterator": lambda old: list(Profile.objects.iterator()),
    "in_bulk": lambda old: Profile.objects.in_bulk([1]),
    "raw": lambda old: list(Profile.objects.raw("SELECT * FROM members_profile")),
    "update": lambda old: Profile.objects.update(orders=9),
    "delete": lambda old: Profile.objects.all().delete(),
    "create": lambda old: Profile.objects.create(brand_id=1, person_id=1, member_no="x"),
    "bulk_create": lambda old: Profile.objects.bulk_create([Profile(brand_id=1, person_id=1)]),
    "get_or_create": lambda old: Profile.objects.get_or_create(member_no="1"),
    "update_or_create": lambda old: Profile.objects.update_or_create(member_no="1"),
    "none of a group": lambda old: GroupMetric.objects.count(),
    "subquery": lambda old: list(Brand.objects.filter(pk__in=Profile.objects.values("brand"))),
    "exists subquery": lambda old: Brand.objects.filter(
        Exists(Profile.objects.filter(brand=OuterRef("pk")))
    ).count(),
    "union": lambda old: list(Brand.objects.values("pk").union(Profile.objects.values("brand_id"))),
    "prefetch": lambda old: models.prefetch_related_objects([old], "order_set"),
    "explain": lambda old: Profile.objects.explain(),
    "base manager": lambda old: Profile._base_manager.count(),
    "refresh_from_db": lambda old: old.refresh_from_db(),
    "deferred field": lambda old: Profile(pk=old.pk).refresh_from_db(fields=["member_no"]),
    "save": lambda old: old.save(),
    "save of a new one": lambda old: Profile(brand_id=1, person_id=1, member_no="2").save(),
    "delete of one": lambda old: old.delete(),
    "related manager": lambda old: old.order_set.count(),
    "reverse one to one": lambda old: old.contact,
    "related update": lambda old: old.order_set.update(amount=9),
    "related set": lambda old: old.order_set.create(brand_id=1, order_no="3"),
    "forward": lambda old: Order(profile_id=old.pk).profile,
    "validation": lambda old: Order(
        profile_id=old.pk, brand_id=1, order_no="3", ordered_at="2026-01-01T00:00Z"
    ).full_clean(),
}


@pytest.mark.parametrize("way", WAYS_TO_ASK)
def test_asking_with_no_scope_raises(tea, way):
    profile = _profile()
    with pytest.raises(scope.ScopeRequired, match="no scope open"), transaction.atomic():
        WAYS_TO_ASK[way](profile)
    assert _profile().orders == 0


WAYS_TO_OUTLIVE = {
    "read": list,
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "aggregate": lambda rows: rows.aggregate(Count("pk")),
    "annotated aggregate": lambda rows: rows.annotate(n=Count("order_set")).aggregate(Count("n")),
    "first": lambda rows: rows.first(),
    "iterator": lambda rows: list(rows.iterator()),
    "filter": lambda rows: list(rows.filter(member_no="1")),
    "update": lambda rows: rows.update(orders=9),
    "delete": lambda rows: rows.delete(),
    "raw delete": lambda rows: rows._raw_delete("default"),
    "create": lambda rows: rows.create(brand_id=1, person_id=1, member_no="2"),
    "bulk_create": lambda rows: rows.bulk_create([Profile(brand_id=1, person_id=1)]),
    "bulk_update": lambda rows: rows.bulk_update([Profile(pk=1, orders=9)], ["orders"]),
    "subquery": lambda rows: list(Brand.objects.filter(pk__in=rows.values("brand"))),
    "union": lambda rows: list(Brand.objects.values("pk").union(rows.values("brand_id"))),
    "explain": lambda rows: rows.explain(),
    "in_bulk": lambda rows: rows.in_bulk(),
    "contains": lambda rows: rows.contains(Profile(pk=1)),
    "str of the query": lambda rows: str(rows.query),
}


@pytest.mark.parametrize("way", WAYS_TO_OUTLIVE)
@pytest.mark.parametrize("opened_as", ["owner", "brand_manager"])
def test_a_queryset_that_outlives_its_scope_raises(tea, cast, seeing, way, opened_as):
    opened = scope.bulk(reason="test") if opened_as == "owner" else seeing(cast.brand_manager)
    with opened:
        rows = Profile.objects.filter(brand=tea)
        assert rows.all().count() == 1
    with pytest.raises(scope.ScopeRequired), transaction.atomic():
        WAYS_TO_OUTLIVE[way](rows)
    assert _profile().orders == 0


def test_an_iterator_that_outlives_its_scope_raises_at_the_next_row(tea, cast, seeing):
    with seeing(cast.brand_manager):
        rows = Order.objects.order_by("pk").iterator(chunk_size=1)
        assert next(rows).order_no == "1"
    with pytest.raises(scope.ScopeRequired):
        next(rows)
    with seeing(cast.brand_manager):
        rows = Order.objects.order_by("pk").iterator(chunk_size=1)
        next(rows)
        # Another scope is not the scope in which reading began.
        with scope.averaging(), pytest.raises(scope.ScopeRequired):
            next(rows)


def test_an_iterator_goes_on_after_an_inner_scope_is_closed(tea, cast, seeing):
    with seeing(cast.brand_manager):
        found = []
        for order in Order.objects.order_by("pk").iterator(chunk_size=1):
            with scope.averaging():
                found.append(order.order_no)
        assert found == ["1", "2"]


def test_after_a_scope_nothing_of_it_is_left(tea, cast, seeing, rows_of):
    with seeing(cast.brand_manager):
        assert rows_of("SELECT current_user") == [("sluice_whole",)]
        assert any(rows_of(f"SELECT {NAMES}")[0])
    assert not any(rows_of(f"SELECT {NAMES}")[0])
    assert rows_of("SELECT current_user") == [(connection.settings_dict["USER"],)]


def test_an_inner_scope_gives_the_outer_one_back(tea, cast, seeing, rows_of):
    with seeing(cast.group_admin):
        outer = rows_of(f"SELECT {NAMES}")
        with seeing(cast.brand_manager):
            assert rows_of(f"SELECT {NAMES}") != outer
            assert Profile.objects.count() == Order.objects.count() - 1 == 1
        assert rows_of(f"SELECT {NAMES}") == outer
        assert (Profile.objects.count(), Order.objects.count()) == (1, 0)


@pytest.mark.parametrize("failure", [ZeroDivisionError, IntegrityError, KeyboardInterrupt])
def test_a_scope_that_fails_gives_the_outer_one_back(tea, cast, seeing, rows_of, failure):
    def fail() -> None:
        if failure is IntegrityError:
            # A row that the wall lets pass, and that lacks what it must have.
            rows_of(f"INSERT INTO members_importjob (brand_id) VALUES ({tea.pk}) RETURNING 1")
        raise failure

    with seeing(cast.group_admin):
        outer = rows_of(f"SELECT {NAMES}, current_user")
        with pytest.raises(failure), seeing(cast.brand_manager):
            fail()
        assert rows_of(f"SELECT {NAMES}, current_user") == outer
        assert (Profile.objects.count(), Order.objects.count()) == (1, 0)


def test_a_rolled_back_savepoint_leaves_the_scope_it_was_in(tea, cast, seeing, rows_of):
    with seeing(cast.brand_manager):
        before = rows_of(f"SELECT {NAMES}, current_user, current_schemas(false)")
        with transaction.atomic():
            rows_of("SELECT 1")
            transaction.set_rollback(True)
        assert rows_of(f"SELECT {NAMES}, current_user, current_schemas(false)") == before
        assert Profile.objects.count() == 1


def test_a_scope_of_one_group_is_refused_in_another(tea, cast, seeing, globex):
    with seeing(cast.brand_manager):
        assert Profile.objects.count() == 1
        with tenant_transaction(globex), pytest.raises(scope.ScopeRequired, match="acme"):
            Profile.objects.count()
        assert Profile.objects.count() == 1


def test_a_scope_needs_a_transaction(acme, monkeypatch):
    plain = SimpleNamespace(
        in_atomic_block=False, schema_name="acme", settings_dict=connection.settings_dict
    )
    monkeypatch.setattr(scope, "connection", plain)
    visible = visible_of(oracle.World({}), oracle.Viewer("nobody"))
    with pytest.raises(scope.ScopeRefused, match="transaction"), scope.open(visible):
        pass
    with pytest.raises(scope.ScopeRefused, match="transaction"), scope.bulk(reason="test"):
        pass


@pytest.mark.parametrize("process", ["web", "scoped"])
def test_bulk_work_is_the_owners(in_acme, settings, process):
    settings.SLUICE_PROCESS = process
    with pytest.raises(scope.ScopeRefused, match="import"), scope.bulk(reason="import"):
        pass


def test_bulk_work_is_refused_for_the_app_roles_connection(in_acme, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "USER", "sluice_app")
    with pytest.raises(scope.ScopeRefused, match="app role"), scope.bulk(reason="import"):
        pass


def test_bulk_work_cannot_start_inside_a_viewers_scope(tea, cast, seeing):
    with seeing(cast.brand_manager):
        refused = pytest.raises(scope.ScopeRefused, match="viewer")
        with refused, scope.bulk(reason="import"):
            pass
        assert Order.objects.count() == 2
    with scope.bulk(reason="import"), seeing(cast.sibling_manager):
        assert Order.objects.count() == 0


def test_bulk_work_has_no_key_to_a_cache(tea, cast, seeing):
    with scope.bulk(reason="test") as opened, pytest.raises(scope.ScopeRefused):
        _ = opened.cache_key
    with seeing(cast.brand_manager) as opened:
        key = opened.cache_key
    with seeing(cast.sibling_manager) as opened:
        assert opened.cache_key != key
    assert key.startswith("acme:")


JOB = {"kind": "members", "file_name": "a.csv", "path": "a.csv"}


def test_a_row_is_written_into_ones_own_brand_only(tea, cast, seeing):
    bakery = Brand.objects.get(code="bakery")
    with seeing(cast.brand_manager):
        job = ImportJob.objects.create(brand=tea, **JOB)
        with pytest.raises(Exception, match="row-level security"), transaction.atomic():
            ImportJob.objects.create(brand=bakery, **JOB)
        job.state = "queued"
        job.save()
        job.brand = bakery
        with pytest.raises(Exception, match="row-level security"), transaction.atomic():
            job.save()
    with seeing(cast.sibling_manager):
        assert ImportJob.objects.update(state="failed") == 0
    for person in (cast.group_admin, cast.analyst, cast.platform_operator):
        with seeing(person):
            with pytest.raises(Exception, match="row-level security"), transaction.atomic():
                ImportJob.objects.create(brand=tea, **JOB)
            assert ImportJob.objects.update(state="failed") == 0
    with scope.bulk(reason="test"):
        assert [(j.brand_id, j.state) for j in ImportJob.objects.all()] == [(tea.pk, "queued")]


def test_a_store_writes_its_own_rows_only(tea, cast, seeing):
    stores = {store.code: store for store in Store.objects.all()}
    bakery = Brand.objects.get(code="bakery")
    with seeing(cast.store_manager):
        ImportJob.objects.create(brand=tea, store=stores["tea-1"], **JOB)
        for brand, store in (
            (tea, stores["tea-2"]),
            (tea, None),
            (bakery, stores["tea-1"]),
            (bakery, stores["bakery-1"]),
        ):
            with pytest.raises(Exception, match="row-level security"), transaction.atomic():
                ImportJob.objects.create(brand=brand, store=store, **JOB)


def test_a_row_of_ones_own_brand_with_a_foreign_store_stays_ones_own(tea, cast, seeing, acme):
    store = Store.objects.get(code="bakery-1")
    with seeing(cast.brand_manager):
        ImportJob.objects.create(brand=tea, store=store, **JOB)
    with seeing(cast.sibling_manager):
        assert ImportJob.objects.count() == 0
    there = oracle.Viewer("bakery-1", store=store.pk, store_brand=store.brand_id)
    modes = dict.fromkeys(Brand.objects.values_list("pk", flat=True), "fan_max")
    with tenant_transaction(acme), scope.open(visible_of(oracle.World(modes), there)):
        assert ImportJob.objects.count() == 0


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE members_profile SET orders = 9",
        "DELETE FROM members_profile",
        "TRUNCATE members_profile",
        "INSERT INTO members_profile (brand_id, person_id) VALUES (1, 1)",
        "DELETE FROM members_importjob",
        "SELECT * FROM members_person",
        "SELECT * FROM members_identity",
        "UPDATE brands_modechange SET mode = 'fan_max'",
        "DELETE FROM brands_modechange",
        "DELETE FROM brands_brand",
        "DELETE FROM brands_store",
        "DELETE FROM brands_guide",
        "COPY members_profile FROM STDIN",
        "ALTER TABLE members_profile DISABLE ROW LEVEL SECURITY",
        "DROP POLICY sluice_read ON members_profile",
        "GRANT SELECT ON members_person TO PUBLIC",
        "CREATE TABLE own (id int)",
        "CREATE VIEW seen AS SELECT * FROM members_profile",
    ],
)
def test_the_app_role_is_refused(tea, cast, seeing, rows_of, sql):
    with seeing(cast.brand_manager):
        assert rows_of("SELECT count(*) FROM members_profile") == [(1,)]
        with (
            pytest.raises(Exception, match=r"permission denied|must be owner|row-level security"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
