"""Work out strata, set-based: of persons that something touched, and of everybody.

Who changes consents holds the group's answers alone and works out the persons' strata in the same
transaction, so that a stratum ends with the consent it rested on. Everything else shares the
answers, so that it never writes by a consent that has just been withdrawn.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from brands.services import generation_bump
from brands.wall import scope
from members import locks
from members.models import BrandStratumRule, GroupStratumRule, Profile, StrataState
from members.staging import stage, stage_query
from members.strata import Basis, Owner, basis_now, counted_pairs, state_now
from members.strata_figures import keep_strata
from tenants.connection import connection as tenant_connection
from tenants.context import tenant_transaction
from tenants.models import Tenant

Say = Callable[[int, int], None]
# Members worked out in one transaction: consents wait for no longer than that takes.
BATCH = 20_000
# A run that was not heard of for so long has lost its worker.
SILENCE = dt.timedelta(minutes=10)

_FROM = """
    total_orders >= {0}_orders AND total_sales >= {0}_sales AND ({0}_days IS NULL
        OR last_order_at >= now() - make_interval(days => {0}_days::integer))
"""
# Right stratum and source of the profiles in `stratified`, by `stratum_rule` and `stratum_pair`.
_RIGHT = f"""
    SELECT id, CASE WHEN source IS NULL OR is_left_out THEN 0
            WHEN {_FROM.format("true_love")} THEN 3
            WHEN {_FROM.format("favourable")} THEN 2 ELSE 1 END AS stratum,
        CASE WHEN source IS NULL OR is_left_out THEN '' ELSE source END AS source
    FROM (
        SELECT p.id, p.no_automation OR p.is_restricted AS is_left_out, r.*,
            p.orders + COALESCE(o.orders, 0) AS total_orders,
            p.sales + COALESCE(o.sales, 0) AS total_sales,
            GREATEST(p.last_order_at, o.last_order_at) AS last_order_at
        FROM stratified t JOIN members_profile p ON p.id = t.profile_id
        LEFT JOIN stratum_rule r ON r.of_brand = p.brand_id
        LEFT JOIN LATERAL (
            SELECT sum(q.orders) AS orders, sum(q.sales) AS sales,
                max(q.last_order_at) AS last_order_at
            FROM members_profile q
            JOIN stratum_rule w ON w.of_brand = q.brand_id AND w.is_whole
            JOIN stratum_pair s ON s.other_notice = q.notice_id
            WHERE r.is_whole AND q.person_id = p.person_id AND q.brand_id <> p.brand_id
                AND NOT q.is_restricted
                AND s.of_brand = p.brand_id AND s.own_notice = COALESCE(p.notice_id, 0)
        ) AS o ON true
    ) AS counted
"""  # noqa: S608 - constants of the code
_APPLY = """
    UPDATE members_profile p SET stratum = r.stratum, stratum_source = r.source
    FROM stratum_right r
    WHERE p.id = r.id AND (p.stratum, p.stratum_source) IS DISTINCT FROM (r.stratum, r.source)
"""


def has_rules() -> bool:
    """Tell whether anybody in the group has made a rule."""
    return GroupStratumRule.objects.exists() or BrandStratumRule.objects.exists()


def stratify_persons(cursor: CursorWrapper, persons: str) -> int:
    """Work out the strata of persons; return how many profiles changed.

    PERSONS names a temporary table with a column person_id. Runs in the caller's transaction and
    bulk scope, which hold the group's answers (members.locks).
    """
    if not has_rules():
        return 0
    stage_query(
        cursor,
        "stratified",
        f"""
        SELECT id AS profile_id FROM members_profile
        WHERE person_id IN (SELECT person_id FROM {persons})
        """,  # noqa: S608 - a name of the code
    )
    return _write(cursor, basis_now())


def note_touched(cursor: CursorWrapper) -> None:
    """Note the members whose totals are being recomputed, and those who have no stratum yet."""
    if not has_rules():
        return
    brands = list(basis_now().sources)
    cursor.execute(
        """
        INSERT INTO members_pendingstratum (profile_id)
        SELECT profile_id FROM members_pendingtotal
        UNION SELECT id FROM members_profile
            WHERE brand_id = ANY(%s) AND stratum = 0
                AND NOT no_automation AND NOT is_restricted
        ON CONFLICT DO NOTHING
        """,
        [brands],
    )


def strata_finish(*, tenant: Tenant) -> int:
    """Work out the strata that are pending; return how many profiles changed."""
    changed = 0
    while True:
        with (
            tenant_transaction(tenant),
            scope.bulk(reason="strata"),
            connection.cursor() as cursor,
        ):
            locks.hold_answers(is_shared=True)
            locks.hold_rollups()
            taken = stage_query(
                cursor,
                "pending_stratum",
                "SELECT profile_id FROM members_pendingstratum LIMIT %s",
                [BATCH],
            )
            if not taken:
                # Also where only pools changed: a figure of strata is shown beside theirs.
                if has_rules():
                    keep_strata(cursor)
                    generation_bump()
                return changed
            # The whole person: what is bought in one brand may count in another.
            stage_query(
                cursor,
                "touched_person",
                "SELECT DISTINCT person_id FROM members_profile "
                "WHERE id IN (SELECT profile_id FROM pending_stratum)",
            )
            changed += stratify_persons(cursor, "touched_person")
            cursor.execute(
                "DELETE FROM members_pendingstratum "
                "WHERE profile_id IN (SELECT profile_id FROM pending_stratum)"
            )
            generation_bump()


def strata_refresh(*, tenant: Tenant, progress: Say | None = None) -> int:
    """Work out everybody's stratum anew; return how many profiles changed.

    Outside a transaction: one for every batch. Safe to run twice, side by side, and again after a
    stop; each batch goes by the rules and consents of its own instant.
    """
    say = progress or (lambda done, total: None)
    today = _today(tenant)
    with tenant_transaction(tenant), scope.bulk(reason="strata"):
        begun = basis_now()
        # Steps of batches: whoever reads how far it is does not learn how many members there are.
        total = Profile.objects.count() // BATCH + 1
        _keep(done=0, total=total)
    say(0, total)
    done = changed = last = 0
    while True:
        with (
            tenant_transaction(tenant),
            scope.bulk(reason="strata"),
            connection.cursor() as cursor,
        ):
            locks.hold_answers(is_shared=True)
            locks.hold_rollups()
            taken = stage_query(
                cursor,
                "stratified",
                "SELECT id AS profile_id FROM members_profile WHERE id > %s ORDER BY id LIMIT %s",
                [last, BATCH],
            )
            if not taken:
                # What came up meanwhile is for the next run: the basis is the one of the start.
                _keep(
                    basis=begun.digest,
                    terms=begun.terms,
                    day=today,
                    finished_at=timezone.now(),
                    done=total,
                )
                keep_strata(cursor)
                generation_bump()
                break
            changed += _write(cursor, basis_now())
            cursor.execute("SELECT max(profile_id) FROM stratified")
            last = cursor.fetchone()[0]
            done = min(done + 1, total)
            _keep(done=done)
        say(done, total)
    say(total, total)
    return changed


def is_stale(*, tenant: Tenant) -> bool:
    """Tell whether rules, modes, notices or the day changed since all strata were worked out.

    In the caller's transaction and bulk scope.
    """
    basis, state = basis_now(), state_now()
    if basis.digest != (state.basis if state else ""):
        return True
    return bool(basis.digest) and state is not None and state.day != _today(tenant)


def refresh_if_stale(*, tenant: Tenant) -> int:
    """Work out strata where that would change something and nobody is at it."""
    with tenant_transaction(tenant), scope.bulk(reason="strata"):
        if not is_stale(tenant=tenant) or _is_running():
            return 0
    return strata_refresh(tenant=tenant)


def _is_running() -> bool:
    state = state_now()
    if state is None or state.heard_at is None or state.heard_at < timezone.now() - SILENCE:
        return False
    return state.finished_at is None or state.finished_at < state.heard_at


def _keep(**fields: object) -> None:
    fields.setdefault("heard_at", fields.get("finished_at") or timezone.now())
    StrataState.objects.update_or_create(pk=StrataState.ONLY, defaults=fields)


def _today(tenant: Tenant) -> dt.date:
    return timezone.now().astimezone(ZoneInfo(tenant.time_zone)).date()


def _write(cursor: CursorWrapper, basis: Basis) -> int:
    """Write the right strata of the profiles in `stratified`."""
    _stage_rules(cursor, basis)
    stage_query(cursor, "stratum_right", _RIGHT)
    cursor.execute(_APPLY)
    return cursor.rowcount


def _stage_rules(cursor: CursorWrapper, basis: Basis) -> None:
    stage(
        cursor,
        "stratum_rule",
        "of_brand bigint, source text, is_whole boolean, favourable_orders integer, "
        "favourable_sales bigint, favourable_days integer, true_love_orders integer, "
        "true_love_sales bigint, true_love_days integer",
    )
    rows = []
    for brand, source in basis.sources.items():
        rule = basis.rules.in_force(brand, basis.modes[brand])
        if rule is None:
            continue
        rows.append(
            (
                *(brand, str(source), source.owner is Owner.PERSON),
                *(rule.favourable_orders, rule.favourable_sales, rule.favourable_days),
                *(rule.true_love_orders, rule.true_love_sales, rule.true_love_days),
            )
        )
    cursor.executemany(f"INSERT INTO stratum_rule VALUES ({', '.join(['%s'] * 9)})", rows)  # noqa: S608
    stage(cursor, "stratum_pair", "of_brand bigint, own_notice bigint, other_notice bigint")
    pairs = counted_pairs(basis.whole, basis.notices)
    cursor.executemany("INSERT INTO stratum_pair VALUES (%s, %s, %s)", pairs)
    cursor.execute("ANALYZE pg_temp.stratum_rule; ANALYZE pg_temp.stratum_pair")


def refresh_enqueue() -> None:
    """Ask for `members.refresh_strata` in this group once the transaction is committed."""
    from members.tasks import refresh_strata

    headers = {"_schema_name": tenant_connection.schema_name}
    # Where no worker is reached, the sweep finds the strata stale.
    transaction.on_commit(lambda: refresh_strata.apply_async(headers=headers), robust=True)
