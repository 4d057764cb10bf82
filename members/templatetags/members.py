"""Words about members that every page may carry."""

from __future__ import annotations

from typing import Any

from django import template
from django.apps import apps
from django.utils.translation import gettext

from members import selectors
from members.consent_history import channel_words

register = template.Library()

register.filter("channel_words", channel_words)


@register.filter
def place_words(label: str) -> str:
    """Return the name of a table as a certificate counts it."""
    if "." not in label:
        return gettext(label)
    return str(apps.get_model(label)._meta.verbose_name_plural)


@register.inclusion_tag("members/_seen.html", takes_context=True)
def mode_banner(context: dict[str, Any]) -> dict[str, Any]:
    """Say through which mode the person looks, and how many members that shows them."""
    return {
        "seen": selectors.seen(context["visible"]),
        "grant": context["grant"],
        "may_open_mode": context["user"].has_perm("brands.view_modechange"),
    }
