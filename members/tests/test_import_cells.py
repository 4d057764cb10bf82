"""Cells are read as what they mean, or given back with the reason."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from members.imports import cells

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("1234.50", "123450"),
        ("1,234.50", "123450"),
        ("1,234,567", "123456700"),
        ("１２．３４", "1234"),
        ("¥12.30", "1230"),
        ("CNY 5", "500"),
        (" 7 ", "700"),
        ("-3.07", "-307"),
        ("+3.07", "307"),
        ("\u22121.00", "-100"),
        (".5", "50"),
        ("0", "0"),
        ("-0", "0"),
        ("12.500", "1250"),
    ],
)
def test_amounts_become_minor_units(cell, minor):
    assert cells.read_amount("CNY")(cell) == minor


def test_decimals_are_the_currency_s():
    assert cells.read_amount("JPY")("1200") == "1200"
    assert cells.read_amount("KWD")("1.234") == "1234"
    assert isinstance(cells.read_amount("JPY")("12.5"), cells.Problem)


@pytest.mark.parametrize(
    "cell", ["", "=1+1", "@x", "12.345", "1.234,50", "12,34.5", "1e5", "abc", "1 2 3 x", "9" * 30]
)
def test_what_is_no_amount_is_given_back(cell):
    assert isinstance(cells.read_amount("CNY")(cell), cells.Problem)


@pytest.mark.parametrize(
    "cell",
    ["2026-11-21", "2026/11/21", "2026.11.21", "20261121", "2026年11月21日", "２０２６-11-21"],
)
def test_days_are_read_in_several_ways(cell):
    read = cells.read_day(SHANGHAI, latest=dt.date(2026, 12, 31))
    assert read(cell) == "2026-11-21"


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-21 18:05:09",
        "2026-11-21T18:05:09",
        "2026/11/21 18:05:09",
        "2026年11月21日 18:05:09",
        "2026-11-21T10:05:09Z",
        "2026-11-21T10:05:09+00:00",
        "20261121 18:05:09",
        "20261121180509",
        "2026年11月21号18时5分9秒",
        "2026/11/21 下午6:05:09",
        "2026-11-21 6:05:09 PM",
    ],
)
def test_times_without_an_offset_are_on_the_group_s_clock(cell):
    assert cells.parse_instant(cell, SHANGHAI) == dt.datetime(2026, 11, 21, 10, 5, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("3/4/2026", "two different days"),
        ("03.04.26", "two different days"),
        ("46347", "day number"),
        ("2026-13-01", "exists"),
        ("2026-02-30", "exists"),
        ("1026-02-03", "1900"),
        ("2026-11-21 7 pm", "not a time"),
        ("2026-11-21 07:00:00+25:00", "exists"),
        ("yesterday", "not a day"),
    ],
)
def test_a_day_that_is_none_is_given_back_with_its_reason(cell, words):
    with pytest.raises(ValueError, match=words):
        cells.parse_instant(cell, SHANGHAI)


def test_the_future_is_refused():
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert "future" in cells.read_instant(SHANGHAI, latest=now)("2026-11-22")
    assert "future" in cells.read_day(SHANGHAI, latest=now.date())("2026-11-22")


def test_text_is_trimmed_bounded_and_escaped():
    read = cells.read_text(longest=10)
    assert read("  a\\b\tc\x00 ") == "a\\\\b c"
    assert isinstance(read("x" * 11), cells.Problem)
    assert isinstance(cells.read_code(longest=10)(" "), cells.Problem)
    assert cells.read_code(longest=10)(" ＡＢ１ ") == "AB1"


def test_whole_numbers_may_look_like_a_spreadsheet_s():
    read = cells.read_number(lowest=0, highest=10**6)
    assert [read("7"), read("7.0"), read("1,000")] == ["7", "7", "1000"]
    assert all(isinstance(read(cell), cells.Problem) for cell in ["", "x", "1.5", "-1", "9999999"])
    # One and a half, as half of Europe writes it, is not fifteen.
    assert all(isinstance(read(cell), cells.Problem) for cell in ["1,5", "12,34", ",500", "1,0000"])
    assert cells.read_number(lowest=0, highest=9, empty="1")("") == "1"


def test_a_reader_reads_each_text_once():
    seen = []
    reader = cells.Reader(lambda cell: seen.append(cell) or cell)
    assert [reader["a"], reader["a"], reader["b"]] == ["a", "a", "b"]
    assert seen == ["a", "b"]


def test_what_spreadsheets_and_exports_add_to_a_cell_is_taken_off():
    said = {
        '="000123"': "000123",
        "'000124": "000124",
        "'=1+1": "=1+1",
        "'t Hooft": "'t Hooft",
        '="a"&"b"': '="a"&"b"',
        **dict.fromkeys(("NULL", "\\N", "-", "无", " N/A ", "0000-00-00 00:00:00", "——"), ""),
        "Null Island": "Null Island",
        "无名": "无名",
    }
    assert {cell: cells.unwrapped(cell) for cell in said} == said
    read = cells.Reader(cells.read_code(longest=20))
    assert read['="000123"'] == "000123"
    assert "sums" in read["合计："]
    assert read["合计店"] == "合计店"
    assert "empty" in read["NULL"]
