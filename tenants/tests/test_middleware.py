"""Hosts and grants: who finds what at which host."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand
from tenants import services
from tenants.context import tenant_transaction
from tenants.models import Domain, Engagement, Tenant

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
