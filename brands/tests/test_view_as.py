"""HQ looks as another role: that role's pages, the rows that both may read, nothing written."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone
from hypothesis import given

from brands.models import Brand, BusinessUnit, Store
from brands.services import mode_change
from brands.tests import oracle, wall_rows
from brands.tests.test_wall_property import SHORT, WORLDS
from brands.wall import scope
from brands.wall.meeting import meet
from brands.wall.models import Walled
from brands.wall.visibility import Kind, KindSets, Sight, Visible
from brands.words import RANKS
from config.tests.test_urls_matrix import Objects, _objects_of  # noqa: PLC2701
from config.tests.url_matrix import GROUP, ROLES
from members.models import BrandOverlap, Consent, Profile
from members.tests.pools import fill
from tenants import view_as
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Engagement, Grant
from tenants.roles import PERMISSIONS, Role

START = "/view-as/"
LEAVE = "/view-as/leave/"


# --- What both see -------------------------------------------------------------------------------


@SHORT
@given(**WORLDS)
def test_hq_looking_as_someone_sees_the_rows_that_both_may_read(
    walled_acme, modes, notices, k, who
):
    places = walled_acme
    world = oracle.World(
        dict(zip(places.brands.values(), modes, strict=True)),
        {
            number: oracle.Notice(group, frozenset(places.brands[b] for b in named), kinds)
            for number, (group, named, kinds) in notices.items()
        },
        k,
    )
    viewer = places.viewers()[2 + who % 8]
    with connection.cursor() as cursor:
        rows = {model: wall_rows.read_facts(cursor, model) for model in wall_rows.all_models()}
    for hq in places.viewers()[:2]:
        visible = meet(wall_rows.visible_of(world, viewer), wall_rows.visible_of(world, hq))
        assert not visible.write_brands | visible.write_stores
        assert not visible.writes_group
        shown: set[tuple[int, Kind]] = set()
        with scope.open(visible), connection.cursor() as cursor:
            for model, facts in rows.items():
                both = wall_rows.expected(world, viewer, model, facts) & wall_rows.expected(
                    world, hq, model, facts
                )
                by_sql = set(wall_rows.read_facts(cursor, model))
                by_orm = {wall_rows.key_of(pk) for pk in model.objects.values_list("pk", flat=True)}
                assert by_sql == both, (model, viewer.name, hq.name)
                assert by_orm == both, (model, viewer.name, hq.name)
                if issubclass(model, Walled):
                    shown |= {(facts[key].brand, model.wall.kind) for key in both}
        sides = visible.look.role, visible.look.hq
        for (brand, kind), cell in visible.cells.items():
            # What pages say is no more than either side's, and nothing is shown of a "nothing".
            ranks = [RANKS[side.cell(brand, kind).sight] for side in sides]
            assert RANKS[cell.sight] <= min(ranks)
            if cell.sight in {Sight.NONE, Sight.AVERAGES}:
                assert (brand, kind) not in shown


def _met(places: wall_rows.Places, mode: str, as_whom: int = 3) -> Visible:
    """Return what HQ sees that looks as brand tea, or another viewer, all brands in one mode."""
    world = oracle.World(dict.fromkeys(places.brands.values(), mode))
    hq, viewer = places.viewers()[0], places.viewers()[as_whom]
    return meet(wall_rows.visible_of(world, viewer), wall_rows.visible_of(world, hq))


def test_figures_about_several_brands_are_shown_where_both_see_each_of_them(walled_acme, rows_of):
    brands = walled_acme.brands
    tea, bakery = brands["tea"], brands["bakery"]
    within = [[tea], [tea, bakery]]
    with connection.cursor() as cursor:
        rows = [{"brand_id": tea, "brands": [tea], "within": one} for one in within]
        wall_rows.insert(cursor, "members_brandoverlap", rows)
    unit, hq = walled_acme.viewers()[2], walled_acme.viewers()[0]
    listed = "SELECT within FROM members_brandoverlap WHERE cardinality(within) > 0"
    for mode, seen in (("member_max", within), ("brand_max", [[tea]])):
        world = oracle.World({**dict.fromkeys(brands.values(), "member_max"), bakery: mode})
        sides = [wall_rows.visible_of(world, viewer) for viewer in (unit, hq)]
        with scope.open(sides[0]):
            assert sorted(row for (row,) in rows_of(listed)) == within
        with scope.open(meet(*sides)):
            assert sorted(row for (row,) in rows_of(listed)) == seen
            found = BrandOverlap.objects.exclude(within=[]).values_list("within", flat=True)
            assert sorted(found) == seen


def test_a_look_reads_as_a_role_that_may_do_nothing_else(walled_acme, rows_of):
    with scope.open(_met(walled_acme, "member_max")):
        assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
        assert rows_of("SELECT count(*) FROM members_profile") != [(0,)]
        for sql in (
            "INSERT INTO brands_businessunit (code, name) VALUES ('new', 'New')",
            "UPDATE members_importjob SET state = state",
            "INSERT INTO members_consententry (brand_id) VALUES (1)",
            "DELETE FROM public.django_session",
            "SELECT * FROM members_person",
        ):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(sql)


def test_no_scope_inside_a_look_lets_hqs_side_go(walled_acme, rows_of):
    met = _met(walled_acme, "member_max")
    alone = [met.look.role, _met(walled_acme, "member_max")]
    with scope.open(met):
        for other in alone:
            with pytest.raises(scope.ScopeRefused, match="met with HQ's"), scope.open(other):
                pass
        assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
        before = rows_of("SELECT count(*) FROM members_poolmetric")
        with scope.averaging():
            assert rows_of("SELECT current_user") == [(settings.LOOK_ROLE,)]
            brands = rows_of("SELECT DISTINCT brand_id FROM members_poolmetric")
            assert {brand for (brand,) in brands} == set(walled_acme.brands.values())
            assert rows_of("SELECT count(*) FROM members_profile") == [(0,)]
        assert rows_of("SELECT count(*) FROM members_poolmetric") == before
    # Nothing of it stays behind in the transaction.
    names = ", ".join(f"current_setting('{name}', true)" for name in scope.LOOK_NAMES)
    assert set(rows_of(f"SELECT {names}")[0]) == {""}


def test_averages_in_a_look_leave_out_what_hq_does_not_see(walled_acme, rows_of):
    """By the database too: whatever page or list of brands asks for them."""
    world = oracle.World(dict.fromkeys(walled_acme.brands.values(), "member_max"))
    closed = oracle.World({**world.modes, walled_acme.brands["spa"]: "brand_max"})
    tea, hq = walled_acme.viewers()[3], walled_acme.viewers()[0]
    met = meet(wall_rows.visible_of(world, tea), wall_rows.visible_of(closed, hq))
    assert walled_acme.brands["spa"] not in met.averaged_brands
    every = KindSets(all_brands=frozenset(walled_acme.brands.values()))
    with scope.open(met.with_only({Kind.METRICS: every})):
        brands = rows_of("SELECT DISTINCT brand_id FROM members_dailymetric WHERE buyers < 10")
    assert {brand for (brand,) in brands} == met.averaged_brands


def test_a_look_is_cached_apart_from_the_role_and_from_hq(in_acme):
    with connection.cursor() as cursor:
        places = wall_rows.Places.read(cursor)
    world = oracle.World(dict.fromkeys(places.brands.values(), "member_max"))
    hq, tea = places.viewers()[0], places.viewers()[3]
    role, seen_by = wall_rows.visible_of(world, tea), wall_rows.visible_of(world, hq)
    looked_as = meet(role, seen_by)
    brand = places.brands["tea"]
    assert looked_as.cell(brand, Kind.METRICS).sight is Sight.ALL
    assert len({looked_as.digest, role.digest, seen_by.digest}) == 3
    # Pages may say the same of two looks whose rows differ.
    other = replace(looked_as, look=replace(looked_as.look, hq=role), _digest=[])
    assert other.kinds == looked_as.kinds
    assert other.digest != looked_as.digest


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
    # A file is its asker's alone.
    "exports/<uuid:export_id>/",
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


def test_a_look_is_refused_by_the_scope_where_there_is_no_role_for_it(walled_acme, settings):
    settings.LOOK_ROLE = ""
    met = _met(walled_acme, "member_max")
    with pytest.raises(scope.ScopeRefused, match="LOOK_ROLE"), scope.open(met):
        pass


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
