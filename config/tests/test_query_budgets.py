"""How many queries each page makes: written down, and the same for ten times the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brands.changes.drafts import draft_create
from brands.changes.preview import preview_make
from brands.models import Brand, Store
from brands.wall import scope
from members.models import BrandSegment, GroupSegment, ImportJob, ImportSource
from members.tests.pools import fill
from tenants.context import tenant_transaction

BUDGETS = json.loads((Path(__file__).parent / "query_budgets.json").read_text())
FRAGMENT = {"HX-Request": "true"}


def _measured(cast, visit, places: dict[str, int]) -> dict[str, int]:
    """Return page → queries, nothing being cached yet."""
    counted = {}
    for page in BUDGETS:
        who, address = page.split(" ")
        client = visit(getattr(cast, who))
        headers = FRAGMENT if "/panels/" in address else {}
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(address.format(**places), headers=headers)
        assert response.status_code == 200, page
        counted[page] = len(queries)
    return counted


def _keep_segments(tenant, numbers: range) -> None:
    """Keep a brand's segment and the group's under each number."""
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        for number in numbers:
            kept = {"name": f"Buyers {number}", "has_orders": True, "of_brand": tea}
            BrandSegment.objects.create(brand=tea, **kept)
            GroupSegment.objects.create(**kept)


def _keep_imports(tenant, numbers: range) -> int:
    """Keep a source under each number, and an import of its file; return the last import."""
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        tea = Brand.objects.get(code="tea")
        for number in numbers:
            source = ImportSource.objects.create(brand=tea, name=f"Till {number}")
            kept = {"kind": "members", "state": "done", "file_name": f"{number}.csv"}
            kept |= {"source": source, "rows_created": 1, "finished_at": timezone.now()}
            job = ImportJob.objects.create(brand=tea, **kept)
    return job.pk


@pytest.fixture
def places(acme, cast) -> dict[str, int]:
    """Return what stands for {store} and {draft} in an address."""
    with tenant_transaction(acme):
        store = Store.objects.get(code="tea-1")
        draft = draft_create(
            acting_user=cast.group_admin, brand=None, mode="fan_max", reason="Spring"
        )
    preview_make(tenant=acme, draft_id=draft.pk)
    return {"store": store.pk, "draft": draft.pk}


@pytest.mark.exhaustive
@pytest.mark.long
def test_each_page_makes_as_many_queries_as_written_whatever_the_rows(
    acme, cast, visit, places, settings
):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    first = fill(acme, "tea", members=3, orders=2, agreeing=2)
    fill(acme, "bakery", members=3, orders=2, agreeing=2)
    places["member"] = first[0]
    _keep_segments(acme, range(2))
    places["job"] = _keep_imports(acme, range(2))
    few = _measured(cast, visit, places)
    fill(acme, "tea", members=30, orders=20, agreeing=20, first=10)
    fill(acme, "bakery", members=30, orders=20, agreeing=20, first=10)
    _keep_segments(acme, range(2, 20))
    _keep_imports(acme, range(2, 20))
    many = _measured(cast, visit, places)
    assert many == few
    assert few == BUDGETS, json.dumps(few, indent=4)
