"""Words about members that every page may carry."""

from __future__ import annotations

from typing import Any

from django import template

from members import selectors
from members.consent_history import channel_words

register = template.Library()

register.filter("channel_words", channel_words)


@register.inclusion_tag("members/_seen.html", takes_context=True)
def mode_banner(context: dict[str, Any]) -> dict[str, Any]:
    """Say through which mode the person looks, and how many members that shows them."""
    return {
        "seen": selectors.seen(context["visible"]),
        "grant": context["grant"],
        "may_open_mode": context["user"].has_perm("brands.view_modechange"),
    }
