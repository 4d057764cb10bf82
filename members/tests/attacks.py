"""What tests of attacks share: somebody's phone, nobody's, and figures that are counted anew."""

from __future__ import annotations

from members.answer_figures import count_if_stale
from members.rollups import finish_pending
from members.strata_figures import count_if_due
from members.stratify import refresh_if_stale
from tenants.models import Tenant

HEAD = "member_no,name,phone,card_no\n"
THEIRS, NOBODYS = "13900139000", "13900139001"


def count_anew(acme: Tenant) -> None:
    """Do what the minutes after an import or an answer do."""
    finish_pending(tenant=acme)
    refresh_if_stale(tenant=acme)
    count_if_due(tenant=acme)
    count_if_stale(tenant=acme)
