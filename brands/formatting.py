"""Write money, numbers, percentages and dates, one way everywhere (CLDR through Babel)."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from decimal import Decimal

from babel import Locale
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_precision,
)
from django.utils import formats
from django.utils.translation import get_language, to_locale

from tenants.connection import connection

# What stands for a figure that does not exist.
ABSENT = "–"

# A page shows one currency, the group's: its sign needs no country before it (CN¥, US$).
_COUNTRY = re.compile(r"[A-Z]{1,3}(?=[¥$£€₩])")


def locale() -> Locale:
    """Return the reader's locale."""
    return Locale.parse(to_locale(get_language() or "en"))


def currency() -> str:
    """Return the currency of the group whose schema the connection is at."""
    return getattr(connection.tenant, "currency", None) or "CNY"


def major_units(minor: int) -> Decimal:
    """Return an amount of minor units (fen, cents) in the group's currency."""
    return Decimal(minor).scaleb(-get_currency_precision(currency()))


def money(minor: int | None) -> str:
    """Return an amount of minor units written in full: ¥1,234.50."""
    if minor is None:
        return ABSENT
    return _COUNTRY.sub("", format_currency(major_units(minor), currency(), locale=locale()))


def money_short(minor: int | None) -> str:
    """Return an amount written short: ¥1234.6万 in Chinese, $12.3M in English."""
    if minor is None:
        return ABSENT
    amount = major_units(minor)
    if abs(amount) < 1000:
        return money(minor)
    digits = 2 if abs(amount) >= 10**8 else 1
    short = format_compact_currency(amount, currency(), locale=locale(), fraction_digits=digits)
    short = _COUNTRY.sub("", short)
    # Where a locale has no short word for it (thousands in Chinese) it is written in full.
    return short if any(map(str.isalpha, short)) else money(minor)


def number(value: float | None) -> str:
    """Return a count with its thousands apart."""
    return ABSENT if value is None else format_decimal(value, locale=locale())


def number_short(value: float | None) -> str:
    """Return a count written short: 4.1万 in Chinese, 41.2K in English."""
    if value is None or abs(value) < 10_000:
        return number(value)
    return format_compact_decimal(value, locale=locale(), fraction_digits=1)


def percent(share: float | None) -> str:
    """Return a share of one as a percentage with one decimal."""
    return ABSENT if share is None else format_percent(share, "#,##0.0%", locale=locale())


def change(share: float | None) -> str:
    """Return a relative change as a percentage with its sign."""
    if share is None:
        return ABSENT
    return format_percent(share, "+#,##0.0%;−#,##0.0%", locale=locale())


def _zone() -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(getattr(connection.tenant, "time_zone", None) or "Asia/Shanghai")


def day(value: dt.date | None) -> str:
    """Return a date, or the group's date at an instant, as the reader's language writes it."""
    if isinstance(value, dt.datetime):
        value = value.astimezone(_zone())
    return ABSENT if value is None else formats.date_format(value, "DATE_FORMAT")


def moment(value: dt.datetime | None) -> str:
    """Return an instant as the clock of the group shows it."""
    if value is None:
        return ABSENT
    local = value.astimezone(_zone())
    return f"{formats.date_format(local, 'DATE_FORMAT')} {local:%H:%M}"
