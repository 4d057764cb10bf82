"""Erase members, set by set: everything that tells of them, and nothing of anybody else.

Orders that the law has kept lose their member; answers to notices are kept as proof without them.
An erasure opens nothing: where a person's no, or their age, stood only in what goes, the
memberships that it closed stay closed until the person says yes again.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext_noop

from brands.services import answers_bump
from members import contacts, identity, locks
from members.exports.tasks import sweep_enqueue
from members.identity.keyed import Keyed
from members.identity.open_persons import keep_open_persons
from members.notices import refresh_notices, refresh_objections
from members.rights import rules, tombstones
from members.rights.places import PLACES, How, Place, place
from members.rollups import note_unfinished
from members.staging import stage, stage_query
from members.stratify import stratify_persons
from tenants.models import Tenant

# What of it a certificate does not count: it would tell a brand what a sibling has.
UNTOLD = frozenset(
    {
        "members.GroupConsentEntry",
        "members.GroupPersonEntry",
        "members.Identity",
        "members.Person",
        "members.PersonConflict",
        "members.PersonDecisionSide",
        "members.PersonMerge",
    }
)


@dataclass(frozen=True)
class Act:
    """Be one erasure: the number of its certificate and the profiles that go."""

    number: str
    profiles: tuple[int, ...]

    @property
    def subject(self) -> bytes:
        """Return what stands in the place of the person in answers that are kept as proof.

        Whoever holds the certificate finds its answers; the number is random, so nobody else does.
        """
        return hashlib.sha256(f"sluice consent evidence {self.number}".encode()).digest()[:16]


@dataclass
class Erased:
    """Hold what was erased: counts by act and table, and the identifiers to look for in files."""

    counts: list[Counter[str]]
    brands: frozenset[int] = frozenset()
    # Brand → every identifier in clear, as it was kept there; in memory alone. Only in a brand's
    # own files are its own looked for: what goes from a file tells its brand of nobody else's.
    texts: dict[int, frozenset[str]] = field(default_factory=dict, repr=False)
    profiles: frozenset[int] = frozenset()

    def texts_of(self, brands: Iterable[int]) -> frozenset[str]:
        """Return what to look for in a file that holds rows of these brands."""
        return frozenset().union(*(self.texts.get(brand, frozenset()) for brand in brands))


def erase(*, tenant: Tenant, acts: Sequence[Act]) -> Erased:
    """Erase the profiles of some acts in the caller's transaction and bulk scope.

    The caller then deals with files, and brings figures up to date (members.rollups).
    """
    erased = Erased([Counter() for _act in acts])
    with connection.cursor() as cursor:
        erased.brands = hold(cursor, [pk for act in acts for pk in act.profiles])
        erased.profiles = _stage(cursor, acts)
        if not erased.profiles:
            return erased
        erased.texts = _remember(cursor, tenant)
        _untie(cursor, erased)
        _delete(cursor, erased, tenant)
        _close_what_opened(cursor)
        stratify_persons(cursor, "affected_person")
        note_unfinished(cursor)
        keep_open_persons("affected_person")
    answers_bump()
    sweep_enqueue()
    return erased


def hold(cursor: CursorWrapper, profiles: Sequence[int]) -> frozenset[int]:
    """Hold off whoever else writes members of these ones' brands; return the brands."""
    cursor.execute(
        "SELECT DISTINCT brand_id FROM members_profile WHERE id = ANY(%s)", [list(profiles)]
    )
    brands = sorted(brand for (brand,) in cursor.fetchall())
    # A chunk of an import holds its job's row before anything else, and files are cleaned by jobs.
    cursor.execute(
        "SELECT id FROM members_importjob WHERE brand_id = ANY(%s) ORDER BY id FOR UPDATE", [brands]
    )
    for brand in brands:
        # In the order in which imports take them.
        locks.hold_brand(brand, "members")
        locks.hold_brand(brand, "orders")
    locks.hold_answers()
    locks.hold_rollups(is_shared=True)
    return frozenset(brands)


def _stage(cursor: CursorWrapper, acts: Sequence[Act]) -> frozenset[int]:
    """Stage `erasing`: the act and profile of each, and `erasing_key`: what they are found by."""
    stage(cursor, "wanted", "act integer, profile_id bigint, subject bytea")
    rows = [(n, pk, act.subject) for n, act in enumerate(acts) for pk in act.profiles]
    if rows:
        cursor.execute(
            "INSERT INTO wanted SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::bytea[])",
            [list(column) for column in zip(*rows, strict=True)],
        )
    stage_query(
        cursor,
        "erasing",
        """
        SELECT DISTINCT ON (p.id) w.act, w.subject, p.id AS profile_id, p.person_id, p.brand_id,
            p.member_no
        FROM wanted w JOIN members_profile p ON p.id = w.profile_id ORDER BY p.id, w.act
        """,
    )
    stage_query(
        cursor,
        "erasing_key",
        """
        SELECT e.profile_id, e.brand_id, i.kind, i.key,
            bool_and(o.profile_id IS NULL) AS is_last,
            bool_and(o.profile_id IS NULL OR o.brand_id <> e.brand_id) AS is_last_in_brand
        FROM erasing e
        JOIN members_identitylink l ON l.profile_id = e.profile_id
        JOIN members_identity i ON i.id = l.identity_id
        LEFT JOIN LATERAL (
            SELECT l2.profile_id, q.brand_id FROM members_identitylink l2
            JOIN members_profile q ON q.id = l2.profile_id
            WHERE l2.identity_id = i.id
                AND NOT EXISTS (SELECT FROM erasing x WHERE x.profile_id = l2.profile_id)
        ) AS o ON true
        GROUP BY e.profile_id, e.brand_id, i.kind, i.key
        """,
    )
    cursor.execute("SELECT profile_id FROM erasing")
    return frozenset(pk for (pk,) in cursor.fetchall())


def _remember(cursor: CursorWrapper, tenant: Tenant) -> dict[int, frozenset[str]]:
    """Keep digests of what the members are found by; return it in clear, with names, by brand."""
    keys = tombstones.keys_with_erased()
    keyed = Keyed(keys)
    cursor.execute("SELECT DISTINCT brand_id, key FROM erasing_key WHERE NOT is_last_in_brand")
    shared = {(brand, bytes(key)) for brand, key in cursor.fetchall()}
    cursor.execute(
        "SELECT e.brand_id, e.member_no, c.sealed FROM erasing e "
        "LEFT JOIN members_contact c ON c.profile_id = e.profile_id"
    )
    kept, by_brand = [], defaultdict[int, set[str]](set)
    for brand, number, sealed in cursor.fetchall():
        kept.append((brand, "member_no", number))
        texts = by_brand[brand]
        texts.add(number)
        found = contacts.open_sealed(keys, bytes(sealed)) if sealed else {}
        if name := found.get("name", ""):
            texts.add(name)
        for fieldname, kind, _column in contacts.IDENTIFIERS:
            account = found.get("account", "") if fieldname == "unionid" else ""
            text = found.get(fieldname, "")
            if not text:
                continue
            texts.add(text)
            # What somebody else of the brand has as well tells of nobody in particular.
            if (brand, keyed.key(kind, text, brand, account)) not in shared:
                kept.append((brand, kind, text))
    tombstones.remember(kept, on=rules.today(tenant))
    return {brand: frozenset(texts) for brand, texts in by_brand.items()}


def _untie(cursor: CursorWrapper, erased: Erased) -> None:
    """Part the members from their persons, and drop the identities that nobody has any more."""
    # As they stand, so that nothing opens by what goes.
    stage_query(
        cursor,
        "standing",
        """
        SELECT p.id AS profile_id, p.notice_id, p.no_automation FROM members_profile p
        WHERE p.person_id IN (SELECT person_id FROM erasing)
            AND NOT EXISTS (SELECT FROM erasing e WHERE e.profile_id = p.id)
        """,
    )
    identity.begin_touching(cursor)
    cursor.execute(
        """
        WITH gone AS (
            DELETE FROM members_identitylink l USING erasing e WHERE l.profile_id = e.profile_id
            RETURNING e.act, l.identity_id
        ), noted AS (
            INSERT INTO touched_identity SELECT DISTINCT identity_id FROM gone
        )
        SELECT act, count(*) FROM gone GROUP BY act
        """
    )
    _count(erased, "members.IdentityLink", cursor)
    cursor.execute("INSERT INTO touched_profile SELECT profile_id FROM erasing")
    identity.resolve()
    # Persons as they are now, for who goes and for who stays.
    cursor.execute(
        "UPDATE erasing e SET person_id = p.person_id FROM members_profile p "
        "WHERE p.id = e.profile_id"
    )


def _delete(cursor: CursorWrapper, erased: Erased, tenant: Tenant) -> None:
    ruled = {
        "members.Consent": _keep_evidence,
        "members.Order": _part_orders,
    }
    for one in PLACES:
        if one.how is How.DELETED:
            if one.label == "members.Profile":
                _empty_requests(cursor)
            _delete_rows(cursor, erased, one)
        elif one.label in ruled:
            ruled[one.label](cursor, erased, tenant)
    cursor.execute(
        "DELETE FROM members_person n USING erasing e WHERE n.id = e.person_id "
        "AND NOT EXISTS (SELECT FROM members_profile p WHERE p.person_id = n.id)"
    )


def _delete_rows(cursor: CursorWrapper, erased: Erased, one: Place) -> None:
    cursor.execute(
        f"""
        WITH gone AS (
            DELETE FROM {one.table} x USING erasing e WHERE {one.match} RETURNING e.act
        )
        SELECT act, count(*) FROM gone GROUP BY act
        """  # noqa: S608 - constants of the code
    )
    _count(erased, one.label, cursor)


def _count(erased: Erased, label: str, cursor: CursorWrapper) -> None:
    for act, number in cursor.fetchall():
        erased.counts[act][label] += number


def _keep_evidence(cursor: CursorWrapper, erased: Erased, tenant: Tenant) -> None:
    """Keep that answers were given, under the certificate's digest; the words of evidence go."""
    cursor.execute(
        """
        INSERT INTO members_consentevidence (subject, brand_id, answered_notice_id, is_given,
            answered_at, is_to_group, is_by_guardian, expires_at, channel, erased_on)
        SELECT e.subject, c.brand_id, c.answered_notice_id, c.is_given, c.answered_at,
            c.is_to_group, c.is_by_guardian, c.expires_at, c.channel, %s
        FROM members_consent c JOIN erasing e ON e.profile_id = c.profile_id
        """,
        [rules.today(tenant)],
    )
    _delete_rows(cursor, erased, place("members.Consent"))


def _part_orders(cursor: CursorWrapper, erased: Erased, tenant: Tenant) -> None:
    """Take the member out of orders that are kept; delete those that are older than that."""
    months = rules.rule_now().orders_months
    stage_query(
        cursor,
        "erasing_order",
        """
        SELECT o.id AS order_id, e.act, o.brand_id, o.store_id, o.ordered_at,
            %(months)s > 0 AND o.ordered_at >= now() - make_interval(months => %(months)s)
                AS is_kept
        FROM members_order o JOIN erasing e ON e.profile_id = o.profile_id
        """,
        {"months": months},
    )
    cursor.execute(
        """
        INSERT INTO members_pendingrollup (brand_id, store_id, day)
        SELECT DISTINCT brand_id, COALESCE(store_id, 0), (ordered_at AT TIME ZONE %s)::date
        FROM erasing_order ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
        """,
        [tenant.time_zone],
    )
    # Nobody agreed to anything for an order of nobody.
    cursor.execute(
        """
        UPDATE members_orderline l SET notice_id = NULL FROM erasing_order t
        WHERE l.order_id = t.order_id AND t.is_kept AND l.notice_id IS NOT NULL
        """
    )
    cursor.execute(
        """
        UPDATE members_order o SET profile_id = NULL, notice_id = NULL, import_id = NULL
        FROM erasing_order t WHERE o.id = t.order_id AND t.is_kept
        """
    )
    for label, column in (("members.OrderLine", "order_id"), ("members.Order", "id")):
        cursor.execute(
            f"""
            WITH gone AS (
                DELETE FROM {place(label).table} x USING erasing_order t
                WHERE x.{column} = t.order_id AND NOT t.is_kept RETURNING t.act
            )
            SELECT act, count(*) FROM gone GROUP BY act
            """  # noqa: S608 - constants of the code
        )
        _count(erased, label, cursor)
    cursor.execute("SELECT act, count(*) FROM erasing_order WHERE is_kept GROUP BY act")
    # A certificate is the same in every language; its page says this in the reader's.
    _count(erased, gettext_noop("orders kept without the person"), cursor)


def _empty_requests(cursor: CursorWrapper) -> None:
    """Take out of the members' other requests what could tell who they are; numbers stay."""
    for table, place_of in (
        ("members_personrequest", "AND x.brand_id = e.brand_id"),
        ("members_grouppersonrequest", ""),
    ):
        # A copy was deleted by the caller, who still knew its path.
        cursor.execute(
            f"""
            UPDATE {table} x SET sealed = NULL, path = ''
            FROM erasing e WHERE x.profile_id = e.profile_id {place_of}
            """  # noqa: S608 - constants of the code
        )
        cursor.execute(
            f"""
            UPDATE {table}step s SET reason = '' FROM {table} x, erasing e
            WHERE s.request_id = x.id AND x.profile_id = e.profile_id AND s.reason <> ''
            """  # noqa: S608 - constants of the code
        )
        cursor.execute(
            f"""
            UPDATE {table} x SET outcome = '' FROM erasing e
            WHERE x.profile_id = e.profile_id AND x.state = 'refused'
            """  # noqa: S608 - constants of the code
        )


def _close_what_opened(cursor: CursorWrapper) -> None:
    """Keep memberships closed, and out of automated decisions, that what went had kept so."""
    refresh_notices("affected_person")
    refresh_objections("affected_person")
    cursor.execute(
        """
        INSERT INTO members_consent (brand_id, store_id, notice_id, person_id, profile_id,
            answered_notice_id, is_given, answered_at, is_to_group, is_by_guardian, channel,
            evidence, created_at)
        SELECT p.brand_id, p.store_id, p.notice_id, p.person_id, p.id, p.notice_id, false,
            now(), false, false, '', '', now()
        FROM standing s JOIN members_profile p ON p.id = s.profile_id
        WHERE s.notice_id IS NULL AND p.notice_id IS NOT NULL
        """
    )
    opened = cursor.rowcount
    cursor.execute(
        """
        INSERT INTO members_objection (brand_id, store_id, notice_id, person_id, profile_id,
            is_objecting, made_at, is_to_group, channel, evidence, created_at)
        SELECT p.brand_id, p.store_id, p.notice_id, p.person_id, p.id, true, now(), false, '', '',
            now()
        FROM standing s JOIN members_profile p ON p.id = s.profile_id
        WHERE s.no_automation AND NOT p.no_automation
        """
    )
    if opened or cursor.rowcount:
        refresh_notices("affected_person")
        refresh_objections("affected_person")
