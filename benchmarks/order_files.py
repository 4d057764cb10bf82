"""Seeded order files as tills would write them: one CSV per brand, for the members of its file."""

from __future__ import annotations

import csv
import datetime as dt
import random
from bisect import bisect
from pathlib import Path

from benchmarks.synthetic import BRANDS, SEED, STORES_PER_BRAND, zipf

HEADINGS = (
    "order_no,line_no,member_no,store_code,ordered_at,product_code,product_name,quantity,amount"
)
LINES_PER_ORDER = 3
_FIRST = dt.datetime(2025, 1, 1, 9, tzinfo=dt.timezone(dt.timedelta(hours=8)))
_MINUTES = 600 * 24 * 60
_CHUNK = 50_000


def write_orders(folder: Path, members: list[Path], lines: int) -> list[Path]:
    """Write LINES order lines of the members in MEMBERS (largest brand's first); return the files.

    Orders of one to five lines; days over 600; a few members buy often and many seldom.
    """
    draw = random.Random(SEED + 1)  # noqa: S311 - synthetic data
    store_ends, brand_ends = zipf(STORES_PER_BRAND), [*zipf(BRANDS), 1.0]
    paths = []
    for brand, file in enumerate(members, start=1):
        share = brand_ends[brand - 1] - (brand_ends[brand - 2] if brand > 1 else 0.0)
        path = folder / f"orders-{brand}.csv"
        numbers = file.read_bytes().count(b"\n") - 1
        wanted = max(round(lines * share), 1) if numbers else 0
        with path.open("w", newline="", encoding="utf-8") as out:
            out.write(f"{HEADINGS}\n")
            writer = csv.writer(out, lineterminator="\n")
            rows: list[tuple[object, ...]] = []
            order = written = 0
            while written < wanted:
                order += 1
                member = f"M{int(numbers * draw.random() ** 3):08}"
                store = f"brand-{brand}-{bisect(store_ends, draw.random()) + 1}"
                at = _FIRST + dt.timedelta(minutes=int(_MINUTES * draw.random()))
                for line in range(1, min(draw.randint(1, 5), wanted - written) + 1):
                    product, quantity = draw.randrange(500), draw.randint(1, 3)
                    cents = (product % 97 + 3) * 100 * quantity
                    rows.append(
                        (
                            f"O{order:08}",
                            line,
                            member,
                            store,
                            at.isoformat(),
                            f"P{product:04}",
                            f"Product {product}",
                            quantity,
                            f"{cents // 100}.{cents % 100:02}",
                        )
                    )
                    written += 1
                if len(rows) > _CHUNK:
                    writer.writerows(rows)
                    rows.clear()
            writer.writerows(rows)
        paths.append(path)
    return paths
