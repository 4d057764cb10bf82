"""What people answered to notices, in numbers, from the app that keeps the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class NoticeAnswers:
    """Count the members of one brand whose answer to one notice stands.

    None where the brand tells the viewer no such number.
    """

    notice_id: int
    brand_id: int
    people: int | None


_sources: list[Callable[[], list[NoticeAnswers]]] = []


def register_answers(source: Callable[[], list[NoticeAnswers]]) -> None:
    """Let an app say who answered what, as far as the open scope shows it."""
    _sources.append(source)


def standing() -> list[NoticeAnswers]:
    """Return brand by brand how many members' current yes answers each notice."""
    return [row for source in _sources for row in source()]
