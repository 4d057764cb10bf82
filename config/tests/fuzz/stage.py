"""What every run starts from, and the names of who and what is in it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from config.tests.fuzz.tally import Tally
from members.tests.conftest import Importer
from tenants.models import Engagement, Tenant, User

BRANDS = ("tea", "bakery", "spa")
JOINING = "juice"
MODES = ("fan_max", "member_max", "brand_max")
KINDS = ("profile", "contact", "activity")
PEOPLE = (
    "group_admin",
    "analyst",
    "unit_manager",
    "brand_manager",
    "sibling_manager",
    "spa_manager",
    "store_manager",
    "guide",
    "provider_operator",
    "outsider",
)
# Who speaks for a brand.
MANAGERS = {"tea": "brand_manager", "bakery": "sibling_manager", "spa": "spa_manager"}
Member = tuple[str, int]


@dataclass
class Stage:
    """What every run starts from: two groups, the cast, an importer, and the count of reads."""

    tenant: Tenant
    people: dict[str, User]
    engagement: Engagement
    importer: Importer
    zone: Any
    # Members of each brand at the start: more of them are more reads of each step.
    members: int = 8
    tally: Tally = field(default_factory=Tally)
    handler: WSGIHandler = field(default_factory=partial(ClientHandler, enforce_csrf_checks=False))

    def through(self, client: Client) -> Client:
        """Let a client use the one handler: to load the middleware takes longer than a read."""
        client.handler = self.handler
        return client


class Clock:
    """Stand in for `timezone.now`; only ever moves on."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()
        self.real = timezone.now

    def now(self) -> dt.datetime:
        """Return the machine's time."""
        return self.real() + self.ahead


def card_of(number: int) -> str:
    """Return one of a few cards, which members share at random."""
    return f"CARD{number}" if number else ""
