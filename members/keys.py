"""The group's own keys: wrapped by the master key, opened once per process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured

from members.models import GroupKey
from tenants.connection import connection
from tenants.master_key import master_key
from tenants.models import Tenant


@dataclass(frozen=True)
class GroupKeys:
    """Hold a group's opened keys: 32 bytes each."""

    data: bytes
    index: bytes
    version: int


def _master() -> AESGCM:
    return AESGCM(master_key())


def _context(schema_name: str, purpose: str, version: int) -> bytes:
    return f"{schema_name}:{purpose}:{version}".encode()


def seed_group(tenant: Tenant) -> None:
    """Give a new group its data key and its index key."""
    for purpose in GroupKey.Purpose.values:
        nonce = os.urandom(12)
        sealed = _master().encrypt(nonce, os.urandom(32), _context(tenant.schema_name, purpose, 1))
        GroupKey.objects.create(purpose=purpose, version=1, wrapped=nonce + sealed)


@lru_cache(maxsize=512)
def _open(schema_name: str, wrapped: tuple[tuple[str, int, bytes], ...]) -> GroupKeys:
    opened: dict[str, bytes] = {}
    version = 1
    for purpose, number, blob in wrapped:
        try:
            opened[purpose] = _master().decrypt(
                blob[:12], blob[12:], _context(schema_name, purpose, number)
            )
        except InvalidTag as error:
            raise ImproperlyConfigured(
                "MASTER_KEY does not open this group's keys: it is not the key they were made "
                "with. Nothing was changed. Start again with the right key."
            ) from error
        version = max(version, number)
    return GroupKeys(data=opened["data"], index=opened["index"], version=version)


def group_keys() -> GroupKeys:
    """Return the current group's keys; raises ImproperlyConfigured under a wrong master key."""
    rows = GroupKey.objects.order_by("version").values_list("purpose", "version", "wrapped")
    wrapped = tuple((purpose, version, bytes(blob)) for purpose, version, blob in rows)
    return _open(connection.schema_name, wrapped)
