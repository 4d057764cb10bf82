"""What the group promises whoever asks, and what the law makes it keep."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from members.models import RightsRule
from members.models.rights import LATEST_DAYS
from members.rights.errors import RightsRefused
from tenants import audit
from tenants.models import Tenant, User


def rule_now() -> RightsRule:
    """Return the newest version of the group's rule, or what holds where it has made none."""
    return RightsRule.objects.order_by("-pk").first() or RightsRule()


def today(tenant: Tenant) -> dt.date:
    """Return the group's own day."""
    return timezone.now().astimezone(ZoneInfo(tenant.time_zone)).date()


@transaction.atomic
def rule_set(*, deadline_days: int, orders_months: int, acting_user: User) -> RightsRule:
    """Append a version of the rule; raises RightsRefused for a promise longer than allowed."""
    if not 1 <= deadline_days <= LATEST_DAYS:
        raise RightsRefused(
            _("Requests are answered within %(days)d days at most. Nothing was changed.")
            % {"days": LATEST_DAYS}
        )
    before = rule_now()
    rule = RightsRule.objects.create(
        deadline_days=deadline_days,
        orders_months=orders_months,
        decided_by_name=str(acting_user)[:120],
    )
    audit.record(
        acting_user=acting_user,
        action="rightsrule.change",
        target=rule,
        changes={
            "deadline_days": [before.deadline_days, deadline_days],
            "orders_months": [before.orders_months, orders_months],
        },
    )
    return rule
