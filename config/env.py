"""Read settings from the environment, from files it names, and from var/sluice.env."""

import os
from pathlib import Path
from urllib.parse import unquote, urlparse

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("SLUICE_VAR", BASE_DIR / "var"))


def _embedded_values() -> dict[str, str]:
    """Return what the embedded services wrote, or nothing where none were started."""
    path = VAR_DIR / "sluice.env"
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


_EMBEDDED = _embedded_values()


def text(name: str, default: str | None = None) -> str:
    """Return setting NAME from NAME, from the file NAME_FILE names, or from var/sluice.env."""
    if name in os.environ:
        return os.environ[name]
    if file_name := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file_name).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error
    if name in _EMBEDDED:
        return _EMBEDDED[name]
    if default is None:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, or run `make demo`, "
            "which starts its own services and writes var/sluice.env."
        )
    return default


def flag(name: str, default: bool = False) -> bool:
    """Return a yes/no setting; any other word is refused."""
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def number(name: str, default: int) -> int:
    """Return a whole-number setting."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated setting as a list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def secret(name: str, *, demo: bool, least: int = 32) -> str:
    """Return a secret; outside the demo a short or guessable one is refused."""
    value = text(name)
    if not demo and (len(value) < least or len(set(value)) < 8):
        raise ImproperlyConfigured(f"{name} is too weak: use at least {least} random characters.")
    return value


def database(name: str, **options: object) -> dict[str, object]:
    """Return Django's database settings for the postgresql:// URL in setting NAME, and options."""
    url = urlparse(text(name))
    if url.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{name} must be a postgresql:// address.")
    for pair in filter(None, url.query.split("&")):
        key, _, value = pair.partition("=")
        options[key] = unquote(value)
    return {
        "ENGINE": "tenants.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": str(options.pop("host", url.hostname or "")),
        "PORT": str(url.port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": number("CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
    }
