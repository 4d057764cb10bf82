"""The frame of every page: the sidebar by role, the language, the pages for errors."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from tenants.models import Grant
from tenants.roles import Level, Role


def _sidebar(response) -> dict[str, str]:
    """Return title → address of the sidebar's links."""
    return {
        str(item["title"]): item["link"]
        for section in response.context["sidebar_navigation"]
        for item in section["items"]
    }


def test_the_links_of_the_sidebar_open(cast, visit):
    for name, host in (
        ("group_admin", "acme.localhost"),
        ("store_manager", "acme.localhost"),
        ("platform_operator", "platform.localhost"),
    ):
        client = visit(getattr(cast, name), host)
        links = _sidebar(client.get("/", follow=True))
        assert links, name
        for title, address in links.items():
            assert client.get(address, follow=True).status_code == 200, (name, title)


def test_the_sidebar_hides_what_a_role_has_not(cast, visit):
    store = _sidebar(visit(cast.store_manager).get("/", follow=True))
    hq = _sidebar(visit(cast.group_admin).get("/", follow=True))
    assert {"Mode", "Grants", "Audit", "Group"} <= set(hq)
    assert not {"Mode", "Grants", "Audit", "Group"} & set(store)
    assert "Imports" not in store


def test_the_frame_says_who_acts_and_where(cast, visit):
    text = visit(cast.brand_manager).get("/brands/tea/").content.decode()
    assert "Brand manager" in text
    assert "<title>Acme Group ·" in text
    assert "Tea House" in text


def test_a_page_holds_no_script_that_the_policy_would_refuse(cast, visit):
    client = visit(cast.group_admin)
    for address in (
        "/group/",
        "/members/",
        "/mode/",
        "/mode/drafts/new/?mode=fan_max",
        "/visibility/",
    ):
        response = client.get(address)
        text = response.content.decode()
        assert (
            "'unsafe-inline'"
            not in re.search("script-src[^;]*", response.headers["Content-Security-Policy"]).group()
        )
        for attributes in re.findall(r"<script([^>]*)>", text):
            assert "src=" in attributes or "application/json" in attributes, address
        assert not re.search(r"\son(click|load|change|submit)=", text), address


def test_anyone_chooses_a_language_and_keeps_it(cast, visit):
    client = visit(cast.brand_manager)
    client.post("/language/", {"language": "zh-hans", "next": "/members/"})
    assert '<html lang="zh-hans"' in client.get("/members/").content.decode()
    stranger = Client(headers={"host": "acme.localhost"})
    assert stranger.post("/language/", {"language": "zh-hans"}).status_code == 302


def test_a_page_that_is_not_there_says_so_and_keeps_the_navigation_of_who_has_a_place(cast, visit):
    for person, address, has_place in (
        (cast.group_admin, "/nowhere/", True),
        (cast.group_admin, "/admin/nowhere/", True),
        (cast.store_manager, "/mode/drafts/1/", True),
        (cast.outsider, "/members/", False),
        (None, "/nowhere/", False),
    ):
        response = visit(person).get(address)
        page = response.content.decode()
        assert response.status_code == 404
        assert "There is nothing here for you" in page
        assert ('href="/members/"' in page) == has_place, (person, address)


def test_a_failing_page_is_told_without_asking_the_database(
    cast, visit, django_assert_num_queries, monkeypatch
):
    with django_assert_num_queries(0):
        assert "Something went wrong on our side" in render_to_string("500.html")
    client = visit(cast.brand_manager)
    client.raise_request_exception = False
    monkeypatch.setattr("members.views.members.member_list.page_of", None)
    response = client.get("/members/")
    assert response.status_code == 500
    assert "Nothing that you did in this step was kept" in response.content.decode()


def test_a_form_without_its_token_is_refused_in_words(cast):
    client = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost"})
    client.force_login(cast.group_admin, backend="tenants.backends.GrantBackend")
    response = client.post("/mode/drafts/new/", {"mode": "fan_max"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()


@pytest.mark.parametrize("name", ["404.html", "500.html", "403_csrf.html"])
def test_error_pages_stand_alone(name):
    text = render_to_string(name)
    assert "sidebar" not in text
    assert 'href="/"' in text


def _found(client, term: str, host_path: str = "/admin/search/") -> str:
    return client.get(host_path, {"s": term, "extended": "1"}).content.decode()


def test_the_palette_finds_pages_and_homes_that_one_may_open(cast, visit):
    hq, manager, store = (
        visit(person) for person in (cast.group_admin, cast.brand_manager, cast.store_manager)
    )
    assert 'href="/mode/"' in _found(hq, "mode")
    assert 'href="/brands/spa/"' in _found(hq, "spa")
    assert 'href="/brands/tea/"' in _found(manager, "TEA")
    assert 'href="/brands/bakery/"' not in _found(manager, "bakery")
    assert "Bakery 1" not in _found(manager, "bakery")
    assert 'href="/mode/"' not in _found(store, "mode")
    assert "Tea House 1" in _found(store, "tea")
    assert "Tea House 2" not in _found(store, "tea")
    assert _found(hq, "") == ""


def test_the_palette_keeps_nothing_from_one_grant_for_another(acme, globex, cast, visit):
    Grant.objects.create(
        user=cast.group_admin, role=Role.HQ_ANALYST, level=Level.GROUP, tenant=globex
    )
    here, there = visit(cast.group_admin), visit(cast.group_admin, "globex.localhost")
    assert "Audit" in _found(here, "audit")
    assert "Audit" not in _found(there, "audit")


def test_numbers_that_programs_read_have_no_thousands_apart():
    # A row's number in a form, an address or a progress bar: 1,234 would be another one, or none.
    bare = re.compile(
        r"""(?:\b(?:value|max)="|[?&;]\w+=)\{\{ [\w.]*\b(?:pk|id|most|done|total|persons) \}\}"""
    )
    found = [
        f"{path.name}: {match[0]}"
        for path in (settings.BASE_DIR / "templates").rglob("*.html")
        for match in bare.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
