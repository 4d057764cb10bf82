"""Tokens: made for one's own grant, shown once, ended with it; the API opens to them alone."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.utils import timezone

from tenants import tokens
from tenants.models import ApiToken, AuditEvent, Grant, TokenAction
from tenants.roles import Role

ROOT = "/api/v1/"
MEMBERS = f"{ROOT}members/"
PROBLEM = "application/problem+json"


@pytest.fixture
def make():
    """Return a function that makes a token of a person's grant and returns it with its text."""

    def made(user, *actions: str, name: str = "Till") -> tuple[ApiToken, str]:
        return tokens.token_create(
            grant=user.acting_grant,
            name=name,
            actions=list(actions or (TokenAction.READ_MEMBERS,)),
            days=30,
            acting_user=user,
        )

    return made


def ask(text: str, path: str = MEMBERS, host: str = "acme.localhost", **extra: str):
    """Return what the API answers to a token at a host."""
    return Client(headers={"host": host, "authorization": f"Bearer {text}", **extra}).get(path)


def assert_refused(response) -> None:
    """Hold that a request without a good token is told nothing but that."""
    assert response.status_code == 401
    assert response["Content-Type"] == PROBLEM
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert "no-store" in response["Cache-Control"]
    assert "members" not in response.json()


def test_a_token_opens_what_its_grant_opens(cast, make):
    token, text = make(cast.brand_manager)
    assert ask(text).status_code == 200
    root = ask(text, ROOT).json()
    assert (root["token"]["role"], root["token"]["place"]) == ("brand_manager", "Tea House")
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert text not in str(vars(token))
    assert AuditEvent.objects.get(action="apitoken.create").user == cast.brand_manager


def test_use_is_noted_to_the_hour_and_not_at_every_request(cast, make):
    token, text = make(cast.brand_manager)
    earlier = timezone.now() - dt.timedelta(minutes=10)
    ApiToken.objects.update(last_used_at=earlier)
    ask(text)
    token.refresh_from_db()
    assert token.last_used_at == earlier
    ApiToken.objects.update(last_used_at=earlier - dt.timedelta(hours=1))
    ask(text)
    token.refresh_from_db()
    assert token.last_used_at > earlier


def test_whatever_is_no_token_here_is_refused_alike(cast, make, globex):
    """Guessed, of another group, revoked, expired, and of a grant that ended."""
    _foreign, foreign = tokens.token_create(
        grant=cast.outsider.acting_grant,
        name="Till",
        actions=[TokenAction.READ_MEMBERS],
        days=30,
        acting_user=cast.outsider,
    )
    assert ask(foreign, host="globex.localhost").status_code == 200
    texts = {
        "foreign": foreign,
        "guessed": f"{tokens.PREFIX}{'x' * 43}",
        "none": "",
        "long": "x" * 999,
    }
    for name, change in (
        ("revoked", lambda token: tokens.token_revoke(token=token, acting_user=cast.brand_manager)),
        (
            "expired",
            lambda token: ApiToken.objects.filter(pk=token.pk).update(
                created_at=timezone.now() - dt.timedelta(days=2),
                expires_at=timezone.now() - dt.timedelta(seconds=1),
            ),
        ),
    ):
        token, texts[name] = make(cast.brand_manager, name=name)
        assert ask(texts[name]).status_code == 200
        change(token)
    _token, texts["ended"] = make(cast.sibling_manager)
    assert ask(texts["ended"]).status_code == 200
    Grant.objects.filter(pk=cast.sibling_manager.acting_grant.pk).update(valid_until=timezone.now())
    answers = {name: ask(text) for name, text in texts.items()}
    for answer in answers.values():
        assert_refused(answer)
    assert len({answer.content for answer in answers.values()}) == 1


def test_a_token_ends_with_the_engagement_and_with_the_person(cast, make):
    user = cast.provider_operator
    _token, text = make(user)
    assert ask(text).status_code == 200
    engagement = user.acting_grant.engagement
    yesterday = timezone.now().date() - dt.timedelta(days=1)
    type(engagement).objects.filter(pk=engagement.pk).update(starts_on=yesterday, ends_on=yesterday)
    assert_refused(ask(text))
    _token, text = make(cast.brand_manager)
    assert ask(text).status_code == 200
    cast.brand_manager.is_active = False
    cast.brand_manager.save()
    assert_refused(ask(text))


def test_no_session_opens_the_api_and_no_token_a_page(cast, visit, make):
    client = visit(cast.brand_manager)
    assert client.get("/members/").status_code == 200
    assert_refused(client.get(MEMBERS))
    assert client.post(MEMBERS, {}).status_code == 401
    _token, text = make(cast.brand_manager)
    # A token beside a session is the token's: the session's person counts for nothing.
    mixed = visit(cast.group_admin).get(ROOT, headers={"authorization": f"Bearer {text}"})
    assert mixed.json()["token"]["role"] == "brand_manager"
    assert ask(text, "/members/").status_code == 302
    assert "/login/" in ask(text, "/members/")["Location"]


def test_the_api_is_at_groups_alone(cast, make):
    _token, text = make(cast.brand_manager)
    assert ask(text, ROOT, host="platform.localhost").status_code == 404
    assert ask(text, ROOT, host="nobody.localhost").status_code == 404


def test_a_token_does_what_it_was_made_for_and_nothing_else(cast, make):
    _token, text = make(cast.brand_manager, TokenAction.READ_RULES)
    assert ask(text, f"{ROOT}visibility/").status_code == 200
    refused = ask(text)
    assert refused.status_code == 403
    assert refused["Content-Type"] == PROBLEM
    assert "members:read" in refused.json()["detail"]
    assert ask(text, "/api/v1/nothing/").json()["status"] == 404
    # It shows its own sight, not the grant's: nothing but rules.
    brands = ask(text, f"{ROOT}visibility/").json()["brands"]
    assert {kind["sight"] for brand in brands for kind in brand["kinds"].values()} == {"none"}


def test_a_role_that_lost_a_permission_takes_it_from_its_tokens(cast, make, monkeypatch):
    _token, text = make(cast.brand_manager)
    assert ask(text).status_code == 200
    kept = tokens.PERMISSIONS[Role.BRAND_MANAGER] - {"members.view_profile"}
    monkeypatch.setitem(tokens.PERMISSIONS, Role.BRAND_MANAGER, kept)
    assert ask(text).status_code == 403


def test_requests_are_counted_by_token(cast, make, monkeypatch):
    from tenants.api import TokenThrottle

    monkeypatch.setattr(TokenThrottle, "THROTTLE_RATES", {"token": "2/min"})
    _token, text = make(cast.brand_manager)
    _token, other = make(cast.brand_manager, name="Other")
    assert [ask(text).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(text)["Content-Type"] == PROBLEM
    assert int(ask(text)["Retry-After"]) > 0
    assert ask(other).status_code == 200


def test_an_error_is_a_problem_and_tells_nothing_of_itself(cast, make, monkeypatch):
    from members.api.views import MembersView

    def fails(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("13800001111")

    monkeypatch.setattr(MembersView, "get", fails)
    _token, text = make(cast.brand_manager)
    client = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {text}"})
    client.raise_request_exception = False
    answer = client.get(MEMBERS)
    assert (answer.status_code, answer["Content-Type"]) == (500, PROBLEM)
    assert "13800001111" not in answer.content.decode()


# --- The page ---------------------------------------------------------------------------------

FORM = {"name": "Till system", "actions": ["members:read"], "days": "30"}


def test_a_token_is_shown_once_and_works(cast, visit):
    client = visit(cast.brand_manager)
    made = client.post("/tokens/", FORM).content.decode()
    text = re.search(r"slc_[\w-]{40,}", made)[0]
    assert ask(text).status_code == 200
    listed = client.get("/tokens/").content.decode()
    assert "Till system" in listed
    assert text not in listed
    again = client.post("/tokens/", FORM).content.decode()
    assert "a token of this name already" in again
    assert ApiToken.objects.count() == 1


def test_a_token_is_made_for_some_of_the_grants_brands(cast, visit):
    client = visit(cast.unit_manager)
    form = client.get("/tokens/").context["form"]
    (tea,) = (pk for pk, name in form.fields["brands"].choices if name == "Tea House")
    made = client.post("/tokens/", {**FORM, "brands": [tea]}).content.decode()
    assert "Tea House" in made
    token = ApiToken.objects.get()
    assert (token.brands, token.keeps_under) == ({tea: "Tea House"}, -token.pk)
    assert AuditEvent.objects.get(action="apitoken.create").changes["brands"] == ["", "Tea House"]
    assert "Tea House" in client.get("/tokens/").content.decode()
    assert "Tea House" in visit(cast.group_admin).get("/tokens/").content.decode()
    # One that takes its place is for the same, and goes on with its batches.
    client.post(f"/tokens/{token.pk}/exchange/")
    new = ApiToken.objects.exclude(pk=token.pk).get()
    assert (new.brands, new.keeps_under) == (token.brands, token.keeps_under)
    beyond = client.post("/tokens/", {**FORM, "name": "Other", "brands": ["999999"]})
    assert "brands" in beyond.context["form"].errors


def test_an_exchanged_token_goes_on_for_a_day(cast, visit, make):
    old, text = make(cast.brand_manager)
    page = visit(cast.brand_manager).post(f"/tokens/{old.pk}/exchange/").content.decode()
    new = re.search(r"slc_[\w-]{40,}", page)[0]
    assert ask(new).status_code == ask(text).status_code == 200
    old.refresh_from_db()
    assert old.expires_at <= timezone.now() + dt.timedelta(days=1)


def test_a_role_gets_no_action_that_it_has_not(cast, visit):
    refused = visit(cast.provider_operator).post("/tokens/", {**FORM, "actions": ["contacts:read"]})
    # Their contract holds no contact data, so it is no choice.
    assert "contacts:read" not in refused.content.decode().replace("contacts:read is not one", "")
    assert not ApiToken.objects.exists()
    with pytest.raises(tokens.TokenRefused, match="does not allow"):
        tokens.token_create(
            grant=cast.provider_operator.acting_grant,
            name="Till",
            actions=["contacts:read"],
            days=30,
            acting_user=cast.provider_operator,
        )


def test_nobody_makes_a_token_of_a_grant_that_is_not_theirs(cast):
    with pytest.raises(tokens.TokenRefused, match="grant one acts under"):
        tokens.token_create(
            grant=cast.group_admin.acting_grant,
            name="Till",
            actions=["members:read"],
            days=30,
            acting_user=cast.brand_manager,
        )
    assert not ApiToken.objects.exists()


def test_hq_sees_and_revokes_the_groups_tokens_and_exchanges_its_own_alone(cast, visit, make):
    token, text = make(cast.brand_manager)
    foreign, _text = make(cast.outsider)
    client = visit(cast.group_admin)
    page = client.get("/tokens/").content.decode()
    assert "brand_manager" in page
    assert page.count("/revoke/") == 1
    assert client.post(f"/tokens/{token.pk}/exchange/").status_code == 404
    assert client.post(f"/tokens/{foreign.pk}/revoke/").status_code == 404
    assert client.post(f"/tokens/{token.pk}/revoke/").status_code == 302
    assert_refused(ask(text))
    event = AuditEvent.objects.get(action="apitoken.revoke")
    assert (event.user, event.target_id) == (cast.group_admin, str(token.pk))


def test_a_brand_knows_of_its_own_tokens_alone(cast, visit, make):
    token, text = make(cast.sibling_manager)
    client = visit(cast.brand_manager)
    assert "/revoke/" not in client.get("/tokens/").content.decode()
    for act in ("revoke", "exchange"):
        assert client.post(f"/tokens/{token.pk}/{act}/").status_code == 404
    assert ask(text).status_code == 200
    # The provider's person works for the same brand, under another grant.
    assert visit(cast.provider_operator).post(f"/tokens/{token.pk}/revoke/").status_code == 404
