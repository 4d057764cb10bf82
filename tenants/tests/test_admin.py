"""The platform's admin."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand
from tenants import audit_chain
from tenants.context import tenant_transaction
from tenants.models import (
    AuditEvent,
    Domain,
    Engagement,
    Grant,
    ServiceProvider,
    Tenant,
    User,
)
from tenants.places import current_places
from tenants.roles import Level, Role

PLATFORM = "platform.localhost"
ADMIN = "/admin/tenants"


@pytest.fixture
def operator(cast, visit):
    """Return the platform operator's client."""
    return visit(cast.platform_operator, PLATFORM)


def actions():
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


MODELS = [
    "tenant",
    "domain",
    "user",
    "grant",
    "serviceprovider",
    "engagement",
    "auditevent",
]


@pytest.mark.parametrize("model", MODELS)
def test_an_operator_opens_every_list_and_form(operator, cast, model):
    audit_chain.append(user_name="x", action="a", target_type="tenants.tenant")
    assert operator.get(f"{ADMIN}/{model}/").status_code == 200
    if model != "auditevent":
        assert operator.get(f"{ADMIN}/{model}/add/").status_code == 200
    managers = {"user": User, "tenant": Tenant, "domain": Domain, "grant": Grant}
    managers |= {"serviceprovider": ServiceProvider, "engagement": Engagement}
    row = managers.get(model, AuditEvent).objects.first()
    assert operator.get(f"{ADMIN}/{model}/{row.pk}/change/").status_code == 200
    assert operator.get(f"{ADMIN}/{model}/{row.pk}/history/").status_code == 200
    assert operator.get(f"{ADMIN}/{model}/987654321/change/").status_code == 404


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["provider_operator", "group_admin", "brand_manager"])
def test_nobody_else_opens_the_platforms_admin(cast, visit, model, name):
    client = visit(getattr(cast, name), PLATFORM)
    assert client.get(f"{ADMIN}/{model}/").status_code == 404
    assert client.get("/admin/").status_code == 404


# --- Groups -----------------------------------------------------------------------------------


def group_fields(**fields):
    return {
        "name": "New Group",
        "schema_name": "newgroup",
        "currency": "EUR",
        "locale": "en",
        "time_zone": "Europe/Berlin",
        "k": 10,
        **fields,
    }


def test_a_new_group_is_asked_for_and_set_up_by_the_job(
    operator, cast, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as jobs:
        answer = operator.post(f"{ADMIN}/tenant/add/", group_fields())
    tenant = Tenant.objects.get(schema_name="newgroup")
    assert answer["Location"] == f"/admin/tenants/tenant/{tenant.pk}/change/"
    assert tenant.status == Tenant.Status.REQUESTED
    state = operator.get(f"{ADMIN}/tenant/{tenant.pk}/state/").content.decode()
    assert "hx-get" in state
    for job in jobs:
        job()
    tenant.refresh_from_db()
    assert tenant.status == Tenant.Status.ACTIVE
    state = operator.get(f"{ADMIN}/tenant/{tenant.pk}/state/").content.decode()
    assert "hx-get" not in state
    assert "Active" in state
    assert actions()[-2:] == ["tenant.request", "tenant.provision"]
    request = AuditEvent.objects.filter(action="tenant.request").first()
    assert (request.user, request.target_id) == (cast.platform_operator, str(tenant.pk))
    with tenant_transaction(tenant):
        assert Brand.objects.count() == 0


def test_a_group_that_failed_says_why_and_is_tried_again(
    operator, monkeypatch, django_capture_on_commit_callbacks
):
    from tenants import provisioning

    def broken(tenant):
        raise RuntimeError("the seed is bad")

    monkeypatch.setattr(provisioning, "_seeds", [*provisioning._seeds, broken])
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(f"{ADMIN}/tenant/add/", group_fields())
    tenant = Tenant.objects.get(schema_name="newgroup")
    assert tenant.status == Tenant.Status.FAILED
    page = operator.get(f"{ADMIN}/tenant/{tenant.pk}/change/").content.decode()
    assert "Nothing was created: the seed is bad" in page
    assert "Try again" in page
    monkeypatch.undo()
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(
            f"{ADMIN}/tenant/{tenant.pk}/change/",
            group_fields(tenants_tenant_try_again="1"),
        )
    tenant.refresh_from_db()
    assert (tenant.status, tenant.status_note) == (Tenant.Status.ACTIVE, "")
    assert "tenant.retry" in actions()


@pytest.mark.parametrize("name", ["public", "pg_x", "Upper", "a", "with space", "acme"])
def test_a_short_name_that_is_no_schema_is_refused(operator, name):
    before = Tenant.objects.count()
    answer = operator.post(f"{ADMIN}/tenant/add/", group_fields(schema_name=name))
    assert "schema_name" in answer.context["adminform"].form.errors
    assert Tenant.objects.count() == before


def test_a_suspended_group_closes_at_once_and_resumes(operator, cast, visit, acme):
    fields = group_fields(name="Acme Group", schema_name="acme", k=10)
    client = visit(cast.group_admin)
    page = operator.get(f"{ADMIN}/tenant/{acme.pk}/suspend/").content.decode()
    assert "9 people lose access" in page
    assert client.get("/admin/").status_code == 200
    operator.post(f"{ADMIN}/tenant/{acme.pk}/suspend/")
    assert client.get("/admin/").status_code == 404
    operator.post(f"{ADMIN}/tenant/{acme.pk}/change/", {**fields, "tenants_tenant_resume": "1"})
    assert client.get("/admin/").status_code == 200
    assert {"tenant.suspend", "tenant.resume"} <= set(actions())


def test_a_group_is_neither_deleted_nor_renamed_in_the_database(operator, acme):
    answer = operator.post(f"{ADMIN}/tenant/{acme.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 404
    operator.post(f"{ADMIN}/tenant/{acme.pk}/change/", group_fields(schema_name="other"))
    acme.refresh_from_db()
    assert (acme.schema_name, acme.name) == ("acme", "New Group")


# --- Hosts ------------------------------------------------------------------------------------


def test_a_brands_own_host_is_bound_by_the_brands_code(operator, acme):
    fields = {"domain": "Tea.Acme.Localhost", "tenant": acme.pk, "brand_code": "tea"}
    assert operator.post(f"{ADMIN}/domain/add/", fields).status_code == 302
    domain = Domain.objects.get(domain="tea.acme.localhost")
    with tenant_transaction(acme):
        assert domain.brand_id == Brand.objects.get(code="tea").pk
    assert b'value="tea"' in operator.get(f"{ADMIN}/domain/{domain.pk}/change/").content


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"brand_code": "nosuch"}, "brand_code"),
        ({"domain": "platform.localhost"}, "domain"),
        ({"domain": "acme.localhost"}, "domain"),
        ({"domain": "a b"}, "domain"),
        ({"domain": "http://x.example"}, "domain"),
    ],
)
def test_a_host_that_cannot_be_is_refused(operator, acme, fields, wrong):
    given = {"domain": "x.localhost", "tenant": acme.pk, "brand_code": "", **fields}
    answer = operator.post(f"{ADMIN}/domain/add/", given)
    assert wrong in answer.context["adminform"].form.errors


def test_a_groups_primary_host_stays(operator, acme):
    primary = acme.domains.get(is_primary=True)
    assert operator.post(f"{ADMIN}/domain/{primary.pk}/delete/", {"post": "y"}).status_code == 404


# --- People and grants ------------------------------------------------------------------------


def test_an_invited_person_gets_a_link_and_no_password(operator, mailoutbox):
    fields = {"email": "Invited@Example.com", "name": "Invited", "language": ""}
    assert operator.post(f"{ADMIN}/user/add/", fields).status_code == 302
    user = User.objects.get(email="invited@example.com")
    assert not user.has_usable_password()
    (message,) = mailoutbox
    assert message.to == ["invited@example.com"]
    assert "http://platform.localhost/accounts/password/reset/key/" in message.body
    assert "user.invite" in actions()


def test_a_person_is_switched_off_and_not_deleted(operator, cast, visit):
    client = visit(cast.group_admin)
    user = cast.group_admin
    assert operator.post(f"{ADMIN}/user/{user.pk}/delete/", {"post": "yes"}).status_code == 404
    inline = {"grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}
    fields = {"email": user.email, "name": user.name, "language": ""} | inline
    assert operator.post(f"{ADMIN}/user/{user.pk}/change/", fields).status_code == 302
    assert client.get("/admin/").status_code == 302
    event = AuditEvent.objects.get(action="user.change")
    assert event.changes == {"is_active": [True, False]}


def test_an_address_is_one_persons_in_whatever_case(operator, cast):
    fields = {"email": cast.guide.email.upper(), "name": "", "language": ""}
    answer = operator.post(f"{ADMIN}/user/add/", fields)
    assert "email" in answer.context["adminform"].form.errors


def test_an_address_given_up_brings_no_password_link(operator, cast, visit, mailoutbox):
    from allauth.account.models import EmailAddress

    user = cast.guide
    old = user.email
    EmailAddress.objects.create(user=user, email=old, verified=True, primary=True)
    inline = {"grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}
    fields = {"email": "New@Example.com", "name": "Guide", "language": "", "is_active": "on"}
    operator.post(f"{ADMIN}/user/{user.pk}/change/", fields | inline)
    user.refresh_from_db()
    assert user.email == "new@example.com"
    visit(None).post("/accounts/password/reset/", {"email": old})
    assert not [one for one in mailoutbox if "/password/reset/key/" in one.body]


def test_an_operator_cannot_switch_themselves_off(operator, cast):
    user = cast.platform_operator
    inline = {"grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}
    fields = {"email": user.email, "name": user.name, "language": ""} | inline
    operator.post(f"{ADMIN}/user/{user.pk}/change/", fields)
    user.refresh_from_db()
    assert user.is_active


def test_no_page_of_the_admin_shows_a_password_hash(operator, cast):
    page = operator.get(f"{ADMIN}/user/{cast.group_admin.pk}/change/").content.decode()
    assert cast.group_admin.password not in page
    assert "md5$" not in page


def grant_fields(**fields):
    return {
        "email": "first@acme.example",
        "name": "First",
        "role": Role.HQ_ADMIN,
        "tenant": "",
        "place_code": "",
        "provider": "",
        "engagement": "",
        "valid_from_0": "2020-01-01",
        "valid_from_1": "00:00:00",
        "reason": "",
        **fields,
    }


def test_the_first_hq_admin_of_a_group_is_let_in(operator, cast, acme):
    answer = operator.post(f"{ADMIN}/grant/add/", grant_fields(tenant=acme.pk))
    assert answer.status_code == 302
    grant = Grant.objects.get(user__email="first@acme.example")
    assert (grant.level, grant.tenant, grant.place_id) == (Level.GROUP, acme, None)
    # The group itself can see who was let in, and by whom.
    event = AuditEvent.objects.get(action="grant.add")
    assert (event.tenant, event.user) == (acme, cast.platform_operator)


def test_a_place_is_named_by_its_code(operator, acme):
    fields = grant_fields(role=Role.STORE_MANAGER, tenant=acme.pk, place_code="tea/tea-2")
    assert operator.post(f"{ADMIN}/grant/add/", fields).status_code == 302
    assert (
        Grant.objects.get(user__email="first@acme.example").place_name == "Tea House · Tea House 2"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": Role.HQ_ADMIN}, "need the group"),
        ({"role": Role.PROVIDER_OPERATOR}, "needs the provider"),
        ({"role": Role.BRAND_MANAGER, "tenant": True, "place_code": "x"}, "no place “x”"),
        ({"role": Role.PLATFORM_OPERATOR, "tenant": True}, "need the group"),
        ({"tenant": True, "valid_until_0": "2019-01-01", "valid_until_1": "00:00"}, "before it"),
        ({"tenant": True, "valid_from_0": "0001-01-01"}, "not between 1900"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_in_words(operator, acme, fields, words):
    if fields.get("tenant"):
        fields = {**fields, "tenant": acme.pk}
    answer = operator.post(f"{ADMIN}/grant/add/", grant_fields(**fields))
    assert words in str(answer.context["adminform"].form.errors)
    assert not User.objects.filter(email="first@acme.example").exists()


def test_the_same_grant_is_not_given_twice(operator, cast, acme):
    fields = grant_fields(email=cast.group_admin.email, tenant=acme.pk)
    answer = operator.post(f"{ADMIN}/grant/add/", fields)
    assert "holds this grant already" in str(answer.context["adminform"].form.errors)


def test_an_operator_enters_a_group_only_for_a_reason_and_for_hours(operator, cast, acme, visit):
    fields = grant_fields(email=cast.platform_operator.email, tenant=acme.pk, valid_from_0="")
    now = timezone.localtime()
    fields |= {"valid_from_0": now.date().isoformat(), "valid_from_1": f"{now:%H:%M:%S}"}
    answer = operator.post(f"{ADMIN}/grant/add/", fields)
    assert "only in an emergency" in str(answer.context["adminform"].form.errors)
    late = now + dt.timedelta(hours=9)
    end = {"valid_until_0": late.date().isoformat(), "valid_until_1": f"{late:%H:%M:%S}"}
    answer = operator.post(f"{ADMIN}/grant/add/", fields | end | {"reason": "Help"})
    assert "only in an emergency" in str(answer.context["adminform"].form.errors)
    soon = now + dt.timedelta(hours=2)
    end = {"valid_until_0": soon.date().isoformat(), "valid_until_1": f"{soon:%H:%M:%S}"}
    answer = operator.post(f"{ADMIN}/grant/add/", fields | end | {"reason": "Help"})
    assert answer.status_code == 302
    assert visit(cast.platform_operator).get("/admin/").status_code == 200


def test_a_person_switched_off_gets_no_grant(operator, cast, acme):
    User.objects.filter(pk=cast.guide.pk).update(is_active=False)
    fields = grant_fields(email=cast.guide.email, tenant=acme.pk)
    answer = operator.post(f"{ADMIN}/grant/add/", fields)
    assert "email" in answer.context["adminform"].form.errors


def test_an_engagement_written_beside_its_provider_is_recorded(operator, acme):
    provider = ServiceProvider.objects.get()
    today = timezone.now().date()
    inline = {
        "engagements-TOTAL_FORMS": 1,
        "engagements-INITIAL_FORMS": 0,
        "engagements-0-provider": provider.pk,
        "engagements-0-tenant": acme.pk,
        "engagements-0-purpose": "Run the mini-program",
        "engagements-0-starts_on": today.isoformat(),
        "engagements-0-ends_on": (today + dt.timedelta(days=5)).isoformat(),
    }
    fields = {"name": provider.name, "is_active": "on"} | inline
    answer = operator.post(f"{ADMIN}/serviceprovider/{provider.pk}/change/", fields)
    assert answer.status_code == 302
    event = AuditEvent.objects.get(action="engagement.add")
    assert event.changes["purpose"] == [None, "Run the mini-program"]


def test_the_platforms_audit_leaves_out_what_happens_inside_groups(operator, acme):
    audit_chain.append(tenant=acme, user_name="inside", action="a", target_type="brands.brand")
    audit_chain.append(tenant=acme, user_name="about", action="a", target_type="tenants.grant")
    page = operator.get(f"{ADMIN}/auditevent/").content.decode()
    assert "about" in page
    assert "inside" not in page


def test_nobody_lets_themselves_into_a_brand(cast, acme, visit):
    with tenant_transaction(acme):
        places = {place.code: place.key for place in current_places()}
    client = visit(cast.group_admin)
    own = grant_fields(email=cast.group_admin.email, role=Role.BRAND_MANAGER, place=places["spa"])
    answer = client.post(f"{ADMIN}/grant/add/", own)
    assert "to themselves" in str(answer.context["adminform"].form.errors)
    assert cast.group_admin.grants.count() == 1
    others = {**own, "email": cast.second_admin.email}
    assert client.post(f"{ADMIN}/grant/add/", others).status_code == 302
    assert cast.second_admin.grants.filter(role=Role.BRAND_MANAGER).exists()


def test_nobody_prolongs_a_grant_of_their_own(operator, cast, acme, visit):
    soon = timezone.now() + dt.timedelta(hours=2)

    def emergency(user):
        return Grant.objects.create(
            user=user, role=Role.HQ_ADMIN, level=Level.GROUP, tenant=acme, valid_until=soon
        )

    own, others = emergency(cast.platform_operator), emergency(cast.guide)
    endless = {"valid_until_0": "", "valid_until_1": "", "reason": "More time"}
    answer = operator.post(f"{ADMIN}/grant/{own.pk}/change/", endless)
    assert "of their own" in str(answer.context["adminform"].form.errors)
    earlier = {"valid_until_0": "2020-01-02", "valid_until_1": "00:00:00", "reason": "Done"}
    own.valid_from = soon - dt.timedelta(days=3650)
    own.save(update_fields=["valid_from"])
    assert operator.post(f"{ADMIN}/grant/{own.pk}/change/", earlier).status_code == 302
    own.refresh_from_db()
    assert own.valid_until < timezone.now()
    assert operator.post(f"{ADMIN}/grant/{others.pk}/change/", endless).status_code == 302
    others.refresh_from_db()
    assert others.valid_until is None


def test_a_providers_person_passes_on_no_more_than_the_engagement(cast, acme, visit):
    engagement = Engagement.objects.get()
    grant = Grant.objects.create(
        user=cast.outsider,
        role=Role.HQ_ADMIN,
        level=Level.GROUP,
        tenant=acme,
        engagement=engagement,
    )
    client = visit(cast.outsider)
    fields = grant_fields(role=Role.HQ_ADMIN, place="")
    answer = client.post(f"{ADMIN}/grant/add/", fields)
    assert "under an engagement" in str(answer.context["adminform"].form.errors)
    assert not User.objects.filter(email="first@acme.example").exists()
    ended = Grant.objects.create(
        user=cast.guide,
        role=Role.HQ_ADMIN,
        level=Level.GROUP,
        tenant=acme,
        valid_from=timezone.now() - dt.timedelta(days=2),
        valid_until=timezone.now() - dt.timedelta(days=1),
    )
    endless = {"valid_until_0": "", "valid_until_1": "", "reason": ""}
    answer = client.post(f"{ADMIN}/grant/{ended.pk}/change/", endless)
    assert "under an engagement" in str(answer.context["adminform"].form.errors)
    through = {**fields, "engagement": engagement.pk}
    assert client.post(f"{ADMIN}/grant/add/", through).status_code == 302
    given = Grant.objects.get(user__email="first@acme.example")
    assert given.engagement == grant.engagement


def test_nothing_given_in_an_emergency_outlasts_it(cast, acme, visit):
    soon = timezone.now().replace(microsecond=0) + dt.timedelta(hours=2)
    Grant.objects.create(
        user=cast.platform_operator,
        role=Role.HQ_ADMIN,
        level=Level.GROUP,
        tenant=acme,
        reason="Help",
        valid_until=soon,
    )
    client = visit(cast.platform_operator)
    fields = grant_fields(role=Role.HQ_ADMIN, place="")
    answer = client.post(f"{ADMIN}/grant/add/", fields)
    assert "cannot outlast it" in str(answer.context["adminform"].form.errors)
    others = cast.second_admin.grants.get()
    others.valid_until = soon - dt.timedelta(hours=1)
    others.save(update_fields=["valid_until"])
    endless = {"valid_until_0": "", "valid_until_1": "", "reason": ""}
    answer = client.post(f"{ADMIN}/grant/{others.pk}/change/", endless)
    assert "cannot outlast it" in str(answer.context["adminform"].form.errors)
    until = timezone.localtime(soon, dt.timezone(dt.timedelta(hours=8)))
    end = {"valid_until_0": until.date().isoformat(), "valid_until_1": f"{until:%H:%M:%S}"}
    assert client.post(f"{ADMIN}/grant/add/", fields | end).status_code == 302
    assert Grant.objects.get(user__email="first@acme.example").valid_until == soon
