"""Which column of a file is which field, by its heading in English or Chinese."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
    "会员号 会员编号 会员id 会员卡号 会员编码"
)
_STORE = "store_code store store_no store_id shop shop_code 门店 门店编号 门店代码 店铺 店铺编号"

MEMBER_FIELDS = (
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "name",
        gettext_lazy("Name"),
        "name full_name member_name 姓名 名字 会员姓名 客户姓名",
    ),
    Field(
        "phone",
        gettext_lazy("Phone"),
        "phone mobile phone_number mobile_phone tel 手机号 手机 手机号码 电话 联系电话",
    ),
    Field(
        "email",
        gettext_lazy("E-mail"),
        "email e_mail mail email_address 邮箱 电子邮箱 邮件",
    ),
    Field(
        "unionid",
        gettext_lazy("WeChat unionid"),
        "unionid union_id wechat_unionid 微信unionid",
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
        "card_no card card_number 卡号 实体卡号 储值卡号",
    ),
    Field(
        "birthday",
        gettext_lazy("Birthday"),
        "birthday birth_date date_of_birth birthdate 生日 出生日期",
    ),
    Field("gender", gettext_lazy("Gender"), "gender sex 性别"),
    Field(
        "store_code",
        gettext_lazy("Store"),
        f"{_STORE} 注册门店 入会门店 归属门店 所属门店",
    ),
    Field(
        "registered_on",
        gettext_lazy("Member since"),
        "registered_on registered_at registration_date member_since joined joined_on "
        "join_date 入会时间 入会日期 注册时间 注册日期",
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
    Field("generated", gettext_lazy("Invented"), "generated is_generated 虚构"),
)
ORDER_FIELDS = (
    Field(
        "order_no",
        gettext_lazy("Order number"),
        "order_no order_number order_id order 订单号 订单编号 单号 小票号",
        True,
    ),
    Field(
        "line_no",
        gettext_lazy("Line"),
        "line_no line line_number item_no 行号 明细行号 序号 商品行号",
    ),
    Field("member_no", gettext_lazy("Member number"), _MEMBER_NO, True),
    Field(
        "store_code",
        gettext_lazy("Store"),
        f"{_STORE} 下单门店 消费门店 交易门店",
    ),
    Field(
        "ordered_at",
        gettext_lazy("Ordered"),
        "ordered_at order_time order_date ordered_on date time created_at paid_at "
        "下单时间 订单时间 下单日期 交易时间 消费时间 支付时间",
        True,
    ),
    Field(
        "product_code",
        gettext_lazy("Product code"),
        "product_code product_id sku sku_code item_code 商品编码 商品编号 货号",
    ),
    Field(
        "product_name",
        gettext_lazy("Product"),
        "product_name product item item_name 商品 商品名称 品名",
    ),
    Field("quantity", gettext_lazy("Quantity"), "quantity qty count 数量 件数 购买数量"),
    Field(
        "amount",
        gettext_lazy("Amount"),
        "amount line_amount sales sales_value total price_total 金额 实付金额 成交金额 "
        "商品金额 销售额 支付金额",
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
FIELDS: dict[str, tuple[Field, ...]] = {
    ImportJob.Kind.MEMBERS: MEMBER_FIELDS,
    ImportJob.Kind.ORDERS: ORDER_FIELDS,
    ImportJob.Kind.CONSENTS: CONSENT_FIELDS,
}


def _plain(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    return "_".join(text.replace("-", " ").replace("_", " ").replace("*", " ").split())


def map_automatically(kind: str, headings: list[str]) -> dict[str, str]:
    """Return field name → heading, for every field whose heading is recognised.

    Of several headings that mean one field, the one written first in the table above wins.
    """
    known = {_plain(heading): heading for heading in reversed(headings)}
    mapping = {}
    for field in FIELDS[kind]:
        for name in field.headings.split():
            if name in known:
                mapping[field.name] = known[name]
                break
    return mapping


def columns_of(kind: str, headings: list[str], mapping: dict[str, str]) -> dict[str, int]:
    """Return field name → position of its column.

    Raises ImportRefused for a field or heading that is not there, a heading that is there twice,
    one column taken for two fields, and a required field without a column.
    """
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
