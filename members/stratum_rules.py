"""Write rules of strata: HQ the group's, a brand in brand-max its own."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from brands.models import Brand
from brands.selectors import effective_modes
from brands.wall import scope
from members.models import BrandStratumRule, GroupStratumRule
from members.strata import Owner, rule_owner
from members.stratify import refresh_enqueue
from tenants import audit
from tenants.models import User


class RuleRefused(ValueError):
    """Say in the user's words why a rule was not written."""


THRESHOLDS = (
    *("favourable_orders", "favourable_sales", "favourable_days"),
    *("true_love_orders", "true_love_sales", "true_love_days"),
)


def may_write(brand: Brand | None) -> bool:
    """Tell whether the open scope writes this brand's rule, or the group's where there is none."""
    visible = scope.current().visible
    if brand is None:
        return visible is None or visible.writes_group
    modes = visible.modes if visible else effective_modes()
    owns = visible is None or brand.pk in visible.write_brands
    return owns and rule_owner(modes[brand.pk]) is Owner.BRAND


@transaction.atomic
def rule_add(
    *, brand: Brand | None, acting_user: User | None, **thresholds: int | None
) -> BrandStratumRule | GroupStratumRule:
    """Append a version of a rule and ask for the strata that it gives; in an open scope.

    The former version stays as it was. Raises RuleRefused.
    """
    if not may_write(brand):
        raise RuleRefused(
            _("HQ writes this brand's rule in its mode of today. Nothing was changed.")
            if brand is not None
            else _("Only HQ writes the group's rule. Nothing was changed.")
        )
    by = {
        "decided_by": acting_user,
        "decided_by_name": str(acting_user)[:120] if acting_user else "system",
    }
    rule: BrandStratumRule | GroupStratumRule
    if brand is None:
        rule = GroupStratumRule(**by, **thresholds)
    else:
        rule = BrandStratumRule(brand=brand, **by, **thresholds)
    if not rule.favourable_orders:
        raise RuleRefused(_("Somebody favourable has ordered at least once. Nothing was changed."))
    try:
        rule.full_clean(validate_unique=False, exclude=["brand", "decided_by"])
    except ValidationError as error:
        raise RuleRefused(
            _(
                "True-love needs at least as many orders and sales as favourable, and a last order "
                "at least as recent. Nothing was changed."
            )
        ) from error
    former = GroupStratumRule.objects.order_by("-pk").first()
    rule.save()
    audit.record(
        acting_user=acting_user,
        action="stratumrule.add",
        target=rule,
        # HQ reads the audit, and not the rules of a brand in brand-max.
        changes={} if brand is not None else _changes(former, rule),
    )
    refresh_enqueue()
    return rule


def _changes(former: GroupStratumRule | None, rule: object) -> dict[str, list[int | None]]:
    pairs = {name: [getattr(former, name, None), getattr(rule, name)] for name in THRESHOLDS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
