"""Check chains of the audit in the background, and give a chain out as a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import logging
import tempfile
from typing import BinaryIO, cast

from django.db import transaction
from django.utils import timezone

from tenants import audit, audit_chain
from tenants.audit_telling import Reader
from tenants.models import AuditCheck, AuditEvent, AuditHead, Tenant, User

log = logging.getLogger(__name__)

# Events in one file of an export, and in one query for it.
PART = 50_000
_CHUNK = 2000
# A check that nobody answered for this long is asked for anew.
_LOST_AFTER = dt.timedelta(minutes=30)
COLUMNS = (
    "number",
    "at",
    "user_name",
    "role",
    "engagement_id",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "brands",
    "changes",
    "digest",
    "key_id",
)


@transaction.atomic
def check_ask(*, tenant: Tenant | None, acting_user: User) -> AuditCheck:
    """Write down that a chain is to be checked; return the check under way where there is one."""
    waiting = AuditCheck.objects.filter(
        tenant=tenant,
        state=AuditCheck.State.ASKED,
        asked_at__gt=timezone.now() - _LOST_AFTER,
    ).first()
    if waiting is not None:
        return waiting
    check = AuditCheck.objects.create(tenant=tenant, asked_by_name=str(acting_user)[:120])
    audit.record(acting_user=acting_user, action="audit.verify", tenant=tenant)
    return check


def check_run(check: AuditCheck) -> AuditCheck:
    """Go through the chain that a check is about, and write down what was found."""
    result = audit_chain.verify(check.tenant_id or audit_chain.PLATFORM)
    check.state = AuditCheck.State.WHOLE if result.is_whole else AuditCheck.State.BROKEN
    check.events, check.fault, check.fault_number = result.events, result.fault, result.number
    check.finished_at = timezone.now()
    check.save()
    if not result.is_whole:
        log.error("audit: the chain of group %s does not fit. %s", result.chain, result.words)
    return check


def check_all() -> int:
    """Check every chain, note the ends in the platform's and log its end; return the misfits."""
    tenants: list[Tenant | None] = [None, *Tenant.objects.order_by("pk")]
    broken = 0
    for tenant in tenants:
        check = check_run(AuditCheck(tenant=tenant))
        broken += check.state == AuditCheck.State.BROKEN
    end = audit_chain.anchor()
    log.info("audit: the platform's chain ends with %s:%s", end.number, end.digest.hex())
    return broken


def last_check(tenant: Tenant | None) -> AuditCheck | None:
    """Return the newest check of a chain."""
    return AuditCheck.objects.filter(tenant=tenant).order_by("-id").first()


def parts(tenant: Tenant | None) -> int:
    """Return in how many files a chain is given out; an empty one in one."""
    count = (
        AuditHead.objects.filter(pk=tenant.pk if tenant else audit_chain.PLATFORM)
        .values_list("count", flat=True)
        .first()
    )
    return max(1, -(-(count or 0) // PART))


def _cell(value: object) -> str:
    """Write a value so that no spreadsheet takes it for a formula."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def file_of(tenant: Tenant | None, part: int, reader: Reader) -> BinaryIO:
    """Return one part of a chain as an open CSV file, with numbers and seals, in little memory.

    What READER is not told is left out of it; its seals are those of the whole.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        after, last = (part - 1) * PART, part * PART
        while after < last:
            events = AuditEvent.objects.filter(tenant=tenant, number__gt=after, number__lte=last)
            told = [reader.read(event) for event in events.order_by("number")[:_CHUNK]]
            if not told:
                break
            writer.writerows([_cell(getattr(event, name)) for name in COLUMNS] for event in told)
            after = told[-1].number
    finally:
        # Writes out what is left and keeps the file open.
        text.detach()
    file.seek(0)
    return cast(BinaryIO, file)
