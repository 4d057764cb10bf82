"""Issue sharing records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from brands.models import SharingRecord
from brands.records.content import Content, digest
from tenants import audit
from tenants.models import User

# Two who issue at the same moment line up; more tries than this would be something else.
_TRIES = 5


@transaction.atomic
def record_issue(
    *,
    first_on: dt.date,
    last_on: dt.date,
    sides: Iterable[str],
    content: Content,
    acting_user: User,
) -> SharingRecord:
    """Keep a record under the next number, with its digest; nothing changes it afterwards."""
    name = str(acting_user)[:120]
    for _try in range(_TRIES):
        number = (SharingRecord.objects.aggregate(last=Max("number"))["last"] or 0) + 1
        made_at = timezone.now()
        said: dict[str, Any] = {
            "number": number,
            "first_on": first_on,
            "last_on": last_on,
            "made_at": made_at,
        }
        try:
            with transaction.atomic():
                record = SharingRecord.objects.create(
                    sides=sorted(sides),
                    content=content,
                    digest=digest(**said, made_by_name=name, content=content),
                    made_by=acting_user,
                    made_by_name=name,
                    **said,
                )
            break
        except IntegrityError:
            continue
    else:
        raise RuntimeError("No number was free for the sharing record.")
    audit.record(
        acting_user=acting_user,
        action="sharing_record.issue",
        target=record,
        changes={
            "first_on": ["", first_on.isoformat()],
            "last_on": ["", last_on.isoformat()],
            "digest": ["", record.digest],
        },
    )
    return record


def record_is_intact(record: SharingRecord) -> bool:
    """Tell whether a record still says what was issued."""
    return record.digest == digest(
        number=record.number,
        first_on=record.first_on,
        last_on=record.last_on,
        made_at=record.made_at,
        made_by_name=record.made_by_name,
        content=record.content,
    )
