"""The invented people of the demo and their one password."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.roles import Level, Role

PASSWORD = "open-the-sluice"  # noqa: S105 - printed for everyone who tries the demo


@dataclass(frozen=True)
class Login:
    """Be one person of the demo: who, where, and what they may be there.

    `place` is the code of a unit, a brand, or brand/store.
    """

    who: str
    email: str
    host: str
    role: Role
    level: Level
    tenant: str = ""
    place: str = ""
    engaged: bool = False


_PLATFORM, _JOURNEY, _HARBOR = (f"{name}.localhost" for name in ("platform", "journey", "harbor"))

LOGINS = [
    Login(
        "Platform operator",
        "operator@sluice.example",
        _PLATFORM,
        Role.PLATFORM_OPERATOR,
        Level.PLATFORM,
    ),
    Login("HQ admin", "hq@journey.example", _JOURNEY, Role.HQ_ADMIN, Level.GROUP, "journey"),
    Login(
        "Second HQ admin", "hq2@journey.example", _JOURNEY, Role.HQ_ADMIN, Level.GROUP, "journey"
    ),
    Login(
        "Food unit manager",
        "food@journey.example",
        _JOURNEY,
        Role.UNIT_MANAGER,
        Level.UNIT,
        "journey",
        "food",
    ),
    Login(
        "Pantry brand manager",
        "pantry@journey.example",
        _JOURNEY,
        Role.BRAND_MANAGER,
        Level.BRAND,
        "journey",
        "pantry",
    ),
    Login(
        "Fuel brand manager",
        "fuel@journey.example",
        _JOURNEY,
        Role.BRAND_MANAGER,
        Level.BRAND,
        "journey",
        "fuel",
    ),
    Login(
        "Store manager",
        "store@journey.example",
        _JOURNEY,
        Role.STORE_MANAGER,
        Level.STORE,
        "journey",
        "pantry/",
    ),
    Login(
        "Provider operator",
        "provider@agency.example",
        _PLATFORM,
        Role.PROVIDER_OPERATOR,
        Level.PROVIDER,
        engaged=True,
    ),
    Login("HQ admin of Harbor", "hq@harbor.example", _HARBOR, Role.HQ_ADMIN, Level.GROUP, "harbor"),
    Login(
        "Tea brand manager of Harbor",
        "tea@harbor.example",
        _HARBOR,
        Role.BRAND_MANAGER,
        Level.BRAND,
        "harbor",
        "tea",
    ),
]
