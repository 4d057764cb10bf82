"""Everything that can carry a member's data is known, and each has a test of whom it reaches."""

from __future__ import annotations

import ast
from functools import cache
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from brands.models import Brand
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from brands.wall.models import Walled, walled_models
from config.tests import discover
from config.tests.isolation_matrix import MATRIX
from config.tests.secrets_planted import (
    EMAIL,
    MASKED,
    MEMBER_NO,
    NAME,
    ORDER_NO,
    PHONE,
    SECRETS,
    told,
)
from config.tests.test_urls_matrix import routes
from config.tests.url_matrix import GROUP
from members.models import Profile
from members.tasks import expire_answers
from tenants.context import tenant_transaction
from tenants.provisioning import tenant_models

ROOT = discover.ROOT


@cache
def _tests_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("kind", discover.KINDS)
def test_everything_that_can_carry_a_members_data_has_its_row(kind):
    found, rows = discover.KINDS[kind](), MATRIX[kind]
    assert found - set(rows) == set(), (
        f"This {kind} has no row in config/tests/isolation_matrix.py. Write a test that shows "
        "whom it gives a member's data to (a sibling brand, another group and HQ beyond the mode "
        "get nothing; a control does), and name it there; or say why it holds none."
    )
    assert set(rows) - found == set(), f"There is no such {kind} any more: take its row away."


def test_every_row_names_a_test_that_there_is_or_says_why_there_is_none():
    wrong = []
    for kind, rows in MATRIX.items():
        for name, shown in rows.items():
            if shown.startswith("none: "):
                continue
            path, _, test = shown.partition("::")
            if test not in _tests_of(path) or not test.startswith("test_"):
                wrong.append(f"{kind} “{name}”: {shown} is no test")
    assert wrong == []


def test_the_matrix_is_as_large_as_what_was_found():
    sizes = {kind: len(found()) for kind, found in discover.KINDS.items()}
    sizes |= {"page": sum(1 for _ in routes("config.urls_group")), "walled table": 0}
    sizes["walled table"] = len(walled_models())
    print(f"\n{sum(sizes.values())} carriers:", ", ".join(f"{n} {k}" for k, n in sizes.items()))
    # Were the search itself broken, it would find nothing, and nothing would be missing.
    assert min(sizes[kind] for kind in discover.KINDS if kind != "mail") >= 2
    assert sizes["file"] >= 15
    assert sizes["job"] >= 15
    assert sizes["page"] >= 100


@pytest.mark.parametrize(
    ("kind", "code", "found"),
    [
        ("files", "def f(p):\n    p.open('wb')", "tenants/new.py:f"),
        (
            "files",
            "class A:\n    def f(self):\n        return FileResponse(x)",
            "tenants/new.py:A.f",
        ),
        ("files", "from x import default_storage\ndefault_storage.save()", "tenants/new.py"),
        ("keepers", "def f():\n    cache.set('k', 1)", "tenants/new.py:f"),
        ("keepers", "@lru_cache(maxsize=1)\ndef f(): ...", "tenants/new.py:f"),
        ("keepers", "@functools.lru_cache\ndef f(): ...", "tenants/new.py:f"),
        ("log_lines", "log.info('of %s', person)", "tenants/new.py: of %s"),
        ("log_lines", "logging.error(f'{phone}')", "tenants/new.py: f'{phone}'"),
        ("prints", "def f():\n    print(phone)", "tenants/new.py:f"),
        ("mails", "def f():\n    send_mail(a, b)", "tenants/new.py:f"),
        ("sessions", "def f(request):\n    request.session['a'] = 1", "tenants/new.py:f"),
        ("searches", "class F(forms.Form):\n    q = CharField()", "tenants/new.py:F.q"),
    ],
)
def test_a_new_carrier_is_found_wherever_it_stands(monkeypatch, kind, code, found):
    tree = ast.parse(code)
    monkeypatch.setattr(discover, "modules", lambda: (("tenants/new.py", tree),))
    assert found in getattr(discover, kind)()


# What a job takes that is no number → what it is.
_TEXTS_OF_JOBS = {"members.run_export(job_id)": "the job's own random number"}


def test_jobs_take_numbers_and_names_of_rows_and_nothing_else():
    """What a job is given lies in the broker, and in the words of a failure."""
    wrong = {
        f"{job}({name})": kind
        for job, parameters in discover.task_parameters().items()
        for name, kind in parameters.items()
        if str(kind) not in {"int", "list[int]", "int | None"}
        and f"{job}({name})" not in _TEXTS_OF_JOBS
    }
    assert wrong == {}
    assert discover.jobs_elsewhere() == set()


# --- What comes out ---------------------------------------------------------------------------

# Where one searches, by phone, by member number and by name.
SEARCHED = ("members/", "admin/search/", "admin/brands/guide/", "admin/brands/store/")


def test_no_search_tells_a_sibling_of_a_member_and_no_page_hq_in_brand_max(
    objects,
    enter,
    acme,
):
    """Every page in member-max is read by `test_urls_matrix`; here are searches, and brand-max."""

    def found(role: str, words: str) -> set[str]:
        client = enter(role, "acme.localhost")
        asked = {"q": words, "s": words}
        # A page may write down again what was searched for.
        return set().union(*(told(client.get(f"/{one}", asked)) for one in SEARCHED)) - {words}

    assert found("brand_manager", PHONE) == {MASKED, MEMBER_NO}
    for role in ("sibling_manager", "group_admin"):
        for words in (PHONE, MEMBER_NO, NAME, EMAIL):
            assert found(role, words) <= ({MEMBER_NO} if role == "group_admin" else set())
    client = enter("group_admin", "acme.localhost")
    pages = [
        objects.path(route)
        for route, words in GROUP.items()
        if words.endswith("200") and not route.startswith(("admin/", "accounts/"))
    ]
    assert MEMBER_NO in told(client.get("/members/"))
    with tenant_transaction(acme):
        # The objects of the matrix include an override for the brand.
        brand = Brand.objects.get(code=objects.by_name["code"])
        mode_change(mode=Mode.BRAND_MAX, brand=brand, acting_user=None)
    assert len(pages) >= 20
    read = {page: told(client.get(page)) for page in pages}
    assert {page: secrets for page, secrets in read.items() if secrets} == {}


def _printed(*words: str) -> str:
    out, err = StringIO(), StringIO()
    try:
        call_command(*words, stdout=out, stderr=err)
    except CommandError as error:
        err.write(str(error))
    return out.getvalue() + err.getvalue()


def test_what_commands_print_names_no_member(objects, acme, tmp_path):
    members = tmp_path / "members.csv"
    members.write_text(
        f"member_no,name,phone,email\n{MEMBER_NO}2,{NAME},{PHONE},{EMAIL}\nbad,{NAME},1,\n"
    )
    orders = tmp_path / "orders.csv"
    orders.write_text(f"order_no,member_no,ordered_at,amount\n{ORDER_NO}2,{MEMBER_NO}2,x,x\n")
    answers = tmp_path / "answers.csv"
    answers.write_text(f"phone,name,notice,answer\n{PHONE},{NAME},1,yes\n")
    said = {
        words: _printed(*words)
        for words in (
            ("import_members", "acme", "tea", str(members)),
            ("import_orders", "acme", "tea", str(orders)),
            ("import_consents", "acme", "tea", str(answers)),
            ("import_consents", "acme", str(answers)),
            ("figures", "acme"),
            ("verify_metrics", "acme"),
            ("verify_persons", "acme"),
            ("verify_audit", "acme"),
        )
    }
    for words, text in said.items():
        assert text.strip(), words
        assert not any(secret in text for secret in SECRETS), (words, text)
    # The control: the file was read, its member is there, and is counted.
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Profile.objects.filter(member_no=f"{MEMBER_NO}2").exists()
    assert "tea" in said[("figures", "acme")]


def test_a_job_gives_nobody_its_rows(objects, acme, enter):
    """What runs as the owner in the background changes nothing of who reads the member."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        before = Profile.objects.get(member_no=MEMBER_NO).notice_id
    expire_answers()
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Profile.objects.get(member_no=MEMBER_NO).notice_id == before
    assert not scope.is_open()
    assert connection.schema_name == "public"
    path = f"/members/{objects.by_name['profile_id']}/"
    assert enter("sibling_manager", "acme.localhost").get(path).status_code == 404
    assert enter("brand_manager", "acme.localhost").get(path).status_code == 200


def _refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except ProgrammingError:
        return True
    return False


def test_the_app_role_reads_nothing_of_the_owners_own_tables(cast, seeing, in_acme):
    owners = [
        model
        for model in tenant_models()
        if not issubclass(model, Walled) and getattr(model, "app_privileges", None) == ""
    ]
    assert {"Identity", "IdentityLink", "Person", "PersonDecision"} <= {
        model.__name__ for model in owners
    }
    with seeing(cast.group_admin):
        for model in owners:
            assert _refused(f'SELECT 1 FROM "{model._meta.db_table}"'), model
        # The control: the same connection reads what it may.
        assert not _refused("SELECT 1 FROM members_profile")
        assert not _refused("SELECT 1 FROM brands_brand")
