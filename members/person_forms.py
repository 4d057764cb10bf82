"""The form of what one identifier does."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from members.identity.rules import TRUST, Rule
from members.models import IdentityKind


class IdentityRuleForm(forms.Form):
    """Ask what one kind of identifier does in the group."""

    is_linking = forms.BooleanField(label=_("Joins persons"), required=False)
    trust = forms.IntegerField(
        label=_("Place in the order of trust"), min_value=1, max_value=len(TRUST)
    )
    most_profiles = forms.IntegerField(
        label=_("Most members of a brand who share one"), min_value=1, max_value=10_000
    )
    is_exclusive = forms.BooleanField(label=_("A person has only one"), required=False)
    is_group_wide = forms.BooleanField(label=_("Counts across brands"), required=False)

    def __init__(self, data: Any, *, prefix: str, rule: Rule) -> None:
        self.rule = rule
        self.kind = IdentityKind(rule.kind)
        initial = {name: getattr(rule, name) for name in self.base_fields}
        super().__init__(data, prefix=prefix, initial=initial)
        if self.kind is not IdentityKind.CARD:
            # Of the others it follows from what they are.
            del self.fields["is_group_wide"]

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what was asked for, of every field."""
        return {"is_group_wide": self.rule.is_group_wide, **self.cleaned_data}
