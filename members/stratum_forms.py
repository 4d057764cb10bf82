"""The form of a rule of strata; sales are asked for in units of the currency."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from brands.formatting import major_units
from members.models import StratumThresholds

_MOST = 1_000_000
_MOST_SALES = 1_000_000_000


def _number(label: Any, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, max_value=_MOST, **options)


def _amount(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, min_value=0, max_value=_MOST_SALES, decimal_places=2, initial=0
    )


class RuleForm(forms.Form):
    """Ask for the thresholds of one version of a rule."""

    favourable_orders = _number(_("Favourable: orders, at least"), min_value=1, initial=2)
    favourable_sales = _amount(_("Favourable: sales, at least"))
    favourable_days = _number(
        _("Favourable: last order within days"),
        min_value=1,
        required=False,
        help_text=_("Empty: whenever it was."),
    )
    true_love_orders = _number(_("True-love: orders, at least"), min_value=1, initial=5)
    true_love_sales = _amount(_("True-love: sales, at least"))
    true_love_days = _number(
        _("True-love: last order within days"),
        min_value=1,
        required=False,
        help_text=_("Empty: whenever it was."),
    )

    @classmethod
    def of(cls, rule: StratumThresholds | None, *, prefix: str) -> RuleForm:
        """Return the form filled with what is in force."""
        if rule is None:
            return cls(prefix=prefix)
        initial = {name: getattr(rule, name) for name in cls.base_fields}
        for name in ("favourable_sales", "true_love_sales"):
            initial[name] = major_units(initial[name])
        return cls(prefix=prefix, initial=initial)

    @property
    def thresholds(self) -> dict[str, int | None]:
        """Return what was asked for, sales in minor units."""
        found = dict(self.cleaned_data)
        for name in ("favourable_sales", "true_love_sales"):
            found[name] = int(found[name] / major_units(1))
        return found
