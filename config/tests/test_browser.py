"""Journeys in a real browser, served as the demo is: gunicorn as the app role, a bulk worker."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import pytest
from django.conf import settings
from django.contrib.auth.hashers import ScryptPasswordHasher, make_password
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from brands.models import Brand, Notice, Store
from brands.modes import Mode
from brands.services import mode_change
from config import env
from conftest import PASSWORD
from tenants.context import tenant_transaction
from tenants.models import Grant, Tenant, User
from tenants.roles import Level, Role
from tenants.tests.committed import committed_group

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip(
        "No Chromium: `apt-get install chromium`, or these pages stay unseen.",
        allow_module_level=True,
    )
GROUP = "browsed"
MEMBERS = (
    "会员号,姓名,手机号,注册门店,入会时间,同意告知\n"
    "A1,张小明,13800138000,tea-1,2025-03-01,1\n"
    "A2,Grace Hopper,13900139000,tea-1,2025-03-02,\n"
    "A3,李娜,not a phone,tea-1,2025-03-03,1\n"
)


@dataclass(frozen=True)
class Site:
    """Hold where the group's site answers and who may log in."""

    port: int

    def address(self, path: str) -> str:
        """Return a page's address."""
        return f"http://{GROUP}.localhost:{self.port}{path}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _in_test_database(setting: str) -> str:
    name = connection.settings_dict["NAME"]
    return urlparse(env.text(setting))._replace(path=f"/{name}").geturl()


@contextmanager
def _process(*arguments: str, environment: dict[str, str]) -> Iterator[None]:
    child = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _wait_for(port: int) -> None:
    for _try in range(100):
        try:
            answered = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            answered.request("GET", "/accounts/login/", headers={"Host": f"{GROUP}.localhost"})
            assert answered.getresponse().status == 200
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("The web did not answer within 20 s.")


def _remove_people() -> None:
    """Take the logins away, once their group and its grants are gone."""
    with connection.cursor() as cursor:
        for table, column in (("account_emailaddress", "user_id"), ("tenants_user", "id")):
            cursor.execute(
                f"DELETE FROM {table} WHERE {column} IN "
                "(SELECT id FROM tenants_user WHERE email LIKE %s)",
                [f"%@{GROUP}.example"],
            )


def _people() -> None:
    """Write a group of two brands in member-max, and its people."""
    tea = Brand.objects.create(code="tea", name="Tea House")
    spa = Brand.objects.create(code="spa", name="Spa")
    Store.objects.create(brand=tea, code="tea-1", name="Tea 1")
    notice = Notice.objects.create(
        version="1", title="Notice", purposes="Service", names_group=True,
        covers_contact=True,
    )  # fmt: skip
    notice.recipients.set([tea, spa])
    Notice.objects.update(effective_from="2020-01-01T00:00:00Z")
    mode_change(mode=Mode.MEMBER_MAX, acting_user=None)
    for name, role, level, place in (
        ("hq", Role.HQ_ADMIN, Level.GROUP, None),
        ("second", Role.HQ_ADMIN, Level.GROUP, None),
        ("tea", Role.BRAND_MANAGER, Level.BRAND, tea),
        ("spa", Role.BRAND_MANAGER, Level.BRAND, spa),
    ):
        # Hashed as the served processes do, which know nothing of the tests' settings.
        password = make_password(PASSWORD, hasher=ScryptPasswordHasher())
        user = User.objects.create(email=f"{name}@{GROUP}.example", name=name, password=password)
        Grant.objects.create(
            user=user,
            role=role,
            level=level,
            tenant=connection.tenant,
            place_id=place.pk if place else None,
            place_name=str(place or ""),
        )


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Site]:
    """Serve a committed group by web and worker processes of its own."""
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": _in_test_database("DATABASE_URL"),
        "OWNER_DATABASE_URL": _in_test_database("OWNER_DATABASE_URL"),
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
        "REQUIRE_SECOND_FACTOR": "0",
        "HTTPS": "0",
    }
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        _remove_people()
        stack.callback(_remove_people)
        tenant = stack.enter_context(committed_group(GROUP))
        with tenant_transaction(tenant):
            _people()
        connection.close()
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"],
            cwd=settings.BASE_DIR,
            env={**environment, "SLUICE_PROCESS": "bulk"},
            check=True,
        )
        web = ("gunicorn", "config.wsgi:application", f"--bind=127.0.0.1:{port}", "--threads=4")
        worker = ("celery", "--app=config.celery:app", "worker", "--pool=solo", "--queues=bulk")
        stack.enter_context(_process(*web, environment={**environment, "SLUICE_PROCESS": "web"}))
        stack.enter_context(
            _process(*worker, environment={**environment, "SLUICE_PROCESS": "bulk"})
        )
        _wait_for(port)
        yield Site(port)


@pytest.fixture(scope="module")
def browser(site) -> Iterator[Browser]:
    """Start one browser for all journeys; the site is ready before, since it uses the ORM."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def log_in(site, browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the site as a person; scripts that fail fail the test."""
    with ExitStack() as stack:
        complaints: list[str] = []

        def as_person(name: str, **options: object) -> Page:
            context = browser.new_context(locale="en-US", **options)
            stack.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error.stack}"))
            page.on(
                "console",
                lambda line: complaints.append(line.text) if "Security" in line.text else None,
            )
            page.goto(site.address("/"))
            page.fill("input[name=login]", f"{name}@{GROUP}.example")
            page.fill("input[name=password]", PASSWORD)
            page.click("form.s-form button[type=submit]")
            page.wait_for_url(lambda url: "/accounts/" not in url)
            return page

        yield as_person
        assert complaints == []


@pytest.fixture(scope="module")
def imported(site, browser, tmp_path_factory) -> Path:
    """Return a member file that the first journey brings in and the others build on."""
    path = tmp_path_factory.mktemp("files") / "会员.csv"
    path.write_text(MEMBERS, encoding="gb18030")
    return path


def _bring_in(page: Page, site: Site, path: Path) -> None:
    page.goto(site.address("/imports/new/"))
    page.set_input_files("input[type=file]", path)
    page.click("form[enctype] button.s-button--primary")
    page.wait_for_url("**/columns/")
    expect(page.get_by_text("张小明")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url(re.compile(r"/imports/\d+/$"))
    expect(page.locator(".s-badge--good")).to_be_visible(timeout=30_000)


def test_a_brand_manager_imports_a_file_and_finds_a_member_by_phone(site, log_in, imported):
    page = log_in("tea")
    _bring_in(page, site, imported)
    with page.expect_download() as download:
        page.locator("a[href*='/rejected/']").first.click()
    rejected = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert "not a phone" in rejected
    assert "13800138000" not in rejected
    page.goto(site.address("/members/?q=138+0013+8000"))
    expect(page.locator("table.s-table tbody tr")).to_have_count(1)
    page.locator("table.s-table tbody a").first.click()
    expect(page.get_by_text("张**").first).to_be_visible()
    page.locator("form[action$='/contact/'] button").click()
    expect(page.get_by_text("张小明").first).to_be_visible()


def test_a_sibling_finds_nobody_by_the_same_phone(site, log_in, imported):
    page = log_in("spa")
    page.goto(site.address("/members/?q=13800138000"))
    expect(page.locator("table.s-table tbody tr")).to_have_count(0)
    assert page.goto(site.address("/brands/tea/")).status == 404


def test_two_people_change_the_mode_which_opens_names_to_hq_until_it_is_closed(
    site, log_in, imported
):
    _bring_in(log_in("tea"), site, imported)
    page, second = log_in("hq"), log_in("second")

    def names() -> str:
        page.goto(site.address("/members/"))
        return page.locator("main, body").first.inner_text()

    assert "张" not in names()
    page.goto(site.address("/mode/drafts/new/"))
    page.check("input[name=mode][value=fan_max]")
    page.fill("textarea[name=reason]", "Tried in a browser")
    page.get_by_role("button", name="Draft it and preview").click()
    draft = page.url
    # The worker counts, the page shows it by itself.
    expect(page.get_by_text("What opens and what closes")).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="Write the assessment").click()
    for name in ("purpose", "necessity", "risks", "measures"):
        page.fill(f"textarea[name={name}]", "As the law asks")
    page.check("input[name=conclusion][value=acceptable]")
    page.get_by_role("button", name="Make it a document").click()
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.get_by_text("You asked for it, so you cannot approve it")).to_be_visible()
    assert "张" not in names()
    second.goto(draft)
    second.get_by_role("button", name="Approve: change the mode now").click()
    expect(second.get_by_text("second approved it")).to_be_visible()
    assert "张**" in names()
    # The member who was never asked stays closed in every mode.
    assert "G***" not in names()
    expect(second.get_by_text("was counted anew by")).to_be_visible(timeout=20_000)
    closing = threading.Thread(target=_close)
    closing.start()
    closing.join(20)
    assert "张**" not in names()


def _close() -> None:
    # In a thread of its own: the browser's driver keeps this one from the database.
    try:
        with tenant_transaction(Tenant.objects.get(schema_name=GROUP)):
            mode_change(mode=Mode.MEMBER_MAX, acting_user=None)
    finally:
        connection.close()


def test_a_sharing_record_prints_without_the_frame_around_it(site, log_in):
    page = log_in("hq")
    today = timezone.localdate()
    page.goto(site.address(f"/sharing-records/draft/?first={today}&last={today}"))
    page.get_by_role("button", name="Issue it").click()
    page.wait_for_url("**/sharing-records/1/")
    expect(page.get_by_text("says what was issued")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="1. What was shared")).to_be_visible()
    expect(page.get_by_text("Tea House").first).to_be_visible()
    for part in ("#nav-sidebar", "#header-inner", ".s-breadcrumbs"):
        expect(page.locator(part).first).to_be_hidden()
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") <= 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(site, log_in, scheme):
    page = log_in("tea", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    ask = "/visibility/?who=me&of=tea&kind=contact"
    for path in (
        "/",
        "/members/",
        "/imports/",
        "/imports/new/",
        "/mode/",
        ask,
        "/sharing-records/",
    ):
        page.goto(site.address(path))
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
