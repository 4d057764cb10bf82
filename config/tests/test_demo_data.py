"""The demo's files hold what the data set holds, and invent contact data without collisions."""

import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from zlib import crc32

import pandas as pd
import phonenumbers
import pyarrow as pa
import pytest
from phonenumbers import carrier
from pyarrow import csv

from config import demo
from config.demo import harbor, journey, oracle

TODAY = date(2026, 11, 21)
HOUSEHOLDS = range(1, 2501)
CODES = [brand.code for brand in journey.BRANDS]


def read_texts(path):
    """Read every cell as text, as an import first meets it."""
    columns = path.open(encoding="utf-8").readline().replace('"', "").strip().split(",")
    options = csv.ConvertOptions(column_types={name: pa.string() for name in columns})
    return csv.read_csv(path, convert_options=options).to_pandas()


@pytest.fixture(scope="session")
def progress():
    """What `files` reports while it is written."""
    return []


@pytest.fixture(scope="session")
def files(tmp_path_factory, progress):
    return journey.write_files(
        tmp_path_factory.mktemp("journey"),
        today=TODAY,
        progress=lambda done, total: progress.append((done, total)),
    )


@pytest.fixture(scope="session")
def members(files):
    return {code: read_texts(path) for code, path in files.members.items()}


@pytest.fixture(scope="session")
def orders(files):
    return {code: read_texts(path) for code, path in files.orders.items()}


@pytest.fixture(scope="session")
def figures():
    return oracle.figures()


@pytest.fixture(scope="session")
def households():
    """Who stands behind each (brand, member number)."""
    found = {(code, journey.member_no(h, code)): h for code in CODES for h in HOUSEHOLDS}
    assert len(found) == len(CODES) * len(HOUSEHOLDS)
    return found


def persons_of(members):
    """Join members that share a phone, e-mail, unionid or card, and return the brands of each."""
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for code, rows in members.items():
        for row in rows.to_dict("records"):
            for kind in ("phone", "email", "unionid", "card_no"):
                if row[kind]:
                    parent[root((kind, row[kind]))] = root((code, row["member_no"]))
    brands = defaultdict(set)
    for code, rows in members.items():
        for number in rows["member_no"]:
            brands[root((code, number))].add(code)
    return brands


def test_oracle_confirms_the_independent_count(figures):
    brands = figures["brands"].values()
    assert list(figures["brands"]) == CODES
    assert sum(brand["members"] for brand in brands) == 12_492
    assert sum(brand["lines"] for brand in brands) == 1_469_307
    assert figures["group"]["persons"] == 2_856
    assert sum(figures["group"]["persons_by_brands"].values()) == 2_856


def test_files_hold_the_figures_of_the_data_set(figures, members, orders):
    for code in CODES:
        rows = orders[code]
        per_member = rows.groupby("member_no")["order_no"].nunique()
        assert figures["brands"][code] == {
            "members": members[code]["member_no"].nunique(),
            "persons": len(members[code]),
            "orders": rows["order_no"].nunique(),
            "lines": len(rows.drop_duplicates(["order_no", "line_no"])),
            "sales": int(rows["amount"].str.replace(".", "").astype("int64").sum()),
            "buyers": len(per_member),
            "repeat_buyers": int((per_member >= 2).sum()),
        }


def test_identifiers_in_the_files_join_members_into_the_persons_of_the_oracle(figures, members):
    brands = persons_of(members)
    counted = pd.Series([len(each) for each in brands.values()]).value_counts()
    assert {str(n): int(counted[n]) for n in sorted(counted.index)} == figures["group"][
        "persons_by_brands"
    ]
    assert len(brands) == figures["group"]["persons"]


def test_no_two_households_and_no_unlinked_membership_share_an_identifier(members, households):
    owners = defaultdict(set)
    unlinked = 0
    for code, rows in members.items():
        for row in rows.to_dict("records"):
            household = households[code, row["member_no"]]
            alone = crc32(f"{household}:{code}".encode()) % 100 < 3
            unlinked += alone
            for kind in ("phone", "email", "unionid", "card_no"):
                if row[kind]:
                    owners[kind, row[kind]].add((household, code if alone else ""))
    assert unlinked == 387
    assert [key for key, who in owners.items() if len(who) > 1] == []


def test_every_possible_phone_is_valid_distinct_and_of_no_known_carrier():
    blocks = [("journey", block) for block in range(len(CODES) + 1)] + [("harbor", 0)]
    every = [demo.phone(group, n, block) for group, block in blocks for n in HOUSEHOLDS]
    assert len(set(every)) == len(every)
    for number in every[::250]:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed)
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
        assert carrier.name_for_number(parsed, "en") == ""


def test_a_number_outside_its_phone_block_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.9999"):
        demo.phone("journey", 10_000)


def test_consent_follows_the_household_and_every_row_says_it_is_generated(members, households):
    for code, rows in members.items():
        for row in rows.to_dict("records"):
            household = households[code, row["member_no"]]
            agreed = crc32(f"consent:{household}".encode()) % 100 < 60
            assert row["consent"] == ("1" if agreed else "")
            assert row["consented_on"] == (row["registered_on"] if agreed else "")
            assert row["generated"] == "yes"


def test_order_files_are_sorted_and_their_lines_numbered_from_one(orders):
    for rows in orders.values():
        numbered = rows.assign(
            at=pd.to_datetime(rows["ordered_at"], utc=True), line_no=rows["line_no"].astype(int)
        )
        keys = ["at", "order_no", "line_no"]
        assert numbered[keys].equals(numbered[keys].sort_values(keys, ignore_index=True))
        last = numbered.groupby("order_no")["line_no"].agg(["max", "size"])
        assert (last["max"] == last["size"]).all()
        one_of = numbered.groupby("order_no")[["member_no", "store_code", "ordered_at"]].nunique()
        assert (one_of == 1).all(axis=None)


def test_members_register_at_their_first_order_in_the_store_they_visit_most(members, orders):
    for code in ("kitchen", "fuel"):
        baskets = orders[code].drop_duplicates("order_no")
        first = baskets["ordered_at"].str[:10].groupby(baskets["member_no"]).min()
        rows = members[code].set_index("member_no")
        assert rows["registered_on"].to_dict() == first.to_dict()
        visits = baskets.groupby(["member_no", "store_code"]).size()
        home = pd.MultiIndex.from_arrays([rows.index, rows["store_code"]])
        most = visits.groupby("member_no").max()
        assert (visits[home].to_numpy() == most[rows.index].to_numpy()).all()


def test_hierarchy_names_every_store_that_sells_for_a_brand_and_no_other(files, orders):
    group = json.loads(files.hierarchy.read_text(encoding="utf-8"))
    assert [unit["code"] for unit in group["units"]] == ["food", "living"]
    assert {brand["code"]: brand["mode"] for brand in group["brands"] if brand["mode"]} == {
        "fuel": "brand-max"
    }
    for brand in group["brands"]:
        codes = {store["code"] for store in brand["stores"]}
        assert len(codes) == len(brand["stores"])
        assert codes == set(orders[brand["code"]]["store_code"])
    assert {"code": "S0367", "name": "Store 367", "name_zh": "367 号店"} in group["brands"][0][
        "stores"
    ]


def test_products_missing_from_the_catalogue_are_sold_by_market(orders):
    for code in CODES:
        unknown = orders[code]["product_name"].str.fullmatch(r"Product \d+")
        assert unknown.sum() == (4_836 if code == "market" else 0)
        assert (orders[code]["product_name"] != "").all()


def test_amounts_have_two_digits_and_quantities_are_whole(orders):
    for rows in orders.values():
        assert rows["amount"].str.fullmatch(r"\d+\.\d\d").all()
        assert rows["quantity"].str.fullmatch(r"\d+").all()
    assert orders["fuel"]["quantity"].astype(int).max() == 89_638


def test_the_last_order_lies_in_the_seven_days_before_today(files, orders):
    last = max(rows["ordered_at"].iloc[-1][:10] for rows in orders.values())
    assert TODAY - timedelta(days=7) <= date.fromisoformat(last) < TODAY
    assert date.fromisoformat(last) - date(2017, 12, 31) == timedelta(weeks=files.weeks_moved)


@pytest.mark.parametrize("days", range(8))
def test_orders_move_by_the_weeks_that_reach_the_past_seven_days(days):
    last = datetime(2018, 1, 1, 4, 1, 20)  # UTC: still 2017 in the group's zone
    today = date(2026, 11, 21) + timedelta(days=days)
    moved = date(2017, 12, 31) + timedelta(weeks=journey.weeks_to_move(last, today))
    assert timedelta(days=1) <= today - moved <= timedelta(days=7)


def test_times_of_the_package_are_read_as_utc_and_kept_when_not_moved():
    utc = pd.Series(pd.to_datetime(["2017-01-01 11:53:26", "2017-07-02 03:10:00"]))
    assert journey.iso_times(journey.local_times(utc, weeks=0)).tolist() == [
        "2017-01-01T06:53:26-05:00",
        "2017-07-01T23:10:00-04:00",
    ]


def test_moved_times_keep_the_hour_and_survive_hours_that_are_skipped_or_doubled():
    # Locally 2017-03-05 02:30, 2017-10-29 01:30 and 2017-03-18 23:50. On 2018-03-11 the hour from
    # 02:00 is skipped, and on 2018-11-04 the hour from 01:00 comes twice.
    utc = pd.Series(pd.to_datetime(["2017-03-05 07:30", "2017-10-29 05:30", "2017-03-19 03:50"]))
    assert journey.iso_times(journey.local_times(utc, weeks=52)).tolist() == [
        "2018-03-04T02:30:00-05:00",
        "2018-10-28T01:30:00-04:00",
        "2018-03-17T23:50:00-04:00",
    ]
    assert journey.iso_times(journey.local_times(utc, weeks=53)).tolist() == [
        "2018-03-11T03:30:00-04:00",
        "2018-11-04T01:30:00-05:00",
        "2018-03-24T23:50:00-04:00",
    ]


@pytest.mark.exhaustive
def test_as_is_keeps_the_year_and_moving_changes_nothing_but_the_days(tmp_path, orders, members):
    kept = journey.write_files(tmp_path, as_is=True)
    assert kept.weeks_moved == 0
    for code in ("fuel", "market"):
        rows = read_texts(kept.orders[code])
        assert rows["ordered_at"].iloc[0].startswith("2017-01-01T")
        assert rows["ordered_at"].iloc[-1].startswith("2017-12-31T")
        by_line = ["order_no", "line_no"]
        rows = rows.drop(columns="ordered_at").sort_values(by_line, ignore_index=True)
        moved = orders[code].drop(columns="ordered_at").sort_values(by_line, ignore_index=True)
        assert rows.equals(moved)
        days = ["registered_on", "consented_on"]
        assert (
            read_texts(kept.members[code])
            .drop(columns=days)
            .equals(members[code].drop(columns=days))
        )


def test_progress_counts_the_lines_written_up_to_all_of_them(files, progress):
    assert len(progress) == len(CODES)
    assert progress == sorted(progress)
    assert progress[-1] == (1_469_307, 1_469_307)


@pytest.fixture(scope="session")
def harbor_files(tmp_path_factory):
    return harbor.write_files(tmp_path_factory.mktemp("harbor"), today=TODAY)


def test_harbor_has_the_same_columns_as_journey(harbor_files, members, orders):
    for path in harbor_files.members.values():
        assert tuple(read_texts(path).columns) == demo.MEMBER_COLUMNS
    for path in harbor_files.orders.values():
        assert tuple(read_texts(path).columns) == demo.ORDER_COLUMNS
    assert {tuple(rows.columns) for rows in members.values()} == {demo.MEMBER_COLUMNS}
    assert {tuple(rows.columns) for rows in orders.values()} == {demo.ORDER_COLUMNS}


def test_harbor_shares_twenty_phones_with_journey_and_nothing_else(harbor_files, members):
    theirs = pd.concat(read_texts(path) for path in harbor_files.members.values())
    ours = pd.concat(members.values())
    assert len(set(theirs["phone"]) & set(ours["phone"])) == harbor.PHONES_OF_JOURNEY
    for kind in ("email", "unionid", "card_no"):
        assert set(theirs[kind]) & set(ours[kind]) <= {""}


def test_harbor_is_small_and_whole(harbor_files):
    group = json.loads(harbor_files.hierarchy.read_text(encoding="utf-8"))
    assert (group["currency"], group["time_zone"], group["mode"]) == (
        "CNY",
        "Asia/Shanghai",
        "fan-max",
    )
    members = {code: read_texts(path) for code, path in harbor_files.members.items()}
    stores = {brand["code"]: {s["code"] for s in brand["stores"]} for brand in group["brands"]}
    assert sum(len(codes) for codes in stores.values()) == 6
    assert sum(len(rows) for rows in members.values()) == 300
    assert len(persons_of(members)) == 240
    placed = 0
    for code, path in harbor_files.orders.items():
        rows = read_texts(path)
        placed += rows["order_no"].nunique()
        assert set(rows["store_code"]) <= stores[code]
        assert set(members[code]["store_code"]) <= stores[code]
        assert set(rows["member_no"]) < set(members[code]["member_no"])
        assert members[code]["member_no"].is_unique
        days = rows["ordered_at"].str[:10]
        assert date.fromisoformat(days.max()) < TODAY
        assert days.is_monotonic_increasing
        assert all(Decimal(amount) > 0 for amount in rows["amount"])
    assert placed == 2_000


def test_harbor_writes_the_same_files_for_the_same_day(harbor_files, tmp_path):
    again = harbor.write_files(tmp_path, today=TODAY)
    for code in harbor_files.orders:
        assert again.orders[code].read_bytes() == harbor_files.orders[code].read_bytes()
        assert again.members[code].read_bytes() == harbor_files.members[code].read_bytes()
