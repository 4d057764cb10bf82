"""Hosts and grants: who finds what at which host."""

import datetime as dt
import itertools

import pytest
from django.utils import timezone

from brands.models import Brand
from tenants import door, services
from tenants.context import tenant_transaction
from tenants.models import Domain, Engagement, Grant, ServiceProvider, Tenant, User
from tenants.roles import Level, Role
from tenants.selectors import current_grants

HOME = "/admin/"


def status(visit, user, host="acme.localhost", path=HOME):
    return visit(user, host).get(path, follow=True).status_code


@pytest.mark.parametrize("host", ["nobody.localhost", "localhost", "evil.example", "a..localhost"])
def test_a_host_nobody_registered_is_not_found(cast, visit, host):
    assert status(visit, cast.group_admin, host) == 404
    assert status(visit, None, host) == 404


def test_a_known_host_answers_the_person_with_a_grant(cast, visit):
    assert status(visit, cast.group_admin) == 200


def test_a_valid_session_without_a_grant_here_is_not_found(cast, visit):
    assert status(visit, cast.outsider) == 404
    assert status(visit, cast.outsider, "globex.localhost") == 200


def test_a_platform_operator_has_no_way_into_a_group_without_a_grant(cast, visit):
    assert status(visit, cast.platform_operator) == 404


def test_a_grant_that_ended_opens_nothing(cast, visit, acme):
    client = visit(cast.group_admin)
    assert client.get(HOME, follow=True).status_code == 200
    services.grant_end(grant=cast.group_admin.acting_grant, acting_user=None)
    assert client.get(HOME).status_code == 404


def test_a_grant_that_has_not_begun_opens_nothing(cast, visit):
    cast.group_admin.grants.update(valid_from=timezone.now() + dt.timedelta(hours=1))
    assert status(visit, cast.group_admin) == 404


def test_an_engagement_that_ended_or_a_provider_switched_off_opens_nothing(cast, visit):
    assert status(visit, cast.provider_operator) == 200
    engagement = Engagement.objects.get()
    engagement.provider.is_active = False
    engagement.provider.save()
    assert status(visit, cast.provider_operator) == 404
    engagement.provider.is_active = True
    engagement.provider.save()
    Engagement.objects.update(ends_on=timezone.now().date() - dt.timedelta(days=1))
    assert status(visit, cast.provider_operator) == 404


def test_the_door_finds_the_person_and_exactly_the_grants_that_hold_now(cast, acme, globex):
    today, hour = timezone.now().date(), dt.timedelta(hours=1)
    day = dt.timedelta(days=1)
    user, now = User.objects.create_user("door@example.com", "x" * 12, name="Door"), timezone.now()
    firm, off = (ServiceProvider.objects.create(name=n, is_active=n == "on") for n in ("on", "off"))
    contracts: list[Engagement | None] = [
        Engagement.objects.create(provider=provider, tenant=acme, starts_on=first, ends_on=last)
        for provider, first, last in (
            (firm, today, today),
            (off, today, today),
            (firm, today - day, today - day),
            (firm, today + day, today + day),
        )
    ]
    for contract, (begins, ends), tenant, level in itertools.product(
        [None, *contracts],
        [(-hour, None), (-hour, hour), (-2 * hour, -hour), (hour, None)],
        [acme, globex],
        [Level.BRAND, Level.GROUP],
    ):
        if contract is None or tenant == acme:
            Grant.objects.create(
                user=user,
                tenant=tenant,
                role=Role.HQ_ADMIN if level == Level.GROUP else Role.BRAND_MANAGER,
                level=level,
                place_id=None if level == Level.GROUP else 1,
                engagement=contract,
                valid_from=now + begins,
                valid_until=ends and now + ends,
            )
    expected = current_grants(user=user, tenant=acme)
    # At both levels: without a contract or under one that runs, begun and not ended.
    assert (len(expected), Grant.objects.filter(user=user, tenant=acme).count()) == (8, 40)

    found = door.person_of(user.pk, tenant=acme)

    assert found.grants_found == (acme.pk, expected)
    assert _fields(found) == _fields(User.objects.get(pk=user.pk))
    for grant, same in zip(found.grants_found[1], expected, strict=True):
        assert _fields(grant) == _fields(same)
        assert (grant.user, grant.tenant, grant.engagement) == (user, acme, same.engagement)
        assert grant.engagement is None or _fields(grant.engagement) == _fields(same.engagement)
    domain = Domain.objects.select_related("tenant").get(domain="acme.localhost")
    group, brand_id = door.group_of("acme.localhost")
    assert (_fields(group), brand_id) == (_fields(domain.tenant), domain.brand_id)
    assert door.person_of(cast.outsider.pk, tenant=acme).grants_found == (acme.pk, [])
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert door.person_of(user.pk, tenant=acme) is None


def _fields(row):
    assert (row._state.adding, row._state.db) == (False, "default")
    return {field.attname: row.__dict__[field.attname] for field in row._meta.concrete_fields}


@pytest.mark.parametrize("state", ["suspended", "requested", "failed"])
def test_a_group_that_is_not_active_is_not_found(cast, visit, acme, state):
    Tenant.objects.filter(pk=acme.pk).update(status=state)
    assert status(visit, cast.group_admin) == 404


def test_a_brands_own_host_names_the_brand(cast, visit, acme):
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea")
    Domain.objects.create(
        domain="tea.acme.localhost", tenant=acme, is_primary=False, brand_id=tea.pk
    )
    answer = visit(cast.brand_manager, "tea.acme.localhost").get(HOME)
    assert answer.wsgi_request.tenant == acme
    assert answer.wsgi_request.host_brand_id == tea.pk
    assert status(visit, cast.outsider, "tea.acme.localhost") == 404


def test_a_groups_pages_show_the_groups_own_time(cast, visit, acme):
    Tenant.objects.filter(pk=acme.pk).update(time_zone="America/New_York")
    change = f"/admin/tenants/grant/{cast.guide.grants.get().pk}/change/"
    cast.guide.grants.update(valid_from=dt.datetime(2026, 7, 1, 3, 30, tzinfo=dt.UTC))
    assert "June 30, 2026 23:30" in visit(cast.group_admin).get(change).content.decode()


def test_an_object_of_one_group_is_not_found_on_the_other_groups_host(cast, visit, acme, globex):
    with tenant_transaction(globex):
        theirs = Brand.objects.create(pk=987_654, code="theirs", name="Theirs")
    assert status(visit, cast.outsider, "globex.localhost", _change(theirs)) == 200
    assert status(visit, cast.group_admin, "acme.localhost", _change(theirs)) == 404


def _change(brand):
    return f"/admin/brands/brand/{brand.pk}/change/"
