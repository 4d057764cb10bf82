"""Read in one statement what the wall decides on: every request asks for it before all else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from brands.modes import Mode
from brands.wall.visibility import Kind, NoticeTerms
from tenants.connection import connection

# What a row is about, as the statement numbers it: the first tells how to read the ones after it.
_DEFAULT, _BRAND, _NOTICE, _STORE = range(4)

# Written out, since Django takes several times as long to write such a statement as the server
# takes to answer it. The group's mode, the brands with their overrides, the notices that the wall
# goes by (those of brands.selectors.notices_in_force), a store. Its one snapshot holds no half of
# a change that is committed meanwhile.
_SQL = """
SELECT 0, 0::bigint,
       (SELECT mode FROM brands_modechange
        WHERE brand_id IS NULL AND effective_at <= %(at)s
        ORDER BY effective_at DESC, id DESC LIMIT 1),
       false, false, NULL::bigint, NULL::bigint[]
UNION ALL
SELECT 1, brand.id,
       (SELECT mode FROM brands_modechange
        WHERE brand_id = brand.id AND effective_at <= %(at)s
        ORDER BY effective_at DESC, id DESC LIMIT 1),
       COALESCE(brand.left_at <= %(at)s, false), COALESCE(brand.left_at <= %(now)s, false),
       brand.business_unit_id, NULL
FROM brands_brand brand
UNION ALL
SELECT 2, notice.id,
       concat_ws(',', CASE WHEN notice.covers_profile THEN 'profile' END,
                      CASE WHEN notice.covers_contact THEN 'contact' END,
                      CASE WHEN notice.covers_activity THEN 'activity' END),
       notice.names_group, false, NULL,
       ARRAY(SELECT recipient.brand_id FROM brands_notice_recipients recipient
             JOIN brands_brand brand ON brand.id = recipient.brand_id
             WHERE recipient.notice_id = notice.id
               AND (brand.left_at IS NULL OR brand.left_at > %(at)s))
FROM brands_notice notice
WHERE notice.effective_from <= %(at)s
  AND (notice.ends_at IS NULL OR notice.ends_at > %(at)s)
  AND NOT EXISTS (SELECT FROM brands_noticeending ending
                  WHERE ending.notice_id = notice.id AND ending.ends_at <= %(at)s)
  -- Nobody has closed what expires: then no answer that may expire is relied upon.
  AND (notice.consent_months IS NULL
       OR EXISTS (SELECT FROM brands_generation WHERE expiries_closed_until > %(now)s))
UNION ALL
SELECT 3, store.id, NULL, false, false, store.brand_id, NULL
FROM brands_store store WHERE store.id = %(store)s::bigint
"""


@dataclass(frozen=True)
class Grounds:
    """Hold what the wall decides on at an instant."""

    # The group's mode: brand-max, the closest, where none was set.
    default: Mode
    # Brand → its override, "" where it follows the group.
    overrides: dict[int, str]
    modes: dict[int, Mode]
    notices: tuple[NoticeTerms, ...]
    # Brand → its business unit: the brands that are with the group now, whatever the instant. One
    # that left is nobody's own any more.
    staying: dict[int, int | None]
    # The store asked for → its brand, if that one stays.
    stores: dict[int, int]


def grounds(*, at: datetime | None = None, store_id: int | None = None) -> Grounds:
    """Return what the wall decides on at an instant, and where a store is."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"at": at or now, "now": now, "store": store_id})
        rows: list[Any] = cursor.fetchall()
    default = Mode.BRAND_MAX
    overrides: dict[int, str] = {}
    modes: dict[int, Mode] = {}
    staying: dict[int, int | None] = {}
    stores: dict[int, int] = {}
    notices: list[NoticeTerms] = []
    for what, pk, words, flag, is_gone, place, brands in sorted(rows, key=lambda row: row[:2]):
        if what == _DEFAULT:
            default = Mode(words) if words else default
        elif what == _BRAND:
            overrides[pk] = words or ""
            # A brand that left or was sold shares nothing any more, whatever was decided before.
            modes[pk] = Mode.BRAND_MAX if flag else Mode(words) if words else default
            if not is_gone:
                staying[pk] = place
        elif what == _NOTICE:
            notices.append(NoticeTerms(pk, flag, frozenset(brands), frozenset(_kinds(words))))
        elif place in staying:
            stores[pk] = place
    return Grounds(default, overrides, modes, tuple(notices), staying, stores)


def _kinds(words: str) -> Iterator[Kind]:
    return (Kind(word) for word in words.split(",") if word)
