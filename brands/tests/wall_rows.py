"""Rows behind the wall, one for every combination of what the wall compares.

Plain SQL, so that any connection can make and read them, whoever it belongs to.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from django.db import models

from brands.modes import Mode
from brands.tests import oracle
from brands.wall.models import GrantWalled, Walled, all_walled_models
from brands.wall.visibility import Kind, NoticeTerms, Viewer, Visible, brand_set, visibility

# What a column that must not be null is given where a row does not name it, by type.
_FILLING = {
    "text": "''",
    "character varying": "''",
    "bytea": "''",
    "uuid": "gen_random_uuid()",
    "boolean": "false",
    "jsonb": "'{}'",
    "bigint[]": "'{}'",
    "date": "'2026-01-01'",
    "timestamp with time zone": "now()",
}
# Numbers no other row of a test has.
_FIRST_ID = 700_000
# Rows carry these as the notice agreed to; what they say is each test's choice.
NOTICES = (901, 902, 903)
COUNTS = (1, 9, 10, 50)
# The grant under which a file was asked for, and a number in the place of who made it.
EXPORTED = ((71, 74), (72, 71), (73, 71), (74, 73), (74, 74), (79, 74))


def insert(cursor: Any, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows, with something in every other column that must not be null."""
    if not rows:
        return
    cursor.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull "
        "AND attidentity = '' AND NOT atthasdef",
        [f'"{table}"'],
    )
    named = list(rows[0])
    filled = {name: _FILLING.get(kind, "0") for name, kind in cursor.fetchall()}
    rest = [name for name in filled if name not in named]
    marks = ", ".join(["%s"] * len(named) + [filled[name] for name in rest])
    columns = ", ".join(f'"{name}"' for name in [*named, *rest])
    cursor.execute(
        f'INSERT INTO "{table}" ({columns}) VALUES ' + ", ".join([f"({marks})"] * len(rows)),
        [row[name] for row in rows for name in named],
    )


@dataclass(frozen=True)
class Places:
    """The numbers of acme's brands and stores."""

    brands: dict[str, int]
    # Store → its brand.
    stores: dict[int, int]
    store_ids: dict[str, int]

    @classmethod
    def read(cls, cursor: Any) -> Places:
        """Read them as the owner."""
        cursor.execute("SELECT code, id FROM brands_brand ORDER BY id")
        brands = dict(cursor.fetchall())
        cursor.execute("SELECT id, brand_id, code FROM brands_store ORDER BY id")
        rows = cursor.fetchall()
        return cls(
            brands,
            {store: brand for store, brand, _ in rows},
            {code: store for store, _, code in rows},
        )

    def viewers(self) -> list[oracle.Viewer]:
        """Return one viewer of every sort that a grant can make."""
        tea, bakery, spa = (self.brands[code] for code in ("tea", "bakery", "spa"))
        store = self.store_ids["tea-1"]
        return [
            oracle.Viewer("HQ", hq=True, grant=71),
            oracle.Viewer("analyst", hq=True, contact=False, writes=False, grant=72),
            oracle.Viewer("unit", brands=frozenset({tea, bakery}), grant=73),
            oracle.Viewer("tea", brands=frozenset({tea}), grant=74),
            oracle.Viewer("bakery", brands=frozenset({bakery})),
            oracle.Viewer("spa", brands=frozenset({spa})),
            oracle.Viewer("provider at tea", brands=frozenset({tea}), contact=False),
            oracle.Viewer("store tea-1", store=store, store_brand=tea),
            oracle.Viewer("store, no contact", store=store, store_brand=tea, contact=False),
            oracle.Viewer("nobody", contact=False, writes=False),
        ]

    def pairs(self) -> list[tuple[int, int | None]]:
        """Return brand and store of the rows to make, two of them at odds with each other."""
        found: list[tuple[int, int | None]] = [(brand, None) for brand in self.brands.values()]
        found += [(brand, store) for store, brand in self.stores.items()]
        tea, bakery = self.brands["tea"], self.brands["bakery"]
        return [
            *found,
            (tea, self.store_ids["bakery-1"]),
            (bakery, self.store_ids["tea-1"]),
        ]


def fill(cursor: Any, places: Places) -> None:
    """Make the rows of every walled table, as the owner."""
    combinations = list(product(places.pairs(), (None, *NOTICES)))
    cursor.execute("SELECT min(id) FROM brands_notice")
    answered = cursor.fetchone()[0]
    ids = [_FIRST_ID + number for number in range(len(combinations))]
    placed = [
        {"brand_id": brand, "store_id": store, "notice_id": notice}
        for (brand, store), notice in combinations
    ]
    keyed = [{"id": pk, **place} for pk, place in zip(ids, placed, strict=True)]
    insert(cursor, "members_person", [{"id": pk} for pk in ids])
    profiles = [{**row, "person_id": row["id"], "member_no": f"W{row['id']}"} for row in keyed]
    insert(cursor, "members_profile", profiles)
    of_profile = [{"profile_id": pk, **place} for pk, place in zip(ids, placed, strict=True)]
    insert(cursor, "members_contact", of_profile)
    insert(cursor, "members_maskedcontact", of_profile)
    insert(cursor, "members_platformkey", of_profile)
    insert(
        cursor,
        "members_consent",
        [
            {**row, "person_id": row["profile_id"], "answered_notice_id": answered}
            for row in of_profile
        ],
    )
    orders = [{**row, "profile_id": row["id"], "order_no": f"W{row['id']}"} for row in keyed]
    insert(cursor, "members_order", orders)
    lines = [{"order_id": pk, "line_no": 1, **place} for pk, place in zip(ids, placed, strict=True)]
    insert(cursor, "members_orderline", lines)
    insert(cursor, "members_event", [{**row, "event_id": row["profile_id"]} for row in of_profile])
    tags = [{**row, "name": f"W{row['id']}"} for row in keyed]
    insert(cursor, "members_tag", tags)
    carried = [{**row, "tag_id": row["profile_id"]} for row in of_profile]
    insert(cursor, "members_profiletag", carried)
    account = {"id": _FIRST_ID, "kind": "other", "external_id": "W"}
    insert(cursor, "brands_channelaccount", [account])
    insert(cursor, "members_touchpoint", [{**row, "account_id": _FIRST_ID} for row in of_profile])
    parts = [{**place, "id": _key(row)} for row, place in zip(keyed, placed, strict=True)]
    insert(cursor, "members_intakepart", parts)
    insert(cursor, "members_importjob", keyed)
    insert(cursor, "members_importsource", [{**row, "name": f"W{row['id']}"} for row in keyed])
    insert(cursor, "members_brandstratumrule", keyed)
    insert(cursor, "members_brandsegment", [{**row, "name": f"W{row['id']}"} for row in keyed])
    people = [{**row, "person_id": row["profile_id"]} for row in of_profile]
    insert(cursor, "members_objection", people)
    insert(cursor, "members_consententry", [{**row, "request_key": _key(row)} for row in keyed])
    insert(cursor, "members_personentry", [{**row, "request_key": _key(row)} for row in keyed])
    insert(cursor, "members_personmerge", keyed)
    # Looked at nothing beside `brand`; what they name besides has tests of its own.
    insert(cursor, "members_personconflict", keyed)
    alike = [{**row, "first_id": row["id"], "second_id": row["id"] + 1} for row in keyed]
    insert(cursor, "members_personsuggestion", alike)
    insert(cursor, "members_personrequest", [{**row, "request_key": _key(row)} for row in keyed])
    insert(cursor, "members_personrequeststep", [{**row, "request_id": row["id"]} for row in keyed])
    pairs = list(dict.fromkeys(pair for pair, _ in combinations))
    insert(
        cursor,
        "members_hotmetric",
        [
            {"brand_id": brand, "store_id": store, "kind": f"k{number}"}
            for number, (brand, store) in enumerate(pairs)
        ],
    )
    insert(
        cursor,
        "members_dailymetric",
        [
            {"brand_id": brand, "store_id": store, "day": f"2026-01-{day:02}", "buyers": count}
            for brand, store in pairs
            for day, count in enumerate(COUNTS, start=1)
        ],
    )
    totals = zip(pairs, (COUNTS[::-1] * len(pairs))[: len(pairs)], strict=True)
    smallest = [
        {"brand_id": brand, "store_id": store, "smallest_count": count}
        for (brand, store), count in totals
    ]
    insert(cursor, "members_poolmetric", smallest)
    insert(
        cursor,
        "members_retentioncount",
        [
            {
                "brand_id": brand,
                "store_id": store,
                "about": f"a{number}",
                "rows": COUNTS[number % len(COUNTS)],
            }
            for number, (brand, store) in enumerate(pairs)
        ],
    )
    insert(
        cursor,
        "members_retentioncertificate",
        [
            {"brand_id": brand, "store_id": store, "number": f"n{number}", "content": "{}"}
            for number, (brand, store) in enumerate(pairs)
        ],
    )
    insert(cursor, "members_stratummetric", [{"brand_id": b, "store_id": s} for b, s in pairs])
    insert(
        cursor,
        "members_answermetric",
        [
            {
                "brand_id": brand,
                "store_id": store,
                "day": f"2026-01-{day:02}",
                "state": f"s{number}",
            }
            for day, (brand, store) in enumerate(pairs, start=1)
            for number in range(2)
        ],
    )
    insert(
        cursor,
        "members_exportjob",
        [
            # Asked for by the one, made by the other, with a brand's number in the place of both.
            {"id": _key({"id": number}), "grant_id": grant, "created_by_id": by}
            for number, (grant, by) in enumerate(EXPORTED)
        ],
    )
    insert(
        cursor,
        "members_intakebatch",
        [
            {
                "id": _key({"id": number}),
                "grant_id": grant,
                "created_by_id": by,
                "key": f"W{number}",
            }
            for number, (grant, by) in enumerate(EXPORTED)
        ],
    )
    views = [
        {"grant_id": grant, "name": f"W{number}", "made_by_id": by}
        for number, (grant, by) in enumerate(EXPORTED)
    ]
    insert(cursor, "members_ownview", views)
    brands = places.brands.values()
    insert(
        cursor,
        "members_groupmetric",
        [
            {"brands": number, "brand_set": brand_set(left_out(number, brands)), "persons": 1}
            for number in range(2 ** len(brands))
        ],
    )
    insert(
        cursor,
        "members_groupoverlap",
        [
            {"brand_set": brand_set(left_out(number, brands)), "measure": "shared"}
            for number in range(2 ** len(brands))
        ],
    )
    insert(
        cursor,
        "members_groupconsententry",
        [
            {"brand_set": brand_set(left_out(number, brands)), "request_key": _key({"id": number})}
            for number in range(2 ** len(brands))
        ],
    )
    for table in ("members_grouppersonentry", "members_resolutionjob"):
        keys = {"request_key"} if table == "members_grouppersonentry" else set()
        insert(
            cursor,
            table,
            [
                {
                    "brand_set": brand_set(left_out(number, brands)),
                    **{name: _key({"id": number}) for name in keys},
                }
                for number in range(2 ** len(brands))
            ],
        )
    sets = [brand_set(left_out(number, brands)) for number in range(2 ** len(brands))]
    insert(
        cursor,
        "members_openperson",
        [{"brand_set": one, "profile_id": number} for number, one in enumerate(sets)],
    )
    insert(cursor, "members_openpersonskept", [{"brand_set": one} for one in sets])
    insert(
        cursor,
        "members_grouppersonrequest",
        [{"brand_set": one, "request_key": _key({"id": n})} for n, one in enumerate(sets)],
    )
    insert(
        cursor,
        "members_grouppersonrequeststep",
        [{"brand_set": one, "request_id": number} for number, one in enumerate(sets)],
    )
    insert(
        cursor,
        "brands_modedraft",
        [{"id": _FIRST_ID, "mode": "fan_max", "requested_by_name": "HQ", "state": "draft"}],
    )
    insert(
        cursor,
        "brands_modepreview",
        [
            {
                "brand_set": brand_set(left_out(number, brands)),
                "draft_id": _FIRST_ID,
                "number": number,
            }
            for number in range(2 ** len(brands))
        ],
    )
    # Looked at nothing beside `brand`, so that the plain table says who reads it; what it names
    # besides has a test of its own.
    insert(
        cursor,
        "members_brandoverlap",
        [
            {"brand_id": brand, "store_id": store, "brands": [number]}
            for number, (brand, store) in enumerate(pairs)
        ],
    )
    # Checks the references now: a table with checks to come cannot be altered.
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def _key(row: dict[str, Any]) -> str:
    return str(uuid.UUID(int=row["id"]))


def left_out(number: int, brands: Iterable[int]) -> frozenset[int]:
    """Return the set of brands that the group figure of this number leaves out, one bit each."""
    return frozenset(brand for bit, brand in enumerate(sorted(brands)) if number >> bit & 1)


def all_models() -> list[type[models.Model]]:
    """Return every model behind the wall."""
    return all_walled_models()


def key_sql(model: type[models.Model]) -> str:
    """Return the SQL that writes a row's primary key as text."""
    columns = ", ".join(f'"{item.column}"' for item in model._meta.pk_fields)
    return f"concat_ws('/', {columns})"


def key_of(pk: object) -> str:
    """Write a primary key, composite or not, as `key_sql` does."""
    return "/".join(map(str, pk)) if isinstance(pk, tuple) else str(pk)


def facts_sql(model: type[models.Model]) -> str:
    """Return the SQL that reads key, brand, store, notice and count of every row."""
    table = model._meta.db_table
    if issubclass(model, GrantWalled):
        return f'SELECT {key_sql(model)}, NULL, grant_id, NULL, NULL FROM "{table}"'
    if not issubclass(model, Walled):
        return f'SELECT {key_sql(model)}, NULL, NULL, brand_set, NULL FROM "{table}"'
    counted = model.wall.counted or "NULL"
    return f'SELECT {key_sql(model)}, brand_id, store_id, notice_id, {counted} FROM "{table}"'


def read_facts(cursor: Any, model: type[models.Model]) -> dict[str, oracle.Row]:
    """Return key → facts of every row that the connection's role sees."""
    cursor.execute(facts_sql(model))
    return {key: oracle.Row(*rest) for key, *rest in cursor.fetchall()}


def expected(
    world: oracle.World,
    viewer: oracle.Viewer,
    model: type[models.Model],
    rows: dict[str, oracle.Row],
) -> set[str]:
    """Return the keys of the rows that the oracle lets the viewer read."""
    if issubclass(model, GrantWalled):
        return {key for key, row in rows.items() if oracle.is_own(viewer, row)}
    if not issubclass(model, Walled):
        sets = [left_out(number, world.modes) for number in range(2 ** len(world.modes))]
        named = {brand_set(one): one for one in sets}
        return {
            key
            for key, row in rows.items()
            if oracle.may_read_group(world, viewer, named[str(row.notice)])
        }
    kind, to_siblings = str(model.wall.kind), model.wall.is_for_siblings
    return {
        key
        for key, row in rows.items()
        if oracle.may_read(world, viewer, kind, row, is_for_siblings=to_siblings)
    }


def visible_of(world: oracle.World, viewer: oracle.Viewer) -> Visible:
    """Return what the product's own function makes of the oracle's facts."""
    return visibility(
        Viewer(
            is_hq=viewer.hq,
            brands=viewer.brands,
            stores=frozenset() if viewer.store is None else frozenset({viewer.store}),
            store_brands=(
                frozenset() if viewer.store_brand is None else frozenset({viewer.store_brand})
            ),
            sees_contact=viewer.contact,
            grants=frozenset() if viewer.grant is None else frozenset({viewer.grant}),
            is_read_only=not viewer.writes,
        ),
        {brand: Mode(mode) for brand, mode in world.modes.items()},
        [
            NoticeTerms(number, notice.group, notice.brands, frozenset(map(Kind, notice.kinds)))
            for number, notice in world.notices.items()
        ],
        k=world.k,
    )
