"""The group's admin: who finds which part of the hierarchy, and what is written down."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brands.models import Brand, BusinessUnit, ChannelAccount, Guide, ModeChange, Store
from tenants import audit_chain
from tenants.context import tenant_transaction
from tenants.models import AuditEvent, Grant
from tenants.roles import Level, Role

ADMIN = "/admin/brands"


@pytest.fixture
def rows(acme):
    """Return the ids of acme's hierarchy by a readable name."""
    with tenant_transaction(acme):
        found = {f"brand:{one.code}": one.pk for one in Brand.objects.all()}
        found |= {f"store:{one.code}": one.pk for one in Store.objects.all()}
        found |= {f"unit:{one.code}": one.pk for one in BusinessUnit.objects.all()}
        for brand in ("tea", "bakery"):
            guide = Guide.objects.create(
                store_id=found[f"store:{brand}-1"], staff_no="1", name=f"Guide of {brand}"
            )
            account = ChannelAccount.objects.create(
                brand_id=found[f"brand:{brand}"],
                kind="wecom",
                name=f"Corp {brand}",
                external_id=f"ww-{brand}",
            )
            found |= {f"guide:{brand}": guide.pk, f"account:{brand}": account.pk}
        group = ChannelAccount.objects.create(kind="wecom", name="Corp group", external_id="ww-g")
        found["account:group"] = group.pk
    return found


def events(action):
    return list(AuditEvent.objects.filter(action=action))


# --- Who finds what ---------------------------------------------------------------------------


def test_hq_finds_the_whole_hierarchy(cast, visit, rows):
    client = visit(cast.group_admin)
    assert b"Spa" in client.get(f"{ADMIN}/brand/").content
    assert b"Spa 2" in client.get(f"{ADMIN}/store/").content
    assert b"Corp group" in client.get(f"{ADMIN}/channelaccount/").content


@pytest.mark.parametrize("name", ["brand_manager", "provider_operator"])
def test_a_brand_manager_finds_the_own_brand_only(cast, visit, rows, name):
    client = visit(getattr(cast, name))
    for model, own, others in (
        ("brand", "Tea House", ["Bakery", "Spa"]),
        ("store", "Tea House 1", ["Bakery 1", "Spa 1"]),
        ("guide", "Guide of tea", ["Guide of bakery"]),
        ("channelaccount", "Corp tea", ["Corp bakery", "Corp group"]),
    ):
        page = client.get(f"{ADMIN}/{model}/").content.decode()
        assert own in page, model
        for other in others:
            assert other not in page, (model, other)


def test_a_unit_manager_finds_the_units_brands(cast, visit, rows):
    page = visit(cast.unit_manager).get(f"{ADMIN}/brand/").content.decode()
    assert "Tea House" in page
    assert "Bakery" in page
    assert "Spa" not in page


def test_a_store_manager_finds_the_own_store_only(cast, visit, rows):
    client = visit(cast.store_manager)
    page = client.get(f"{ADMIN}/brand/").content.decode()
    assert "Tea House" in page
    assert "Bakery" not in page
    page = client.get(f"{ADMIN}/store/").content.decode()
    assert "Tea House 1" in page
    assert "Tea House 2" not in page
    assert client.get(f"{ADMIN}/store/{rows['store:tea-2']}/change/").status_code == 404
    assert client.get(f"{ADMIN}/store/{rows['store:tea-1']}/change/").status_code == 200


@pytest.mark.parametrize(
    ("model", "own", "other"),
    [
        ("brand", "brand:tea", "brand:bakery"),
        ("store", "store:tea-1", "store:bakery-1"),
        ("guide", "guide:tea", "guide:bakery"),
        ("channelaccount", "account:tea", "account:bakery"),
        ("channelaccount", "account:tea", "account:group"),
    ],
)
@pytest.mark.parametrize("page", ["change", "history"])
def test_a_row_of_another_brand_is_not_found(cast, visit, rows, model, own, other, page):
    client = visit(cast.brand_manager)
    assert client.get(f"{ADMIN}/{model}/{rows[own]}/{page}/").status_code == 200
    assert client.get(f"{ADMIN}/{model}/{rows[other]}/{page}/").status_code == 404


def test_a_row_of_another_brand_is_not_written(cast, visit, rows, acme):
    client = visit(cast.brand_manager)
    fields = {"code": "tea-1", "name": "Mine now", "city": "", "opened_on": ""}
    answer = client.post(f"{ADMIN}/store/{rows['store:bakery-1']}/change/", fields)
    assert answer.status_code == 404
    with tenant_transaction(acme):
        assert Store.objects.get(pk=rows["store:bakery-1"]).name == "Bakery 1"


def test_the_filter_and_the_choices_name_no_other_brand(cast, visit, rows):
    client = visit(cast.brand_manager)
    for page in ("store/", "store/add/", "guide/", "channelaccount/add/"):
        assert b"Bakery" not in client.get(f"{ADMIN}/{page}").content, page


def test_the_autocomplete_finds_no_store_of_another_brand(cast, visit, rows):
    query = {"app_label": "brands", "model_name": "guide", "field_name": "store", "term": "1"}
    found = visit(cast.brand_manager).get("/admin/autocomplete/", query).json()["results"]
    assert [one["text"] for one in found] == ["Tea House 1"]
    found = visit(cast.group_admin).get("/admin/autocomplete/", query).json()["results"]
    assert len(found) == 3


def test_a_store_cannot_be_added_to_another_brand(cast, visit, rows, acme):
    client = visit(cast.brand_manager)
    fields = store_fields(rows["brand:bakery"])
    answer = client.post(f"{ADMIN}/store/add/", fields)
    assert answer.status_code == 200
    assert "brand" in answer.context["adminform"].form.errors
    assert client.post(f"{ADMIN}/store/add/", store_fields(rows["brand:tea"])).status_code == 302


def store_fields(brand_id, **fields):
    return {
        "brand": brand_id,
        "code": "new",
        "name": "New store",
        "is_active": "on",
        "guides-TOTAL_FORMS": 0,
        "guides-INITIAL_FORMS": 0,
        **fields,
    }


def test_a_brand_manager_cannot_register_an_account_of_the_group(cast, visit, rows):
    fields = {"kind": "wecom", "part": "hub", "name": "X", "external_id": "x", "is_active": "on"}
    answer = visit(cast.brand_manager).post(f"{ADMIN}/channelaccount/add/", fields)
    assert "brand" in answer.context["adminform"].form.errors
    assert visit(cast.group_admin).post(f"{ADMIN}/channelaccount/add/", fields).status_code == 302


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("analyst", "brand/add/"),
        ("brand_manager", "brand/add/"),
        ("store_manager", "brand/add/"),
        ("store_manager", "store/add/"),
        ("guide", "store/"),
        ("group_admin", "modechange/add/"),
        ("analyst", "store/import/"),
        ("store_manager", "store/import/"),
        ("brand_manager", "brand/import/"),
    ],
)
def test_what_a_role_may_not_open_is_not_found(cast, visit, rows, name, path):
    assert visit(getattr(cast, name)).get(f"{ADMIN}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", f"{ADMIN}/brand/"])
def test_a_stranger_is_sent_to_the_one_login(cast, visit, path):
    answer = visit(None).get(path, follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=/admin/")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/admin/r/1/1/", "/admin/password_change/done/", "/admin/nothing/"]
)
def test_pages_that_we_do_not_have_are_not_found(cast, visit, path):
    assert visit(cast.group_admin).get(path).status_code == 404


@pytest.mark.parametrize("model", ["brand", "store", "guide", "channelaccount", "businessunit"])
def test_a_list_of_ten_times_the_rows_costs_the_same_queries(
    cast, visit, rows, acme, django_assert_num_queries, model
):
    client = visit(cast.group_admin)
    client.get(f"{ADMIN}/{model}/")
    with CaptureQueriesContext(connection) as few:
        client.get(f"{ADMIN}/{model}/")
    with tenant_transaction(acme):
        for number in range(20):
            unit = BusinessUnit.objects.create(code=f"u{number}", name="Unit")
            brand = Brand.objects.create(code=f"b{number}", name="Brand", business_unit=unit)
            store = Store.objects.create(brand=brand, code="1", name="Store")
            Guide.objects.create(store=store, staff_no="1", name="Guide", user=cast.guide)
            ChannelAccount.objects.create(
                brand=brand, kind="other", name="Account", external_id=str(number)
            )
    with django_assert_num_queries(len(few)):
        client.get(f"{ADMIN}/{model}/")


# --- Writing ----------------------------------------------------------------------------------


def test_every_write_is_recorded_with_before_and_after(cast, visit, rows, acme):
    client = visit(cast.brand_manager)
    client.post(f"{ADMIN}/store/add/", store_fields(rows["brand:tea"]))
    (added,) = events("store.add")
    assert (added.user, added.tenant) == (cast.brand_manager, acme)
    assert added.changes["name"] == [None, "New store"]
    client.post(
        f"{ADMIN}/store/{added.target_id}/change/",
        store_fields(rows["brand:tea"], name="Newer store"),
    )
    (changed,) = events("store.change")
    assert changed.changes == {"name": ["New store", "Newer store"]}
    assert changed.role.startswith("Brand manager")


def test_saving_without_a_change_records_nothing(cast, visit, rows):
    client = visit(cast.group_admin)
    page = client.get(f"{ADMIN}/brand/{rows['brand:spa']}/change/")
    assert page.status_code == 200
    fields = {"code": "spa", "name": "Spa", "business_unit": "", "is_active": "on"}
    inline = {"channel_accounts-TOTAL_FORMS": 0, "channel_accounts-INITIAL_FORMS": 0}
    answer = client.post(f"{ADMIN}/brand/{rows['brand:spa']}/change/", fields | inline)
    assert answer.status_code == 302
    assert not events("brand.change")


def test_the_rows_of_an_inline_are_recorded_too(cast, visit, rows):
    client = visit(cast.group_admin)
    inline = {
        "guides-TOTAL_FORMS": 1,
        "guides-INITIAL_FORMS": 0,
        "guides-0-staff_no": "77",
        "guides-0-name": "Inline guide",
        "guides-0-is_active": "on",
    }
    fields = store_fields(rows["brand:spa"], code="spa-1", name="Spa 1") | inline
    answer = client.post(f"{ADMIN}/store/{rows['store:spa-1']}/change/", fields)
    assert answer.status_code == 302
    (event,) = events("guide.add")
    assert event.changes["name"] == [None, "Inline guide"]


def test_a_deletion_is_recorded_with_what_was_there(cast, visit, rows):
    client = visit(cast.group_admin)
    path = f"{ADMIN}/channelaccount/{rows['account:tea']}/delete/"
    assert client.post(path, {"post": "yes"}).status_code == 302
    (event,) = events("channelaccount.delete")
    assert event.changes["name"] == ["Corp tea", None]


def test_the_history_of_a_row_shows_the_audit(cast, visit, rows):
    client = visit(cast.group_admin)
    client.post(
        f"{ADMIN}/store/{rows['store:spa-1']}/change/",
        store_fields(rows["brand:spa"], code="spa-1", name="Renamed spa"),
    )
    page = client.get(f"{ADMIN}/store/{rows['store:spa-1']}/history/").content.decode()
    assert "Renamed spa" in page
    assert "group_admin" in page


@pytest.mark.parametrize("model", ["brand", "store", "guide"])
def test_what_member_data_points_at_is_switched_off_and_not_deleted(cast, visit, rows, model):
    key = {"brand": "brand:tea", "store": "store:tea-1", "guide": "guide:tea"}[model]
    client = visit(cast.group_admin)
    assert client.post(f"{ADMIN}/{model}/{rows[key]}/delete/", {"post": "yes"}).status_code == 404
    page = client.get(f"{ADMIN}/{model}/{rows[key]}/change/").content.decode()
    assert "Switch off instead of deleting" in page


def test_a_unit_with_brands_is_not_deleted(cast, visit, rows, acme):
    client = visit(cast.group_admin)
    client.post(f"{ADMIN}/businessunit/{rows['unit:food']}/delete/", {"post": "yes"})
    with tenant_transaction(acme):
        assert BusinessUnit.objects.filter(code="food").exists()


def test_the_mode_is_shown_and_not_written_here(cast, visit, acme):
    client = visit(cast.group_admin)
    assert b"Member-maximizing" in client.get(f"{ADMIN}/modechange/").content
    with tenant_transaction(acme):
        change = ModeChange.objects.first()
    assert client.get(f"{ADMIN}/modechange/{change.pk}/change/").status_code == 200
    assert client.post(f"{ADMIN}/modechange/{change.pk}/change/", {}).status_code == 404


def test_a_guides_login_is_chosen_among_people_of_the_own_stores(cast, visit, rows):
    form = visit(cast.brand_manager).get(f"{ADMIN}/guide/add/").context["adminform"].form
    assert set(form.fields["user"].queryset) == {cast.store_manager, cast.guide}
    form = visit(cast.sibling_manager).get(f"{ADMIN}/guide/add/").context["adminform"].form
    assert set(form.fields["user"].queryset) == set()


# --- Grants of the group ----------------------------------------------------------------------

GRANTS = "/admin/tenants/grant"


def grant_fields(**fields):
    return {
        "email": "new@example.com",
        "name": "New",
        "role": Role.BRAND_MANAGER,
        "place": "",
        "engagement": "",
        "valid_from_0": "2020-01-01",
        "valid_from_1": "00:00:00",
        "reason": "",
        **fields,
    }


def test_hq_lets_a_new_person_in_at_a_brand(cast, visit, rows, acme, mailoutbox):
    place = f"{Level.BRAND.value}:{rows['brand:bakery']}"
    answer = visit(cast.group_admin).post(f"{GRANTS}/add/", grant_fields(place=place))
    assert answer.status_code == 302
    grant = Grant.objects.get(user__email="new@example.com")
    assert (grant.tenant, grant.level, grant.place_name) == (acme, Level.BRAND, "Bakery")
    assert [message.to for message in mailoutbox] == [["new@example.com"]]
    (event,) = events("grant.add")
    assert event.user == cast.group_admin


def test_a_role_is_not_granted_at_a_place_of_another_level(cast, visit, rows):
    place = f"{Level.STORE.value}:{rows['store:tea-1']}"
    answer = visit(cast.group_admin).post(f"{GRANTS}/add/", grant_fields(place=place))
    assert answer.status_code == 200
    assert "granted at the level" in answer.content.decode()
    assert not Grant.objects.filter(user__email="new@example.com").exists()


@pytest.mark.parametrize("role", [Role.PLATFORM_OPERATOR, Role.PROVIDER_OPERATOR])
def test_hq_grants_nothing_beyond_the_own_group(cast, visit, rows, role):
    answer = visit(cast.group_admin).post(f"{GRANTS}/add/", grant_fields(role=role))
    assert "role" in answer.context["adminform"].form.errors


def test_a_place_of_another_group_is_no_choice(cast, visit, rows):
    answer = visit(cast.group_admin).post(f"{GRANTS}/add/", grant_fields(place="brand:987654"))
    assert "place" in answer.context["adminform"].form.errors


def test_hq_sees_and_ends_the_grants_of_the_own_group_only(cast, visit, rows):
    client = visit(cast.group_admin)
    page = client.get(f"{GRANTS}/").content.decode()
    assert "brand_manager@example.com" in page
    assert "outsider@example.com" not in page
    theirs = cast.outsider.grants.get()
    assert client.get(f"{GRANTS}/{theirs.pk}/change/").status_code == 404
    mine = cast.sibling_manager.grants.get()
    chosen = {"action": "end_now", "_selected_action": [mine.pk, theirs.pk]}
    client.post(f"{GRANTS}/", chosen)
    assert visit(cast.sibling_manager).get("/admin/").status_code == 404
    assert visit(cast.outsider, "globex.localhost").get("/admin/").status_code == 200
    (event,) = events("grant.end")
    assert event.target_id == str(mine.pk)


def test_nobody_ends_the_grant_acted_under(cast, visit):
    client = visit(cast.group_admin)
    own = cast.group_admin.grants.get()
    client.post(f"{GRANTS}/", {"action": "end_now", "_selected_action": [own.pk]})
    assert client.get("/admin/").status_code == 200


def test_a_grant_is_never_deleted_and_its_role_never_changed(cast, visit):
    client = visit(cast.group_admin)
    grant = cast.guide.grants.get()
    assert client.post(f"{GRANTS}/{grant.pk}/delete/", {"post": "yes"}).status_code == 404
    answer = client.post(
        f"{GRANTS}/{grant.pk}/change/",
        {"role": Role.HQ_ADMIN, "level": Level.GROUP, "reason": "Leaves", "valid_until_0": ""},
    )
    assert answer.status_code == 302
    grant.refresh_from_db()
    assert (grant.role, grant.reason) == (Role.GUIDE, "Leaves")


@pytest.mark.parametrize("name", ["analyst", "unit_manager", "brand_manager", "store_manager"])
@pytest.mark.parametrize("path", [f"{GRANTS}/", f"{GRANTS}/add/", "/admin/tenants/auditevent/"])
def test_only_hq_admins_see_grants_and_the_audit(cast, visit, name, path):
    assert visit(getattr(cast, name)).get(path).status_code == 404


def test_the_audit_shows_the_own_groups_events_and_none_can_be_written(cast, visit, acme, globex):
    audit_chain.append(tenant=acme, user_name="ours", action="a")
    other = audit_chain.append(tenant=globex, user_name="theirs", action="b")
    client = visit(cast.group_admin)
    page = client.get("/admin/tenants/auditevent/").content.decode()
    assert "ours" in page
    assert "theirs" not in page
    assert client.get(f"/admin/tenants/auditevent/{other.pk}/change/").status_code == 404
    assert client.get("/admin/tenants/auditevent/add/").status_code == 404
