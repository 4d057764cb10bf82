"""Eight pages under load: beside the same views without tenancy and wall, and a constant."""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from benchmarks.bare import CONSTANT
from benchmarks.report import Part, Report, Target
from benchmarks.rounds import Seconds
from benchmarks.synthetic import Group, drop_group, fill_members, fill_orders, make_group
from brands.models import Brand
from brands.wall import scope
from config import serving
from config.embedded.folder import BASE_DIR, free_port
from config.embedded.processes import spawn
from config.embedded.supervisor import python_command
from members.models import Profile
from tenants.context import tenant_transaction
from tenants.models import Domain, Grant, User
from tenants.roles import Level, Role

DEFAULT_ROWS = 200_000
LEAST_ROWS = 2_000
# Threads that ask, each for the next page as soon as it has the last one.
READERS = 4
ROUNDS = 6
_SECONDS = 5.0
_BACKEND = "tenants.backends.GrantBackend"


def run(rows: int) -> Report:
    """Ask for eight pages of a group of ROWS profiles, again and again, four at a time."""
    group = make_group("bench_page")
    fill_members(group, rows)
    fill_orders(group)
    host = Domain.objects.get(tenant=group.tenant).domain
    pages = _pages(group)
    serving.collect_static()
    ours, bare = ({name: Seconds() for name in pages} for _site in range(2))
    constant = Seconds()
    with ExitStack() as running:
        with_wall = running.enter_context(_web("config.wsgi", host))
        without = running.enter_context(_web("benchmarks.bare_wsgi", host))
        for port in (with_wall, without):
            # Templates are read and plans kept by then.
            _ask(port, host, pages, seconds=_SECONDS / 2)
        for number in range(ROUNDS):
            order = [(with_wall, ours), (without, bare)]
            for port, found in order if number % 2 == 0 else order[::-1]:
                for name, times in _ask(port, host, pages, seconds=_SECONDS).items():
                    found[name].rounds += times
            alone = {"constant": (CONSTANT, "")}
            constant.rounds += _ask(without, host, alone, seconds=1.0)["constant"]
    drop_group(group)
    parts = [Part(name, ours[name], limit=constant, peer=bare[name]) for name in pages]
    all_ours, all_bare = (
        Seconds([one for times in found.values() for one in times.rounds]) for found in (ours, bare)
    )
    main = Part("all pages", all_ours, limit=constant, peer=all_bare)
    medians = [ours[name].median / bare[name].median for name in pages]
    return Report(
        name="page",
        rows=rows,
        main=main,
        parts=parts,
        targets=[
            Target(
                "p50 ÷ without tenancy and wall, geometric mean of the pages",
                statistics.geometric_mean(medians),
                "at_most",
                1.15,
            ),
            Target("p95 ÷ without, all pages", _p95(all_ours) / _p95(all_bare), "at_most", 1.15),
        ],
        details={
            f"p50, p95 of {name} (without)": (
                f"{ours[name].median * 1000:.0f}, {_p95(ours[name]) * 1000:.0f} ms "
                f"({bare[name].median * 1000:.0f}, {_p95(bare[name]) * 1000:.0f} ms)"
            )
            for name in pages
        },
        notes=[
            f"gunicorn with {serving.WEB_WORKERS} processes; {READERS} readers who ask at once "
            f"for the next page, {ROUNDS} × {_SECONDS:.0f} s each; figures are medians.",
            "Peer: the same views, templates and queries with the group, grant and view found once "
            "for good, on the owner's connection without a scope or policies (benchmarks.bare).",
            "Limit: a view that returns a constant, answered before any other middleware.",
            "That queries do not grow with rows is held by config/tests/test_query_budgets.py.",
        ],
    )


def _p95(seconds: Seconds) -> float:
    return statistics.quantiles(seconds.rounds, n=20)[-1]


def _pages(group: Group) -> dict[str, tuple[str, str]]:
    """Return name → (address, cookie) of eight pages, of a brand's manager and of HQ's admin."""
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark"):
        brand = Brand.objects.get(pk=group.brands[0])
        member = Profile.objects.filter(brand=brand, orders__gt=1).order_by("-pk").first()
        middle = Profile.objects.filter(brand=brand).order_by("-pk")[100].pk
    assert member is not None
    manager = _login(group, Role.BRAND_MANAGER, Level.BRAND, brand)
    hq = _login(group, Role.HQ_ADMIN, Level.GROUP, None)
    return {
        "members": ("/members/", manager),
        "members, further on": (f"/members/?after={middle}", manager),
        "members by sales": ("/members/?sort=-sales", manager),
        "search by number": (f"/members/?q={member.member_no}", manager),
        "member": (f"/members/{member.pk}/", manager),
        "brand": (f"/brands/{brand.code}/", manager),
        "brand's figures": (f"/brands/{brand.code}/panels/kpis/", manager),
        "group": ("/group/", hq),
    }


def _login(group: Group, role: Role, level: Level, place: Brand | None) -> str:
    """Make a person with a grant and a session; return the cookie."""
    user = User.objects.create_user(f"{role}@bench-page.example", None, name=role)
    Grant.objects.create(
        user=user,
        role=role,
        level=level,
        tenant=group.tenant,
        place_id=place.pk if place else None,
        place_name=str(place) if place else "",
    )
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = _BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


@contextmanager
def _web(module: str, host: str) -> Iterator[int]:
    """Serve the site of a module as the demo does; give the port."""
    port = free_port()
    child = spawn(
        python_command(
            *("-m", "gunicorn", f"{module}:application", "--config=python:config.gunicorn"),
            *(f"--bind=127.0.0.1:{port}", f"--workers={serving.WEB_WORKERS}"),
            *(f"--threads={serving.WEB_THREADS}", "--no-control-socket", "--log-level=warning"),
        ),
        output=None,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        cwd=BASE_DIR,
        dies_with_us=signal.SIGTERM,
    )
    try:
        until = time.monotonic() + 60
        while not _answers(port, host):
            assert child.poll() is None, "the web ended"
            assert time.monotonic() < until, "the web does not answer"
            time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        child.wait(30)


def _answers(port: int, host: str) -> bool:
    try:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        asked.request("GET", "/accounts/login/", headers={"Host": host})
        return asked.getresponse().status > 0
    except OSError:
        return False


def _ask(
    port: int, host: str, pages: dict[str, tuple[str, str]], *, seconds: float
) -> dict[str, list[float]]:
    """Let readers ask for the pages in turn; return each page's times in seconds."""
    found: dict[str, list[float]] = {name: [] for name in pages}
    wrong: list[str] = []
    until = time.monotonic() + seconds

    def read(first: int) -> None:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        names = list(pages)
        place = first
        while time.monotonic() < until and not wrong:
            name = names[place % len(names)]
            path, cookie = pages[name]
            start = time.perf_counter()
            asked.request("GET", path, headers={"Host": host, "Cookie": cookie})
            answer = asked.getresponse()
            answer.read()
            found[name].append(time.perf_counter() - start)
            if answer.status != 200:
                wrong.append(f"{path}: {answer.status}")
            place += 1

    readers = [threading.Thread(target=read, args=(number * 2,)) for number in range(READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not wrong, wrong
    return found
