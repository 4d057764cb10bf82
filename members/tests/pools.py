"""Members with contact data and orders, and the roll-ups of both, for tests of pages."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from brands.models import Brand, Notice, Store
from brands.wall import scope
from members.contacts import identity_key, mask_email, mask_name, mask_phone, seal
from members.keys import group_keys
from members.models import (
    Contact,
    MaskedContact,
    Order,
    OrderLine,
    PendingRollup,
    PendingTotal,
    Person,
    Profile,
)
from members.rollups import finish_pending
from tenants.context import tenant_transaction
from tenants.models import Tenant

LAST_DAY = dt.date(2026, 11, 20)
PRICE = 12_50


def phone_of(number: int) -> str:
    """Return the invented phone of the member with this number."""
    return f"+861380000{number:04d}"


def fill(
    tenant: Tenant,
    code: str,
    *,
    members: int,
    orders: int = 2,
    agreeing: int = 0,
    first: int = 1,
    store: str | None = None,
) -> list[int]:
    """Give a brand members, and return their numbers of record.

    Each has ORDERS orders of two lines, on consecutive days up to LAST_DAY. The first AGREEING
    agree to the group's notice. Members with equal numbers (from FIRST) are one person across
    brands. All are of one store: the brand's first where none is named.
    """
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        brand = Brand.objects.get(code=code)
        place = Store.objects.get(code=store or f"{code}-1")
        notice = Notice.objects.order_by("pk").first()
        keys, zone = group_keys(), zoneinfo.ZoneInfo(tenant.time_zone)
        numbers = range(first, first + members)
        Person.objects.bulk_create(
            [Person(pk=900_000 + number) for number in numbers], ignore_conflicts=True
        )
        profiles = Profile.objects.bulk_create(
            Profile(
                brand=brand,
                store=place,
                notice=notice if number < first + agreeing else None,
                person_id=900_000 + number,
                member_no=f"{code.upper()}-{number}",
                registered_on=dt.date(2026, 1, 1) + dt.timedelta(days=number % 300),
            )
            for number in numbers
        )
        contacts, masks, bought, lines = [], [], [], []
        for number, profile in zip(numbers, profiles, strict=True):
            walled = {"brand": brand, "store": place, "notice_id": profile.notice_id}
            fields = {
                "name": f"Person Number{number}",
                "phone": phone_of(number),
                "email": f"person{number}@example.com",
            }
            contacts.append(
                Contact(
                    profile=profile,
                    sealed=seal(keys, fields),
                    fingerprint=number.to_bytes(16),
                    phone_key=identity_key(keys, "phone", fields["phone"]),
                    email_key=identity_key(keys, "email", fields["email"]),
                    **walled,
                )
            )
            masks.append(
                MaskedContact(
                    profile=profile,
                    name=mask_name(fields["name"]),
                    phone=mask_phone(fields["phone"]),
                    email=mask_email(fields["email"]),
                    **walled,
                )
            )
            for ago in range(orders):
                day = LAST_DAY - dt.timedelta(days=ago)
                bought.append(
                    Order(
                        order_no=f"{profile.member_no}-{ago}",
                        profile=profile,
                        ordered_at=dt.datetime.combine(day, dt.time(12), tzinfo=zone),
                        amount=2 * PRICE,
                        lines=2,
                        **walled,
                    )
                )
        Contact.objects.bulk_create(contacts)
        MaskedContact.objects.bulk_create(masks)
        Order.objects.bulk_create(bought)
        for order in bought:
            lines += [
                OrderLine(
                    order=order,
                    line_no=line,
                    product_name=f"Product {line}",
                    amount=PRICE,
                    brand_id=order.brand_id,
                    store_id=order.store_id,
                    notice_id=order.notice_id,
                )
                for line in (1, 2)
            ]
        OrderLine.objects.bulk_create(lines)
        PendingTotal.objects.bulk_create(
            [PendingTotal(profile_id=profile.pk) for profile in profiles], ignore_conflicts=True
        )
        PendingRollup.objects.bulk_create(
            [
                PendingRollup(brand_id=brand.pk, store_id=place.pk, day=day)
                for day in {LAST_DAY - dt.timedelta(days=ago) for ago in range(orders)}
            ],
            ignore_conflicts=True,
        )
    finish_pending(tenant=tenant)
    return [profile.pk for profile in profiles]
