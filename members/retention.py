"""Keep rows for as long as their purpose lasts: count what would go, then take it away daily.

Files go by rules that only shorten what the code allows at most. What tells of members goes by
rules that are off until one admin of HQ has set them and a second has approved them, having seen
what would go. The audit is kept for good.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.modes import Mode
from brands.wall import scope
from members import folders, locks
from members.exports import files as export_files
from members.imports import life
from members.imports.pipeline import remove_upload
from members.models import (
    ExportJob,
    ImportJob,
    RetentionCertificate,
    RetentionCount,
    RetentionRule,
)
from members.models.retention import Purpose
from members.rights import certificates, files
from members.rights.erasure import Act, erase, hold
from members.rights.errors import RightsRefused
from members.rollups import finish_pending
from tenants import audit
from tenants.audit_telling import by_brand
from tenants.connection import connection as tenant_connection
from tenants.context import tenant_transaction
from tenants.models import Tenant, User

# What may be shortened and not made longer: what holds contact data in clear.
MOST_DAYS = {Purpose.UPLOADS: 7, Purpose.REJECTED: 30, Purpose.EXPORTS: 7}
# Proof of consent is kept for three years at least (PIPL art. 55-56).
LEAST_DAYS = {Purpose.EVIDENCE: 1_096}
# Takes rows of members, so a second admin approves it.
OF_MEMBERS = frozenset({Purpose.EVENTS, Purpose.ORDERS, Purpose.INACTIVE, Purpose.EVIDENCE})
AT_ONCE = 5_000
ERASED_AT_ONCE = 500


@dataclass(frozen=True)
class Standing:
    """Be the rule of one purpose as it stands; no days: it is off."""

    purpose: Purpose
    rule: RetentionRule | None
    days: int | None

    @property
    def needs_approval(self) -> bool:
        """Tell whether a second admin has not approved it yet."""
        return self.purpose in OF_MEMBERS and self.days is not None and not self._approved

    @property
    def _approved(self) -> bool:
        return self.rule is not None and self.rule.approves_id is not None

    @property
    def is_in_force(self) -> bool:
        """Tell whether rows go by it."""
        return self.days is not None and not self.needs_approval


def standings() -> list[Standing]:
    """Return every purpose's newest rule, in the order in which they are shown."""
    newest = RetentionRule.objects.order_by().values("purpose").annotate(newest=Max("pk"))
    rules = {
        rule.purpose: rule for rule in RetentionRule.objects.filter(pk__in=newest.values("newest"))
    }
    found = []
    for purpose in Purpose:
        rule = rules.get(purpose)
        found.append(Standing(purpose, rule, rule.days if rule else MOST_DAYS.get(purpose)))
    return found


@transaction.atomic
def rule_set(*, purpose: str, days: int | None, acting_user: User) -> RetentionRule:
    """Append a version of a purpose's rule; raises RightsRefused in words."""
    wanted = Purpose(purpose)
    most, least = MOST_DAYS.get(wanted), LEAST_DAYS.get(wanted, 1)
    if most is not None and (days is None or days > most):
        raise RightsRefused(
            _("These files are kept for %(days)d days at most. Nothing was changed.")
            % {"days": most}
        )
    if days is not None and days < least:
        raise RightsRefused(
            _("These rows are kept for %(days)d days at least. Nothing was changed.")
            % {"days": least}
        )
    return _append(wanted, days, acting_user, None, "change")


@transaction.atomic
def rule_approve(*, purpose: str, acting_user: User) -> RetentionRule:
    """Approve a rule as a second admin, after what would go was counted; raises RightsRefused."""
    standing = next(one for one in standings() if one.purpose == purpose)
    rule = standing.rule
    if rule is None or not standing.needs_approval:
        raise RightsRefused(_("There is nothing to approve. Load the page again."))
    if rule.decided_by_id == acting_user.pk:
        raise RightsRefused(_("Whoever set a rule does not approve it. Nothing was changed."))
    counted = RetentionCount.objects.aggregate(last=Max("counted_at"))["last"]
    if is_told_of_any() and (counted is None or counted < rule.decided_at):
        raise RightsRefused(
            _("Nobody has counted yet what would go by this rule. Have it counted, then look.")
        )
    return _append(standing.purpose, rule.days, acting_user, rule, "approve")


def is_told_of_any() -> bool:
    """Tell whether the open scope reads the counts of any brand: HQ does not in brand-max."""
    visible = scope.current().visible
    if visible is None or not visible.viewer.is_hq:
        return True
    return any(mode is not Mode.BRAND_MAX for mode in visible.modes.values())


def _append(
    purpose: Purpose, days: int | None, user: User, approves: RetentionRule | None, act: str
) -> RetentionRule:
    rule = RetentionRule.objects.create(
        purpose=purpose,
        days=days,
        approves=approves,
        decided_by_id=user.pk,
        decided_by_name=str(user)[:120],
    )
    audit.record(
        acting_user=user,
        action=f"retentionrule.{act}",
        target=rule,
        target_name=purpose,
        changes={"days": ["", days]},
    )
    return rule


# Purpose → the rows that would go, with their brand; takes the instant `before`.
_EVENTS = """
    SELECT x.id, x.brand_id FROM members_event x
    WHERE x.occurred_at < %(before)s AND x.what NOT IN ('order', 'refund')
"""
_ORDERS = """
    SELECT x.id, x.brand_id FROM members_order x
    WHERE x.ordered_at < %(before)s AND x.profile_id IS NOT NULL
"""
_INACTIVE = """
    SELECT x.id, x.brand_id FROM members_profile x
    WHERE x.notice_id IS NULL AND x.created_at < %(before)s
        AND (x.registered_on IS NULL OR x.registered_on < %(before)s::date)
        AND NOT EXISTS (
            SELECT FROM members_order o WHERE o.profile_id = x.id AND o.ordered_at >= %(before)s
        ) AND NOT EXISTS (
            SELECT FROM members_event v WHERE v.profile_id = x.id AND v.occurred_at >= %(before)s
        ) AND NOT EXISTS (SELECT FROM members_touchpoint t WHERE t.profile_id = x.id AND is_followed)
        AND NOT EXISTS (
            SELECT FROM members_consent c WHERE c.profile_id = x.id AND c.answered_at >= %(before)s
        )
"""  # noqa: E501
_EVIDENCE = """
    SELECT x.id, x.brand_id FROM members_consentevidence x WHERE x.erased_on < %(before)s::date
"""
_UPLOADS = """
    SELECT x.id, x.brand_id FROM members_importjob x
    WHERE x.state IN ('uploaded', 'checked') AND x.created_at < %(before)s
        OR x.state = 'paused' AND x.finished_at < %(before)s
"""
_REJECTED = """
    SELECT x.id, x.brand_id FROM members_importjob x
    WHERE x.rejected_path <> '' AND x.finished_at < %(before)s
"""
_ROWS = {
    Purpose.EVENTS: _EVENTS,
    Purpose.ORDERS: _ORDERS,
    Purpose.INACTIVE: _INACTIVE,
    Purpose.EVIDENCE: _EVIDENCE,
    Purpose.UPLOADS: _UPLOADS,
    Purpose.REJECTED: _REJECTED,
}
COUNTED = frozenset(_ROWS)
# Members whose last yes was to a notice whose months of keeping have passed, with no other yes
# that still lets them be kept (PIPL art. 19, 47).
_NOTICES = """
    SELECT brand_id, notice_id, count(*) FROM (
        SELECT p.id, p.brand_id, max(
                c.answered_at + make_interval(months => n.retention_months)
            ) AS ends_at,
            (array_agg(n.id ORDER BY c.answered_at DESC, c.id DESC))[1] AS notice_id
        FROM members_profile p
        JOIN members_consent c ON c.profile_id = p.id AND c.is_given
        JOIN brands_notice n ON n.id = c.answered_notice_id
        GROUP BY p.id
    ) AS kept WHERE ends_at < now() GROUP BY brand_id, notice_id
"""


def _before(days: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def retention_count(*, tenant: Tenant) -> int:
    """Count by brand what would go today, and keep the counts; return how many rows in all."""
    counts: list[tuple[int, str, int]] = []
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="retention"),
        connection.cursor() as cursor,
    ):
        for one in standings():
            if one.days is None or one.purpose not in _ROWS:
                continue
            cursor.execute(
                f"SELECT brand_id, count(*) FROM ({_ROWS[one.purpose]}) AS r GROUP BY brand_id",  # noqa: S608
                {"before": _before(one.days)},
            )
            counts += [(brand, str(one.purpose), rows) for brand, rows in cursor.fetchall()]
        cursor.execute(_NOTICES)
        counts += [(brand, f"notice:{pk}", rows) for brand, pk, rows in cursor.fetchall()]
        RetentionCount.objects.all().delete()
        cursor.execute("SELECT id FROM brands_brand")
        # That it was counted shows, also where nothing would go.
        kept = [(brand, "counted", 0) for (brand,) in cursor.fetchall()] + counts
        RetentionCount.objects.bulk_create(
            RetentionCount(brand_id=brand, about=about, rows=rows) for brand, about, rows in kept
        )
    return sum(rows for _brand, _about, rows in counts)


def count_enqueue() -> None:
    """Ask for `members.count_retention` in this group once the transaction is committed."""
    from members.tasks import count_retention

    headers = {"_schema_name": tenant_connection.schema_name}
    transaction.on_commit(lambda: count_retention.apply_async(headers=headers), robust=True)


def retention_run(*, tenant: Tenant) -> int:
    """Take away what its purpose no longer needs; return how many rows and files.

    For a process with the owner's credentials, outside of a transaction: in chunks that commit, so
    a run that is killed goes on in the next one. Each purpose that took anything is audited.
    """
    with tenant_transaction(tenant):
        rules = [one for one in standings() if one.is_in_force]
    total = 0
    for one in rules:
        if one.days is None or (act := _ACTS.get(one.purpose)) is None:
            continue
        gone: Counter[int] = Counter()
        while taken := act(tenant, _before(one.days)):
            gone += taken
        if gone:
            total += gone.total()
            with tenant_transaction(tenant), scope.bulk(reason="retention"):
                audit.record(
                    acting_user=None,
                    action="retentionrule.run",
                    target=one.rule,
                    target_name=one.purpose,
                    # Kept by brand: HQ reads the audit in every mode.
                    changes={"rows": ["", by_brand(gone)], "days": ["", one.days]},
                )
    if total:
        finish_pending(tenant=tenant)
    return total


def _take(tenant: Tenant, before: dt.datetime, purpose: Purpose, sql: str) -> Counter[int]:
    """Run SQL over the next rows of a purpose, in `going`; return how many of each brand."""
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="retention"),
        connection.cursor() as cursor,
    ):
        locks.hold_answers(is_shared=True)
        locks.hold_rollups(is_shared=True)
        cursor.execute("DROP TABLE IF EXISTS pg_temp.going")
        cursor.execute(
            f"CREATE TEMPORARY TABLE going ON COMMIT DROP AS {_ROWS[purpose]} "
            f"ORDER BY x.id LIMIT {AT_ONCE}",
            {"before": before},
        )
        cursor.execute("SELECT brand_id, count(*) FROM pg_temp.going GROUP BY brand_id")
        counts = Counter(dict(cursor.fetchall()))
        if counts:
            cursor.execute(sql, {"zone": tenant.time_zone})
        return counts


def _events_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    sql = "DELETE FROM members_event x USING going g WHERE x.id = g.id"
    return _take(tenant, before, Purpose.EVENTS, sql)


def _orders_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    """Take the member out of old orders: what was sold stays, by whom it was bought does not."""
    return _take(
        tenant,
        before,
        Purpose.ORDERS,
        """
        INSERT INTO members_pendingtotal (profile_id)
        SELECT DISTINCT o.profile_id FROM members_order o JOIN going g ON g.id = o.id
        ORDER BY 1 ON CONFLICT DO NOTHING;
        INSERT INTO members_pendingrollup (brand_id, store_id, day)
        SELECT DISTINCT o.brand_id, COALESCE(o.store_id, 0),
            (o.ordered_at AT TIME ZONE %(zone)s)::date
        FROM members_order o JOIN going g ON g.id = o.id ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
        DELETE FROM members_event v USING members_order o, going g
        WHERE o.id = g.id AND v.brand_id = o.brand_id AND v.order_no = o.order_no
            AND v.what IN ('order', 'refund');
        UPDATE members_orderline l SET notice_id = NULL FROM going g
        WHERE l.order_id = g.id AND l.notice_id IS NOT NULL;
        UPDATE members_order o SET profile_id = NULL, notice_id = NULL FROM going g
        WHERE o.id = g.id
        """,
    )


def _evidence_ends(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    sql = "DELETE FROM members_consentevidence x USING going g WHERE x.id = g.id"
    return _take(tenant, before, Purpose.EVIDENCE, sql)


def _inactive_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    """Erase members as on their own request, with a certificate for each brand of a lot."""
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="retention"),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"{_INACTIVE} ORDER BY x.id LIMIT {ERASED_AT_ONCE}", {"before": before})
        if not (found := [pk for pk, _brand in cursor.fetchall()]):
            return Counter()
        hold(cursor, found)
        # Whoever was waited for may have brought an order or a yes of one of them.
        cursor.execute(f"{_INACTIVE} AND x.id = ANY(%(ids)s)", {"before": before, "ids": found})
        of_brand: dict[int, list[int]] = {}
        for pk, brand in cursor.fetchall():
            of_brand.setdefault(brand, []).append(pk)
        if not of_brand:
            return Counter()
        acts = {
            brand: Act(certificates.fresh_number(tenant), tuple(ids))
            for brand, ids in sorted(of_brand.items())
        }
        erased = erase(tenant=tenant, acts=list(acts.values()))
        files.clean(tenant=tenant, erased=erased)
        for brand, act in acts.items():
            _certify(tenant, brand, act)
    return Counter({brand: len(act.profiles) for brand, act in acts.items()})


def _certify(tenant: Tenant, brand_id: int, act: Act) -> None:
    """Keep what a brand's certificate says, and hang its digest onto the audit."""
    content = certificates.content_of(
        number=act.number,
        what="retention",
        request="retention",
        tenant=tenant,
        counts={"members.Profile": len(act.profiles)},
    )
    # HQ reads digests of every brand, and would try out the few counts that one may stand for.
    content["salt"] = secrets.token_hex(16)
    RetentionCertificate.objects.create(brand_id=brand_id, number=act.number, content=content)
    certificates.hang(content=content, target=None, acting_user=None)


def _uploads_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    with tenant_transaction(tenant), scope.bulk(reason="retention"):
        State = ImportJob.State
        waiting = ImportJob.objects.filter(
            Q(state__in=[State.UPLOADED, State.CHECKED], created_at__lt=before)
            | Q(state=State.PAUSED, finished_at__lt=before)
        )
        jobs = list(waiting.select_for_update(skip_locked=True))
        for job in jobs:
            life.call_off(job)
            remove_upload(job, tenant.schema_name)
    return Counter(job.brand_id for job in jobs)


def _rejected_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    with tenant_transaction(tenant), scope.bulk(reason="retention"):
        mended = ImportJob.objects.exclude(rejected_path="").filter(finished_at__lt=before)
        jobs = list(mended.select_for_update(skip_locked=True))
        for job in jobs:
            try:
                path = folders.rejected_file(job.rejected_path, tenant.schema_name, job.pk)
                path.unlink(missing_ok=True)
            except folders.StrangePath:
                pass
            job.rejected_path = ""
            job.save(update_fields=["rejected_path"])
    return Counter(job.brand_id for job in jobs)


def _exports_end(tenant: Tenant, before: dt.datetime) -> Counter[int]:
    with tenant_transaction(tenant), scope.bulk(reason="retention"):
        done = ExportJob.objects.filter(state=ExportJob.State.DONE, finished_at__lt=before)
        jobs = list(done.select_for_update(skip_locked=True))
        for job in jobs:
            export_files.remove(export_files.files_of(job, tenant.schema_name))
            job.state, job.path = ExportJob.State.DELETED, ""
            job.save(update_fields=["state", "path"])
    # Of several brands it is counted for the first, of none for nobody.
    return Counter(min(map(int, job.brands), default=0) for job in jobs)


_ACTS: dict[Purpose, Callable[[Tenant, dt.datetime], Counter[int]]] = {
    Purpose.UPLOADS: _uploads_end,
    Purpose.REJECTED: _rejected_end,
    Purpose.EXPORTS: _exports_end,
    Purpose.EVENTS: _events_end,
    Purpose.ORDERS: _orders_end,
    Purpose.INACTIVE: _inactive_end,
    Purpose.EVIDENCE: _evidence_ends,
}
