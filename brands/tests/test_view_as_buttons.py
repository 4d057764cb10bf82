"""What acts is not offered to HQ while it only looks as another role."""

from __future__ import annotations

import pytest
from django.urls import reverse

from brands.models import Brand, Store
from tenants.context import tenant_transaction
from tenants.roles import PERMISSIONS, Role, is_reading


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/hierarchy/", "admin/brands/store/import/"),
        ("/members/", "/exports/new/"),
        ("/imports/", "/imports/new/"),
        ("/admin/brands/store/", "/admin/brands/store/add/"),
        ("/admin/brands/store/{store}/change/", 'name="_save"'),
    ],
)
def test_buttons_that_act_are_shown_to_the_role_and_not_to_who_looks_as_it(
    cast, visit, acme, path, offered
):
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
        path = path.format(store=Store.objects.get(code="tea-1").pk)
    own, looking = visit(cast.brand_manager), visit(cast.group_admin)
    looking.post("/view-as/", {"role": "brand_manager", "place": tea, "engagement": ""})
    assert offered in own.get(path).content.decode()
    page = looking.get(path)
    assert page.status_code == 200
    assert "You look at the site as" in page.content.decode()
    assert offered not in page.content.decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/exports/new/", 200), ("/imports/new/", 404), ("/admin/brands/store/import/", 404)],
)
def test_the_address_of_a_page_that_acts_answers_a_look_in_words(cast, visit, acme, path, status):
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
    words = "You are looking as someone else: nothing can be changed and no file is given out."
    looking = visit(cast.group_admin)
    assert words not in looking.get("/imports/none/").content.decode()
    looking.post("/view-as/", {"role": "brand_manager", "place": tea, "engagement": ""})
    page = looking.get(path)
    assert page.status_code == status
    assert words in page.content.decode()


def test_a_look_holds_every_permission_of_its_role_and_may_use_those_of_reading(cast, acme):
    user = cast.brand_manager
    assert all(user.has_perm(one) for one in PERMISSIONS[Role.BRAND_MANAGER])
    user.acting_grant.pk = None
    for one in PERMISSIONS[Role.BRAND_MANAGER]:
        assert user.holds(one)
        assert user.has_perm(one) == is_reading(one)
    assert not user.holds("brands.add_modechange")


def test_the_sidebar_of_a_look_is_the_roles(cast, visit, acme):
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
    looking = visit(cast.group_admin)
    looking.post("/view-as/", {"role": "brand_manager", "place": tea, "engagement": ""})
    page = looking.get("/members/").content.decode()
    own = visit(cast.brand_manager).get("/members/").content.decode()
    for name in ("members:exports", "members:imports", "members:overlap", "brands:mode"):
        link = f'href="{reverse(name, urlconf="config.urls_group")}"'
        assert link in own
        assert link in page
