"""The master key: what wraps the groups' keys, and the keys derived from it for the platform."""

from __future__ import annotations

import base64
import os
from functools import lru_cache
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


class WrongMasterKey(ImproperlyConfigured):
    """Say that the master key does not open what it is asked to open."""


class MasterKeyProvider(Protocol):
    """Wrap and unwrap the groups' keys; CONTEXT binds each to its place, and is no secret."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return KEY wrapped."""

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        """Return what `wrap` was given; raises WrongMasterKey."""

    def is_current(self, blob: bytes, context: bytes) -> bool:
        """Tell whether the key that wraps now opens BLOB, so that it need not be wrapped anew."""


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


class EnvironmentKey:
    """Wrap under MASTER_KEY; unwrap what it wrapped, or one of FORMER_MASTER_KEYS.

    A blob is 12 bytes nonce, then the key under AES-256-GCM.
    """

    def __init__(self, now: bytes | None = None, former: tuple[bytes, ...] | None = None) -> None:
        self._now = AESGCM(now or master_key())
        if former is None:
            former = tuple(read_key(t, "FORMER_MASTER_KEYS") for t in settings.FORMER_MASTER_KEYS)
        self._former = tuple(AESGCM(key) for key in former)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return KEY under MASTER_KEY."""
        nonce = os.urandom(12)
        return nonce + self._now.encrypt(nonce, key, context)

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        """Return the key; raises WrongMasterKey."""
        for master in (self._now, *self._former):
            try:
                return master.decrypt(blob[:12], blob[12:], context)
            # ValueError: cut off, or no blob of this provider's.
            except (InvalidTag, ValueError):
                continue
        raise WrongMasterKey(
            "MASTER_KEY does not open a key: it is not the one that the key was wrapped under (and "
            "none of FORMER_MASTER_KEYS is), or the key's row was damaged."
        )

    def is_current(self, blob: bytes, context: bytes) -> bool:
        """Tell whether MASTER_KEY itself opens BLOB."""
        try:
            self._now.decrypt(blob[:12], blob[12:], context)
        except (InvalidTag, ValueError):
            return False
        return True


@lru_cache(maxsize=8)
def _provider(path: str, _now: str, _former: tuple[str, ...]) -> MasterKeyProvider:
    return cast(MasterKeyProvider, import_string(path)())


def provider() -> MasterKeyProvider:
    """Return what wraps the groups' keys here: MASTER_KEY_PROVIDER."""
    return _provider(
        settings.MASTER_KEY_PROVIDER, settings.MASTER_KEY, tuple(settings.FORMER_MASTER_KEYS)
    )


@lru_cache(maxsize=64)
def derived(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose, from which the master key cannot be found (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(key)
