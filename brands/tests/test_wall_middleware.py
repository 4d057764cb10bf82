"""A request is one transaction in one scope, around the view and its rendering."""

from __future__ import annotations

import pytest
from django.db import connection

from brands.models import Store
from brands.services import mode_change
from brands.tests import wall_rows
from brands.wall import scope
from members.models import Profile
from tenants.context import tenant_transaction


@pytest.fixture
def page(settings, visit, cast):
    """Return a function that opens one of the pages as a person and returns the answer."""
    settings.ROOT_URLCONF = "brands.tests.wall_pages"

    def open_page(name: str, person: str = "brand_manager"):
        client = visit(getattr(cast, person))
        client.raise_request_exception = False
        return client.get(f"/wall/{name}/")

    return open_page


def _is_written(acme) -> bool:
    with tenant_transaction(acme):
        return Store.objects.filter(code="written").exists()


def test_what_a_page_writes_is_kept_when_it_answers_well(acme, page):
    assert page("kept").status_code == 200
    assert _is_written(acme)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("fails", 500),
        ("absent", 404),
        ("forbidden", 404),
        ("answers_500", 500),
        ("fails_while_rendering", 500),
        ("swallows", 200),
    ],
)
def test_what_a_page_writes_is_undone_when_it_fails(acme, page, name, status):
    assert page(name).status_code == status
    assert not _is_written(acme)
    assert not scope.is_open()


def test_a_template_reads_inside_the_scope(acme, page):
    with tenant_transaction(acme), connection.cursor() as cursor:
        places = wall_rows.Places.read(cursor)
        wall_rows.fill(cursor, places)
        with scope.bulk(reason="test"):
            tea = places.brands["tea"]
            own = set(Profile.objects.filter(brand=tea).values_list("pk", flat=True))
            rest = set(Profile.objects.exclude(brand=tea).values_list("pk", flat=True))
    seen = set(map(int, page("renders").content.split()))
    assert own
    assert rest
    assert seen == own
    # HQ in member-max sees every profile; nobody's scope is left open after a page.
    assert set(map(int, page("renders", "group_admin").content.split())) == own | rest
    assert not scope.is_open()


def test_a_stream_is_refused(acme, page):
    response = page("streams")
    assert response.status_code == 500
    assert not response.streaming


def test_a_page_after_the_switch_shows_what_the_new_mode_allows(acme, page):
    with tenant_transaction(acme), connection.cursor() as cursor:
        wall_rows.fill(cursor, wall_rows.Places.read(cursor))
    assert page("renders", "group_admin").content.split()
    with tenant_transaction(acme):
        mode_change(mode="brand_max", acting_user=None)
    assert page("renders", "group_admin").content.split() == []
    assert page("renders", "brand_manager").content.split()
    with tenant_transaction(acme):
        mode_change(mode="member_max", acting_user=None)
    assert page("renders", "group_admin").content.split()


@pytest.mark.parametrize("person", ["platform_operator", "outsider"])
def test_a_stranger_gets_404_and_no_scope(acme, page, person):
    assert page("renders", person).status_code == 404
    assert not scope.is_open()


def test_after_a_request_the_connection_is_back_in_the_public_schema(acme, page, rows_of):
    assert page("kept").status_code == 200
    assert connection.schema_name == "public"
    # Temporary tables of an earlier test may have left the session their empty schema.
    ((schemas,),) = rows_of("SELECT current_schemas(false)")
    assert [name for name in schemas if not name.startswith("pg_temp")] == ["public"]


def test_no_page_inside_the_wall_is_kept_by_a_browser(acme, page, visit):
    for name in ("renders", "absent", "swallows"):
        assert set(page(name)["Cache-Control"].split(", ")) == {"private", "no-store"}
    # The login page shows nothing of anyone.
    assert "no-store" not in visit(None).get("/wall/kept/").get("Cache-Control", "")
