"""Let bulk writers of one group wait for each other, for the length of a transaction.

`answers`: who changes persons, consents or notices holds it alone; who copies a profile's current
notice onto new rows shares it. `rollups`: who recomputes figures holds it alone; who writes facts
shares it. `brand`: one writer of a brand's members, and one of its orders, at a time. `keys`: who
changes a group's keys holds it alone, and then `answers`; who seals outside of `answers` shares it.
`intake`: one worker at a time applies batches, in the order in which they were handed in. `intake`
is taken before any other, `keys` before any but that.
"""

from __future__ import annotations

from tenants.connection import connection


def _hold(name: str, *, is_shared: bool = False) -> None:
    lock = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {lock}(hashtextextended(%s, 0))",  # noqa: S608 - one of the two above
            [f"sluice:{connection.schema_name}:{name}"],
        )


def hold_answers(*, is_shared: bool = False) -> None:
    """Wait until no one else resolves persons or records consents; then hold them off."""
    _hold("answers", is_shared=is_shared)


def hold_keys(*, is_shared: bool = False) -> None:
    """Wait until no one else seals with the group's keys; then hold them off."""
    _hold("keys", is_shared=is_shared)


def hold_intake() -> None:
    """Wait until no one else applies batches; then hold them off."""
    _hold("intake")


def hold_rollups(*, is_shared: bool = False) -> None:
    """Wait until no one else recomputes figures; then hold them off."""
    _hold("rollups", is_shared=is_shared)


def hold_brand(brand_id: int, kind: str) -> None:
    """Wait until no one else imports this kind of rows for the brand; then hold them off."""
    _hold(f"brand:{brand_id}:{kind}")


def is_brand_free(brand_id: int, kind: str) -> bool:
    """Tell whether no one else imports this kind of rows for the brand at the moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"sluice:{connection.schema_name}:brand:{brand_id}:{kind}"],
        )
        return bool(cursor.fetchone()[0])
