"""Files of contact data, follows, tags, stores and staff: written once, whatever comes first."""

import pytest

from brands.models import Brand, ChannelAccount, Guide, Store
from members.contacts import unseal
from members.imports.mapping import map_automatically
from members.keys import group_keys
from members.models import Contact, Profile, ProfileTag, Tag, Touchpoint
from tenants.models import AuditEvent


@pytest.fixture
def members(importer):
    """Import two members of tea and one of the bakery."""
    importer.members("member_no,name,phone\nM1,张伟,13800138000\nM2,王芳,13800138001\n")
    importer.members("member_no\nM9\n", brand="bakery")
    return importer


@pytest.fixture
def brings(importer, counts):
    """Return a function that imports a text of a kind: (created, changed, unchanged, rejected)."""

    def bring(kind, text, **options):
        job = importer.run(importer.create(kind, text, **options))
        assert job.state == "done", job.error
        return counts(job), importer.rejected(job) if job.rows_rejected else []

    return bring


def test_contact_data_reaches_known_members_and_makes_none(members, brings):
    text = (
        "会员号,手机号,邮箱\nM1,13900139000,a@b.cn\nM7,13700137000,\nM2,no phone,\n,13600136000,\n"
    )
    found, rejected = brings("contacts", text)
    assert found == (0, 1, 0, 3)
    assert [row["reason"][:25] for row in sorted(rejected, key=lambda row: int(row["line"]))] == [
        "The brand has no member “",
        "“no phone” is not a phone",
        "The cell is empty.",
    ]
    contact = unseal(group_keys(), Contact.objects.get(profile__member_no="M1"))
    assert contact == {"name": "张伟", "phone": "+8613900139000", "email": "a@b.cn"}
    assert Profile.objects.count() == 3
    assert brings("contacts", text)[0] == (0, 0, 1, 3)


def test_follows_end_in_one_state_whatever_file_comes_first(members, brings):
    tea = Brand.objects.get(code="tea")
    official = ChannelAccount.objects.create(
        brand=tea, kind="official_account", name="茶", external_id="wx1"
    )
    ChannelAccount.objects.create(
        brand=Brand.objects.get(code="bakery"), kind="wecom", name="B", external_id="wx2"
    )
    head = "member_no,appid,关注时间,取关时间,来源\n"
    late = f"{head}M1,wx1,2026-05-01 10:00,,扫码\nM2,wx1,,2026-05-02,\n"
    early = f"{head}M1,wx1,2026-01-01,2026-02-01,搜索\nM2,wx1,2026-01-01,,搜索\n"
    bad = f"{head}M1,wx2,2026-01-01,,\nM1,wx1,,,\nM9,wx1,2026-01-01,,\nM1,wx1,soon,,\n"
    assert brings("touchpoints", late)[0] == (2, 0, 0, 0)
    assert brings("touchpoints", early)[0] == (0, 2, 0, 0)
    assert brings("touchpoints", early)[0] == (0, 0, 2, 0)
    assert brings("touchpoints", late)[0] == (0, 0, 2, 0)
    found, rejected = brings("touchpoints", bad)
    assert found == (0, 0, 0, 4)
    assert {row["line"]: row["reason"][:20] for row in rejected} == {
        "2": "Neither the brand no",
        "3": "The row does not say",
        "4": "The brand has no mem",
        "5": "“soon” is not a day ",
    }
    rows = {t.profile.member_no: t for t in Touchpoint.objects.select_related("profile")}
    assert (rows["M1"].account, rows["M1"].is_followed, rows["M1"].scene) == (
        official,
        True,
        "扫码",
    )
    assert (rows["M2"].is_followed, rows["M2"].scene) == (False, "搜索")


def test_tags_are_made_and_set_once(members, brings):
    text = "会员号,标签,打标时间\nM1,新客；高价值,2026-03-01\nM2,新客,\nM8,新客,\nM1,,\n"
    found, rejected = brings("tags", text)
    assert (found, len(rejected)) == ((2, 0, 0, 2), 2)
    assert set(Tag.objects.values_list("brand__code", "name")) == {
        ("tea", "新客"),
        ("tea", "高价值"),
    }
    assert brings("tags", text)[0] == (0, 0, 2, 2)
    # An older file does not bring a tag back that was taken away since.
    old = ProfileTag.objects.get(profile__member_no="M1", tag__name="高价值")
    ProfileTag.objects.filter(pk=old.pk).update(removed_at="2026-06-01T00:00:00Z")
    assert brings("tags", "member_no,tag,set_at\nM1,高价值,2026-04-01\n")[0] == (0, 1, 0, 0)
    assert not ProfileTag.objects.get(pk=old.pk).is_set
    assert brings("tags", "member_no,tag\nM1,高价值\n")[0] == (0, 1, 0, 0)
    assert ProfileTag.objects.get(pk=old.pk).is_set


def test_tags_are_taken_away_by_a_column_that_says_so(members, brings):
    head = "会员号,标签,打标时间,操作类型\n"
    assert brings("tags", f"{head}M1,新客;茶,2026-03-01,新增\nM2,茶,,\n")[0] == (2, 0, 0, 0)

    def carried():
        rows = ProfileTag.objects.filter(is_set=True).values_list("profile__member_no", "tag__name")
        return set(rows)

    # Of rows without an instant the last one counts; a removal of what nobody carries is nothing.
    text = "member_no,tag,action\nM1,新客,add\nM1,新客,remove\nM2,没有,移除\nM2,茶,maybe\n"
    found, rejected = brings("tags", text)
    assert (found, rejected[0]["reason"]) == (
        (0, 1, 2, 1),
        "“maybe” is neither “add” nor “remove”.",
    )
    assert carried() == {("M1", "茶"), ("M2", "茶")}
    assert not Tag.objects.filter(name="没有").exists()
    assert brings("tags", text)[0] == (0, 0, 3, 1)
    # Rows with an instant end in one state, whatever comes first.
    found, _rejected = brings("tags", f"{head}M1,老客,2026-05-02,移除\nM1,老客,2026-05-01,添加\n")
    assert found == (2, 0, 0, 0)
    assert brings("tags", f"{head}M1,老客,2026-05-01,\n")[0] == (0, 0, 1, 0)
    assert carried() == {("M1", "茶"), ("M2", "茶")}
    # Also in two chunks of one file the last one counts.
    job = members.create("tags", "member_no,tag,action\nM2,茶,remove\nM2,茶,add\n")
    assert members.run(job, chunk_rows=1).rows_updated == 2
    assert carried() == {("M1", "茶"), ("M2", "茶")}


def test_stores_and_their_staff_are_written_by_their_codes(importer, brings):
    text = (
        "门店编号,门店名称,城市,开业日期,状态\nT-9,南京路店,上海,2020-05-01,营业中\n"
        "tea-1,改名店,,,停业\n坏 码,店,,,\nT-8,,,,\nT-7,店,,,maybe\n"
    )
    found, rejected = brings("stores", text)
    assert (found, len(rejected)) == ((1, 1, 0, 3), 3)
    assert brings("stores", text)[0] == (0, 0, 2, 3)
    store = Store.objects.get(brand__code="tea", code="T-9")
    assert (store.name, store.city, str(store.opened_on)) == ("南京路店", "上海", "2020-05-01")
    assert not Store.objects.get(brand__code="tea", code="tea-1").is_active
    # A column that is not there leaves what is stored.
    assert brings("stores", "code,name\nT-9,南京路店\n")[0] == (0, 0, 1, 0)
    staff = "所属门店,工号,姓名\nT-9,007,李雷\nT-9,008,\nbakery-1,009,韩梅梅\n"
    found, rejected = brings("staff", staff)
    assert found == (1, 0, 0, 2)
    assert Guide.objects.get(staff_no="007").store == store
    assert brings("staff", staff.replace("李雷", "李磊"))[0] == (0, 1, 0, 2)
    assert brings("staff", staff.replace("李雷", "李磊"))[0] == (0, 0, 1, 2)
    acts = list(AuditEvent.objects.order_by("pk").values_list("action", "changes"))
    assert ("store.import", {"new": [None, 1], "update": [None, 1]}) in acts
    assert [changes for action, changes in acts if action == "guide.import"] == [
        {"new": [None, 1], "update": [None, 0]},
        {"new": [None, 0], "update": [None, 1]},
    ]


def test_what_a_spreadsheet_spoilt_is_given_back(members, brings):
    text = "member_no,phone,card_no\nM1,13800138000,6.22202E+18\nM2,#N/A,1\n1.38E+10,,\n"
    found, rejected = brings("members", text)
    assert found == (0, 0, 0, 3)
    assert [row["column"] for row in rejected] == ["card_no", "phone", "member_no"]
    assert "rounded" in rejected[0]["reason"]
    assert "error" in rejected[1]["reason"]


def test_files_as_tills_and_spreadsheets_write_them_are_read(importer, brings):
    Store.objects.filter(code="tea-2").update(name="南京路店")
    text = (
        "会员号,手机号,性别,生日,注册门店,积分,,\n"
        '="000123",13800138000.0,先生,0000-00-00,南京路店,"1,234",,\n'
        '\'000124,="13800138001",小姐,1990年1月5号,TEA-1,NULL\n'
        "000125,+86 138 0013 8002,-,1990/1/5 0:00,,无,,\n合计,3,,,,,,\n"
    )
    found, rejected = brings("members", text.encode("gb18030"))
    assert (found, [row["line"] for row in rejected]) == ((3, 0, 0, 1), ["5"])
    rows = Profile.objects.order_by("member_no").values_list(
        "member_no", "gender", "store__code", "points"
    )
    assert list(rows) == [
        ("000123", "m", "tea-2", 1234),
        ("000124", "f", "tea-1", None),
        ("000125", "", None, None),
    ]
    sealed = [unseal(group_keys(), row) for row in Contact.objects.order_by("profile__member_no")]
    assert sealed == [
        {"phone": "+8613800138000"},
        {"phone": "+8613800138001", "birthday": "1990-01-05"},
        {"phone": "+8613800138002", "birthday": "1990-01-05"},
    ]


# Heading → field, as systems name their columns.
HEADINGS = {
    "members": {
        "手机号": "phone",
        "手机号码(必填)": "phone",
        "*手机号": "phone",
        "【必填】手机": "phone",
        "客户手机号": "phone",
        "手機號碼": "phone",
        "聯絡電話": "",
        "聯繫電話": "phone",
        "会员卡号": "member_no",
        "會員卡號": "member_no",
        "会员编号": "member_no",
        "Member No.": "",
        "Member-Number": "member_no",
        "ＭＥＭＢＥＲ＿ＮＯ": "member_no",
        "实体卡号": "card_no",
        "姓名": "name",
        "真实姓名": "name",
        "客户名称": "name",
        "生日": "birthday",
        "出生日期": "birthday",
        "生日（YYYY-MM-DD）": "birthday",
        "性别": "gender",
        "性別": "gender",
        "注册门店": "store_code",
        "註冊門店": "store_code",
        "归属门店": "store_code",
        "开卡门店": "store_code",
        "入会时间": "registered_on",
        "入會時間": "registered_on",
        "注册时间": "registered_on",
        "成为会员时间": "registered_on",
        "成为客户时间": "registered_on",
        "更新时间": "as_of",
        "微信unionid": "unionid",
        "UnionID": "unionid",
        "电子邮箱": "email",
        "備註": "",
    },
    "orders": {
        "订单编号": "order_no",
        "主订单编号": "order_no",
        "訂單編號": "order_no",
        "小票号": "order_no",
        "订单提交时间": "ordered_at",
        "支付时间": "ordered_at",
        "选购商品": "product_name",
        "商家编码": "product_code",
        "实付金额": "amount",
        "订单应付金额": "amount",
        "商品数量": "quantity",
        "消费门店": "store_code",
    },
    "touchpoints": {"添加时间": "followed_at", "取关时间": "unfollowed_at", "来源": "scene"},
    "tags": {"企业标签": "tags", "标签": "tags", "標籤": "tags"},
    "stores": {"门店编码": "code", "店铺名称": "name", "城市": "city", "开业时间": "opened_on"},
    "staff": {"工号": "staff_no", "导购姓名": "name", "所属门店": "store_code"},
    "contacts": {"會員編號": "member_no", "手機": "phone"},
    "consents": {"是否同意": "answer", "撤回时间": "answered_at"},
}


@pytest.mark.parametrize("kind", HEADINGS)
def test_headings_of_many_systems_are_recognised(kind):
    found = {heading: map_automatically(kind, [heading]) for heading in HEADINGS[kind]}
    assert {heading: next(iter(fields), "") for heading, fields in found.items()} == HEADINGS[kind]


def test_a_card_number_beside_a_member_number_is_the_cards():
    both = map_automatically("members", ["会员卡号", "姓名", "会员编号"])
    assert (both["member_no"], both["card_no"]) == ("会员编号", "会员卡号")
    alone = map_automatically("members", ["会员卡号", "姓名"])
    assert (alone["member_no"], "card_no" in alone) == ("会员卡号", False)
