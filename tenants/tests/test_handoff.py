"""The hand-off from the platform's host to a group's."""

import datetime as dt
from urllib.parse import urlparse

import pytest
from django.utils import timezone

from tenants import services
from tenants.models import AuditEvent, Grant, Handoff
from tenants.roles import Level, Role

PLATFORM = "platform.localhost"


def grant_of(user, tenant):
    return user.grants.get(tenant=tenant)


def enter(visit, user, grant):
    return visit(user, PLATFORM).post(f"/enter/{grant.pk}/")


def arrive(visit, path, host="acme.localhost", user=None):
    client = visit(user, host)
    return client, client.get(path)


def test_entering_logs_the_person_in_on_the_groups_host_under_that_grant(cast, visit, acme):
    grant = grant_of(cast.brand_manager, acme)
    answer = enter(visit, cast.brand_manager, grant)
    target = urlparse(answer["Location"])
    assert (answer.status_code, target.netloc) == (302, "acme.localhost:8000")
    client, answer = arrive(visit, target.path)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(cast.brand_manager.pk)
    assert client.session["acting_grant"] == grant.pk
    events = AuditEvent.objects.filter(user=cast.brand_manager).order_by("id")
    assert [event.action for event in events] == ["handoff.create", "handoff.use"]
    assert {event.tenant_id for event in events} == {acme.pk}
    assert events[0].role.startswith("Brand manager")


def test_the_page_with_the_enter_buttons_lets_its_forms_end_at_a_groups_host(cast, visit):
    page = visit(cast.brand_manager, PLATFORM).get("/")
    (forms,) = [
        part
        for part in page["Content-Security-Policy"].split(";")
        if part.strip().startswith("form-action")
    ]
    assert "://*.localhost:8000" in forms


def test_the_chosen_one_of_several_grants_is_the_one_acted_under(cast, visit, acme):
    second = Grant.objects.create(
        user=cast.group_admin, role=Role.HQ_ANALYST, level=Level.GROUP, tenant=acme
    )
    path = urlparse(enter(visit, cast.group_admin, second)["Location"]).path
    client, _answer = arrive(visit, path)
    assert client.get("/accounts/2fa/").wsgi_request.grant == second


def test_the_token_itself_is_not_stored(cast, acme):
    token = services.handoff_create(
        grant=grant_of(cast.group_admin, acme), acting_user=cast.group_admin
    )
    row = Handoff.objects.get()
    assert token not in str(vars(row))
    assert len(row.digest) == 64


def test_the_session_that_was_there_before_is_gone(cast, visit, acme):
    path = urlparse(
        enter(visit, cast.brand_manager, grant_of(cast.brand_manager, acme))["Location"]
    ).path
    client = visit(cast.group_admin)
    before = client.session.session_key
    client.get(path)
    assert client.session["_auth_user_id"] == str(cast.brand_manager.pk)
    assert client.session.session_key != before


def refused(visit, path, host="acme.localhost", user=None):
    client, answer = arrive(visit, path, host, user)
    assert answer.status_code == 410
    assert b"You were not logged in" in answer.content
    return client


def test_a_link_works_once(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    path = f"/handoff/{services.handoff_create(grant=grant, acting_user=cast.group_admin)}/"
    assert arrive(visit, path)[1].status_code == 302
    assert "_auth_user_id" not in refused(visit, path).session


def test_a_link_ends_after_thirty_seconds(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    path = f"/handoff/{services.handoff_create(grant=grant, acting_user=cast.group_admin)}/"
    Handoff.objects.update(created_at=timezone.now() - dt.timedelta(seconds=31))
    assert "_auth_user_id" not in refused(visit, path).session


def test_a_link_to_one_group_is_worth_nothing_at_another(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    path = f"/handoff/{services.handoff_create(grant=grant, acting_user=cast.group_admin)}/"
    assert "_auth_user_id" not in refused(visit, path, "globex.localhost").session
    assert Handoff.objects.get().used_at is None


def test_an_invented_link_keeps_the_person_who_was_logged_in(cast, visit):
    client = refused(visit, "/handoff/invented/", user=cast.group_admin)
    assert client.session["_auth_user_id"] == str(cast.group_admin.pk)


@pytest.mark.parametrize("switch", ["user", "grant"])
def test_a_link_of_someone_whose_access_ended_meanwhile_logs_nobody_in(cast, visit, acme, switch):
    user = cast.group_admin
    grant = grant_of(user, acme)
    path = f"/handoff/{services.handoff_create(grant=grant, acting_user=user)}/"
    if switch == "user":
        type(user).objects.filter(pk=user.pk).update(is_active=False)
    else:
        services.grant_end(grant=grant, acting_user=None)
    assert "_auth_user_id" not in refused(visit, path).session


def test_nobody_enters_with_a_grant_that_is_not_theirs(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    assert enter(visit, cast.outsider, grant).status_code == 404
    with pytest.raises(services.HandoffRefused):
        services.handoff_create(grant=grant, acting_user=cast.outsider)
    assert not Handoff.objects.exists()


def test_nobody_enters_with_a_grant_that_has_ended(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    services.grant_end(grant=grant, acting_user=None)
    assert enter(visit, cast.group_admin, grant).status_code == 404


def test_entering_needs_a_post(cast, visit, acme):
    grant = grant_of(cast.group_admin, acme)
    assert visit(cast.group_admin, PLATFORM).get(f"/enter/{grant.pk}/").status_code == 405


def test_old_hand_offs_are_purged_and_young_ones_kept(cast, acme):
    grant = grant_of(cast.group_admin, acme)
    services.handoff_create(grant=grant, acting_user=cast.group_admin)
    Handoff.objects.update(created_at=timezone.now() - dt.timedelta(days=2))
    services.handoff_create(grant=grant, acting_user=cast.group_admin)
    assert services.handoffs_purge() == 1
    assert Handoff.objects.count() == 1
