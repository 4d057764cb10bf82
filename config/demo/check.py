"""Check a loaded demo: every figure against the source, every page of every role."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlparse

from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from brands.models import Brand
from brands.wall import scope
from config.demo import load, oracle
from config.demo.logins import LOGINS, PASSWORD, Login
from members.figures import compare, figures
from members.models import Profile
from tenants.context import tenant_transaction
from tenants.models import Tenant

Progress = Callable[[str, int, int], None]

_DIGITS = re.compile(r"\d+")


class CheckFailed(RuntimeError):
    """Say what the demo got wrong."""


@dataclass
class _Links(HTMLParser):
    """Collect the addresses a page links to."""

    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep href of links, and what htmx will load by itself."""
        wanted = {"a": "href"}.get(tag)
        for name, value in attrs:
            if value and name in (wanted, "hx-get"):
                self.found.append(value)


def run(*, progress: Progress, as_is: bool = False) -> None:
    """Load the demo where it is not, then check it; raises CheckFailed with everything found."""
    if not load.is_loaded():
        load.load_demo(progress=progress, as_is=as_is)
    progress("The wall in the database", 0, 1)
    call_command("check", databases=["default"], verbosity=0)
    progress("The wall in the database", 1, 1)
    problems = [*_figures(progress), *_pages(progress), *_forbidden(progress)]
    if problems:
        raise CheckFailed("The demo is not right:\n  " + "\n  ".join(problems))


def _figures(progress: Progress) -> list[str]:
    problems = []
    step = "Figures against the source"
    progress(step, 0, 3)
    journey = Tenant.objects.get(schema_name="journey")
    ours, theirs = figures(tenant=journey), oracle.figures()
    progress(step, 1, 3)
    for place in sorted({*ours["brands"], *theirs["brands"]}):
        if ours["brands"].get(place) != theirs["brands"].get(place):
            problems.append(
                f"{place}: {ours['brands'].get(place)} instead of {theirs['brands'].get(place)}"
            )
    if ours["group"] != theirs["group"]:
        problems.append(f"group: {ours['group']} instead of {theirs['group']}")
    for number, tenant in enumerate(Tenant.objects.order_by("schema_name"), start=2):
        problems += [
            f"{tenant.schema_name}: {rows} rows of {name} differ from the facts"
            for name, rows in compare(tenant=tenant).items()
            if rows
        ]
        progress(step, number, 3)
    return problems


def _log_in(login: Login) -> Client:
    client = Client(headers={"host": login.host})
    response = client.post(
        reverse("account_login", urlconf="config.urls_platform"),
        {"login": login.email, "password": PASSWORD},
    )
    if response.status_code != 302:
        raise CheckFailed(f"{login.email} cannot log in at {login.host}: {response.status_code}")
    return client


def _pages(progress: Progress) -> list[str]:
    """Follow every link that a role is shown, from its home on; each must answer 200."""
    problems: list[str] = []
    for number, login in enumerate(LOGINS):
        progress("Pages of every role", number, len(LOGINS))
        opened = _crawl(_log_in(login), login, problems)
        if opened < 3:
            problems.append(f"{login.who} is shown {opened} pages only")
    progress("Pages of every role", len(LOGINS), len(LOGINS))
    return problems


def _crawl(client: Client, login: Login, problems: list[str]) -> int:
    seen: set[str] = set()
    queue = deque([("/", "")])
    opened = 0
    while queue:
        address, source = queue.popleft()
        # Of pages that differ only in numbers or in what a query asks for, one is opened.
        parts = urlparse(address)
        shape = f"{_DIGITS.sub('N', parts.path)}{'?' if parts.query else ''}"
        if shape in seen:
            continue
        seen.add(shape)
        response = client.get(address)
        if response.status_code in (301, 302):
            queue.append((urljoin(address, response["Location"]), address))
            continue
        opened += 1
        if response.status_code != 200:
            problems.append(
                f"{login.who}: {address} (linked from {source or 'nowhere'}) answers "
                f"{response.status_code}"
            )
            continue
        if not response.get("Content-Type", "").startswith("text/html") or response.streaming:
            continue
        page = _Links()
        page.feed(response.content.decode())
        for link in page.found:
            target = urlparse(urldefrag(urljoin(address, link)).url)
            if target.netloc or target.scheme or "/static/" in target.path:
                continue
            queue.append((target.path + (f"?{target.query}" if target.query else ""), address))
    return opened


def _forbidden(progress: Progress) -> list[str]:
    """Open what a role must not see: a sibling's home and members, another group's host."""
    problems = []
    journey = Tenant.objects.get(schema_name="journey")
    with tenant_transaction(journey), scope.bulk(reason="demo-check"):
        members = {
            brand.code: Profile.objects.filter(brand=brand).values_list("pk", flat=True).first()
            for brand in Brand.objects.all()
        }
    by_email = {login.email: login for login in LOGINS}
    pantry = _log_in(by_email["pantry@journey.example"])
    headquarters = _log_in(by_email["hq@journey.example"])
    store = _log_in(by_email["store@journey.example"])
    expected = [
        (pantry, f"/members/{members['pantry']}/", 200),
        (pantry, f"/members/{members['care']}/", 404),
        (pantry, "/brands/pantry/", 200),
        (pantry, "/brands/care/", 404),
        (pantry, "/group/", 404),
        (headquarters, f"/members/{members['care']}/", 200),
        (headquarters, f"/members/{members['fuel']}/", 404),
        (headquarters, "/group/", 200),
        (store, "/members/", 200),
        (store, f"/members/{members['care']}/", 404),
        (store, "/mode/", 404),
        (store, "/imports/", 404),
    ]
    for number, (client, address, status) in enumerate(expected):
        progress("What is forbidden", number, len(expected) + 1)
        answered = client.get(address).status_code
        if answered != status:
            problems.append(f"{address} answers {answered} instead of {status}")
    stranger = headquarters.get("/group/", headers={"host": "harbor.localhost"})
    if stranger.status_code not in (302, 404):
        problems.append(f"Journey's HQ admin at Harbor's host: {stranger.status_code}")
    progress("What is forbidden", len(expected) + 1, len(expected) + 1)
    return problems
