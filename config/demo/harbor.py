"""Write the demo group "Harbor Retail": small, wholly invented, the same files for the same day."""

import csv
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

from config import demo

TIME_ZONE = "Asia/Shanghai"
GROUP = {
    "tenant": "harbor",
    "name": "Harbor Retail",
    "name_zh": "港湾零售",
    "currency": "CNY",
    "time_zone": TIME_ZONE,
    "locale": "zh-hans",
    "mode": "fan-max",
    "notice_version": demo.NOTICE_VERSION,
}
UNITS = ({"code": "retail", "name": "Retail", "name_zh": "零售事业部"},)
BRANDS: tuple[dict, ...] = (
    {
        "code": "tea",
        "prefix": "TE",
        "unit": "retail",
        "name": "Harbor Tea",
        "name_zh": "港湾茶舍",
        "mode": "",
        "stores": [
            {"code": "T01", "name": "Tea House, Pier Road", "name_zh": "茶舍码头路店"},
            {"code": "T02", "name": "Tea House, Lighthouse Square", "name_zh": "茶舍灯塔广场店"},
            {"code": "T03", "name": "Tea House, Station", "name_zh": "茶舍车站店"},
        ],
    },
    {
        "code": "bakery",
        "prefix": "BA",
        "unit": "retail",
        "name": "Harbor Bakery",
        "name_zh": "港湾烘焙",
        "mode": "",
        "stores": [
            {"code": "B01", "name": "Bakery, Pier Road", "name_zh": "烘焙码头路店"},
            {"code": "B02", "name": "Bakery, Garden Street", "name_zh": "烘焙花园街店"},
            {"code": "B03", "name": "Bakery, Station", "name_zh": "烘焙车站店"},
        ],
    },
)

# name, price in fen
PRODUCTS = {
    "tea": (
        ("茉莉花茶", 1800),
        ("铁观音", 2600),
        ("桂花乌龙", 2200),
        ("普洱茶饼", 16800),
        ("龙井礼盒", 29900),
        ("冷泡柠檬茶", 1550),
    ),
    "bakery": (
        ("原味吐司", 1280),
        ("蛋黄酥", 880),
        ("可颂", 1190),
        ("提拉米苏", 3650),
        ("生日蛋糕, 6 寸", 18800),
        ("芝士贝果", 1490),
    ),
}

# The first twenty persons have the phones of Journey's households 1 to 20, so that the demo can
# show that one phone in two groups stays two persons.
PHONES_OF_JOURNEY = 20
_PERSONS = 240
_ORDERS_PER_BRAND = 1000
_SEED = 2469


@dataclass(frozen=True)
class _Order:
    number: str
    member_no: str
    store: str
    at: datetime
    lines: tuple[tuple[int, str, int, int], ...]  # product index, name, quantity, fen


def write_files(folder: Path, *, today: date | None = None) -> demo.GroupFiles:
    """Write hierarchy, members and a year of orders that ends the day before `today`."""
    folder.mkdir(parents=True, exist_ok=True)
    today = today or datetime.now(ZoneInfo(TIME_ZONE)).date()
    draw = random.Random(_SEED)  # noqa: S311  invented data, not a secret
    hierarchy = folder / "hierarchy.json"
    hierarchy.write_text(
        json.dumps({**GROUP, "units": UNITS, "brands": BRANDS}, ensure_ascii=False, indent=1),
        encoding="utf-8",
    )
    members: dict[str, Path] = {}
    orders: dict[str, Path] = {}
    for brand in BRANDS:
        code = brand["code"]
        members[code] = folder / f"members-{code}.csv"
        orders[code] = folder / f"orders-{code}.csv"
        persons = [person for person in range(1, _PERSONS + 1) if _is_member(person, code)]
        placed = _orders(draw, brand, persons, today)
        _write(
            members[code], demo.MEMBER_COLUMNS, _member_rows(draw, brand, persons, placed, today)
        )
        _write(orders[code], demo.ORDER_COLUMNS, _order_rows(brand, placed))
    return demo.GroupFiles(folder, hierarchy, members, orders)


def person_phone(person: int) -> str:
    """Return the invented phone of a person, the same in both brands."""
    group = "journey" if person <= PHONES_OF_JOURNEY else "harbor"
    return demo.phone(group, person)


def _is_member(person: int, brand: str) -> bool:
    """Put a quarter of the persons in both brands, and the others in one of the two."""
    return person % 4 == 0 or (person % 2 == 1) == (brand == "tea")


def _member_no(brand: dict, person: int) -> str:
    return f"{brand['prefix']}{crc32(brand['code'].encode()) % 9000 + person:05d}"


def _orders(draw: random.Random, brand: dict, persons: list[int], today: date) -> list[_Order]:
    zone = ZoneInfo(TIME_ZONE)
    products = PRODUCTS[brand["code"]]
    # A few come often and many seldom; the last tenth registered and never bought.
    buyers = persons[: len(persons) * 9 // 10]
    weights = [1 / (1 + rank) ** 0.6 for rank in range(len(buyers))]
    moments = sorted(
        datetime.combine(
            today - timedelta(days=draw.randint(1, 365)),
            time(draw.randint(9, 21), draw.randint(0, 59), draw.randint(0, 59)),
            zone,
        )
        for _ in range(_ORDERS_PER_BRAND)
    )
    orders = []
    for number, at in enumerate(moments, start=1):
        person = draw.choices(buyers, weights)[0]
        lines = []
        for index in draw.sample(range(len(products)), draw.choice((1, 1, 2, 3))):
            name, fen = products[index]
            quantity = draw.choice((1, 1, 1, 2, 3))
            lines.append((index, name, quantity, fen * quantity))
        orders.append(
            _Order(
                number=f"{brand['prefix']}{number:08d}",
                member_no=_member_no(brand, person),
                # Most go to their own store, some elsewhere.
                store=brand["stores"][(person + draw.choice((0, 0, 0, 1))) % 3]["code"],
                at=at,
                lines=tuple(lines),
            )
        )
    return orders


def _member_rows(
    draw: random.Random, brand: dict, persons: list[int], orders: list[_Order], today: date
) -> Iterable[tuple]:
    first_day: dict[str, date] = {}
    for order in orders:
        first_day.setdefault(order.member_no, order.at.date())
    for person in persons:
        number = _member_no(brand, person)
        registered_on = first_day.get(number) or today - timedelta(days=draw.randint(1, 365))
        seed = f"harbor-{person}"
        consents = crc32(f"consent:{seed}".encode()) % 100 < 70
        yield (
            number,
            demo.chinese_name(seed),
            person_phone(person),
            f"member{person}@harbor.example" if person % 3 else "",
            demo.unionid(seed),
            f"HC{person:06d}" if person % 8 == 0 else "",
            demo.birthday(seed),
            demo.gender(seed),
            brand["stores"][person % 3]["code"],
            registered_on.isoformat(),
            demo.NOTICE_VERSION if consents else "",
            registered_on.isoformat() if consents else "",
            "yes",
        )


def _order_rows(brand: dict, orders: list[_Order]) -> Iterable[tuple]:
    for order in orders:
        for line_no, (index, name, quantity, fen) in enumerate(order.lines, start=1):
            yield (
                order.number,
                line_no,
                order.member_no,
                order.store,
                order.at.isoformat(),
                f"{brand['prefix']}{index + 1:03d}",
                name,
                quantity,
                f"{fen // 100}.{fen % 100:02d}",
            )


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
