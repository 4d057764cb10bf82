"""Seeded, invented groups at scale: brands, stores and persons by Zipf's law, made in SQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, models

from brands.models import Brand, Notice, Store
from brands.modes import Mode
from brands.services import mode_change
from brands.wall import scope
from members import contacts
from members.keys import group_keys
from members.models import (
    Consent,
    Contact,
    DailyMetric,
    Identity,
    IdentityLink,
    MaskedContact,
    Order,
    Person,
    PoolMetric,
    Profile,
)
from tenants.context import tenant_transaction
from tenants.models import Tenant
from tenants.provisioning import tenant_provision, tenant_request

BRANDS = 6
STORES_PER_BRAND = 50
SEED = 20_261_121
ORDERS_PER_PROFILE = 2


@dataclass(frozen=True)
class Group:
    """Hold a synthetic group: who it is, its brands from the largest, its stores and its notice."""

    tenant: Tenant
    brands: tuple[int, ...]
    # Brand after brand, each from its largest store.
    stores: tuple[int, ...]
    notice: int


def make_group(schema_name: str, *, mode: Mode = Mode.MEMBER_MAX) -> Group:
    """Provision an empty group with brands, stores and one notice that names everybody."""
    tenant = tenant_request(
        schema_name=schema_name, name=f"Benchmark {schema_name}", acting_user=None
    )
    tenant = tenant_provision(tenant=tenant)
    with tenant_transaction(tenant):
        brands = Brand.objects.bulk_create(
            Brand(code=f"brand-{number}", name=f"Brand {number}") for number in range(1, BRANDS + 1)
        )
        stores = Store.objects.bulk_create(
            Store(brand=brand, code=f"{brand.code}-{number}", name=f"{brand} {number}")
            for brand in brands
            for number in range(1, STORES_PER_BRAND + 1)
        )
        notice = Notice.objects.create(
            version="1",
            title="Group notice",
            purposes="Service",
            names_group=True,
            covers_contact=True,
            covers_activity=True,
        )
        notice.recipients.set(brands)
        mode_change(mode=mode, acting_user=None)
    return Group(
        tenant,
        tuple(brand.pk for brand in brands),
        tuple(store.pk for store in stores),
        notice.pk,
    )


def drop_group(group: Group) -> None:
    """Remove the group's schema; its rows in the public schema end with the database."""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{group.tenant.schema_name}" CASCADE')


def zipf(count: int) -> list[float]:
    """Return the upper ends of COUNT shares of [0, 1), the n-th share in proportion to 1/n."""
    weights = [1 / number for number in range(1, count + 1)]
    total = sum(weights)
    return [end / total for end in itertools.accumulate(weights)][:-1]


def _number(salt: int, column: str = "i") -> str:
    """Return SQL for a number in [0, 1) that depends on the row's number and the seed only."""
    return (
        f"((hashint8extended(({column})::bigint, {SEED + salt}) & 9007199254740991)"
        "::double precision / 9007199254740992)"
    )


def fill_members(group: Group, rows: int, *, with_contacts: bool = True) -> None:
    """Write ROWS profiles of about 0.6 × ROWS persons, six of ten of whom agreed to the notice."""
    persons = max(rows * 6 // 10, 1)
    tables = [Person, Profile, *([Consent, Contact, MaskedContact] if with_contacts else [])]
    with _filling(group, tables) as execute:
        execute(
            "INSERT INTO members_person (created_at) SELECT now() FROM generate_series(1, %s)",
            [persons],
        )
        # A few persons are in many brands, most in one: the square draws towards the first.
        execute(
            f"""
            INSERT INTO members_profile (brand_id, store_id, notice_id, person_id, member_no,
                is_member, gender, registered_on, orders, sales, no_automation, last_order_at,
                created_at, updated_at)
            SELECT (%(brands)s::bigint[])[b + 1], (%(stores)s::bigint[])[b * {STORES_PER_BRAND}
                     + 1 + width_bucket({_number(2)}, %(store_ends)s::float8[])],
                CASE WHEN (hashint8(person) & 1023) < 614 THEN %(notice)s::bigint END,
                person, 'M' || i, {_number(4)} < 0.9, '', DATE '2026-01-01' - (i %% 1500)::int,
                orders, orders * (500 + ({_number(5)} * 30000)::bigint), false, now(), now(), now()
            FROM (
                SELECT i, width_bucket({_number(1)}, %(brand_ends)s::float8[]) AS b,
                    1 + floor({persons} * power({_number(3)}, 2))::bigint AS person,
                    floor({_number(6)} * {2 * ORDERS_PER_PROFILE + 1})::int AS orders
                FROM generate_series(1, %(rows)s) AS i
            ) AS drawn
            """,
            {
                "brands": list(group.brands),
                "stores": list(group.stores),
                "notice": group.notice,
                "brand_ends": zipf(BRANDS),
                "store_ends": zipf(STORES_PER_BRAND),
                "rows": rows,
            },
        )
        if with_contacts:
            # Some that open, over and over: sealing each would take longer than all the rest.
            sealed = [
                contacts.seal(group_keys(), {"name": f"Invented {n}", "phone": f"+861380000{n:04}"})
                for n in range(64)
            ]
            execute(
                """
                INSERT INTO members_contact (profile_id, brand_id, store_id, notice_id, sealed,
                    key_version, fingerprint, phone_key, is_generated)
                SELECT id, brand_id, store_id, notice_id, (%s::bytea[])[1 + id %% %s],
                    1, decode(md5(id::text), 'hex'), decode(md5('p' || person_id), 'hex'), true
                FROM members_profile
                """,
                [sealed, len(sealed)],
            )
            execute(
                """
                INSERT INTO members_consent (brand_id, store_id, notice_id, person_id, profile_id,
                    answered_notice_id, is_given, answered_at, is_to_group, is_by_guardian,
                    channel, evidence, created_at)
                SELECT brand_id, store_id, notice_id, person_id, id, notice_id, true, now(), false,
                    false, '', '', now()
                FROM members_profile WHERE notice_id IS NOT NULL
                """
            )
            execute(
                """
                INSERT INTO members_maskedcontact (profile_id, brand_id, store_id, notice_id,
                    name, phone, email)
                SELECT id, brand_id, store_id, notice_id, 'A***', '138****' || (id % 10000), ''
                FROM members_profile
                """
            )


def fill_orders(group: Group) -> None:
    """Write each profile's orders over a year, and the roll-ups that the dashboards read."""
    with _filling(group, [Order, DailyMetric, PoolMetric]) as execute:
        execute(
            f"""
            INSERT INTO members_order (brand_id, store_id, notice_id, order_no, profile_id,
                ordered_at, amount, lines)
            SELECT brand_id, store_id, notice_id, 'O' || id || '-' || n, id,
                TIMESTAMPTZ '2026-01-01' + {_number(7, "id * 16 + n")} * INTERVAL '365 days',
                sales / orders, 1 + n % 5
            FROM members_profile, generate_series(1, orders) AS n
            WHERE orders > 0
            """
        )
        execute(
            """
            INSERT INTO members_dailymetric (brand_id, store_id, notice_id, day, orders, lines,
                sales, buyers)
            SELECT brand_id, store_id, NULL, ordered_at::date, count(*), sum(lines), sum(amount),
                count(DISTINCT profile_id)
            FROM members_order
            GROUP BY GROUPING SETS ((brand_id, store_id, ordered_at::date),
                                    (brand_id, ordered_at::date))
            """
        )
        execute(
            """
            INSERT INTO members_poolmetric (brand_id, store_id, notice_id, members, persons,
                buyers, repeat_buyers, smallest_count)
            SELECT brand_id, store_id, NULL, count(*) FILTER (WHERE is_member),
                count(DISTINCT person_id), count(*) FILTER (WHERE orders > 0),
                count(*) FILTER (WHERE orders > 1), count(*)
            FROM members_profile GROUP BY GROUPING SETS ((brand_id, store_id), (brand_id))
            """
        )


@contextmanager
def _filling(group: Group, tables: Sequence[type[models.Model]]) -> Iterator[object]:
    """Drop secondary indexes and foreign keys while the tables fill, then make them again."""
    names = [table._meta.db_table for table in tables]
    with (
        tenant_transaction(group.tenant),
        scope.bulk(reason="benchmark data"),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            """
            SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
                format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
                       pg_get_constraintdef(oid))
            FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])
            UNION ALL
            SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
            FROM pg_index WHERE indrelid = ANY(%s::regclass[])
                AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            """,
            [names, names],
        )
        parts = cursor.fetchall()
        for drop, _ in parts:
            cursor.execute(drop)
        yield cursor.execute
        for _, make in reversed(parts):
            cursor.execute(make)
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'VACUUM (ANALYZE) "{group.tenant.schema_name}"."{name}"')


def fill_links(group: Group, identities: int) -> int:
    """Write about IDENTITIES identities and the profiles that carry them; return how many.

    Each member gives a phone (nine of ten), an e-mail address (four) and a card of the brand's
    (three); a few phones are the household's, so that chains of persons form. None is hot.
    """
    profiles = round(identities / 1.05)
    persons = max(profiles * 6 // 10, 1)
    with _filling(group, [Person, Profile, Identity, IdentityLink]) as execute:
        execute(
            """
            INSERT INTO members_person (id, created_at)
            SELECT n, now() FROM generate_series(1, %s) AS n
            """,
            [profiles],
        )
        execute(
            """
            INSERT INTO members_profile (id, brand_id, person_id, member_no, is_member, gender,
                orders, sales, no_automation, created_at, updated_at)
            SELECT n, (%(brands)s::bigint[])[1 + n %% 6], n, 'M' || n, true, '', 0, 0, false, now(),
                now()
            FROM generate_series(1, %(profiles)s) AS n
            """,
            {"brands": list(group.brands), "profiles": profiles},
        )
        execute(
            f"""
            CREATE TEMPORARY TABLE said ON COMMIT DROP AS
            SELECT n AS profile_id, kind, md5(kind || CASE kind
                WHEN 'card' THEN n::text
                WHEN 'phone' THEN CASE WHEN {_number(22, "q")} < 0.05 THEN (q / 2)::text
                    ELSE 'own' || q END
                ELSE q::text END)::bytea AS key
            FROM (
                SELECT n, 1 + floor(%(persons)s * power({_number(21, "n")}, 1.2))::bigint AS q
                FROM generate_series(1, %(profiles)s) AS n
            ) AS drawn, unnest(ARRAY['phone', 'email', 'card'], ARRAY[0.9, 0.4, 0.3])
                WITH ORDINALITY AS given (kind, share, place)
            WHERE {_number(23, "n * 4 + place")} < share
            """,
            {"persons": persons, "profiles": profiles},
        )
        execute(
            """
            INSERT INTO members_identity (kind, key, is_hot)
            SELECT kind, decode(convert_from(key, 'utf8'), 'hex'), false
            FROM said GROUP BY kind, key
            """
        )
        execute(
            """
            INSERT INTO members_identitylink (profile_id, identity_id)
            SELECT s.profile_id, i.id FROM said s
            JOIN members_identity i
                ON i.kind = s.kind AND i.key = decode(convert_from(s.key, 'utf8'), 'hex')
            """
        )
    with tenant_transaction(group.tenant), scope.bulk(reason="benchmark data"):
        return Identity.objects.count()
