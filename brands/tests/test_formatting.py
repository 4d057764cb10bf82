"""Money, numbers, percentages and dates, written one way in each language."""

from __future__ import annotations

import datetime as dt

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation

from brands import formatting


@pytest.mark.parametrize(
    ("language", "minor", "full", "short"),
    [
        ("en", 123456789, "¥1,234,567.89", "¥1.2M"),
        ("zh-hans", 123456789, "¥1,234,567.89", "¥123.5万"),
        ("zh-hans", 12345678900, "¥123,456,789.00", "¥1.23亿"),
        ("en", 99, "¥0.99", "¥0.99"),
        ("en", -250000, "-¥2,500.00", "-¥2.5K"),
        ("zh-hans", 0, "¥0.00", "¥0.00"),
    ],
)
def test_money_is_written_from_minor_units(in_acme, language, minor, full, short):
    with translation.override(language):
        assert formatting.money(minor) == full
        assert formatting.money_short(minor) == short


def test_money_is_of_the_groups_currency(in_acme):
    in_acme.currency = "USD"
    with translation.override("zh-hans"):
        assert formatting.money(123450) == "$1,234.50"
    in_acme.currency = "JPY"
    with translation.override("en"):
        assert formatting.money(123450) == "¥123,450"


def test_counts_and_shares(in_acme):
    with translation.override("zh-hans"):
        assert formatting.number(41203) == "41,203"
        assert formatting.number_short(41203) == "4.1万"
    with translation.override("en"):
        assert formatting.number_short(41203) == "41.2K"
        assert formatting.number_short(9999) == "9,999"
        assert formatting.percent(0.1234) == "12.3%"
        assert formatting.change(0.1) == "+10.0%"
        assert formatting.change(-0.052) == "−5.2%"


def test_what_does_not_exist_is_a_dash():
    for write in (
        formatting.money, formatting.money_short, formatting.number, formatting.number_short,
        formatting.percent, formatting.change, formatting.day, formatting.moment,
    ):  # fmt: skip
        assert write(None) == "–"


def test_an_instant_is_written_by_the_groups_clock(in_acme):
    late = dt.datetime(2026, 3, 1, 20, 30, tzinfo=dt.UTC)
    with translation.override("en"):
        assert formatting.moment(late) == "March 2, 2026 04:30"
        assert formatting.day(late) == "March 2, 2026"
        in_acme.time_zone = "America/New_York"
        assert formatting.moment(late) == "March 1, 2026 15:30"
    with translation.override("zh-hans"):
        assert formatting.day(dt.date(2026, 3, 1)) == "2026年3月1日"


def test_a_short_amount_carries_the_whole_one_in_its_title(in_acme):
    with translation.override("en"):
        text = Template("{% load figures %}{{ 123456789|money_short }}").render(Context())
    assert text == '<span title="¥1,234,567.89">¥1.2M</span>'


def test_a_page_changes_one_parameter_and_keeps_the_others():
    request = RequestFactory().get("/", {"q": "a&b", "after": "9"})
    template = Template("{% load figures %}{% with_parameters after=None sort='sales' %}")
    assert template.render(Context({"request": request})) == "?q=a%26b&amp;sort=sales"
