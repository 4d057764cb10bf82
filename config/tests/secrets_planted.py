"""One member's data, planted so that it is told wherever it comes out."""

from __future__ import annotations

from typing import Any

from brands.wall import scope
from members import contacts
from members.keys import group_keys
from members.models import Contact, Identity, MaskedContact, Order, Profile
from tenants.context import tenant_transaction
from tenants.models import Tenant

NAME, PHONE, EMAIL = "欧阳清明", "13877776666", "clearname@example.cn"
MASKED, MEMBER_NO, ORDER_NO = "欧***", "SECRET-MEMBER-77", "SECRET-ORDER-77"
SECRETS = (NAME, PHONE, EMAIL, MASKED, MEMBER_NO, ORDER_NO)

_OWN = frozenset({MEMBER_NO, ORDER_NO, MASKED})
_CONTACT = frozenset({NAME, PHONE, EMAIL})
# Brand tea's member in member-max: role → what it is told by opening all pages.
TOLD: dict[str, frozenset[str]] = {
    "anonymous": frozenset(),
    "outsider": frozenset(),
    "platform_operator": frozenset(),
    "sibling_manager": frozenset(),
    "guide": _OWN,
    "store_manager": _OWN,
    "brand_manager": _OWN,
    "unit_manager": _OWN,
    # Its contract includes no contact data, masked or not.
    "provider_operator": frozenset({MEMBER_NO, ORDER_NO}),
    # The pseudonymous row, and nothing that names a person or what they bought.
    "analyst": frozenset({MEMBER_NO}),
    "group_admin": frozenset({MEMBER_NO}),
}
# What pages told nobody and a reveal tells: role → what it is told by asking for it.
REVEALED = {role: _CONTACT if seen == _OWN else frozenset() for role, seen in TOLD.items()}


def plant(tenant: Tenant, profile_id: object) -> None:
    """Give a member a name, a phone and an order, and sales enough to stand in every list."""
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        profile = Profile.objects.get(pk=profile_id)
        Profile.objects.filter(pk=profile.pk).update(
            member_no=MEMBER_NO, sales=9_000_000, orders=9, is_member=True
        )
        keys = group_keys()
        Contact.objects.create(
            profile=profile,
            brand_id=profile.brand_id,
            store_id=profile.store_id,
            sealed=contacts.seal(keys, {"name": NAME, "phone": f"+86{PHONE}", "email": EMAIL}),
            phone_key=contacts.identity_key(keys, Identity.Kind.PHONE, f"+86{PHONE}"),
            fingerprint=b"",
        )
        MaskedContact.objects.filter(profile=profile).update(name=MASKED)
        Order.objects.filter(profile=profile).update(order_no=ORDER_NO)


def told(response: Any) -> set[str]:
    """Return the secrets that an answer holds."""
    content = b"".join(response) if response.streaming else response.content
    # A phone is written in groups or with its country code.
    text = content.decode("utf-8", "replace").replace(" ", "")
    return {secret for secret in SECRETS if secret in text}
