"""Which column of a file is which field, by its heading in English or Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.contacts import CONTACT_IN_TEXT
from members.imports.errors import ImportRefused
from members.models import ImportJob
from tenants.wording import listed


@dataclass(frozen=True)
class Field:
    """Describe one field of a kind of file; `headings` are those that mean it, blanks between."""

    name: str
    label: object
    headings: str
    is_required: bool = False


_MEMBER_NO = (
    "member_no member_number member_id membership_no member customer_no customer_id "
    "会员号 会员编号 会员id 会员卡号 会员编码 会员代码 客户编号 客户id 客户编码 用户id 用户编号 "
    "vip号 vip卡号 "
    "买家id 顾客编号"
)
_STORE = (
    "store_code store_no store_id shop_code shop_id store shop 门店编号 门店编码 门店代码 门店id "
    "店铺编号 店铺编码 店铺代码 店铺id 店号 门店 店铺"
)

MEMBER_FIELDS = (
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "name",
        gettext_lazy("Name"),
        "name full_name member_name customer_name 姓名 名字 会员姓名 客户姓名 真实姓名 顾客姓名 "
        "会员名称 "
        "客户名称 用户姓名",
    ),
    Field(
        "phone",
        gettext_lazy("Phone"),
        "phone mobile phone_number mobile_phone mobile_number cellphone tel telephone 手机号 手机 "
        "手机号码 会员手机号 会员手机 客户手机号 客户手机 绑定手机号 绑定手机 注册手机号 移动电话 "
        "联系手机 电话 "
        "联系电话 电话号码 联系方式",
    ),
    Field(
        "email",
        gettext_lazy("E-mail"),
        "email e_mail mail email_address 邮箱 电子邮箱 邮件 电子邮件 邮箱地址 会员邮箱",
    ),
    Field(
        "unionid",
        gettext_lazy("WeChat unionid"),
        "unionid union_id wechat_unionid wx_unionid weixin_unionid 微信unionid 客户unionid "
        "用户unionid 开放平台unionid",
    ),
    Field("openid", gettext_lazy("WeChat openid"), "openid open_id wechat_openid 微信openid"),
    Field(
        "external_userid",
        gettext_lazy("WeCom external_userid"),
        "external_userid external_user_id wecom_id 企微外部联系人id 外部联系人id",
    ),
    Field("douyin", gettext_lazy("Douyin open_id"), "douyin douyin_open_id 抖音openid 抖音号"),
    Field(
        "account",
        gettext_lazy("Channel account"),
        "account channel_account appid app_id corp_id corpid 渠道账号 企业id",
    ),
    Field(
        "card_no",
        gettext_lazy("Card number"),
        "card_no card card_number vip_card 卡号 实体卡号 储值卡号 实体卡 会员卡 老卡号 会员卡号 "
        "vip卡号",
    ),
    Field(
        "birthday",
        gettext_lazy("Birthday"),
        "birthday birth_date date_of_birth birthdate dob 生日 出生日期 会员生日 出生年月日 "
        "客户生日 "
        "生日日期",
    ),
    Field("gender", gettext_lazy("Gender"), "gender sex 性别 会员性别 客户性别"),
    Field(
        "store_code",
        gettext_lazy("Store"),
        "registered_store 注册门店 入会门店 归属门店 所属门店 开卡门店 办卡门店 注册店铺 归属店铺 "
        "所属店铺 "
        f"入会店铺 开卡店铺 服务门店 注册门店编号 归属门店编号 所属门店编号 {_STORE}",
    ),
    Field(
        "registered_on",
        gettext_lazy("Member since"),
        "registered_on registered_at registration_date member_since joined joined_on "
        "join_date 入会时间 入会日期 注册时间 注册日期 开卡时间 开卡日期 办卡时间 办卡日期 "
        "成为会员时间 "
        "会员注册时间 会员入会时间 成为客户时间 加入时间",
    ),
    Field(
        "tier",
        gettext_lazy("Tier"),
        "tier level grade member_level member_tier member_grade vip_level 会员等级 等级 会员级别 "
        "级别 客户等级 卡等级 会员卡等级 會員等級",
    ),
    Field(
        "points",
        gettext_lazy("Points"),
        "points balance points_balance point_balance member_points bonus_points 积分 会员积分 "
        "可用积分 当前积分 积分余额 剩余积分 積分",
    ),
    Field(
        "consent",
        gettext_lazy("Notice agreed to"),
        "consent consent_notice notice notice_version 同意告知 告知版本 同意的告知",
    ),
    Field(
        "consented_on",
        gettext_lazy("Answered"),
        "consented_on consented_at consent_date 同意时间 同意日期",
    ),
    Field(
        "guardian",
        gettext_lazy("Answered by a guardian"),
        "guardian by_guardian is_guardian guardian_consent 监护人同意 监护人",
    ),
    Field(
        "consent_channel",
        gettext_lazy("Answered through"),
        "consent_channel 同意渠道 授权渠道",
    ),
    Field(
        "consent_evidence",
        gettext_lazy("Evidence of the answer"),
        "consent_evidence evidence 同意凭证 授权凭证",
    ),
    Field(
        "as_of",
        gettext_lazy("Updated"),
        "as_of updated_at updated_on update_time last_updated modified_at last_modified 更新时间 "
        "更新日期 修改时间 最后更新时间 最后修改时间",
    ),
    Field("generated", gettext_lazy("Invented"), "generated is_generated 虚构"),
)
ORDER_FIELDS = (
    Field(
        "order_no",
        gettext_lazy("Order number"),
        "order_no order_number order_id order 订单号 订单编号 主订单编号 主订单号 交易单号 "
        "交易编号 单据号 "
        "单据编号 销售单号 单号 小票号 流水号",
        True,
    ),
    Field(
        "line_no",
        gettext_lazy("Line"),
        "line_no line line_number item_no 行号 明细行号 商品行号 明细序号 商品序号 序号",
    ),
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "store_code",
        gettext_lazy("Store"),
        f"下单门店 消费门店 交易门店 销售门店 核销门店 成交门店 {_STORE}",
    ),
    Field(
        "ordered_at",
        gettext_lazy("Ordered"),
        "ordered_at order_time order_date ordered_on date time created_at paid_at "
        "下单时间 订单时间 下单日期 订单日期 订单创建时间 订单提交时间 交易时间 交易日期 成交时间 "
        "消费时间 "
        "消费日期 销售时间 销售日期 支付时间 付款时间 订单付款时间 支付完成时间",
        True,
    ),
    Field(
        "product_code",
        gettext_lazy("Product code"),
        "product_code product_id sku sku_code item_code 商品编码 商品编号 商品代码 商品id "
        "商家编码 规格编码 "
        "货号 条码 款号",
    ),
    Field(
        "product_name",
        gettext_lazy("Product"),
        "product_name product item item_name 商品名称 商品 品名 货品名称 选购商品 宝贝标题 "
        "商品标题",
    ),
    Field(
        "quantity",
        gettext_lazy("Quantity"),
        "quantity qty count 数量 商品数量 购买数量 销售数量 宝贝数量 件数",
    ),
    Field(
        "amount",
        gettext_lazy("Amount"),
        "amount line_amount sales sales_value total price_total 金额 实付金额 成交金额 "
        "实收金额 商品金额 商品实付金额 订单应付金额 订单金额 销售金额 销售额 支付金额 "
        "买家实际支付金额 "
        "消费金额",
        True,
    ),
)
_NUMBERS = ("member_no", "unionid", "card_no", "phone", "email")
CONSENT_FIELDS = (
    *(
        Field(field.name, field.label, field.headings)
        for field in MEMBER_FIELDS
        if field.name in _NUMBERS
    ),
    Field(
        "answer",
        gettext_lazy("Answer"),
        "answer agrees agreed is_given given consent 回答 是否同意 同意",
        True,
    ),
    Field(
        "notice",
        gettext_lazy("Notice"),
        "notice notice_version version 告知 告知版本 版本",
    ),
    Field(
        "answered_at",
        gettext_lazy("Answered"),
        "answered_at answered_on answer_time consented_at consented_on consent_date time date "
        "回答时间 同意时间 同意日期 撤回时间",
        True,
    ),
    Field(
        "channel",
        gettext_lazy("Answered through"),
        "channel consent_channel 渠道 同意渠道 授权渠道",
    ),
    Field(
        "evidence",
        gettext_lazy("Evidence of the answer"),
        "evidence consent_evidence 凭证 同意凭证 授权凭证",
    ),
    Field(
        "guardian",
        gettext_lazy("Answered by a guardian"),
        "guardian by_guardian is_guardian guardian_consent 监护人同意 监护人",
    ),
)
_CONTACT = ("member_no", "name", "phone", "email", "unionid", "card_no", "birthday", "as_of")
CONTACT_FIELDS = tuple(field for field in MEMBER_FIELDS if field.name in _CONTACT)
TOUCHPOINT_FIELDS = (
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "account",
        gettext_lazy("Channel account"),
        "account account_id appid app_id corp_id corpid channel_account external_account "
        "账号 账号id 公众号appid 小程序appid 公众号id 企业微信id 企业id 渠道账号 原始id",
        True,
    ),
    Field(
        "followed_at",
        gettext_lazy("Followed"),
        "followed_at followed_on follow_time subscribed_at subscribe_time added_at "
        "关注时间 关注日期 添加时间 添加日期 授权时间 绑定时间",
    ),
    Field(
        "unfollowed_at",
        gettext_lazy("Unfollowed"),
        "unfollowed_at unfollowed_on unfollow_time unsubscribed_at unsubscribe_time removed_at "
        "取消关注时间 取关时间 取关日期 删除时间 流失时间 解绑时间",
    ),
    Field(
        "scene",
        gettext_lazy("Came through"),
        "scene source channel subscribe_scene add_way 来源 渠道 关注来源 添加渠道 添加来源 "
        "来源渠道 "
        "关注渠道 添加方式",
    ),
)
TAG_FIELDS = (
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "tags",
        gettext_lazy("Tags"),
        "tags tag tag_name tag_names labels label 标签 标签名称 标签名 会员标签 客户标签 企业标签 "
        "用户标签 人群标签",
        True,
    ),
    Field(
        "set_at",
        gettext_lazy("Tagged"),
        "set_at tagged_at tagged_on tag_time 打标时间 打标签时间 标签时间 打标日期 操作时间",
    ),
    Field(
        "action",
        gettext_lazy("Add or remove"),
        "action operation act 操作 操作类型 标签操作 动作 变更类型",
    ),
)
_SWITCH = "is_active active enabled status 启用 是否启用 状态 是否在职 营业状态"
STORE_FIELDS = (
    Field("code", gettext_lazy("Store code"), f"code {_STORE} 编码 编号", True),
    Field(
        "name",
        gettext_lazy("Store name"),
        "name store_name shop_name 门店名称 店铺名称 门店名 店名 名称",
        True,
    ),
    Field("city", gettext_lazy("City"), "city store_city 城市 所在城市 所属城市 门店城市"),
    Field(
        "opened_on",
        gettext_lazy("Opened"),
        "opened_on opened opened_at opening_date 开业日期 开业时间 开店日期 开店时间",
    ),
    Field("is_active", gettext_lazy("Active"), _SWITCH),
)
STAFF_FIELDS = (
    Field("store_code", gettext_lazy("Store"), f"{_STORE} 所属门店 归属门店 所属门店编号", True),
    Field(
        "staff_no",
        gettext_lazy("Staff number"),
        "staff_no staff_number staff_id employee_no employee_id guide_no userid user_id "
        "工号 员工编号 员工工号 导购编号 导购工号 员工id 导购id 员工号",
        True,
    ),
    Field(
        "name",
        gettext_lazy("Name"),
        "name staff_name full_name employee_name guide_name 姓名 员工姓名 导购姓名 导购名称 导购 "
        "名字",
        True,
    ),
    Field("is_active", gettext_lazy("Active"), _SWITCH),
)
FIELDS: dict[str, tuple[Field, ...]] = {
    ImportJob.Kind.MEMBERS: MEMBER_FIELDS,
    ImportJob.Kind.ORDERS: ORDER_FIELDS,
    ImportJob.Kind.CONSENTS: CONSENT_FIELDS,
    ImportJob.Kind.CONTACTS: CONTACT_FIELDS,
    ImportJob.Kind.TOUCHPOINTS: TOUCHPOINT_FIELDS,
    ImportJob.Kind.TAGS: TAG_FIELDS,
    ImportJob.Kind.STORES: STORE_FIELDS,
    ImportJob.Kind.STAFF: STAFF_FIELDS,
}
# Traditional characters of headings, and their simplified forms in the tables above.
_SIMPLIFIED = str.maketrans(
    "號機會員編碼門鋪註冊級積點時間電話郵聯繫絡訂單額實數產稱貨憑證監護據標簽關類別應貼條圖"
    "買賣銷務開戶顧廣導購職營業狀態創當來絕綁權額處資訊對應項歸屬動國內櫃姓紀錄帳賬給從權"
    "儲值卡實體應憶總價優惠籤",
    "号机会员编码门铺注册级积点时间电话邮联系络订单额实数产称货凭证监护据标签关类别应贴条图"
    "买卖销务开户顾广导购职营业状态创当来绝绑权额处资讯对应项归属动国内柜姓纪录帐账给从权"
    "储值卡实体应忆总价优惠签",
)
# What headings of templates carry besides the name: (必填), 【选填】, (YYYY-MM-DD).
_ASIDE = re.compile(r"\([^()]*\)|【[^】]*】|\[[^\]]*\]")


def _plain(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).strip().lower().translate(_SIMPLIFIED)
    text = _ASIDE.sub(" ", text) if _ASIDE.sub("", text).strip(" *") else text
    return "_".join(text.replace("-", " ").replace("_", " ").replace("*", " ").split())


def map_automatically(kind: str, headings: list[str]) -> dict[str, str]:
    """Return field name → heading, for every field whose heading is recognised.

    Of several headings that mean one field, the one written first in the table above wins. A
    heading that may mean two fields is the first's, and the second's where the first has a better
    one: 会员卡号 is the member's number, but beside 会员编号 it is the card's.
    """
    known = {_plain(heading): heading for heading in reversed(headings)}
    mapping: dict[str, str] = {}
    for field in FIELDS[kind]:
        for name in field.headings.split():
            if name in known and known[name] not in mapping.values():
                mapping[field.name] = known[name]
                break
    return mapping


def columns_of(kind: str, headings: list[str], mapping: dict[str, str]) -> dict[str, int]:
    """Return field name → position of its column.

    Raises ImportRefused for a field or heading that is not there, a heading that is there twice,
    one column taken for two fields, a required field without a column, and a first line that is a
    member: an import keeps its headings as they are.
    """
    if any(CONTACT_IN_TEXT.search(re.sub(r"[\s()-]", "", heading)) for heading in headings):
        raise ImportRefused(
            _(
                "The first line of the file is a row, not headings: a phone number or an e-mail "
                "address stands in it. Nothing was imported. Add a line of headings above it."
            )
        )
    fields = {field.name: field for field in FIELDS[kind]}
    times = Counter(headings)
    taken = Counter(mapping.values())
    for name, heading in mapping.items():
        if name not in fields:
            raise ImportRefused(_("“%(name)s” is no field of this import.") % {"name": name})
        if not times[heading]:
            raise ImportRefused(
                _("The file has no column “%(heading)s”. Nothing was imported.")
                % {"heading": heading}
            )
        if times[heading] > 1:
            raise ImportRefused(
                _(
                    "The column “%(heading)s” is in the file %(times)d times. Nothing was "
                    "imported. Keep one of them and import the file again."
                )
                % {"heading": heading, "times": times[heading]}
            )
        if taken[heading] > 1:
            raise ImportRefused(
                _("The column “%(heading)s” is chosen for two fields. Choose it once.")
                % {"heading": heading}
            )
    if kind == ImportJob.Kind.CONSENTS and not set(_NUMBERS) & set(mapping):
        raise ImportRefused(
            _(
                "The file has no column that names the member. Nothing was imported. Add the "
                "member number, phone, card number, e-mail or unionid."
            )
        )
    missing = [
        field for field in fields.values() if field.is_required and field.name not in mapping
    ]
    if missing:
        raise ImportRefused(
            _(
                "The file has no column for %(missing)s. Nothing was imported. Its columns are: "
                "%(found)s. Add the column or say which one it is."
            )
            % {
                "missing": listed(f"{field.label} ({field.name})" for field in missing),
                "found": listed(heading for heading in headings if heading)[:500] or "–",
            }
        )
    return {name: headings.index(heading) for name, heading in mapping.items()}
