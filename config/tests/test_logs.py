"""No log and no error report holds a member's name, phone, e-mail or card, whatever fails."""

from __future__ import annotations

import datetime as dt
import io
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote
from uuid import uuid4

import pytest
from celery.app.trace import build_tracer
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils.log import AdminEmailHandler
from django.utils.module_loading import import_string
from django.views.debug import technical_500_response
from gunicorn.config import Config

from config import logs
from config.celery import app
from config.gunicorn import GunicornLogger
from tenants.checks import server_logs_no_rows

NAME, PHONE, EMAIL, CARD = "欧阳娜娜", "13800001111", "ouyang@example.cn", "VIP88012345"
CONTACT = (NAME, PHONE, EMAIL, CARD)
ALL = " ".join(CONTACT)
HIDDEN = (*CONTACT, quote(NAME), quote(EMAIL), "138 0000 1111", "0000111")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return what the installed handler of the root logger writes: pytest's own is not ours."""
    (handler,) = (
        one
        for one in logging.getLogger().handlers
        if isinstance(one.formatter, logs.WithoutContact)
    )
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    former = handler.setStream(written)
    yield written
    handler.setStream(former)


def clean(text: str) -> bool:
    """Tell whether TEXT says anything, and none of it contact data."""
    assert text.strip(), "nothing was written, so nothing was shown"
    return not any(one in text for one in HIDDEN)


def _by_value(*args: object, **kwargs: object) -> None:
    try:
        raise KeyError(ALL)
    except KeyError as error:
        raise ValueError(f"cannot read {ALL}") from error


def _by_sql(*args: object, **kwargs: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::int", [ALL])


def _by_constraint(*args: object, **kwargs: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # A table that the app role may write to as it likes.
        session = [NAME, ALL]
        cursor.execute(
            "INSERT INTO django_session VALUES (%s, %s, now()), (%s, %s, now())", session * 2
        )


def _by_copy(*args: object, **kwargs: object) -> None:
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy("COPY django_session (expire_date) FROM STDIN") as copy,
    ):
        copy.write(f"{NAME} {PHONE}\n")


FAILURES = {
    "ValueError": _by_value,
    "SQLSTATE 22P02": _by_sql,
    "SQLSTATE 23505": _by_constraint,
    "InvalidDatetimeFormat": _by_copy,
}


@pytest.mark.parametrize("said", FAILURES)
def test_a_request_that_fails_logs_where_and_not_whom(cast, visit, stream, monkeypatch, said):
    failing = FAILURES[said]
    monkeypatch.setattr("members.views.members.render", failing)
    client = visit(cast.brand_manager)
    client.raise_request_exception = False
    answer = client.get("/members/", {"q": PHONE, "name": NAME}, headers={"referer": f"/?q={NAME}"})
    assert answer.status_code == 500
    written = stream.getvalue()
    assert clean(written)
    # What an operator needs is there: which page, which exception, which line of the code.
    assert "Internal Server Error: /members/" in written
    assert said in written
    assert failing.__name__ in written
    assert clean(answer.content.decode())


def test_what_is_posted_is_in_no_log_and_no_error_page(cast, visit, stream, monkeypatch):
    monkeypatch.setattr("members.views.uploads.render", _by_value)
    client = visit(cast.brand_manager)
    client.raise_request_exception = False
    answer = client.post("/imports/new/", dict(zip("abcd", CONTACT, strict=True)))
    assert answer.status_code == 500
    assert clean(stream.getvalue())
    assert clean(answer.content.decode())


def test_a_log_of_a_search_that_finds_nothing_holds_no_search(cast, visit, stream):
    client = visit(cast.brand_manager)
    assert client.get("/members/", {"q": PHONE}).status_code == 200
    assert client.get(f"/nothing/{quote(EMAIL)}/", {"q": PHONE}).status_code == 404
    assert "Not Found: /nothing/" in stream.getvalue()
    assert clean(stream.getvalue())


@pytest.mark.parametrize("said", FAILURES)
def test_a_job_that_fails_logs_where_and_not_whom(db, stream, said):
    failing = FAILURES[said]
    task = app.task(name=f"test.fails.{uuid4()}", ignore_result=True)(failing)
    try:
        trace = build_tracer(task.name, task, app=app)
        request = {"id": str(uuid4()), "argsrepr": repr(CONTACT), "kwargsrepr": ALL}
        trace(str(uuid4()), CONTACT, {"phone": PHONE}, request)
    finally:
        app.tasks.unregister(task.name)
    written = stream.getvalue()
    assert clean(written)
    assert f"Task {task.name}" in written
    assert said in written
    assert failing.__name__ in written


def test_a_job_that_ends_well_logs_no_result(db, stream):
    def ends(*args: object) -> str:
        return ALL

    task = app.task(name=f"test.ends.{uuid4()}", ignore_result=True)(ends)
    try:
        build_tracer(task.name, task, app=app)(str(uuid4()), CONTACT, {}, {"id": str(uuid4())})
    finally:
        app.tasks.unregister(task.name)
    assert "succeeded" in stream.getvalue()
    assert clean(stream.getvalue())


def test_celery_adds_no_handler_beside_the_installed_one():
    names = ("", "celery", "celery.app.trace", "celery.worker", "celery.task", "celery.redirected")
    for name in names:
        for handler in logging.getLogger(name).handlers:
            if type(handler).__module__.startswith("_pytest"):
                continue
            if isinstance(handler, logging.NullHandler):
                continue
            assert isinstance(handler.formatter, logs.WithoutContact), (name, handler)


def test_gunicorns_access_log_holds_no_query_and_its_error_log_no_value(capsys):
    config = Config()
    config.set("accesslog", "-")
    config.set("errorlog", "-")
    every = "hlutrsmUqHbBfaTDMLp"
    config.set("access_log_format", " ".join(f"%({one})s" for one in every) + " %({cookie}i)s")
    logger = GunicornLogger(config)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": f"/members/?q={PHONE}&name={quote(NAME)}",
        "PATH_INFO": "/members/",
        "QUERY_STRING": f"q={PHONE}",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_REFERER": f"http://acme.localhost/members/?q={PHONE}",
        "HTTP_USER_AGENT": "Browser/1",
        "HTTP_COOKIE": ALL,
        "REMOTE_ADDR": "192.0.2.1",
    }
    answer = SimpleNamespace(status="200 OK", sent=1, headers=[("X-Name", ALL)])
    request = SimpleNamespace(headers=[("COOKIE", ALL)])
    logger.access(answer, request, environ, dt.timedelta(seconds=1))
    try:
        _by_value()
    except ValueError:
        logger.exception("Error handling request %s", environ["RAW_URI"])
    said = capsys.readouterr()
    assert "GET /members/ HTTP/1.1" in said.out
    assert clean(said.out)
    assert "Error handling request /members/?" in said.err
    assert "_by_value" in said.err
    assert clean(said.err)


def test_the_server_that_serve_starts_writes_its_logs_so():
    from config.serving import children

    web = next(child for child in children(8000) if child.name == "web")
    assert "--config=python:config.gunicorn" in web.command


def test_an_error_page_while_debugging_shows_no_value():
    request = RequestFactory().post(f"/x/?q={PHONE}", {"name": NAME})
    try:
        _by_value()
    except ValueError as error:
        answer = technical_500_response(request, type(error), error, error.__traceback__)
    text = answer.content.decode()
    assert clean(text)
    assert "_by_value" in text
    assert import_string(project.DEFAULT_EXCEPTION_REPORTER) is logs.ErrorReport


def test_nothing_sends_error_reports_away():
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.Logger.manager.loggerDict)]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    assert handlers
    assert not any(isinstance(handler, AdminEmailHandler) for handler in handlers)
    assert project.ADMINS == []
    reporters = ("sentry", "rollbar", "bugsnag", "opentelemetry", "newrelic", "ddtrace")
    required = (project.BASE_DIR / "requirements.txt").read_text().lower()
    assert not any(name in required for name in reporters)


def test_statements_with_their_values_are_never_logged(db, stream, settings):
    settings.DEBUG = True
    connection.force_debug_cursor = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [ALL])
            assert cursor.fetchone() == (ALL,)
    finally:
        connection.force_debug_cursor = False
    assert stream.getvalue() == ""


def test_the_servers_own_log_quotes_no_row(db):
    assert server_logs_no_rows(None) == []
    with connection.cursor() as cursor:
        # The control: a setting under which it would.
        cursor.execute("SHOW log_min_messages")
        assert cursor.fetchone() == ("log",)


@pytest.mark.parametrize(
    "text",
    [
        "phone 13800001111",
        "+8613800001111",
        "+44 20 7946 0958",
        "138-0000-1111",
        "ouyang@example.cn",
        "<ouyang.na-na+x@mail.example.cn>",
        "/members/?q=13800001111&page=2",
        "card 6222020200112233445",
        "VIP88012345",
        "no-7700123456",
    ],
)
def test_what_looks_like_contact_is_blotted_out(text):
    assert logs.BLOT in logs.blotted(text)
    assert not any(part in logs.blotted(text) for part in ("1111", "0958", "ouyang", "2345"))


@pytest.mark.parametrize(
    "text",
    [
        "import 4711 of acme: 1200000 rows in 12.5 s",
        "2026-11-22 05:39:55 day 2026-01-31",
        "job a1234567-1380-0001-1118-12345678901a, ab123456-9c1a-4e57-8f39-138000011112",
        "5f1e0c11111111111111111111111111111111111111111111111111111111aa",
        "tenants.tasks.check_audit[17] /members/4711/ SQLSTATE 23505",
        "192.168.100.200:8000 PostgreSQL 18.1",
    ],
)
def test_what_an_operator_needs_is_kept(text):
    assert logs.blotted(text) == text


def test_words_that_come_from_the_code_are_kept():
    assert "MASTER_KEY" in logs.named(ImproperlyConfigured("MASTER_KEY is not base64url."))
    for name in logs.PLAIN_NAMES:
        error = import_string(name)
        assert logs.named(error("Open a scope.")) == f"{error.__name__}: Open a scope."
    assert logs.named(ValueError(ALL)) == f"ValueError {logs.WITHHELD}"


def test_a_line_that_cannot_be_written_prints_no_arguments(capsys):
    class Broken:
        def __str__(self) -> str:
            raise ValueError(ALL)

    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.WithoutContact())
    for args in ((Broken(), ALL), (ALL,)):
        handler.handle(logging.makeLogRecord({"msg": "%s %s", "args": args}))
    assert written.getvalue().count("could not be written") == 2
    assert clean(written.getvalue())
    assert capsys.readouterr().err == ""


def test_an_exception_given_as_an_argument_is_named_alone(stream):
    log = logging.getLogger("test.arguments")
    log.warning("row %s failed: %s", 17, ValueError(ALL))
    log.warning("%d rows, %s", 3, {"exc": ValueError(ALL)}["exc"])
    log.warning(ValueError(ALL))
    log.warning("errors: %s", [ValueError(ALL), (KeyError(ALL),)])
    assert clean(stream.getvalue())
    assert stream.getvalue().count("ValueError (its words") == 4
    assert "row 17 failed" in stream.getvalue()
