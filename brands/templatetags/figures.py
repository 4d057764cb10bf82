"""Figures in templates: what `brands.formatting` writes, as filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import template
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brands import formatting

register = template.Library()

for name in ("money", "number", "percent", "change", "day", "moment"):
    register.filter(name, getattr(formatting, name))


@register.filter
def money_short(minor: int | None) -> SafeString:
    """Write an amount short; its title holds it in full."""
    return _shortened(minor, formatting.money, formatting.money_short)


@register.filter
def number_short(value: float | None) -> SafeString:
    """Write a count short; its title holds it in full."""
    return _shortened(value, formatting.number, formatting.number_short)


def _shortened(value: Any, full: Callable[[Any], str], short: Callable[[Any], str]) -> SafeString:
    if value is None:
        return SafeString(formatting.ABSENT)
    return format_html('<span title="{}">{}</span>', full(value), short(value))


@register.simple_tag
def suppressed(k: int) -> str:
    """Write a figure that counts too few persons to be shown."""
    return f"< {formatting.number(k)}"


@register.simple_tag(takes_context=True)
def with_parameters(context: dict[str, Any], **changes: Any) -> str:
    """Return this page's query string with some parameters changed; None takes one away."""
    parameters: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"
