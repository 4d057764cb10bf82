"""Give unionids and card numbers the keys of the spaces in which they count today."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.contacts import identity_key, open_sealed
from members.identity.spaces import Spaces, SpaceUnknown
from members.keys import group_keys
from members.models import IdentityKind
from members.staging import copy_into, stage

# Contact field → kind of identifier; of the kinds whose space may change, those kept as text.
_FIELDS = {"unionid": IdentityKind.UNIONID, "card_no": IdentityKind.CARD}


def rekey_touched(cursor: CursorWrapper) -> int:
    """Key the contacts of touched_profile anew, from what is sealed; return how many keys changed.

    After accounts were registered, or the rule of cards changed. Notes the identities that lose a
    profile in touched_identity; those that gain one the profile carries now.
    """
    keys, spaces = group_keys(), Spaces.now()
    found: dict[tuple[str, int, str], str | None] = {}

    def space(kind: IdentityKind, brand_id: int, account: str) -> str | None:
        """Return where it counts; None where that is not known, and it keeps its key."""
        name = (kind.value, brand_id, account)
        if name not in found:
            try:
                found[name] = (
                    spaces.of_account(kind, brand_id, account)
                    if account and kind is IdentityKind.UNIONID
                    else spaces.of_brand(kind, brand_id)
                )
            except SpaceUnknown:
                found[name] = None
        return found[name]

    cursor.execute(
        """
        SELECT c.profile_id, c.brand_id, c.sealed, c.unionid_key, c.card_key
        FROM touched_profile t JOIN members_contact c USING (profile_id)
        WHERE c.unionid_key IS NOT NULL OR c.card_key IS NOT NULL
        """
    )
    rows = []
    for profile, brand, sealed, *old in cursor.fetchall():
        fields = open_sealed(keys, bytes(sealed))
        for (name, kind), was in zip(_FIELDS.items(), old, strict=True):
            where = space(kind, brand, fields.get("account", "")) if name in fields else None
            if where is None:
                continue
            key = identity_key(keys, kind, fields[name], where)
            if was is None or bytes(was) != key:
                rows.append(f"{profile}\t{kind.value}\t{where}\t\\\\x{key.hex()}\n")
    if not rows:
        return 0
    stage(cursor, "rekeyed", "profile_id bigint, kind varchar, space varchar, key bytea")
    copy_into(
        cursor,
        "rekeyed",
        "profile_id, kind, space, key",
        "".join(rows),
        joined_by="profile_id",
    )
    cursor.execute(
        """
        WITH gone AS (
            DELETE FROM members_identitylink l USING rekeyed r, members_identity i
            WHERE l.profile_id = r.profile_id AND i.id = l.identity_id AND i.kind = r.kind
            RETURNING l.identity_id
        )
        INSERT INTO touched_identity SELECT DISTINCT identity_id FROM gone
        """
    )
    cursor.execute(
        """
        INSERT INTO members_identity (kind, space, key, is_hot)
        SELECT DISTINCT ON (kind, key) kind, space, key, false FROM rekeyed
        ON CONFLICT DO NOTHING
        """
    )
    cursor.execute(
        """
        INSERT INTO members_identitylink (profile_id, identity_id)
        SELECT r.profile_id, i.id FROM rekeyed r
        JOIN members_identity i ON i.kind = r.kind AND i.key = r.key
        ON CONFLICT DO NOTHING
        """
    )
    for kind in _FIELDS.values():
        cursor.execute(
            f"UPDATE members_contact c SET {kind.value}_key = r.key FROM rekeyed r "  # noqa: S608
            "WHERE c.profile_id = r.profile_id AND r.kind = %s",
            [kind.value],
        )
    return len(rows)
