"""HQ looks as another role: that role's pages, the rows that both may read, nothing written."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, BusinessUnit, Store
from brands.services import mode_change
from brands.wall import scope
from config.tests.test_urls_matrix import Objects, _objects_of  # noqa: PLC2701
from config.tests.url_matrix import GROUP, ROLES
from members.models import Consent, Profile
from members.tests.pools import fill
from tenants import view_as
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Engagement, Grant
from tenants.roles import PERMISSIONS, Role

START = "/view-as/"
LEAVE = "/view-as/leave/"


# --- The pages -----------------------------------------------------------------------------------


@pytest.fixture
def looking(cast, visit, acme):
    """Return a function that lets HQ look as a role at a place, and returns the client."""

    def start(role: str, place: str, engagement: Engagement | None = None):
        with tenant_transaction(acme):
            models = {"unit_manager": BusinessUnit, "brand_manager": Brand}
            pk = models.get(role, Store).objects.get(code=place).pk
        client = visit(cast.group_admin)
        client.raise_request_exception = False
        data = {"role": role, "place": pk, "engagement": engagement.pk if engagement else ""}
        assert client.post(START, data).status_code == 302
        return client

    return start


def _objects(acme) -> Objects:
    return _objects_of(acme, "tea", first_id=800_000)


# Pages that answer otherwise than they answer the role: they give out a file, begin an act, or
# are of rows that HQ does not see in member-max.
_OTHERWISE = {
    "consents/entries/<int:entry_id>/",
    "imports/<int:job_id>/rejected/",
    "imports/new/",
    "imports/<int:job_id>/columns/",
    # A file is its asker's alone, and so is a view of the list.
    "exports/<uuid:export_id>/",
    "members/views/<int:own_view_id>/",
    "rights/<int:person_request_id>/",
    "imports/sources/",
    "imports/<int:job_id>/undo/",
}


@pytest.mark.parametrize(
    ("as_whom", "role", "place"),
    [
        ("brand_manager", "brand_manager", "tea"),
        ("store_manager", "store_manager", "tea-1"),
    ],
)
def test_every_page_answers_as_it_answers_that_role(looking, acme, as_whom, role, place):
    objects = _objects(acme)
    client = looking(role, place)
    column = ROLES.index(as_whom)
    wrong = []
    for route, words in GROUP.items():
        expected = int(words.split()[column])
        path = objects.path(route)
        if route in _OTHERWISE or "logout" in route or expected == 405:
            continue
        # Of the admin, what only adds or takes away is not there.
        if route.startswith("admin/") and route.endswith(("/add/", "/import/", "/delete/")):
            continue
        # Pages about one's own login are everybody's; of the admin one role's are enough.
        if route.startswith(("accounts/", "api/")) or (
            as_whom != "brand_manager" and "admin/" in route
        ):
            continue
        got = client.get(path).status_code
        if got != expected:
            wrong.append(f"{path}: {got}, as {as_whom} it is {expected}")
    assert wrong == []
    assert view_as.SESSION_KEY in client.session


def test_every_page_and_the_admin_say_so_and_offer_the_way_out(looking):
    client = looking("brand_manager", "tea")
    for path in ("/brands/tea/", "/members/", "/admin/", "/admin/brands/store/", "/accounts/2fa/"):
        page = client.get(path).content.decode()
        assert "You look at the site as" in page, path
        assert LEAVE in page, path
    client.post(LEAVE)
    assert "You look at the site as" not in client.get("/members/").content.decode()


def test_rows_are_the_roles_own_and_those_alone_that_hq_reads(looking, acme, cast, visit):
    tea = fill(acme, "tea", members=3, orders=1, agreeing=1)
    spa = fill(acme, "spa", members=2, orders=1, agreeing=2)
    client = looking("brand_manager", "tea")
    manager = visit(cast.brand_manager)

    def shown(one) -> tuple[list[int], list[int]]:
        return tuple(
            [pk for pk in pool if one.get(f"/members/{pk}/").status_code == 200]
            for pool in (tea, spa)
        )

    # Member-max: HQ reads every profile, so the brand's own are there, and no sibling's.
    assert shown(client) == (tea, [])
    assert shown(manager) == (tea, [])
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
    # Fan-max: those who agreed to a notice that names the group, and the brand.
    agreed = shown(client)
    assert len(agreed[0]) == 1
    assert agreed[1] == spa
    assert shown(manager) == (tea, spa)
    with tenant_transaction(acme):
        mode_change(mode="brand_max", acting_user=None)
    # Brand-max: no person at all, though the brand itself sees its own.
    assert shown(client) == ([], [])
    assert shown(manager) == (tea, [])


def test_looking_as_a_store_shows_those_of_its_members_who_agreed(looking, acme):
    here = fill(acme, "tea", members=3, orders=1, agreeing=2)
    there = fill(acme, "tea", members=2, orders=1, agreeing=2, first=10, store="tea-2")
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
        store = Store.objects.get(code="tea-1").pk
    client = looking("store_manager", "tea-1")
    shown = [pk for pk in here + there if client.get(f"/members/{pk}/").status_code == 200]
    assert shown == here[:2]
    page = " ".join(client.get("/members/").content.decode().split())
    assert "Of what this role sees, HQ sees 2 members of 1 brand" in page
    assert all(f"/members/{pk}/" in page for pk in shown)
    best = client.get(f"/stores/{store}/panels/top_members/").content.decode()
    assert [pk for pk in here + there if f"/members/{pk}/" in best] == shown
    page = client.get(f"/members/{shown[0]}/").content.decode()
    assert "that both it and HQ see" in page
    assert "names the recipient and covers this kind of data" in page


def test_how_a_brand_came_to_know_an_answer_is_not_told_to_hq_that_looks_on(
    looking, acme, cast, visit
):
    member = fill(acme, "tea", members=1, orders=0, agreeing=1)[0]
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
        with scope.bulk(reason="test"):
            profile = Profile.objects.get(pk=member)
            given = {"answered_notice_id": profile.notice_id, "is_given": True}
            Consent.objects.filter(profile=member).delete()
            Consent.objects.create(
                profile=profile,
                person_id=profile.person_id,
                brand_id=profile.brand_id,
                store_id=profile.store_id,
                notice_id=profile.notice_id,
                channel="paper slip",
                answered_at=timezone.now(),
                **given,
            )
    clients = visit(cast.brand_manager), visit(cast.group_admin), looking("brand_manager", "tea")
    for path in (f"/members/{member}/", "/consents/"):
        pages = [client.get(path).content.decode() for client in clients]
        assert ["paper slip" in page for page in pages] == [True, False, False], path
    # One that says so to neither, or to both.
    pages = [client.get(f"/members/{member}/consents/").content.decode() for client in clients]
    assert ("paper slip" in pages[2]) is ("paper slip" in pages[1])


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/acting/", {"grant": "1"}),
        ("/mode/drafts/new/", {"mode": "fan_max", "reason": "Tried"}),
        ("/admin/brands/store/add/", {"code": "new", "name": "New"}),
        ("/imports/new/", {"kind": "members"}),
        ("/accounts/password/change/", {"oldpassword": "x"}),
        ("/accounts/password/reset/", {"email": "group_admin@example.com"}),
        (START, {"role": "brand_manager", "place": "1"}),
        ("/admin/brands/brand/export/", {"format": "0"}),
        ("/no/such/page/", {}),
    ],
)
def test_whatever_would_change_something_is_refused_in_words(looking, acme, path, data):
    client = looking("brand_manager", "tea")
    before = AuditEvent.objects.count()
    answer = client.post(path, data)
    assert answer.status_code == (404 if path == "/no/such/page/" else 403)
    if answer.status_code == 403:
        page = answer.content.decode()
        assert "Nothing was changed" in page
        # In the site's frame and style, on the admin's addresses too.
        assert "css/sluice" in page
    assert AuditEvent.objects.count() == before
    for method in ("put", "patch", "delete"):
        assert getattr(client, method)("/members/").status_code == 403
    # Still looking, and the way out is open.
    assert client.post("/language/", {"language": "zh-hans"}).status_code == 302
    assert client.post(LEAVE).status_code == 302
    assert view_as.SESSION_KEY not in client.session


def test_a_page_that_would_write_while_it_is_read_writes_nothing(looking, acme, settings):
    """The database refuses it, whatever the page is made of."""
    client = looking("brand_manager", "tea")
    settings.ROOT_URLCONF = "brands.tests.wall_pages"
    assert client.get("/wall/renders/").status_code == 200
    assert client.get("/wall/kept/").status_code == 500
    with tenant_transaction(acme):
        assert not BusinessUnit.objects.filter(code="written").exists()


def test_no_file_is_given_out(looking, acme, cast, visit):
    objects = _objects(acme)
    path = objects.path("imports/<int:job_id>/rejected/")
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=None)
    assert visit(cast.brand_manager).get(path).status_code == 200
    client = looking("brand_manager", "tea")
    answer = client.get(path)
    assert answer.status_code in (403, 404)
    assert b"13800001111" not in answer.content


# --- Beginning and end ---------------------------------------------------------------------------


def _acts() -> list[tuple[str, str]]:
    events = AuditEvent.objects.filter(action__startswith="view_as.").order_by("pk")
    return [(event.action, event.target_name) for event in events]


def test_beginning_and_end_stand_in_the_audit_and_pages_do_not(looking, cast):
    client = looking("brand_manager", "tea")
    name = "Brand manager · Tea House"
    assert _acts() == [("view_as.look", name)]
    count = AuditEvent.objects.count()
    client.get("/members/")
    client.get("/brands/tea/")
    assert AuditEvent.objects.count() == count
    client.post(LEAVE)
    assert _acts() == [("view_as.look", name), ("view_as.look_end", name)]
    event = AuditEvent.objects.order_by("-pk").first()
    assert event.user == cast.group_admin
    assert event.role.startswith("HQ admin")


def test_logging_out_ends_the_look(looking):
    client = looking("guide", "tea-1")
    client.post("/accounts/logout/")
    assert [action for action, _name in _acts()] == ["view_as.look", "view_as.look_end"]


def _rewind(client, **kept: object) -> None:
    session = client.session
    session[view_as.SESSION_KEY] = {**session[view_as.SESSION_KEY], **kept}
    session.save()


def test_where_the_database_has_no_role_for_it_nobody_looks(looking, cast, visit, settings):
    client = looking("brand_manager", "tea")
    settings.LOOK_ROLE = ""
    answer = client.get("/members/", follow=True).content.decode()
    assert "not set up here" in answer
    assert LEAVE not in answer
    assert _acts()[-1][0] == "view_as.look_end"
    page = client.get(START).content.decode()
    assert "not set up here" in page
    assert 'name="place"' not in page
    answer = client.post(START, {"role": "brand_manager", "place": "1"}, follow=True)
    assert "not set up here" in answer.content.decode()
    assert view_as.SESSION_KEY not in client.session


def test_after_its_minutes_the_look_is_over(looking):
    client = looking("brand_manager", "tea")
    until = timezone.now() + dt.timedelta(minutes=1)
    _rewind(client, until=until.isoformat())
    assert client.get("/mode/drafts/new/").status_code == 404
    _rewind(client, until=(until - dt.timedelta(minutes=2)).isoformat())
    answer = client.get("/members/")
    assert "minutes are over" in answer.content.decode()
    assert [action for action, _name in _acts()] == ["view_as.look", "view_as.look_end"]
    # HQ itself again.
    assert client.get("/group/").status_code == 200


def test_a_look_ends_with_the_grant_it_began_under(looking, cast):
    client = looking("brand_manager", "tea")
    assert client.get("/members/").status_code == 200
    Grant.objects.filter(user=cast.group_admin).update(valid_until=timezone.now())
    assert client.get("/members/").status_code == 404
    assert client.get("/brands/tea/").status_code == 404


def test_a_look_is_no_longer_than_the_grant_it_began_under(looking, cast):
    soon = timezone.now() + dt.timedelta(minutes=3)
    Grant.objects.filter(user=cast.group_admin).update(valid_until=soon)
    client = looking("brand_manager", "tea")
    assert client.session[view_as.SESSION_KEY]["until"] == soon.isoformat()


def test_a_session_carried_to_another_host_looks_as_nobody(looking, cast, globex):
    client = looking("brand_manager", "tea")
    answer = client.get("/members/", headers={"host": "globex.localhost"})
    assert answer.status_code == 404
    # The number of a grant of somebody else in the session opens nothing either.
    client = looking("brand_manager", "tea")
    other = Grant.objects.get(user=cast.second_admin)
    _rewind(client, grant=other.pk)
    assert LEAVE not in client.get("/group/").content.decode()


def test_looking_on_from_a_look_is_refused(looking):
    client = looking("unit_manager", "food")
    assert client.get(START).status_code == 404
    assert client.post(START, {"role": "brand_manager", "place": "1"}).status_code == 403


@pytest.mark.parametrize("person", ["brand_manager", "analyst", "unit_manager", "store_manager"])
def test_nobody_but_an_hq_admin_looks_as_another(cast, visit, person):
    client = visit(getattr(cast, person))
    assert client.get(START).status_code == 404
    assert client.post(START, {"role": "guide", "place": "1"}).status_code == 404
    assert view_as.SESSION_KEY not in client.session


@pytest.mark.parametrize(
    "edited",
    [
        {"place": "987654"},
        {"place": "x"},
        {"role": "hq_analyst"},
        {"role": "platform_operator"},
        {"role": "store_manager", "place": "987654"},
        {"engagement": "987654"},
    ],
)
def test_an_edited_form_looks_as_nobody_and_says_so(cast, visit, acme, edited):
    with tenant_transaction(acme):
        data = {"role": "brand_manager", "place": str(Brand.objects.get(code="tea").pk)}
    client = visit(cast.group_admin)
    answer = client.post(START, {**data, **edited}, follow=True)
    assert "You still act as yourself" in answer.content.decode()
    assert view_as.SESSION_KEY not in client.session
    # The control: as the page sends it, it is in order.
    assert "You look at the site as" in client.post(START, data, follow=True).content.decode()


def test_a_look_through_a_contract_sees_what_the_contract_lets(looking, cast, acme):
    asked = "/visibility/?who=me&of=tea&kind=contact"
    # Without a contract it is HQ's own limit that is told.
    without = looking("brand_manager", "tea").get(asked).content.decode()
    assert "contract does not include contact data" not in without
    assert "no contact data and no orders" in " ".join(without.split())
    client = looking("brand_manager", "tea", Engagement.objects.get(tenant=acme))
    page = client.get(asked).content.decode()
    assert "Through the contract with Provider" in page
    assert "contract does not include contact data" in page
    Engagement.objects.update(ends_on=timezone.now().date() - dt.timedelta(days=1))
    page = client.get("/members/").content.decode()
    assert "contract that you looked through has ended" in page
    assert "You look at the site as" not in page
    assert _acts()[-1] == ("view_as.look_end", "Brand manager · Tea House · Provider")


def test_no_role_that_hq_looks_as_opens_a_page_that_hq_may_not():
    own = PERMISSIONS[Role.HQ_ADMIN]
    for role in view_as.ROLES:
        seen = {one for one in PERMISSIONS[role] if one.split(".")[1].startswith("view_")}
        assert seen <= own, (role, seen - own)
    assert view_as.PERMISSION in own
    assert not any(view_as.PERMISSION in PERMISSIONS[role] for role in view_as.ROLES)
