"""Write the demo group at scale: two million members of the same six brands, wholly invented.

The group has the name, brands and logins of the small demo, so that everything shown there is shown
here; its files go through the same imports. Rows follow from their numbers alone: written again,
the files are the same.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

from config import demo
from config.demo import journey

GROUP = {
    **journey.GROUP,
    "name": "Journey at scale (invented)",
    "name_zh": "旅途集团（虚构大样本）",
}
MEMBERS = 2_000_000
STORES_PER_BRAND = 40
# The part of all persons that is a member, brand by brand: five members to three persons.
SHARES = {
    "pantry": 0.55,
    "fresh": 0.40,
    "kitchen": 0.28,
    "care": 0.20,
    "fuel": 0.14,
    "market": 0.0967,
}
_PHONES_PER_BLOCK = 10_000
# Of a brand's members one in six buys, some of them often.
_BUYERS = 6
# The youngest were fourteen by then, so that their own yes counts.
_YEARS = 9
_SEED = 2_000_000
_ROWS_AT_ONCE = 10_000

Progress = Callable[[int, int], None]


def write_files(
    folder: Path,
    *,
    members: int = MEMBERS,
    today: dt.date | None = None,
    progress: Progress | None = None,
) -> demo.GroupFiles:
    """Write hierarchy, members and orders; `progress` gets (members written, all members)."""
    folder.mkdir(parents=True, exist_ok=True)
    today = today or dt.datetime.now(ZoneInfo(journey.TIME_ZONE)).date()
    hierarchy = folder / "hierarchy.json"
    hierarchy.write_text(json.dumps(_hierarchy(), ensure_ascii=False, indent=1), encoding="utf-8")
    persons = round(members / sum(SHARES.values()))
    of_members: dict[str, Path] = {}
    of_orders: dict[str, Path] = {}
    written = 0
    for brand in journey.BRANDS:
        of_members[brand.code] = folder / f"members-{brand.code}.csv"
        of_orders[brand.code] = folder / f"orders-{brand.code}.csv"
        with (
            of_members[brand.code].open("w", encoding="utf-8", newline="") as out,
            of_orders[brand.code].open("w", encoding="utf-8", newline="") as bought,
        ):
            out.write(",".join(demo.MEMBER_COLUMNS) + "\n")
            bought.write(",".join(demo.ORDER_COLUMNS) + "\n")
            rows: list[str] = []
            orders: list[str] = []
            for row, of_member in _rows(brand, persons, today):
                rows.append(row)
                orders += of_member
                if len(rows) == _ROWS_AT_ONCE:
                    out.writelines(rows)
                    bought.writelines(orders)
                    written += len(rows)
                    rows.clear()
                    orders.clear()
                    if progress:
                        progress(min(written, members - 1), members)
            out.writelines(rows)
            bought.writelines(orders)
            written += len(rows)
    if progress:
        progress(members, members)
    return demo.GroupFiles(folder, hierarchy, of_members, of_orders)


def _hierarchy() -> dict:
    brands = []
    for brand in journey.BRANDS:
        row = asdict(brand)
        row["stores"] = [
            {"code": _store(number), "name": f"Store {number}", "name_zh": f"{number} 号店"}
            for number in range(1, STORES_PER_BRAND + 1)
        ]
        brands.append(row)
    return {**GROUP, "units": list(journey.UNITS), "brands": brands}


def _store(number: int) -> str:
    return f"S{number:03}"


def _rows(
    brand: journey.BrandPlan, persons: int, today: dt.date
) -> Iterator[tuple[str, list[str]]]:
    """Yield each member's line and the lines of what the member ordered."""
    draw = random.Random(f"{_SEED}:{brand.code}")  # noqa: S311  invented data, not a secret
    chance, share = draw.random, SHARES[brand.code]
    days = [(today - dt.timedelta(days=back)).isoformat() for back in range(365 * _YEARS + 1)]
    order = 0
    for person in range(persons):
        if chance() >= share:
            continue
        block, number = divmod(person, _PHONES_PER_BLOCK)
        seed = f"big-{person}"
        phone = demo.phone("journey", number, block) if chance() < 0.92 else ""
        email = f"person{person}@journey.example" if chance() < 0.35 else ""
        unionid = demo.unionid(seed) if chance() < 0.6 else ""
        store = _store(1 + int(STORES_PER_BRAND * chance() ** 2))
        back = int(365 * _YEARS * chance() ** 1.5)
        agreed = person % 10 < 6
        member = f"{brand.prefix}{person:08}"
        row = (
            f"{member},{demo.chinese_name(seed)},{phone},{email},{unionid},,"
            f"{demo.birthday(seed)},{demo.gender(seed)},{store},{days[back]},"
            f"{demo.NOTICE_VERSION if agreed else ''},{days[back] if agreed else ''},yes\n"
        )
        orders: list[str] = []
        if person % _BUYERS == 0:
            for _number in range(1 + int(5 * chance() ** 3)):
                order += 1
                product = int(400 * chance() ** 2)
                cents = 199 + 137 * product % 9000
                orders.append(
                    f"{brand.prefix}{order:08},1,{member},{store},"
                    f"{days[int(min(364, back) * chance())]}T{order % 6:02}:{order % 60:02}:00,"
                    f"G{product:04},Product {product},1,{cents // 100}.{cents % 100:02}\n"
                )
        yield row, orders
