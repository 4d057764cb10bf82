"""What the login page shows besides its form."""

from __future__ import annotations

from typing import Any

from django import template

from tenants.accounts import demo_logins, demo_password

register = template.Library()


@register.simple_tag(takes_context=True)
def demo_help(context: template.Context) -> dict[str, Any] | None:
    """Return the demo's logins of this host and the other hosts; None outside the demo."""
    logins = demo_logins()
    if not logins:
        return None
    host, _colon, port = context["request"].get_host().partition(":")
    elsewhere = sorted({login.host for login in logins} - {host})
    return {
        "password": demo_password(),
        "logins": [login for login in logins if login.host == host],
        "elsewhere": [f"{name}:{port}" if port else name for name in elsewhere],
    }
