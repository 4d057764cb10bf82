"""The sidebar of both sites."""

from typing import Any

from django.http import HttpRequest


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links that the person acting may open."""
    return []
