"""The first rows are shown with what each would become; sources remember; sheets are chosen."""

import gzip
from collections import Counter
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from brands.models import Brand, ChannelAccount
from brands.wall import scope
from members.imports.pipeline import import_run
from members.imports.preview import rows_shown
from members.imports.services import import_create, import_preview
from members.models import ImportJob, ImportSource, Person, Profile
from members.tests.test_import_containers import workbook, zipped
from tenants.context import tenant_transaction
from tenants.models import AuditEvent
from tenants.roles import PERMISSIONS, Role


@pytest.fixture(autouse=True)
def _worker(monkeypatch, acme):
    """Let no task run by itself; a test runs it when it wants."""
    monkeypatch.setattr("members.tasks.run_import.apply_async", lambda *args, **kwargs: None)
    acme.locale = "en"


@pytest.fixture
def upload(acme, visit, cast):
    """Return a function that uploads a file as a person: client, response, job."""

    def send(data, *, person=None, brand="tea", kind="members", name="new.csv", **more):
        client = visit(person or cast.brand_manager)
        with tenant_transaction(acme):
            number = Brand.objects.get(code=brand).pk
        file = SimpleUploadedFile(name, data if isinstance(data, bytes) else data.encode())
        given = {"brand": number, "kind": kind, "file": file, **more}
        response = client.post("/imports/new/", given)
        return client, response, last_job(acme)

    return send


def last_job(acme):
    """Return the newest job as it stands."""
    with tenant_transaction(acme), scope.bulk(reason="test"):
        return ImportJob.objects.select_related("brand", "source").order_by("pk").last()


# What is stored first, then a file of each kind with rows of every sort.
STORED = {
    "members": "member_no,name,phone,gender,registered_on\nM1,张伟,13800138000,m,2020-01-01\n"
    "M2,王芳,13800138001,f,2020-01-01\n",
    "orders": "order_no,line_no,member_no,ordered_at,amount\nA1,1,M1,2026-01-01 10:00,12.50\n",
    "tags": "member_no,tags\nM1,新客\n",
}
FILES = {
    "members": "会员号,姓名,手机号,性别,入会时间,同意告知,备注\n"
    "M1,张伟,13900139000,男,2020-01-01,,x\n"
    "M2,王芳,13800138001,女,2020-01-01,,\nM3,李雷,,,,,\nM4,,no phone,,,,\nM5,,,,2099-01-01,,\n"
    "M6,,,,,1,\nM3,李磊,,,,,\n",
    "contacts": "会员号,手机号\nM1,13900139000\nM2,13800138001\nM7,13700137000\nM2,x\n",
    "orders": "订单号,行号,会员号,下单时间,金额\nA1,1,M1,2026-01-01 10:00,12.50\n"
    "A1,2,M1,2026-01-01 10:00,3\nA2,1,M9,2026-01-01,1\nA3,1,M2,2026-01-01,a lot\n",
    "touchpoints": "会员号,appid,关注时间\nM1,wx1,2026-01-01\nM2,wx9,2026-01-01\nM2,wx1,\n",
    "tags": "会员号,标签\nM1,新客\nM2,新客;高价值\nM8,x\n",
    "stores": "门店编号,门店名称,城市\nT-9,南京路店,上海\n坏 码,店,\n",
    "staff": "门店,工号,姓名\ntea-1,7,李雷\nnowhere,8,x\n",
    "consents": "会员号,同意,告知版本,同意时间\nM1,是,1,2026-02-01\nM9,是,1,2026-02-01\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_the_preview_says_what_the_import_does(importer, kind, in_acme):
    tea = Brand.objects.get(code="tea")
    ChannelAccount.objects.create(brand=tea, kind="wecom", name="T", external_id="wx1")
    for earlier, text in STORED.items():
        importer.run(importer.create(earlier, text))
    job = importer.create(kind, FILES[kind])
    shown = rows_shown(
        tenant=in_acme,
        job=job,
        preview=import_preview(job),
        mapping=job.mapping,
        shows_contact=True,
    )
    said = Counter(row.outcome for row in shown)
    done = importer.run(job)
    names = ("created", "updated", "unchanged", "rejected", "repeated")
    counts = {name: getattr(done, f"rows_{name}") for name in names}
    assert counts == {
        "created": said["new"],
        # Tags of one member are one row, that changes the member's.
        "updated": said["changed"],
        "unchanged": said["same"],
        "rejected": said["rejected"],
        "repeated": said["repeated"],
    }
    assert sum(said.values()) == done.rows_read


def test_a_manager_sees_normalised_cells_masked_changes_and_columns_left_out(acme, load, upload):
    load("members", STORED["members"])
    client, response, _job = upload(FILES["members"])
    page = client.get(response.url).content.decode()
    assert "→ +8613900139000" in page
    assert "138****8000" in page
    # What is stored is shown whole on a page of its own, and nowhere else.
    assert "13800138000" not in page
    assert page.count("not imported") == 1
    assert "cannot be read" in page
    assert "lies in the future" in page
    assert "does not say when this was answered" in page
    columns = {f"column-{n}": "" for n in range(7)} | {
        "column-0": "member_no",
        "column-3": "gender",
    }
    part = client.post(response.url, columns, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert part.count("not imported") == 5
    assert "+8613900139000" not in part
    none = client.post(response.url, {}, headers={"HX-Request": "true"}).content.decode()
    assert "no column for Member number" in none
    assert last_job(acme).state == "uploaded"


def test_who_sees_no_contact_data_sees_outcomes_and_no_cells(load, upload, cast):
    load("members", STORED["members"])
    client, response, _job = upload(FILES["members"], person=cast.provider_operator)
    page = client.get(response.url).content.decode()
    assert "Would become" in page
    assert "rejected" in page
    for hidden in ("13900139000", "138****8000", "张伟", "李雷", "no phone"):
        assert hidden not in page


def test_a_source_remembers_its_columns_for_its_next_file_of_the_kind(acme, upload, cast, visit):
    client, response, job = upload("Nummer,手机号,备注\nM1,13800138000,x\n", new_source=" 有赞 ")
    assert job.source.name == "有赞"
    assert "as last time" not in client.get(response.url).content.decode()
    columns = {"column-0": "member_no", "column-1": "", "column-2": ""}
    rules = {"rules-wins": "priority", "rules-keeps_filled": "on"}
    client.post(response.url, {**columns, **rules})
    import_run(tenant=acme, job_id=job.pk)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        source = ImportSource.objects.get()
    assert source.rules == {"members": {"wins": "priority", "keeps_filled": True}}
    again = {"source": source.pk}
    client, response, job = upload("手机号,Nummer,邮箱\n13800138001,M2,a@b.cn\n", **again)
    # A column that was left out stays out; a new one is recognised.
    assert job.mapping == {"member_no": "Nummer", "email": "邮箱"}
    assert job.rules["wins"] == "priority"
    assert "as last time" in client.get(response.url).content.decode()
    # Another kind, and a file whose first line is a member, are not as last time.
    _client, _response, orders = upload("Nummer,金额\nM1,1\n", kind="orders", **again)
    assert orders.mapping == {"amount": "金额"}
    client, response, job = upload("M9,88880001\nM8,88880002\n", **again)
    assert client.post(response.url, {"column-0": "member_no", "column-1": "card_no"}).url
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert "88880001" not in str(ImportSource.objects.get().mappings)
    _client, refused, _job = upload("a\n1\n", brand="bakery", person=cast.unit_manager, **again)
    assert "another brand" in refused.content.decode()
    _client, hidden, _job = upload("a\n1\n", brand="bakery", person=cast.sibling_manager, **again)
    assert "valid choice" in hidden.content.decode()


def test_sources_are_listed_ranked_and_removed_while_unused(acme, upload, visit, cast):
    client = visit(cast.brand_manager)
    with tenant_transaction(acme):
        tea = Brand.objects.get(code="tea").pk
    client.post("/imports/sources/", {"brand": tea, "name": "POS", "rank": "5"})
    upload("member_no\nM1\n", new_source="CRM")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        ids = dict(ImportSource.objects.values_list("name", "pk"))
    page = client.get("/imports/sources/").content.decode()
    assert page.count('name="remove"') == 1
    assert "POS" not in visit(cast.sibling_manager).get("/imports/sources/").content.decode()
    assert (
        visit(cast.sibling_manager)
        .post("/imports/sources/", {"source": ids["POS"], "rank": "9"})
        .status_code
        == 404
    )
    client.post("/imports/sources/", {"source": ids["POS"], "rank": "-3"})
    used = client.post("/imports/sources/", {"source": ids["CRM"], "remove": "1"}, follow=True)
    assert "It was not removed" in used.content.decode()
    twice = client.post(
        "/imports/sources/", {"brand": tea, "name": "POS", "rank": "1"}, follow=True
    )
    assert "already has a source" in twice.content.decode()
    client.post("/imports/sources/", {"source": ids["POS"], "remove": "1"})
    page = client.get("/imports/sources/").content.decode()
    assert "POS</t" not in page
    assert "CRM</t" in page
    acts = AuditEvent.objects.filter(action__startswith="import_source")
    assert sorted(acts.values_list("action", flat=True)) == [
        "import_source.change",
        "import_source.create",
        "import_source.create",
        "import_source.remove",
    ]


def test_a_person_chooses_a_sheet_of_a_workbook_in_an_archive(acme, upload, settings):
    book = workbook(
        ("会员", [["会员号", "手机号"], ["M1", 13800138000]]),
        ("Other", [["x"], ["1"]]),
    )
    client, response, job = upload(zipped({"导出.xlsx": book}), name="导出.zip")
    assert [part["name"] for part in job.parts] == ["会员", "Other"]
    page = client.get(response.url).content.decode()
    assert "several sheets" in page
    wrong = client.post(response.url, {"part": "nothing"})
    assert "holds no “nothing”" in wrong.content.decode()
    client.post(response.url, {"part": job.parts[0]["place"]})
    assert last_job(acme).file_name == "导出.zip › 导出.xlsx › 会员"
    client.post(response.url, {"column-0": "member_no", "column-1": "phone"})
    done = import_run(tenant=acme, job_id=job.pk)
    assert (done.state, done.rows_created) == ("done", 1)
    assert not list((Path(settings.MEDIA_ROOT) / "imports" / "acme").glob("*"))
    with tenant_transaction(acme), scope.bulk(reason="test"):
        assert Profile.objects.get().member_no == "M1"


def test_only_who_may_write_stores_imports_them(acme, upload, monkeypatch):
    text = "code,name\nT-1,x\n"
    client, response, job = upload(text, kind="stores")
    assert (response.status_code, job.kind) == (302, "stores")
    assert client.get(response.url).status_code == 200
    less = PERMISSIONS[Role.BRAND_MANAGER] - {"brands.add_store"}
    monkeypatch.setitem(PERMISSIONS, Role.BRAND_MANAGER, less)
    assert client.get(response.url).status_code == 404
    _client, refused, _job = upload(text, kind="stores")
    assert "valid choice" in refused.content.decode()


def test_an_expanded_file_goes_on_where_a_killed_worker_stopped(importer, tmp_path):
    rows = "".join(f"M{number}\n" for number in range(9))
    path = tmp_path / "members.csv.gz"
    path.write_bytes(gzip.compress(f"member_no\n{rows}".encode()))
    job = import_create(
        brand=Brand.objects.get(code="tea"), kind="members", path=path, file_name=path.name
    )

    def killed(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importer.run(job, chunk_rows=4, progress=killed)
    assert Profile.objects.count() == 4
    done = importer.run(job, chunk_rows=4)
    assert (done.state, done.rows_created, done.rows_rejected) == ("done", 9, 0)
    assert path.exists()
    assert Person.objects.count() == 9
