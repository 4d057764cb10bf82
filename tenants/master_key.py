"""The master key from the environment, and the keys derived from it for the platform's own use."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def read_key(text: str, name: str = "MASTER_KEY") -> bytes:
    """Return the 32 bytes that a base64url key stands for; raises ImproperlyConfigured."""
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not base64url.") from error
    if len(key) != 32:
        raise ImproperlyConfigured(f"{name} must be 32 bytes in base64url.")
    return key


def master_key() -> bytes:
    """Return the master key in use."""
    return read_key(settings.MASTER_KEY)


@lru_cache(maxsize=64)
def derived(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose, from which the master key cannot be found (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(key)
