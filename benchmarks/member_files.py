"""Seeded member files as a group would upload them: one CSV per brand, persons in several."""

from __future__ import annotations

import csv
import random
from bisect import bisect
from pathlib import Path

from benchmarks.synthetic import BRANDS, SEED, STORES_PER_BRAND, zipf

HEADINGS = (
    "member_no,name,phone,email,unionid,card_no,birthday,gender,store_code,registered_on"
    ",consent,consented_on,generated"
)
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"


def write_files(folder: Path, rows: int) -> list[Path]:
    """Write ROWS members, brand by brand, and return the files from the largest brand's."""
    draw = random.Random(SEED)  # noqa: S311 - synthetic data
    brand_ends, store_ends = zipf(BRANDS), zipf(STORES_PER_BRAND)
    persons = max(rows * 6 // 10, 1)
    by_brand: list[list[int]] = [[] for _ in range(BRANDS)]
    for _ in range(rows):
        by_brand[bisect(brand_ends, draw.random())].append(int(persons * draw.random() ** 2))
    paths = []
    for brand, members in enumerate(by_brand, start=1):
        path = folder / f"members-{brand}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            file.write(f"{HEADINGS}\n")
            for number, person in enumerate(members):
                store = bisect(store_ends, draw.random()) + 1
                out.writerow(_member(draw, number, person, brand, store))
        paths.append(path)
    return paths


def _member(
    draw: random.Random, number: int, person: int, brand: int, store: int
) -> tuple[object, ...]:
    """Return one row; who the person is decides the identifiers, chance which of them is given.

    Card numbers begin with the brand's, as brands issue them: none is that of a sibling's member.
    """
    name = _SURNAMES[person % 20] + _GIVEN[person // 20 % 20] + _GIVEN[person // 400 % 20]
    day = f"{2020 + number % 6}-{1 + number % 12:02}-{1 + number % 28:02}"
    agreed = person % 10 < 6
    return (
        f"M{number:08}",
        name,
        f"13{person:09}" if draw.random() < 0.9 else "",
        f"p{person}@example.com" if draw.random() < 0.4 else "",
        f"oU{person * 2654435761 % 2**40:010x}" if draw.random() < 0.7 else "",
        f"C{brand}{number:09}" if draw.random() < 0.3 else "",
        f"{1960 + person % 45}-{1 + person % 12:02}-{1 + person % 28:02}",
        ("f", "m", "")[person % 3],
        f"brand-{brand}-{store}",
        day,
        "1" if agreed else "",
        day if agreed else "",
        "yes",
    )
