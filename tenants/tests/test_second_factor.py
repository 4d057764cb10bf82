"""The second factor of those whose password alone must not open a group."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

ACME, PLATFORM = "acme.localhost", "platform.localhost"
SETUP = "/accounts/2fa/totp/activate/"


@pytest.fixture(autouse=True)
def _required(settings):
    settings.REQUIRE_SECOND_FACTOR = True


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("group_admin", ACME),
        ("analyst", ACME),
        ("provider_operator", ACME),
        ("platform_operator", PLATFORM),
        ("provider_operator", PLATFORM),
        ("group_admin", PLATFORM),
    ],
)
def test_a_strong_role_is_sent_to_the_set_up_and_no_further(cast, visit, name, host):
    user = getattr(cast, name)
    client = visit(user, host)
    for path in ("/", "/admin/"):
        answer = client.get(path)
        # A page the person has no way into at all stays absent.
        assert answer.status_code == 404 or answer["Location"] == SETUP
    assert client.get("/")["Location"] == SETUP
    TOTP.activate(user, generate_totp_secret())
    answer = client.get("/")
    assert answer.get("Location") != SETUP
    assert answer.status_code in {200, 302}


@pytest.mark.parametrize("name", ["unit_manager", "brand_manager", "store_manager", "guide"])
def test_the_groups_own_managers_need_none(cast, visit, name):
    answer = visit(getattr(cast, name), ACME).get("/")
    assert answer.get("Location") != SETUP


def test_nobody_needs_one_where_it_is_not_required(cast, visit, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    assert visit(cast.group_admin, ACME).get("/").get("Location") != SETUP


def test_a_person_on_the_way_to_the_set_up_can_log_out(cast, visit):
    client = visit(cast.group_admin, ACME)
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_a_post_changes_nothing_before_the_set_up(cast, visit, acme):
    client = visit(cast.group_admin, ACME)
    answer = client.post("/mode/", {"mode": "fan_max"})
    assert answer["Location"] == SETUP if answer.status_code == 302 else answer.status_code == 404


def test_the_set_up_shows_a_code_after_the_password_was_asked_again(cast, visit):
    from conftest import PASSWORD

    client = visit(cast.group_admin, ACME)
    answer = client.get(SETUP)
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    answer = client.post(answer["Location"], {"password": PASSWORD}, follow=True)
    assert answer.status_code == 200
    assert b"data:image/svg" in answer.content


def test_a_person_with_a_second_factor_is_asked_for_it_at_login(cast, visit):
    from conftest import PASSWORD

    TOTP.activate(cast.group_admin, generate_totp_secret())
    client = visit(None, ACME)
    answer = client.post(
        "/accounts/login/", {"login": cast.group_admin.email, "password": PASSWORD}
    )
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert "_auth_user_id" not in client.session
    assert client.get(answer["Location"]).status_code == 200
