"""Login, password, logout, throttling."""

import re

import pytest
from django.core import mail
from django.core.cache import cache

from conftest import PASSWORD

PLATFORM, ACME = "platform.localhost", "acme.localhost"


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()
    yield
    cache.clear()


def log_in(client, user, password=PASSWORD):
    return client.post("/accounts/login/", {"login": user.email, "password": password})


@pytest.mark.parametrize("host", [PLATFORM, ACME])
def test_a_person_logs_in_by_email_on_every_host(cast, visit, host):
    client = visit(None, host)
    page = client.get("/accounts/login/")
    assert page.status_code == 200
    assert b'name="login"' in page.content
    answer = log_in(client, cast.group_admin)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(cast.group_admin.pk)


def test_the_email_may_be_written_in_any_case(cast, visit):
    client = visit(None, ACME)
    client.post("/accounts/login/", {"login": cast.group_admin.email.upper(), "password": PASSWORD})
    assert "_auth_user_id" in client.session


def test_a_wrong_password_and_an_unknown_person_get_the_same_words(cast, visit):
    client = visit(None, ACME)
    words = []
    for email in (cast.group_admin.email, "nobody@example.com"):
        page = client.post("/accounts/login/", {"login": email, "password": "wrong"})
        assert page.status_code == 200
        words.append(page.context["form"].non_field_errors())
    assert words[0] == words[1]
    assert words[0]


def test_a_person_switched_off_cannot_log_in_and_loses_the_session(cast, visit):
    user = cast.group_admin
    client = visit(user, ACME)
    user.is_active = False
    user.save()
    assert client.get("/accounts/password/change/").status_code == 302
    fresh = visit(None, ACME)
    log_in(fresh, user)
    assert "_auth_user_id" not in fresh.session


def test_the_sixth_wrong_password_is_not_even_tried(cast, visit):
    client = visit(None, ACME)
    for _attempt in range(5):
        log_in(client, cast.group_admin, "wrong")
    answer = log_in(client, cast.group_admin)
    assert "_auth_user_id" not in client.session
    assert "Too many" in answer.content.decode()


def test_sign_up_is_closed(cast, visit):
    client = visit(None, PLATFORM)
    fields = {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    answer = client.post("/accounts/signup/", fields)
    assert b"by invitation" in answer.content
    assert not type(cast.outsider).objects.filter(email="new@example.com").exists()


def test_logging_out_needs_a_post(cast, visit):
    client = visit(cast.group_admin, ACME)
    assert client.get("/accounts/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(("name", "host"), [("group_admin", ACME), ("group_admin", PLATFORM)])
def test_the_menu_of_every_page_logs_out_whomever_it_greets(cast, visit, name, host):
    client = visit(getattr(cast, name), host)
    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/")["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in client.session


def test_a_stranger_to_the_host_can_log_out(cast, visit):
    client = visit(cast.outsider, ACME)
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_a_forgotten_password_is_reset_through_the_link_in_the_email(cast, visit):
    client = visit(None, ACME)
    client.post("/accounts/password/reset/", {"email": cast.group_admin.email})
    (message,) = mail.outbox
    link = re.search(r"http://acme\.localhost(/accounts/password/reset/key/\S+)", message.body)[1]
    form = client.get(link, follow=True)
    new = "another long passphrase"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    log_in(client, cast.group_admin, new)
    assert "_auth_user_id" in client.session


def test_asking_to_reset_the_password_of_a_stranger_says_the_same(cast, visit):
    client = visit(None, ACME)
    known = client.post("/accounts/password/reset/", {"email": cast.group_admin.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_the_demo_names_its_people_and_nobody_else_does(cast, visit, settings):
    client = visit(None, "journey.localhost")
    settings.DEMO = True
    client = visit(None, PLATFORM)
    assert b"operator@sluice.example" in client.get("/accounts/login/").content
    settings.DEMO = False
    page = client.get("/accounts/login/").content
    assert b"operator@sluice.example" not in page
    assert b"open-the-sluice" not in page


@pytest.mark.parametrize(
    "path", ["/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/password/change/"]
)
def test_ones_own_account_is_open_on_a_host_without_a_grant(cast, visit, path):
    answer = visit(cast.outsider, ACME).get(path)
    assert answer.status_code in {200, 302}
    assert visit(None, ACME).get(path)["Location"].startswith("/accounts/login/")
