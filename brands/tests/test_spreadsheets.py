"""The hierarchy from and to spreadsheets."""

import io

import openpyxl
import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brands.models import Brand, BusinessUnit, Guide, Store
from tenants.context import tenant_transaction
from tenants.models import AuditEvent

STORES = "/admin/brands/store"
HEADER = "brand,code,name,city,opened_on,is_active\n"


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


def upload(client, model, content, name="sheet.csv"):
    """Return the preview of a file."""
    raw = content.encode() if isinstance(content, str) else content
    return client.post(
        f"/admin/brands/{model}/import/",
        {"resource": "", "import_file": SimpleUploadedFile(name, raw)},
    )


def confirm(client, model, preview):
    """Confirm a preview."""
    form = preview.context["confirm_form"]
    return client.post(f"/admin/brands/{model}/process_import/", form.initial, follow=True)


def bring_in(client, model, content, name="sheet.csv"):
    preview = upload(client, model, content, name)
    assert "confirm_form" in preview.context, preview.content.decode()
    return confirm(client, model, preview)


def refusals(preview):
    """Return the errors of a preview in words."""
    assert "confirm_form" not in preview.context
    found = [str(error) for errors in preview.context["form"].errors.values() for error in errors]
    result = preview.context.get("result")
    if result:
        found += [str(error.error) for error in result.base_errors]
        found += [
            f"{line}: {error.error}" for line, errors in result.row_errors() for error in errors
        ]
        found += [f"{row.number}: {row.error}" for row in result.invalid_rows]
    return found


def stores(acme, **where):
    with tenant_transaction(acme):
        return list(Store.objects.filter(**where).order_by("code"))


def test_a_preview_writes_nothing_and_the_confirmation_everything(cast, visit, acme):
    client = visit(cast.brand_manager)
    content = HEADER + "tea,tea-1,Renamed,Suzhou,2020-02-03,yes\ntea,tea-9,Ninth,,,no\n"
    preview = upload(client, "store", content)
    assert preview.status_code == 200
    assert not stores(acme, code="tea-9")
    confirm(client, "store", preview)
    first, ninth = stores(acme, code__in=["tea-1", "tea-9"])
    assert (first.name, first.city, first.opened_on.isoformat()) == (
        "Renamed",
        "Suzhou",
        "2020-02-03",
    )
    assert (ninth.name, ninth.is_active) == ("Ninth", False)
    (event,) = AuditEvent.objects.filter(action="store.import")
    assert event.target_name == "sheet.csv"
    assert event.changes == {"new": [None, 1], "update": [None, 1], "skip": [None, 0]}


def test_the_same_file_twice_changes_nothing(cast, visit, acme):
    client = visit(cast.brand_manager)
    content = HEADER + "tea,tea-9,Ninth,,,yes\n"
    bring_in(client, "store", content)
    bring_in(client, "store", content)
    assert len(stores(acme, code="tea-9")) == 1
    last = AuditEvent.objects.filter(action="store.import").first()
    assert last.changes == {"new": [None, 0], "update": [None, 0], "skip": [None, 1]}


def test_a_brand_manager_brings_in_stores_of_the_own_brand_only(cast, visit, acme):
    preview = upload(visit(cast.brand_manager), "store", HEADER + "bakery,x,X,,,\n")
    assert refusals(preview) == ["1: There is no brand “bakery” that you may use here."]
    preview = upload(visit(cast.brand_manager), "store", HEADER + "nosuch,x,X,,,\n")
    assert refusals(preview) == ["1: There is no brand “nosuch” that you may use here."]
    bring_in(visit(cast.group_admin), "store", HEADER + "bakery,x,X,,,\n")
    assert stores(acme, code="x", brand__code="bakery")


def test_every_row_that_does_not_fit_is_named_with_its_reason(cast, visit, acme):
    content = HEADER + (
        "tea,ok,Fine,,,\n"
        "tea,bad code,Name,,,\n"
        "tea,d,Date,,31.12.2020,\n"
        "tea,s,Switch,,,perhaps\n"
        "tea,ok,Again,,,\n"
        "tea,,No code,,,\n"
    )
    words = "\n".join(refusals(upload(visit(cast.brand_manager), "store", content)))
    assert "2: " in words
    assert "Use letters, digits" in words
    assert "3: " in words
    assert "“perhaps” is neither yes nor no" in words
    assert "5: This key stands in the file more than once." in words
    assert not stores(acme, code="ok")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no rows below its header"),
        (HEADER, "no rows below its header"),
        ("brand,code,code,name\ntea,1,2,x\n", "there twice: code"),
        ("brand,编码,code,name\ntea,1,2,x\n", "Two columns both mean code"),
        ("brand,,name\ntea,1,x\n", "Column 2 has no name"),
        ("brand,code\ntea,1\n", "columns are missing: name"),
        (b"\x00\x01\x02\x00", "not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_in_words(cast, visit, content, reason):
    preview = upload(visit(cast.brand_manager), "store", content)
    if content == "":
        assert "confirm_form" not in preview.context
        return
    assert reason in "\n".join(refusals(preview))
    assert "Traceback" not in preview.content.decode()


def test_a_broken_workbook_says_so(cast, visit):
    preview = upload(visit(cast.brand_manager), "store", b"PK no workbook", "sheet.xlsx")
    assert "no readable XLSX workbook" in "\n".join(refusals(preview))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_chinese_headers_in_any_encoding_are_understood(cast, visit, acme, encoding, delimiter):
    lines = [["品牌编码", "编码", "名称", "城市"], ["tea", "sz", "苏州店", "苏州"]]
    text = "\n".join(delimiter.join(line) for line in lines)
    bring_in(visit(cast.brand_manager), "store", text.encode(encoding))
    (store,) = stores(acme, code="sz")
    assert (store.name, store.city) == ("苏州店", "苏州")


def test_a_workbook_is_read_with_its_numbers_as_codes(cast, visit, acme):
    book = openpyxl.Workbook()
    book.active.append(["brand", "code", "name", "opened_on"])
    book.active.append(["tea", 367, "Store 367", __import__("datetime").date(2021, 5, 6)])
    raw = io.BytesIO()
    book.save(raw)
    bring_in(visit(cast.brand_manager), "store", raw.getvalue(), "sheet.xlsx")
    (store,) = stores(acme, code="367")
    assert store.opened_on.isoformat() == "2021-05-06"


def test_units_brands_and_guides_come_in_by_their_codes(cast, visit, acme):
    client = visit(cast.group_admin)
    bring_in(client, "businessunit", "code,name\nbeauty,Beauty\nfood,Food and drink\n")
    bring_in(client, "brand", "code,name,business_unit\nspa,Spa,beauty\nnails,Nails,beauty\n")
    bring_in(client, "guide", "brand,store,staff_no,name\nspa,spa-1,007,Wang\n")
    with tenant_transaction(acme):
        assert BusinessUnit.objects.get(code="food").name == "Food and drink"
        assert Brand.objects.get(code="nails").business_unit.code == "beauty"
        assert Guide.objects.get(staff_no="007").store.code == "spa-1"


def test_a_file_above_the_limit_is_refused(cast, visit):
    preview = upload(visit(cast.brand_manager), "store", HEADER + "x" * (3 * 2**20))
    assert "larger than 2 MB" in "\n".join(refusals(preview))


def test_a_preview_whose_file_is_gone_changes_nothing(cast, visit, acme):
    client = visit(cast.brand_manager)
    preview = upload(client, "store", HEADER + "tea,tea-9,Ninth,,,\n")
    cache.clear()
    answer = confirm(client, "store", preview)
    assert "no longer kept" in answer.content.decode()
    assert not stores(acme, code="tea-9")


def test_an_export_holds_the_own_rows_and_comes_back_unchanged(cast, visit, acme):
    with tenant_transaction(acme):
        Store.objects.filter(code="tea-1").update(name="=cmd|'/C calc'!A0")
    client = visit(cast.brand_manager)
    answer = client.post(f"{STORES}/export/", {"format": "0", "resource": ""})
    text = answer.content.decode("utf-8-sig")
    assert "tea-1" in text
    assert "bakery" not in text
    assert "'=cmd" in text
    result = upload(client, "store", text).context["result"]
    assert result.totals["skip"] == 2


def test_ten_times_the_rows_ask_the_database_as_often_for_a_preview(cast, visit, acme):
    client = visit(cast.brand_manager)

    def queries(rows: int) -> int:
        text = "".join(f"tea,n{number},Store {number},,,yes\n" for number in range(rows))
        with CaptureQueriesContext(connection) as asked:
            upload(client, "store", HEADER + text)
        # The preview tries every row in a savepoint and writes it; nothing else grows with them.
        reads = [one for one in asked.captured_queries if one["sql"].startswith("SELECT")]
        return len(reads)

    few, many = queries(20), queries(200)
    assert few == many


def test_a_thousand_stores_come_in_at_once(cast, visit, acme):
    rows = "".join(f"tea,n{number},Store {number},,,yes\n" for number in range(1000))
    bring_in(visit(cast.brand_manager), "store", HEADER + rows)
    assert len(stores(acme, brand__code="tea")) == 1002


def test_a_day_that_is_none_is_refused_by_its_cell(visit, cast):
    sheet = HEADER + "tea,tea-9,Ninth,Shanghai,2026-13-01,yes\n"
    words = " ".join(refusals(upload(visit(cast.group_admin), "store", sheet)))
    assert "“2026-13-01” is not a day such as 2026-11-21." in words
