"""Orders come in once, add up, and may straddle chunks."""

import pytest

from brands.models import Notice
from members.figures import compare, figures
from members.models import DailyMetric, GroupMetric, Order, OrderLine, PoolMetric, Profile

HEAD = (
    "order_no,line_no,member_no,store_code,ordered_at,product_code,product_name,quantity,amount\n"
)
MEMBERS = "member_no,phone,consent,consented_on\nM1,13800138000,1,2026-01-01\nM2,13800138001,,\n"
LINES = (
    "A1,1,M1,tea-1,2026-03-01 09:00:00,P1,Tea,1,10.00\n"
    "A1,2,M1,tea-1,2026-03-01 09:00:00,P2,Cup,2,5.50\n"
    "A2,1,M2,tea-2,2026-03-01 23:30:00,P1,Tea,1,10.00\n"
    "A3,1,M1,,2026-03-02T00:30:00+08:00,P1,Tea,3,30.00\n"
    "A4,1,M1,tea-1,2026-03-02 10:00:00,P9,Refund,-1,-10.00\n"
)
TABLES = [
    "members_order",
    "members_orderline",
    "members_profile",
    "members_dailymetric",
    "members_poolmetric",
    "members_groupmetric",
]


@pytest.fixture
def state(rows_of):
    """Return a function that reads everything an order import writes, by natural keys."""

    def read():
        return {
            "orders": rows_of(
                "SELECT o.order_no, p.member_no, o.store_id, o.notice_id, o.ordered_at, o.amount, "
                "o.lines FROM members_order o JOIN members_profile p ON p.id = o.profile_id "
                "ORDER BY 1"
            ),
            "lines": rows_of(
                "SELECT o.order_no, l.line_no, l.brand_id, l.store_id, l.notice_id, "
                "l.product_code, l.product_name, l.quantity, l.amount FROM members_orderline l "
                "JOIN members_order o ON o.id = l.order_id ORDER BY 1, 2"
            ),
            "totals": rows_of(
                "SELECT member_no, orders, sales, first_order_at, last_order_at "
                "FROM members_profile ORDER BY 1"
            ),
            "days": rows_of(
                "SELECT brand_id, store_id, day, orders, lines, sales, buyers "
                "FROM members_dailymetric ORDER BY 1, 2, 3"
            ),
        }

    return read


def assert_consistent(importer):
    differing = compare(tenant=importer.tenant)
    assert set(differing.values()) == {0}, differing


def test_orders_add_up_to_the_hand_count(importer, counts):
    importer.members(MEMBERS)
    job = importer.orders(HEAD + LINES)
    assert (job.state, job.error, counts(job)) == ("done", "", (5, 0, 0, 0))
    first = Order.objects.get(order_no="A1")
    assert (first.amount, first.lines, first.store.code) == (2100 - 550, 2, "tea-1")
    assert first.ordered_at.isoformat() == "2026-03-01T01:00:00+00:00"
    found = figures(tenant=importer.tenant)
    assert found["brands"]["tea"] == {
        "members": 2,
        "persons": 2,
        "orders": 4,
        "lines": 5,
        "sales": 1550 + 1000 + 3000 - 1000,
        "buyers": 2,
        "repeat_buyers": 1,
    }
    assert found["group"] == {"persons": 2, "persons_by_brands": {"1": 2}}
    assert found["brands"]["spa"]["members"] == 0
    profile = Profile.objects.get(member_no="M1")
    assert (profile.orders, profile.sales) == (3, 3550)
    assert profile.first_order_at.isoformat() == "2026-03-01T01:00:00+00:00"
    assert_consistent(importer)


def test_days_are_the_group_s_and_buyers_are_distinct(importer):
    importer.members(MEMBERS)
    importer.orders(HEAD + LINES)
    rows = DailyMetric.objects.order_by("day", "store__code").values_list(
        "day", "store__code", "orders", "lines", "sales", "buyers"
    )
    assert [(str(day), *rest) for day, *rest in rows] == [
        ("2026-03-01", "tea-1", 1, 2, 1550, 1),
        ("2026-03-01", "tea-2", 1, 1, 1000, 1),
        ("2026-03-01", None, 2, 3, 2550, 2),
        ("2026-03-02", "tea-1", 1, 1, -1000, 1),
        ("2026-03-02", None, 2, 2, 2000, 1),
    ]
    pool = PoolMetric.objects.get(brand__code="tea", store=None)
    assert (pool.members, pool.buyers, pool.repeat_buyers, pool.smallest_count) == (2, 2, 1, 1)
    store = PoolMetric.objects.get(store__code="tea-1")
    assert (store.members, store.buyers, store.repeat_buyers) == (0, 1, 1)
    assert list(GroupMetric.objects.values_list("brands", "persons")) == [(1, 2)]


def test_an_hour_that_clocks_have_twice_counts_with_its_day(importer):
    importer.tenant.time_zone = "America/Havana"
    importer.members(MEMBERS)
    # Half past midnight both times: clocks go from one back to midnight.
    times = ("2025-11-02T03:30:00Z", "2025-11-02T04:30:00Z", "2025-11-02T05:30:00Z")
    rows = [f"A{n},1,M1,,{at},P1,Tea,1,10.00" for n, at in enumerate(times)]
    importer.orders(HEAD + "\n".join(rows) + "\n")
    days = DailyMetric.objects.order_by("day").values_list("day", "orders")
    assert [(str(day), orders) for day, orders in days] == [("2025-11-01", 1), ("2025-11-02", 2)]
    assert_consistent(importer)


def test_the_person_s_notice_is_on_orders_and_lines(importer):
    importer.members(MEMBERS)
    importer.orders(HEAD + LINES)
    notice = Notice.objects.get().pk
    for model in (Order, OrderLine):
        path = "profile" if model is Order else "order__profile"
        found = dict(model.objects.values_list(f"{path}__member_no", "notice"))
        assert found == {"M1": notice, "M2": None}
    importer.members("member_no,consent,consented_on\nM1,withdrawn,2026-02-01\n")
    assert set(OrderLine.objects.values_list("notice", flat=True)) == {None}
    assert set(Order.objects.values_list("notice", flat=True)) == {None}


def test_the_same_file_twice_changes_nothing(importer, counts, rows_of):
    importer.members(MEMBERS)
    importer.orders(HEAD + LINES)
    read = {t: rows_of(f"SELECT xmin::text, cmin::text, ctid::text FROM {t}") for t in TABLES}
    job = importer.orders(HEAD + LINES)
    assert counts(job) == (0, 0, 5, 0)
    for table, rows in read.items():
        assert rows_of(f"SELECT xmin::text, cmin::text, ctid::text FROM {table}") == rows


@pytest.mark.parametrize("chunk_rows", [1, 2, 3])
def test_chunks_of_any_size_give_the_same_end(importer, state, chunk_rows):
    importer.members(MEMBERS)
    job = importer.orders(HEAD + LINES, chunk_rows=chunk_rows)
    assert job.rows_created == 5
    small = state()
    assert_consistent(importer)
    OrderLine.objects.all().delete()
    Order.objects.all().delete()
    importer.orders(HEAD + LINES)
    assert state() == small


def test_a_correction_changes_its_rows_and_their_figures(importer, counts, state):
    importer.members(MEMBERS)
    importer.orders(HEAD + LINES)
    corrected = LINES.replace("Cup,2,5.50", "Cup,3,8.25").replace(
        "A2,1,M2,tea-2,2026-03-01 23:30:00", "A2,1,M1,tea-1,2026-03-05 23:30:00"
    )
    job = importer.orders(HEAD + corrected + "A1,3,M1,tea-1,2026-03-01 09:00:00,P3,New,1,1.00\n")
    assert counts(job) == (1, 2, 3, 0)
    assert Order.objects.get(order_no="A1").amount == 1000 + 825 + 100
    moved = Order.objects.get(order_no="A2")
    assert (moved.profile.member_no, moved.store.code) == ("M1", "tea-1")
    assert moved.notice == moved.line_set.get().notice == moved.profile.notice != None  # noqa: E711
    assert Profile.objects.get(member_no="M2").orders == 0
    assert not DailyMetric.objects.filter(store__code="tea-2").exists()
    assert_consistent(importer)


def test_columns_that_the_file_lacks_keep_what_they_hold(importer, counts):
    importer.members(MEMBERS)
    importer.orders(HEAD + LINES)
    job = importer.orders(
        "order_no,line_no,member_no,ordered_at,amount\nA1,2,M1,2026-03-01 09:00:00,6.00\n"
    )
    assert counts(job) == (0, 1, 0, 0)
    line = OrderLine.objects.get(order__order_no="A1", line_no=2)
    assert (line.product_name, line.quantity, line.amount) == ("Cup", 2, 600)
    assert line.order.store.code == "tea-1"


def test_chinese_headings_and_amounts_with_commas(importer, counts):
    importer.members(MEMBERS)
    text = (
        "订单号;行号;会员号;下单门店;下单时间;商品编码;商品;数量;金额\n"
        "B1;1;M1;tea-1;2026年3月1日 9:05;P1;茉莉花茶;2;1,234.50\n"
    )
    assert counts(importer.orders(text.encode("gb18030"))) == (1, 0, 0, 0)
    line = OrderLine.objects.get()
    assert (line.product_name, line.amount, line.quantity) == ("茉莉花茶", 123450, 2)
    assert line.order.ordered_at.isoformat() == "2026-03-01T01:05:00+00:00"


def test_bad_rows_come_back_and_the_rest_is_imported(importer):
    importer.members(MEMBERS)
    rows = {
        3: ("B1,1,M9,,2026-03-01,,,1,1\n", "member_no", "no member “M9”"),
        4: ("B2,1,M1,nowhere,2026-03-01,,,1,1\n", "store_code", "no store"),
        5: ("B3,1,M1,,01/02/2026,,,1,1\n", "ordered_at", "two different days"),
        6: ("B4,1,M1,,2026-03-01,,,1,=1+1\n", "amount", "formula"),
        7: ("B5,1,M1,,2026-03-01,,,two,1\n", "quantity", "whole number"),
        8: ("B6,x,M1,,2026-03-01,,,1,1\n", "line_no", "whole number"),
        9: (",1,M1,,2026-03-01,,,1,1\n", "order_no", "empty"),
        10: (f"B7,1,M1,,2026-03-01,,{'n' * 201},1,1\n", "product_name", "201 characters"),
        11: ("B8,1,M1,,2126-01-01,,,1,1\n", "ordered_at", "1900"),
        12: ("B9,1,M1,,2099-01-01,,,1,1\n", "ordered_at", "future"),
        13: ("A0,2,M2,,2026-03-01,,,1,1\n", "member_no", "another member"),
    }
    job = importer.orders(
        HEAD
        + "A0,1,M1,,2026-03-01,,,1,1\n"
        + "".join(row for row, _column, _words in rows.values())
        + "C1,1,M1,,2026-03-01,,=cmd,0,0\n"
    )
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 2, len(rows))
    rejected = {int(row["line"]): row for row in importer.rejected(job)}
    assert set(rejected) == set(rows)
    for line, (_row, column, words) in rows.items():
        assert (rejected[line]["column"], words in rejected[line]["reason"]) == (column, True)


def test_a_file_without_line_numbers_holds_one_row_an_order(importer):
    importer.members(MEMBERS)
    job = importer.orders(
        "order_no,member_no,ordered_at,amount\nA,M1,2026-03-01,1\nB,M1,2026-03-01,2\n"
        "A,M1,2026-03-01,3\n"
    )
    assert (job.rows_created, job.rows_rejected) == (2, 1)
    assert "line numbers" in importer.rejected(job)[0]["reason"]


def test_a_line_twice_in_a_file_keeps_its_last_row(importer):
    importer.members(MEMBERS)
    job = importer.orders(HEAD + LINES + LINES.splitlines()[0].replace("10.00", "11.00"))
    assert (job.rows_created, job.rows_repeated) == (5, 1)
    assert Order.objects.get(order_no="A1").amount == 1650


def test_the_currency_s_decimals_are_kept(importer):
    importer.members(MEMBERS)
    importer.tenant.currency = "JPY"
    importer.orders('order_no,member_no,ordered_at,amount\nA,M1,2026-03-01,"1,200"\n')
    assert Order.objects.get().amount == 1200


def test_two_brands_may_share_order_numbers(importer):
    importer.members(MEMBERS)
    importer.members("member_no,phone\nX1,13800138000\n", brand="bakery")
    importer.orders("order_no,member_no,ordered_at,amount\nA,M1,2026-03-01,1\n")
    job = importer.orders(
        "order_no,member_no,ordered_at,amount\nA,X1,2026-03-01,2\n", brand="bakery"
    )
    assert job.rows_created == 1
    assert figures(tenant=importer.tenant)["group"]["persons_by_brands"] == {"1": 1, "2": 1}
    assert_consistent(importer)
