"""How the first person gets in on a database of one's own."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tenants.models import AuditEvent, Grant, User
from tenants.roles import Role

PLATFORM = "platform.localhost"
NEW = "first@example.com"


def _run(*words: str) -> str:
    out = StringIO()
    call_command("first_operator", *words, stdout=out)
    return out.getvalue()


def _set_password(client, printed: str):
    path = re.search(rf"https?://{PLATFORM}[:0-9]*(/accounts/password/reset/key/\S+)", printed)[1]
    form = client.get(path)
    if form.status_code != 302:
        return form
    client.post(
        form["Location"], {"password1": "a long passphrase", "password2": "a long passphrase"}
    )
    return client.post("/accounts/login/", {"login": NEW, "password": "a long passphrase"})


def test_the_first_operator_sets_a_password_by_a_link_that_is_good_once(db, visit):
    printed = _run("First@Example.com", "--name", "First")
    user = User.objects.get(email=NEW)
    assert (user.name, user.has_usable_password()) == ("First", False)
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"user.invite", "grant.add"}
    # A lost link is printed anew, before it was used.
    again = _run(NEW)
    client = visit(None, PLATFORM)
    assert _set_password(client, again)["Location"] == "/"
    page = client.get("/").content.decode()
    assert "New group" in page
    for link in (printed, again):
        assert _set_password(visit(None, PLATFORM), link).status_code == 200
    with pytest.raises(CommandError, match="has a password"):
        _run(NEW)
    assert Grant.objects.filter(role=Role.PLATFORM_OPERATOR).count() == 1


def test_a_second_operator_is_made_only_when_asked_for(cast):
    with pytest.raises(CommandError, match="There is an operator already"):
        _run(NEW)
    assert not User.objects.filter(email=NEW).exists()
    assert "/password/reset/key/" in _run(NEW, "--another")
    assert "with the password they have" in _run(cast.outsider.email, "--another")
    with pytest.raises(CommandError, match="is no e-mail address"):
        _run("nobody", "--another")


def test_there_is_no_superuser_and_the_command_says_what_there_is(db):
    for words in ([], ["--email", NEW, "--noinput"]):
        with pytest.raises(CommandError, match="first_operator EMAIL"):
            call_command("createsuperuser", *words)
    assert not User.objects.exists()
