"""The group's own keys: versioned, wrapped by the master key, opened once per process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured

from members import locks
from members.models import GroupKey
from tenants.connection import connection
from tenants.master_key import MasterKeyProvider, WrongMasterKey, provider
from tenants.models import Tenant

Purpose = GroupKey.Purpose
Row = tuple[str, int, bytes]


class KeysUnopened(ImproperlyConfigured):
    """Say that a group's keys cannot be opened, so that nothing is read or sealed with them."""


@dataclass(frozen=True)
class GroupKeys:
    """Hold a group's opened keys, 32 bytes each: those in use, and data keys not yet retired."""

    data: bytes = field(repr=False)
    index: bytes = field(repr=False)
    # Of the data key in use.
    version: int
    # Every data key, by version.
    former: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    # Knows again who was erased; empty in a group that is older than the right.
    erased: bytes = field(default=b"", repr=False)

    def data_key(self, version: int) -> bytes:
        """Return the data key of a version; raises KeysUnopened where it is gone."""
        if version == self.version:
            return self.data
        if version in self.former:
            return self.former[version]
        raise KeysUnopened(
            f"Contact data is sealed with version {version} of this group's key, which is not "
            "there. Nothing was changed. Put the row of members_groupkey back from a backup."
        )


def context(schema_name: str, purpose: str, version: int) -> bytes:
    """Return what a wrapped key is bound to, so that it opens in no other place."""
    return f"{schema_name}:{purpose}:{version}".encode()


def seed_group(tenant: Tenant) -> None:
    """Give a new group a key of each purpose."""
    for purpose in Purpose.values:
        key_add(schema_name=tenant.schema_name, purpose=purpose, version=1)


def key_add(*, schema_name: str, purpose: str, version: int) -> GroupKey:
    """Make a random key of a version and keep it wrapped."""
    wrapped = provider().wrap(os.urandom(32), context(schema_name, purpose, version))
    return GroupKey.objects.create(purpose=purpose, version=version, wrapped=wrapped)


def opened(
    schema_name: str, rows: tuple[Row, ...], master: MasterKeyProvider | None = None
) -> GroupKeys:
    """Return a group's keys of its rows; raises KeysUnopened, and makes none of some of them."""
    master = master or provider()
    found: dict[str, dict[int, bytes]] = {purpose: {} for purpose in Purpose.values}
    for purpose, version, blob in rows:
        try:
            key = master.unwrap(blob, context(schema_name, purpose, version))
        except WrongMasterKey as error:
            raise KeysUnopened(
                f"The keys of the group “{schema_name}” cannot be opened: MASTER_KEY is not the "
                f"one they were made with, or the row of the {purpose} key, version {version}, was "
                "damaged. Nothing was changed. Start again with the right key, or put the row back "
                "from a backup."
            ) from error
        if len(key) != 32:
            raise KeysUnopened(
                f"The {purpose} key of the group “{schema_name}” has {len(key)} bytes and not 32. "
                "Nothing was changed."
            )
        found[purpose][version] = key
    missing = [purpose for purpose in (Purpose.DATA, Purpose.INDEX) if not found[purpose]]
    if missing:
        raise KeysUnopened(
            f"The group “{schema_name}” has no {' and no '.join(missing)} key. Nothing was "
            "changed. Put the rows of members_groupkey back from a backup."
        )
    data, index = found[Purpose.DATA], found[Purpose.INDEX]
    version = max(data)
    erased = found[Purpose.ERASED].get(1, b"")
    return GroupKeys(data[version], index[max(index)], version, data, erased)


@lru_cache(maxsize=512)
def _kept(schema_name: str, rows: tuple[Row, ...], _master: object) -> GroupKeys:
    # By provider as well: what one opens is no key of another's.
    return opened(schema_name, rows)


def sealing_keys() -> GroupKeys:
    """Return the keys to seal or key something with that is written in this transaction.

    Nobody changes them until it ends. Who holds the group's answers (members.locks) is held off
    by that already, and asks for `group_keys` once they are held.
    """
    locks.hold_keys(is_shared=True)
    return group_keys()


def group_keys() -> GroupKeys:
    """Return the current group's keys; raises KeysUnopened, under a wrong master key say."""
    rows = GroupKey.objects.order_by("version").values_list("purpose", "version", "wrapped")
    wrapped = tuple((purpose, version, bytes(blob)) for purpose, version, blob in rows)
    wraps: object = provider()
    return _kept(connection.schema_name, wrapped, wraps)
