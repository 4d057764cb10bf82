"""The demo's two groups, written to CSV files that go through the ordinary imports.

`journey` is made from a public retail data set, `harbor` is invented. Neither data set holds
contact data, so names, phones, e-mail addresses and ids are generated here from plain numbers, and
every row says so in its column `generated`.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

MEMBER_COLUMNS = (
    "member_no",
    "name",
    "phone",
    "email",
    "unionid",
    "card_no",
    "birthday",
    "gender",
    "store_code",
    "registered_on",
    "consent",
    "consented_on",
    "generated",
)
ORDER_COLUMNS = (
    "order_no",
    "line_no",
    "member_no",
    "store_code",
    "ordered_at",
    "product_code",
    "product_name",
    "quantity",
    "amount",
)
NOTICE_VERSION = "1"

# Seven-digit blocks for which phonenumbers lists neither a carrier nor an area: its numbers are
# valid in form, and nobody's as far as the library knows. One block holds 10,000 numbers.
PHONE_BLOCKS = {"journey": 1620000, "harbor": 1629000}

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
_GIVEN_NAMES = (  # noqa: SIM905  one name a line would fill the page
    "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀兰 霞 平 "
    "桂英 建华 文博 子涵 雨桐 浩然 思远 嘉怡 梓萱 晓彤"
).split()
_FIRST_NAMES = (  # noqa: SIM905  one name a line would fill the page
    "Alice Ben Carla David Elena Frank Grace Henry Iris Jack Kate Leo Maria Noah Olivia Paul "
    "Quinn Rosa Sam Tara Uma Victor Wendy Xavier Yara Zoe"
).split()
_LAST_NAMES = (  # noqa: SIM905  one name a line would fill the page
    "Adams Baker Carter Diaz Evans Foster Garcia Hughes Irwin Jones Kelly Lopez Miller Nolan "
    "Owens Parker Reyes Smith Turner Vance Walker Young"
).split()


@dataclass(frozen=True)
class GroupFiles:
    """Name the files of one demo group; members and orders are keyed by brand code."""

    folder: Path
    hierarchy: Path
    members: dict[str, Path]
    orders: dict[str, Path]


def phone(group: str, number: int, block: int = 0) -> str:
    """Return the invented phone of a number 0..9999 in one of the group's blocks, as E.164."""
    if not 0 <= number <= 9999:
        raise ValueError(f"A block of invented phones holds 0..9999, not {number}.")
    return f"+86{PHONE_BLOCKS[group] + block}{number:04d}"


def unionid(seed: str) -> str:
    """Return an invented id with the length and alphabet of a WeChat unionid."""
    digest = hashlib.sha256(f"unionid:{seed}".encode()).digest()
    return "oDEMO" + urlsafe_b64encode(digest).decode()[:23]


def chinese_name(seed: str) -> str:
    """Return an invented Chinese name."""
    draw = crc32(f"name:{seed}".encode())
    return _SURNAMES[draw % len(_SURNAMES)] + _GIVEN_NAMES[draw // 97 % len(_GIVEN_NAMES)]


def english_name(seed: str) -> str:
    """Return an invented English name."""
    draw = crc32(f"name:{seed}".encode())
    return f"{_FIRST_NAMES[draw % len(_FIRST_NAMES)]} {_LAST_NAMES[draw // 97 % len(_LAST_NAMES)]}"


def birthday(seed: str) -> str:
    """Return an invented birthday between 1945 and 2002, as an ISO day, or nothing for some."""
    draw = crc32(f"birthday:{seed}".encode())
    if draw % 10 < 3:
        return ""
    return f"{1945 + draw // 10 % 58}-{1 + draw // 1000 % 12:02d}-{1 + draw // 20000 % 28:02d}"


def gender(seed: str) -> str:
    """Return an invented gender: female, male, or nothing where it was never asked."""
    return ("female", "male", "female", "male", "")[crc32(f"gender:{seed}".encode()) % 5]
