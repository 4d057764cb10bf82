"""Certificates of what was done: numbered, without personal data, hung onto the audit's chain."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from members.rights.erasure import UNTOLD
from tenants import audit
from tenants.audit_chain import verify
from tenants.models import AuditEvent, Tenant, User

ACTION = "personrequest.certify"


def fresh_number(tenant: Tenant) -> str:
    """Return a new number that cannot be guessed: answers kept as proof are found by it."""
    # No longer than a request keeps, whatever the group is called.
    return f"{tenant.schema_name[:14]}-{timezone.now():%Y%m%d}-{secrets.token_hex(8)}"


def digest(content: Mapping[str, Any]) -> str:
    """Return the digest of a certificate, as the audit keeps it."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_of(
    *, number: str, what: str, request: str, tenant: Tenant, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Return what a certificate says; counts are by table, of what the asker may know."""
    return {
        "number": number,
        "group": tenant.schema_name,
        "what": what,
        "request": request,
        "done_at": timezone.now().isoformat(timespec="seconds"),
        "counts": {name: count for name, count in sorted(counts.items()) if name not in UNTOLD},
    }


def hang(*, content: Mapping[str, Any], target: Any, acting_user: User | None) -> AuditEvent:
    """Append a certificate's number and digest to the group's audit: append it last."""
    return audit.record(
        acting_user=acting_user,
        action=ACTION,
        target=target,
        target_name=content["number"],
        changes={"digest": ["", digest(content)]},
    )


def fault(content: Mapping[str, Any], *, tenant: Tenant) -> str:
    """Return in words why a certificate is not one of this group's, unchanged; "" where it is."""
    number = str(content.get("number", ""))
    events = AuditEvent.objects.filter(tenant=tenant, action=ACTION, target_name=number)
    event = events.order_by("number").first() if number else None
    if event is None:
        return _("The audit of this group knows no certificate with this number.")
    if event.changes.get("digest") != ["", digest(content)]:
        return _("The certificate was changed: its digest is not the one that the audit keeps.")
    result = verify(tenant.pk)
    if result.is_whole or (result.number is not None and result.number > event.number):
        return ""
    return _("The audit does not hold up to this certificate: %(why)s") % {"why": result.words}
